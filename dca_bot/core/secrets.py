"""Finds secrets in people's messages, which must not be stored or passed on: keys, seed words, access links.

The shape decides, not a checksum: a mistyped key is hardly less secret than the key. Shapes that
public things have too pass: Nostr public keys as npub, ids with hyphens, node ids of 66 digits.
"""

import re
import unicodedata
from collections.abc import Collection, Iterator, Sequence
from enum import StrEnum
from functools import cache
from importlib import resources

from dca_bot.core.names import folded, visible


class Secret(StrEnum):
    """The kinds of secrets, by what the owner has to do after sending a secret to somebody."""

    NOSTR_KEY = "nostr_key"
    SEED_WORDS = "seed_words"
    PRIVATE_KEY = "private_key"
    ACCOUNT_LINK = "account_link"
    """LNbits' link of an account (`?usr=`): the account itself, which can't get another id."""
    ACCESS = "access"
    """A connection or login that can be ended where it was made: NWC, macaroon, URL with a password."""
    MONEY = "money"
    """A token that pays whoever redeems it first: Cashu, LNURL-withdraw."""
    WALLET_KEY = "wallet_key"
    """32 hex digits, as LNbits writes admin keys, invoice keys and ids of users."""
    HEX_KEY = "hex_key"
    """64 hex digits: a private key, or a public key or hash; only its owner knows which."""


_BECH32 = "[ac-hj-np-z02-9]"
_BASE58 = "[1-9A-HJ-NP-Za-km-z]"
_ALONE, _END = "(?<![0-9A-Za-z])", "(?![0-9A-Za-z])"
_PATTERNS = {
    Secret.NOSTR_KEY: (
        r"(?i)(?:nsec|ncryptsec)1[0-9a-z]{4}",
        # Spaced or over several lines, as some apps break a long word.
        rf"(?i)n\s?s\s?e\s?c\s?1(?:[\s.,_-]{{0,3}}{_BECH32}){{40}}",
    ),
    Secret.ACCOUNT_LINK: (r"(?i)[?&#]usr=[0-9a-z]{3}",),
    Secret.ACCESS: (
        r"(?i)(?:lndconnect|lndhub|lnbits|clnrest|c-lightning-rest|cln-grpc|bunker)://\S{8}",
        r"(?i)nostr\+?walletconnect:\S{8}",
        r"(?i)[?&#](?:secret|macaroon|rune|(?:access_?)?token|api[-_]?key|admin_?key|password)=\S{8}",
        r"(?i)(?:password|passwd|pgpassword)=\S{4}",
        r"://[^\s/@:]{0,200}:[^\s/@]{1,200}@",
        rf"(?i){_ALONE}0201036c6e64[0-9a-f]{{20}}",  # a macaroon of lnd, in hex and base64
        rf"{_ALONE}AgE[A-D][\w+/-]{{60}}",
        r"eyJ[\w-]{10,2000}\.eyJ[\w-]{10}",  # a JSON web token
    ),
    Secret.MONEY: (
        r"(?:cashu|Cashu|CASHU)[AB][\w-]{10}",
        r"(?i)lnurlw:\S{8}",
        "[\ufe00-\ufe0f\U000e0100-\U000e01ef]{20}",  # a Cashu token inside an emoji
    ),
    Secret.PRIVATE_KEY: (
        rf"{_ALONE}[t-zT-Z]prv{_BASE58}{{60}}",
        rf"{_ALONE}(?:5[HJK]{_BASE58}{{49}}|[KL]{_BASE58}{{51}}|6P{_BASE58}{{56}}){_END}",
        r"(?i)BEGIN (?:[A-Z0-9]{1,20} ){0,4}PRIVATE KEY",
        r"(?i)AGE-SECRET-KEY-1[0-9a-z]{20}|PuTTY-User-Key-File|b3BlbnNzaC1rZXktdjE",
        rf"(?i){_ALONE}ms1{_BECH32}{{40}}",  # a master seed by BIP-93
    ),
}
_SECRETS = {
    kind: tuple(re.compile(pattern) for pattern in patterns) for kind, patterns in _PATTERNS.items()
}
_HEX_WORD = re.compile(r"(?i)(?<![0-9a-z])(?:0x)?([0-9a-f]{28,36}|[0-9a-f]{56,65})(?![0-9a-z])")
_HEX_GROUPS = re.compile(
    r"(?i)(?<![0-9a-z-])[0-9a-f]{4,27}(?:\s{1,3}[0-9a-f]{4,27}){1,20}(?![0-9a-z-])"
)
_MIXED = re.compile(r"(?=[0-9]*[a-f])(?=[a-f]*[0-9])[0-9a-f]+")
_WALLET_KEY_MIN, _HEX_KEY_MIN = 28, 56

_LETTERS_OF_SIGN = 3
"""The letters of the longest ligature; signs of up to 18 letters would make a short text very long."""

