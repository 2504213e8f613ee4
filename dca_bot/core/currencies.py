"""Tells the unit that a word beside an amount names: the bot's own currency, or another unit.

The invariant: an amount is never taken for the bot's currency if a code, sign or name beside the
amount says otherwise. Codes are ISO 4217's. Signs and names are those of the Americas, in English
and Spanish, and of the best known currencies elsewhere.
"""

import difflib
import re
import unicodedata
from enum import Enum, auto
from typing import Final

SATS: Final = "sats"
"""Stands for sats where a currency's code is asked for."""

# Former codes too (SVC, VEF …): people still write them.
_ALL_CODES = (
    "AED AFN ALL AMD ANG AOA ARS AUD AWG AZN BAM BBD BDT BGN BHD BIF BMD BND BOB BOV BRL BSD BTN BWP"
    " BYN BZD CAD CDF CHE CHF CHW CLF CLP CNY COP COU CRC CUC CUP CVE CZK DJF DKK DOP DZD EGP ERN ETB"
    " EUR FJD FKP GBP GEL GHS GIP GMD GNF GTQ GYD HKD HNL HRK HTG HUF IDR ILS INR IQD IRR ISK JMD JOD"
    " JPY KES KGS KHR KMF KPW KRW KWD KYD KZT LAK LBP LKR LRD LSL LYD MAD MDL MGA MKD MMK MNT MOP MRU"
    " MUR MVR MWK MXN MXV MYR MZN NAD NGN NIO NOK NPR NZD OMR PAB PEN PGK PHP PKR PLN PYG QAR RON RSD"
    " RUB RWF SAR SBD SCR SDG SEK SGD SHP SLE SLL SOS SRD SSP STN SVC SYP SZL THB TJS TMT TND TOP TRY"
    " TTD TWD TZS UAH UGX USD USN UYI UYU UYW UZS VED VEF VES VND VUV WST XAF XAG XAU XCD XCG XOF XPF YER"
    " ZAR ZMW ZWG ZWL BTC XBT LBTC ETH USDT USDC LTC XMR"
)
_CODES = frozenset(_ALL_CODES.split())
_NO_NOTES = "BOV CHE CHW CLF COU MXV USN UYI UYW XAG XAU BTC XBT LBTC ETH USDT USDC LTC XMR"
_FORMER_AT_LAMASSU = frozenset({"BYR", "MRO", "STD"})
"""Codes that Lamassu's list of currencies still has; beside an amount nobody writes them."""
_CASH_CODES = _CODES.difference(_NO_NOTES.split()) | _FORMER_AT_LAMASSU
_WORDS_LIKE_CODES = frozenset({"all", "bob", "sos", "top", "try"})
"""Unless in capitals these are English or Spanish words, or a name, with which a note may begin."""

_SIGNS: dict[str, tuple[str, ...]] = {
    "ARS": ("$", "ar$"),
    "AUD": ("$", "a$", "au$"),
    "BBD": ("$", "bds$"),
    "BOB": ("bs", "$b"),
    "BRL": ("r$",),
    "BSD": ("$", "b$"),
    "BZD": ("$", "bz$"),
    "CAD": ("$", "c$", "ca$", "can$"),
    "CLP": ("$", "cl$", "ch$", "clp$"),
    "CNY": ("¥", "元"),
    "COP": ("$", "co$", "col$"),
    "CRC": ("₡", "¢"),
    "CUP": ("$", "cu$", "$mn"),
    "DOP": ("$", "rd$"),
    "EUR": ("€",),
    "GBP": ("£",),
    "GTQ": ("q",),
    "HNL": ("l", "lps", "lp", "lmp"),
    "HTG": ("g",),
    "JMD": ("$", "j$"),
    "JPY": ("¥", "円"),
    "MXN": ("$", "mx$", "mex$"),
    "NIO": ("c$", "cs"),
    "NZD": ("$", "nz$"),
    "PAB": ("b/",),
    "PEN": ("s/",),
    "PHP": ("₱",),
    "PYG": ("₲", "gs"),
    "TTD": ("$", "tt$"),
    "USD": ("$", "us$", "u$s", "u$", "u$d"),
    "UYU": ("$", "$u", "uy$", "ur$"),
    "VES": ("bs", "bsd", "bss"),
    "XCD": ("$", "ec$"),
    "BTC": ("₿",),
}
SHOWN_SIGNS = {
    "AUD": "A$",
    "BRL": "R$",
    "CAD": "CA$",
    "CRC": "₡",
    "DOP": "RD$",
    "EUR": "€",
    "GBP": "£",
    "GTQ": "Q",
    "HNL": "L",
    "JMD": "J$",
    "MXN": "MX$",
    "NZD": "NZ$",
    "PEN": "S/",
    "PHP": "₱",
    "PYG": "₲",
    "TTD": "TT$",
    "USD": "US$",
}
"""Signs that amounts are written with, each the sign of one currency only."""
_DOLLARS = frozenset(
    {
        "USD",
        "CAD",
        "AUD",
        "NZD",
        "BBD",
        "BSD",
        "BZD",
        "JMD",
        "TTD",
        "XCD",
        "HKD",
        "SGD",
        "TWD",
        "BMD",
    }
    | {"KYD", "GYD", "SRD", "FJD", "LRD", "NAD"}
)
_PESOS = frozenset({"ARS", "CLP", "COP", "CUP", "DOP", "MXN", "PHP", "UYU"})
_NAMES: dict[str, frozenset[str]] = {
    "dollar dollars dolar dolares buck bucks": _DOLLARS,
    "peso pesos": _PESOS,
    "quetzal quetzales quetzals": frozenset({"GTQ"}),
    "lempira lempiras": frozenset({"HNL"}),
    "cordoba cordobas": frozenset({"NIO"}),
    "colon colones colons": frozenset({"CRC", "SVC"}),
    "balboa balboas": frozenset({"PAB"}),
    "soles": frozenset({"PEN"}),
    "boliviano bolivianos": frozenset({"BOB"}),
    "bolivar bolivares bolivars": frozenset({"VES"}),
    "guarani guaranies guaranis": frozenset({"PYG"}),
    "reais reales": frozenset({"BRL"}),
    "gourde gourdes": frozenset({"HTG"}),
    "euro euros": frozenset({"EUR"}),
    "pound pounds libra libras quid": frozenset({"GBP", "EGP", "LBP", "SYP", "SDG"}),
    "franc francs franco francos": frozenset({"CHF", "XAF", "XOF", "XPF", "RWF", "BIF"}),
    "yen yens yenes": frozenset({"JPY"}),
    "yuan yuanes yuans renminbi": frozenset({"CNY"}),
    "rupee rupees rupia rupias": frozenset({"INR", "PKR", "LKR", "NPR", "IDR"}),
    "sat sats satoshi satoshis": frozenset({SATS}),
    "bitcoin bitcoins btcs": frozenset({"BTC"}),
    "msat msats millisat millisats millisatoshi millisatoshis": frozenset(),
    "tether tethers": frozenset({"USDT"}),
    # Hundredths: 50 centavos are not 50.00.
    "cent cents centavo centavos centimo centimos ctv ctvs ctms ctm": frozenset(),
}
_CURRENCIES_OF_NAME = {name: codes for names, codes in _NAMES.items() for name in names.split()}
_CURRENCIES_OF_SIGN = {
    sign: frozenset(code for code, signs in _SIGNS.items() if sign in signs)
    for signs in _SIGNS.values()
    for sign in signs
} | {"$": _DOLLARS | _PESOS}
_LOUD_SIGNS = frozenset({"b/", "cs", "g", "gs", "s/"})
"""Signs with a capital: in small letters they begin a note, like `s/ recibo`."""
_PLACES = frozenset({"balboa", "bolivar", "colon", "cordoba"})
"""With a capital these are streets and towns, which machines are named after."""
_WITH_DOLLAR = re.compile(r"[a-z]{0,4}\$[a-z]{0,3}")


