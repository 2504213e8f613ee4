"""What stands beside an amount: the bot's own currency, another one, or no unit at all."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from dca_bot.core.currencies import SATS, Mark, mark_of
from dca_bot.core.money import parse_fiat, parse_sat
from dca_bot.errors import OtherUnit

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
