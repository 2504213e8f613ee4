"""A language is one file: other plurals, marks in numbers and dates come from CLDR, exactly."""

import re
from contextlib import suppress
from datetime import date, time
from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st
from talk import START, make_programme

from dca_bot.core.market import price_text
from dca_bot.core.money import FIAT_MINOR_MAX, fiat_text, parse_fiat, parse_sat, sat_text
from dca_bot.errors import DcaBotError
from dca_bot.messages.render import LANGUAGES, Texts, load_texts
from dca_bot.messages.say import (
    Day,
    Fiat,
    LanguageName,
    Moment,
    Percent,
    Plain,
    Rate,
    Reported,
    Sat,
    Say,
    Tenths,
    Times,
    Word,
)

ENGLISH = """
nothing = ""
lines = "{lines}"
hello = "Hello!"

[locale]
name = "English"
cldr = "en"
moment = "yyyy-MM-dd HH:mm"
day = "yyyy-MM-dd"
time = "HH:mm"
fiat = "{number} {currency}"
fiat_signed = "{sign}{number}"
sats_and_coins = "{sats} ({coins} BTC)"
percent = "{number}%"
sats.one = "{n} sat"
sats.other = "{n} sats"

[payouts]
one = "One payout"
other = "{n} payouts"

[unsent]
one = "One message"
other = "{n} messages"

[word.payout]
DONE = "done"
"""
POLISH = """
lines = "{lines}"
hello = ""

[locale]
name = "polski"
cldr = "pl"
moment = "dd.MM.yyyy HH:mm"
day = "dd.MM.yyyy"
time = "H:mm"
fiat = "{currency} {number}"
fiat_signed = "{number} {sign}"
percent = "{number} %"
sats.one = "{n} sat"
sats.few = "{n} saty"
sats.many = "{n} satów"

[payouts]
one = "Jedna wypłata"
few = "{n} wypłaty"
many = "{n} wypłat"
"""
ARABIC = """
[locale]
name = "العربية"
cldr = "ar"

[payouts]
zero = "zero {n}"
one = "one"
two = "two"
few = "few {n}"
many = "many {n}"
other = "other {n}"
"""
SHIPPED = load_texts(make_programme())
AMOUNTS = st.integers(min_value=-(10**40), max_value=10**40)


@pytest.fixture
def texts(tmp_path):
    """The texts of a folder with three languages, two of which have only a handful of texts."""
    for language, catalogue in (("en", ENGLISH), ("pl", POLISH), ("ar", ARABIC)):
        (tmp_path / f"{language}.toml").write_text(catalogue, encoding="utf-8")
    return load_texts(make_programme(), tmp_path)


def show(texts, field, language):
    return texts.render(Say("lines", lines=field), language)


@pytest.mark.parametrize(
    ("n", "told"),
    [
        (0, "0 wypłat"),
        (1, "Jedna wypłata"),
        (2, "2 wypłaty"),
        (4, "4 wypłaty"),
        (5, "5 wypłat"),
        (12, "12 wypłat"),
        (21, "21 wypłat"),
        (22, "22 wypłaty"),
        (112, "112 wypłat"),
        (1_000_000, "1000000 wypłat"),
    ],
)
def test_polish_counts_by_its_own_plural_forms(texts, n, told):
    assert texts.render(Say("payouts", n=n), "pl") == told


@pytest.mark.parametrize(
    ("n", "told"),
    [
        (0, "zero 0"),
        (1, "one"),
        (2, "two"),
        (3, "few 3"),
        (11, "many 11"),
        (100, "other 100"),
        (103, "few 103"),
    ],
)
def test_arabic_has_six_plural_forms(texts, n, told):
    assert texts.render(Say("payouts", n=n), "ar") == told


@pytest.mark.parametrize(
    ("field", "told"),
    [
        (Fiat(150_050), "1\xa0500,50 Q"),
        (Fiat(-5), "-0,05 Q"),
        (Sat(1), "1 sat"),
        (Sat(-1), "-1 sat"),
        (Sat(1_234_567), "1\xa0234\xa0567 satów (0,01234567 BTC)"),
        (Sat(12_342), "12\xa0342 saty"),
        (Rate(20_000, 24_000), "833\xa0333 Q"),
        (Percent(1250), "12,5 %"),
        (Tenths(25), "2,5"),
        (Moment(START), "01.03.2026 06:00"),
        (Day(date(2026, 3, 1)), "01.03.2026"),
        (Times((time(9), time(18, 30))), "9:00, 18:30"),
        (Reported(Decimal("1500.125"), "GTQ"), "1\xa0500,125 Q"),
        (Reported(Decimal(20), "CHF"), "CHF 20"),
        (LanguageName("en"), "English"),
        (LanguageName("pl"), "polski"),
        (LanguageName("xx"), "xx"),
    ],
)
def test_polish_writes_amounts_and_dates_its_own_way(texts, field, told):
    assert show(texts, field, "pl") == told


def test_text_that_a_new_language_lacks_is_told_in_english_with_english_plurals(texts):
    assert texts.render(Say("hello"), "pl") == "Hello!"
    assert texts.render(Say("unsent", n=2), "pl") == "2 messages"
    assert texts.render(Say("unsent", n=1), "ar") == "One message"
    assert show(texts, Word("payout", "DONE"), "pl") == "done"
    assert show(texts, Fiat(150_000), "ar") == "Q1,500.00"
    with pytest.raises(KeyError):
        texts.render(Say("no such key"), "pl")