class Mark(Enum):
    """The unit of an amount by the word beside: the bot's own currency, or another unit."""

    OWN = auto()
    OTHER = auto()


def mark_of(word: str, unit: str) -> Mark | None:
    """Tell whether a word names `unit` (a currency's code, or SATS) or another unit; None if no unit.

    Case, accents and a full stop at the end don't count.

    >>> mark_of("Q.", "GTQ"), mark_of("Dólares", "GTQ"), mark_of("ana", "GTQ")
    (<Mark.OWN: 1>, <Mark.OTHER: 2>, None)
    """
    bare = word.strip().rstrip(".")
    found = _named_by(bare)
    if found is None:
        return Mark.OWN if bare and bare.upper() == unit else None
    return Mark.OWN if unit in found else Mark.OTHER


def is_cash(code: str) -> bool:
    """Tell whether a code names a currency with notes, as a machine can hold."""
    return code in _CASH_CODES


def sign_of(code: str) -> str | None:
    """Return the sign that stands for one currency alone; None for a currency without such a sign."""
    return SHOWN_SIGNS.get(code)


def nearest_cash(text: str) -> str | None:
    """Return the currency with notes that a sign, a name or a misspelt code most likely means."""
    bare = text.strip().rstrip(".")
    named = _named_by(bare)
    if named is not None:
        return next(iter(named)) if len(named) == 1 and named <= _CASH_CODES else None
    alike = difflib.get_close_matches(bare.upper(), sorted(_CASH_CODES))
    # People mistype a code's end more often than its beginning.
    return min(alike, key=lambda code: code[:1] != bare[:1].upper(), default=None)


def _named_by(bare: str) -> frozenset[str] | None:
    """Return the units that a word can name: empty for an unknown currency's sign, None for no unit."""
    plain, is_small = _plain(bare), bare.islower()
    if plain.upper() in _CODES and (bare.isupper() or plain not in _WORDS_LIKE_CODES):
        return frozenset({plain.upper()})
    if plain in _CURRENCIES_OF_NAME and (is_small or plain not in _PLACES):
        return _CURRENCIES_OF_NAME[plain]
    if plain in _CURRENCIES_OF_SIGN and not (plain in _LOUD_SIGNS and is_small):
        return _CURRENCIES_OF_SIGN[plain]
    if _WITH_DOLLAR.fullmatch(plain):
        code = plain.replace("$", "").upper()
        return frozenset(one for one in _DOLLARS | _PESOS if code and one.startswith(code))
    is_sign = bare != "" and all(unicodedata.category(char) == "Sc" for char in bare)
    return frozenset() if is_sign else None


def _plain(bare: str) -> str:
    """Bring a word into the form of the tables: small letters without accents."""
    apart = unicodedata.normalize("NFKD", bare)
    return "".join(char for char in apart if not unicodedata.combining(char)).casefold()