_WORD = re.compile(r"[^\W\d_]+")
_LABELS = frozenset({"word", "words", "palabra", "palabras"})
"""Words that number seed words: `palabra 3: ...`."""
_ROW, _PHRASE = 8, 12
"""How many words of the list in a row make no sentence; the number of words of the shortest phrase."""
_TYPOS_MAX = 2
"""How many words of a phrase may be mistyped."""
_COMMON_WORDS = (
    "about above again all also another any before can either every first have into just later make"
    " more must never now once one only other own same since such that then there they this time under"
    " until use what when where will you"
    " bien dos este hacer otro poco sobre todo una uno ver"
)
_COMMON = frozenset(_COMMON_WORDS.split())
"""Words of the lists that sentences are full of; among words drawn by lot they are 1 in 50."""
_COMMON_MAX = 2
_SHORT = 4
"""The first four letters identify a word of the list; some people write only these four."""


def find_secret(text: str, *, public: Collection[str] = ()) -> Secret | None:
    """Tell the kind of secret in a text, None if none is seen; the time grows with the text's length.

    `public`: words in lower case that look like a key in hex but are public.
    """
    for kind, patterns in _SECRETS.items():
        if any(pattern.search(text) for pattern in patterns):
            return kind
    plain = in_plain_letters(text)
    if plain != text:
        return find_secret(plain, public=public)
    if _has_seed_words(text):
        return Secret.SEED_WORDS
    keys = [*(key for key in hex_keys(text) if key not in public), *_hex_groups(text)]
    kinds = {_kind_of(key) for key in keys}
    return next((kind for kind in (Secret.WALLET_KEY, Secret.HEX_KEY) if kind in kinds), None)


def in_plain_letters(text: str) -> str:
    """Return a text in plain letters; a sign for whole words (`ﷺ`) becomes a space."""
    if text.isascii():
        return text
    letters = "".join(
        char if len(unicodedata.normalize("NFKC", char)) <= _LETTERS_OF_SIGN else " "
        for char in visible(text)
    )
    return unicodedata.normalize("NFKC", letters)


def hex_keys(text: str) -> list[str]:
    """Return the words of a text about as long as a key in hex, in lower case.

    Words of digits alone are left out: a bank's reference, for example.
    """
    return [found.lower() for found in _HEX_WORD.findall(text) if not found.isdigit()]


def is_seed_word(word: str) -> bool:
    """Tell whether a word, without case and accents, stands in a list of seed words."""
    return any(word in listed for listed, _ in _seed_words())


def is_key(text: str, kind: Secret) -> bool:
    """Tell whether a text is a single key in hex, of the kind WALLET_KEY or HEX_KEY."""
    return hex_keys(text) == [text.lower()] and _kind_of(text) is kind


def _kind_of(key: str) -> Secret:
    return Secret.HEX_KEY if len(key) >= _HEX_KEY_MIN else Secret.WALLET_KEY


def _hex_groups(text: str) -> Iterator[str]:
    """Yield keys in hex that were written in groups, or broken over two lines."""
    for found in _HEX_GROUPS.finditer(text):
        groups = found[0].lower().split()
        mixed = sum(_MIXED.fullmatch(group) is not None for group in groups)
        joined = "".join(groups)
        if mixed > 1 and len(joined) >= _WALLET_KEY_MIN:
            yield joined


def _has_seed_words(text: str) -> bool:
    """Tell whether a text holds a seed phrase: whole, in large part, or as beginnings of words."""
    words = [word for word in _WORD.findall(folded(text)) if word not in _LABELS]
    for listed, short in _seed_words():
        for start in range(len(words) - _ROW + 1):
            phrase = words[start : start + _PHRASE]
            if _is_seed(phrase, listed) or _is_shortened(phrase, short):
                return True
    return False


def _is_seed(phrase: Sequence[str], listed: frozenset[str]) -> bool:
    """Tell whether words are a phrase, whole or begun; a single word repeated is no phrase."""
    hits = [word in listed for word in phrase]
    if len(phrase) == _PHRASE and all(hits):
        return len({*phrase}) > 1
    is_whole = len(phrase) == _PHRASE and sum(hits) >= _PHRASE - _TYPOS_MAX
    return (is_whole and _is_drawn(phrase)) or (all(hits[:_ROW]) and _is_drawn(phrase[:_ROW]))


def _is_drawn(words: Sequence[str]) -> bool:
    """Tell whether words may be drawn by lot: a sentence repeats common words."""
    common = sum(word in _COMMON for word in words)
    return len({*words}) >= len(words) - 1 and common <= _COMMON_MAX


def _is_shortened(phrase: Sequence[str], short: frozenset[str]) -> bool:
    are_short = all(len(word) <= _SHORT and word in short for word in phrase)
    return len(phrase) == _PHRASE and are_short and _is_drawn(phrase)


@cache
def _seed_words() -> tuple[tuple[frozenset[str], frozenset[str]], ...]:
    """Return BIP-39's lists in English and Spanish: the words, and the words' first four letters."""
    folder = resources.files("dca_bot.core").joinpath("seed_words")
    lists = (
        folded(folder.joinpath(f"{language}.txt").read_text(encoding="utf-8")).split()
        for language in ("en", "es")
    )
    return tuple((frozenset(words), frozenset(word[:_SHORT] for word in words)) for words in lists)