def test_what_is_to_be_typed_or_read_by_a_program_is_the_same_in_each_language(texts):
    for language in ("en", "pl", "ar"):
        assert show(texts, Plain(Fiat(150_050)), language) == "Q1,500.50"
        assert show(texts, Plain(Moment(START)), language) == "2026-03-01 06:00"


def signed(text, currency):
    """Return a core's amount as people are shown the amount: with the sign of GTQ in front."""
    number = text.removesuffix(" GTQ")
    if currency != "GTQ":
        return text
    return f"-Q{number[1:]}" if number.startswith("-") else f"Q{number}"


def with_coins(sat):
    """Return a core's amount of sats as people are shown the amount."""
    if abs(sat) <= 1_000_000:
        return sat_text(sat)
    whole, part = divmod(abs(sat), 10**8)
    return f"{sat_text(sat)} ({'-' if sat < 0 else ''}{whole:,}.{part:08} BTC)"


@given(AMOUNTS, st.sampled_from(["GTQ", "JPY", "KWD"]))
def test_english_and_spanish_write_money_as_the_core_does_to_the_last_digit(amount, currency):
    texts = load_texts(make_programme(currency=currency))
    for language in ("en", "es"):
        assert show(texts, Fiat(amount), language) == signed(fiat_text(amount, currency), currency)
        assert show(texts, Sat(amount), language) == with_coins(amount)
        rate = Rate(abs(amount), 24_000)
        price = price_text(abs(amount), 24_000, currency)
        assert show(texts, rate, language) == signed(price, currency)


@given(st.integers(min_value=0, max_value=10_000))
def test_english_and_spanish_write_percentages_without_zeros_at_the_end(percent_bp):
    plain = f"{percent_bp // 100}.{percent_bp % 100:02}".rstrip("0").rstrip(".")
    for language in ("en", "es"):
        assert show(SHIPPED, Percent(percent_bp), language) == f"{plain}%"


@pytest.mark.parametrize("language", LANGUAGES)
@given(amount=AMOUNTS)
def test_no_language_loses_a_digit_of_an_amount(language, amount):
    assert digits_of(show(SHIPPED, Fiat(amount), language)) == f"{abs(amount):03}"
    sats, _, coins = show(SHIPPED, Sat(amount), language).partition(" (")
    assert digits_of(sats) == str(abs(amount))
    assert digits_of(coins) == (f"{abs(amount):09}" if abs(amount) > 1_000_000 else "")


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("1E+30", "Q1,000,000,000,000,000,000,000,000,000,000"),
        ("-0.0000001", "-Q0.0000001"),
        ("9" * 40 + ".25", "Q9,999" + ",999" * 12 + ".25"),
    ],
)
def test_amount_that_nobody_could_use_is_told_to_the_last_digit(text, told):
    assert show(SHIPPED, Reported(Decimal(text), "GTQ"), "en") == told


@pytest.mark.parametrize(
    ("cldr", "told"),
    [
        ("hi", "Q12,34,56,789.01"),
        ("de", "Q123.456.789,01"),
        ("de_CH", "Q123'456'789.01"),
        ("fr", "Q123\u202f456\u202f789,01"),
    ],
)
def test_digits_are_grouped_as_the_locale_does(tmp_path, cldr, told):
    (tmp_path / "en.toml").write_text(ENGLISH)
    (tmp_path / "xx.toml").write_text(f'locale.cldr = "{cldr}"\n')
    texts = load_texts(make_programme(), tmp_path)
    assert show(texts, Fiat(12_345_678_901), "xx") == told


@pytest.mark.parametrize("cldr", ["ar", "de", "de_CH", "es", "fr", "hi", "pl", "pt", "sv"])
@given(
    minor=st.integers(min_value=1, max_value=FIAT_MINOR_MAX),
    currency=st.sampled_from(["GTQ", "JPY", "KWD"]),
)
def test_amount_that_is_copied_from_an_answer_is_read_as_it_was_or_refused(cldr, minor, currency):
    locale = {"locale.cldr": cldr}
    texts = Texts({**SHIPPED.catalogues, "xx": locale}, currency, SHIPPED.timezone)
    with suppress(DcaBotError):
        assert parse_fiat(show(texts, Fiat(minor), "xx"), currency) == minor
    with suppress(DcaBotError):
        assert parse_sat(show(texts, Sat(minor), "xx")) == minor


@pytest.mark.parametrize("language", LANGUAGES)
def test_each_language_writes_dates_and_percentages(language):
    assert "2026" in show(SHIPPED, Moment(START), language)
    assert "2026" in show(SHIPPED, Day(date(2026, 3, 1)), language)
    this_year = SHIPPED.render(Say("lines", lines=Moment(START)), language, now=START)
    assert this_year == {"en": "1 Mar 06:00", "es": "1 mar 06:00"}[language]
    assert show(SHIPPED, Times((time(9, 45),)), language).endswith("45")
    assert "12" in show(SHIPPED, Percent(1250), language)
    assert digits_of(show(SHIPPED, Fiat(FIAT_MINOR_MAX), language)) == str(FIAT_MINOR_MAX)


def digits_of(text):
    return re.sub(r"\D", "", text)
