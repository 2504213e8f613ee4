"""What stands beside an amount: the bot's own currency, another one, or no unit at all."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from dca_bot.core.currencies import SATS, SHOWN_SIGNS, Mark, mark_of, sign_of
from dca_bot.core.money import checked_currency, minor_digits, parse_fiat, parse_sat, plain_decimal
from dca_bot.errors import DcaBotError, OtherUnit

OTHERS = (
    *(
        "USD",
        "usd",
        "Usd",
        "$",
        "US$",
        "us$",
        "U$S",
        "u$d",
        "€",
        "EUR",
        "eur",
        "£",
        "¥",
        "₿",
        "₡",
        "¢",
    ),
    *(
        "MXN",
        "mxn",
        "MX$",
        "L",
        "l",
        "L.",
        "Lps",
        "lps.",
        "HNL",
        "C$",
        "S/",
        "S/.",
        "B/.",
        "Bs",
        "bs",
    ),
    *("R$", "RD$", "BTC", "btc", "sats", "sat", "satoshis", "bitcoin", "USDT", "COP", "PEN", "CRC"),
    *("dólares", "dolares", "DÓLARES", "dólar", "dollars", "pesos", "peso", "euros", "lempiras"),
    *(
        "colones",
        "córdobas",
        "soles",
        "libras",
        "reais",
        "centavos",
        "cents",
        "msats",
        "JPY",
        "xof",
    ),
)
OWN = ("GTQ", "gtq", "Q", "q", "Q.", "quetzales", "Quetzal", "QUETZALES")
NOTES = (
    *(
        "asked",
        "de",
        "la",
        "all",
        "Bob",
        "top",
        "Try",
        "first",
        "Zona",
        "10",
        "",
        "(",
        "-",
        "real",
        "sol",
    ),
    *("s/", "g", "Colón", "Bolívar", "Market", "maria", "Qs", "usds", "dolly", "no.", "#5", "½"),
)


@pytest.mark.parametrize("word", OTHERS)
def test_another_unit_is_known_before_and_after_an_amount(word):
    assert mark_of(word, "GTQ") is Mark.OTHER
    for text in (f"{word}100", f"{word} 100", f"100{word}", f"100 {word}", f"1,500.00 {word}"):
        with pytest.raises(OtherUnit):
            parse_fiat(text, "GTQ")


@pytest.mark.parametrize("word", OWN)
def test_own_currency_is_known_by_code_sign_and_name(word):
    assert mark_of(word, "GTQ") is Mark.OWN
    for text in (f"{word}100", f"{word} 100", f"100{word}", f"100 {word}", f"{word}100 {word}"):
        assert parse_fiat(text, "GTQ") == 10_000


@pytest.mark.parametrize("word", NOTES)
def test_other_words_are_no_units(word):
    assert mark_of(word, "GTQ") is None


@pytest.mark.parametrize(
    ("word", "currency", "mark"),
    [
        *(("$", code, Mark.OWN) for code in ("USD", "MXN", "COP", "CLP", "ARS", "CAD", "HKD")),
        *(("$", code, Mark.OTHER) for code in ("GTQ", "EUR", "BRL", "NIO", "HNL", SATS)),
        *(("pesos", code, Mark.OWN) for code in ("MXN", "COP", "DOP")),
        *(("dollars", code, Mark.OWN) for code in ("USD", "CAD", "BZD")),
        *(("pesos", "USD", Mark.OTHER), ("dólares", "MXN", Mark.OTHER), ("US$", "MXN", Mark.OTHER)),
        *(("MX$", "MXN", Mark.OWN), ("HK$", "HKD", Mark.OWN), ("US$", "USD", Mark.OWN)),
        *(("Q", "HNL", Mark.OTHER), ("L", "HNL", Mark.OWN), ("Bs", "BOB", Mark.OWN)),
        *(("Bs", "VES", Mark.OWN), ("₡", "CRC", Mark.OWN), ("S/", "PEN", Mark.OWN)),
        *(("sats", SATS, Mark.OWN), ("BTC", SATS, Mark.OTHER), ("GTQ", SATS, Mark.OTHER)),
        *(("XTS", "XTS", Mark.OWN), ("xts", "XTS", Mark.OWN), ("GTQ", "XTS", Mark.OTHER)),
    ],
)
def test_whose_a_word_is_depends_on_the_bots_currency(word, currency, mark):
    assert mark_of(word, currency) is mark


@pytest.mark.parametrize("text", ["500 GTQ", "Q500", "500Q", "0.1 BTC", "₿1", "500 msats", "$5"])
def test_fiat_is_no_amount_of_sats(text):
    with pytest.raises(OtherUnit):
        parse_sat(text)


@given(st.text(max_size=12), st.sampled_from(["GTQ", "USD", SATS]))
def test_any_word_is_judged(word, unit):
    assert mark_of(word, unit) in (Mark.OWN, Mark.OTHER, None)


# ISO 4217, the currencies in use that have notes, by the digits of their minor unit.
CASH = {
    0: "BIF CLP DJF GNF ISK JPY KMF KRW PYG RWF UGX VND VUV XAF XOF XPF",
    3: "BHD IQD JOD KWD LYD OMR TND",
    2: (
        "AED AFN ALL AMD AOA ARS AUD AWG AZN BAM BBD BDT BGN BMD BND BOB BRL BSD BTN BWP BYN BZD CAD CDF"
        " CHF CNY COP CRC CUP CVE CZK DKK DOP DZD EGP ERN ETB EUR FJD FKP GBP GEL GHS GIP GMD GTQ GYD"
        " HKD HNL HTG HUF IDR ILS INR IRR JMD KES KGS KHR KPW KYD KZT LAK LBP LKR LRD LSL MAD MDL MGA"
        " MKD MMK MNT MOP MRU MUR MVR MWK MXN MYR MZN NAD NGN NIO NOK NPR NZD PAB PEN PGK PHP PKR PLN"
        " QAR RON RSD RUB SAR SBD SCR SDG SEK SGD SHP SLE SOS SRD SSP STN SVC SYP SZL THB TJS TMT TOP"
        " TRY TTD TWD TZS UAH USD UYU UZS VED VES WST XCD XCG YER ZAR ZMW ZWG"
    ),
}
# In Lamassu's own list of currencies, of 2016, though no longer in use.
FORMER = {0: "BYR", 2: "ANG CUC HRK MRO SLL STD VEF ZWL"}


@pytest.mark.parametrize("listed", [CASH, FORMER], ids=["in use", "at Lamassu"])
def test_every_currency_of_cash_is_taken_with_its_own_minor_unit(listed):
    found = {
        code: minor_digits(checked_currency(code))
        for codes in listed.values()
        for code in codes.split()
    }
    assert found == {code: digits for digits, codes in listed.items() for code in codes.split()}


def test_there_are_as_many_currencies_in_use_as_iso_4217_lists():
    assert sum(len(codes.split()) for codes in CASH.values()) == 156


@pytest.mark.parametrize(
    ("written", "meant"),
    [
        *(("GTG", "GTQ"), ("gtq", "GTQ"), ("Q", "GTQ"), ("quetzal", "GTQ"), ("GQT", "GTQ")),
        *(("€", "EUR"), ("USDD", "USD"), ("soles", "PEN"), ("GTQ\n", "GTQ")),
        *(("XYZ", None), ("USDT", None), ("BTC", None), ("sats", None), ("$", None)),
        *(
            ("XAU", None),
            ("CLF", None),
            ("dollars", None),
            ("", None),
            ("x" * 500, None),
        ),
    ],
)
def test_what_is_no_currency_of_cash_is_refused_with_the_nearest_code(written, meant):
    with pytest.raises(DcaBotError, match="is no currency of cash") as refused:
        checked_currency(written)
    said = str(refused.value)
    assert (f"Did you mean {meant}?" in said) if meant else ("mean" not in said)
    assert len(said) < 150


@pytest.mark.parametrize("code", sorted(SHOWN_SIGNS))
def test_shown_sign_is_the_sign_of_one_currency_and_is_read_back(code):
    sign = sign_of(code)
    assert sign is not None
    assert [other for other in sorted(SHOWN_SIGNS) if mark_of(sign, other) is Mark.OWN] == [code]
    assert mark_of(sign, "XXX") is Mark.OTHER
    digits = minor_digits(code)
    written = f"{sign}{plain_decimal(150_000 * 10**digits, digits, group='{:,}'.format)}"
    assert parse_fiat(written, code) == 150_000 * 10**digits


@pytest.mark.parametrize("code", ["JPY", "CNY", "NIO", "ARS", "COP", "VES", "BOB", "CHF"])
def test_currency_whose_sign_others_share_has_no_sign(code):
    assert sign_of(code) is None
