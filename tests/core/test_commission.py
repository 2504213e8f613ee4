from fractions import Fraction
from math import floor

import pytest
from hypothesis import given
from hypothesis import strategies as st
from talk import make_programme

from dca_bot.core.commission import Split, parse_percent, split_commission
from dca_bot.errors import DcaBotError
from dca_bot.messages.render import load_texts
from dca_bot.messages.say import Percent, Say

TEXTS = load_texts(make_programme())


def percent_text(percent_bp):
    """Write a percentage as people are told it."""
    return TEXTS.render(Say("lines", lines=Percent(percent_bp)), "en")


def split_model(commission_sat, percents_bp):
    """Give each party its whole sats, then one sat at a time to whoever lacks most of one."""
    names = sorted(percents_bp, key=str.lower)
    parties = [(name, Fraction(percents_bp[name], 100)) for name in names]
    parties.append((None, 100 - sum(percent for _, percent in parties)))
    got = {name: floor(commission_sat * percent / 100) for name, percent in parties}
    lacks = {name: commission_sat * percent / 100 - got[name] for name, percent in parties}
    while sum(got.values()) < commission_sat:
        winner = max(lacks, key=lambda name: lacks[name])  # the first of equal ones
        got[winner] += 1
        lacks[winner] = Fraction(-1)
    rest_sat = got.pop(None)
    return {name: sat for name, sat in got.items() if sat}, rest_sat


@pytest.mark.parametrize(
    ("commission_sat", "percents_bp", "sats", "rest_sat"),
    [
        (1000, {}, {}, 1000),
        (1000, {"rosa": 10_000}, {"rosa": 1000}, 0),
        (1000, {"rosa": 4000, "ana": 1250}, {"ana": 125, "rosa": 400}, 475),
        (0, {"rosa": 4000}, {}, 0),
        # The largest remainder gets what is left over.
        (10, {"a": 3333, "b": 3333, "c": 3334}, {"a": 3, "b": 3, "c": 4}, 0),
        (1, {"rosa": 4999}, {}, 1),
        (1, {"rosa": 5001}, {"rosa": 1}, 0),
        # Among equal ones the name decides, whatever the case, and the rest comes last.
        (1, {"b": 5000, "A": 5000}, {"A": 1}, 0),
        (1, {"rosa": 5000}, {"rosa": 1}, 0),
        (2, {"b": 2500, "a": 2500, "C": 2500}, {"a": 1, "b": 1}, 0),
        # Who gets nothing is left out.
        (3, {"big": 9999, "tiny": 1}, {"big": 3}, 0),
    ],
)
def test_commission_is_split_by_percent(commission_sat, percents_bp, sats, rest_sat):
    assert split_commission(commission_sat, percents_bp) == Split(sats, rest_sat)


@st.composite
def percentages(draw):
    """Draw up to eight names with percentages that leave between nothing and everything."""
    names = draw(st.lists(st.text("abAB", min_size=1), max_size=8, unique_by=str.lower))
    cuts = draw(
        st.lists(
            st.integers(1, 10_000), min_size=len(names), max_size=len(names), unique=bool(names)
        )
    )
    edges = [0, *sorted(cuts)]
    return {name: edges[n + 1] - edges[n] for n, name in enumerate(names)}


commissions = st.one_of(st.integers(0, 12), st.integers(0, 10**6), st.integers(0, 21 * 10**14))


@given(commissions, percentages())
def test_split_equals_the_model_and_adds_up(commission_sat, percents_bp):
    split = split_commission(commission_sat, percents_bp)
    assert (split.sats, split.rest_sat) == split_model(commission_sat, percents_bp)
    assert sum(split.sats.values()) + split.rest_sat == commission_sat
    for name, sat in split.sats.items():
        assert sat > 0
        assert abs(sat - Fraction(commission_sat * percents_bp[name], 10_000)) < 1


@given(commissions, percentages(), st.randoms(use_true_random=False))
def test_order_of_setting_changes_nothing(commission_sat, percents_bp, rng):
    shuffled = list(percents_bp.items())
    rng.shuffle(shuffled)
    assert split_commission(commission_sat, dict(shuffled)) == split_commission(
        commission_sat, percents_bp
    )


@pytest.mark.parametrize(
    ("commission_sat", "percents_bp"),
    [
        (-1, {"a": 5}),
        (5, {"a": 10_001}),
        (5, {"a": 6000, "b": 4001}),
        (5, {"a": 0}),
        (5, {"a": -1}),
    ],
)
def test_impossible_terms_are_refused(commission_sat, percents_bp):
    with pytest.raises(ValueError, match="cannot split"):
        split_commission(commission_sat, percents_bp)


@pytest.mark.parametrize(
    ("text", "percent_bp", "shown"),
    [
        ("40", 4000, "40%"),
        ("40%", 4000, "40%"),
        ("40 %", 4000, "40%"),
        ("12.5", 1250, "12.5%"),
        ("12,5", 1250, "12.5%"),
        ("33.33%", 3333, "33.33%"),
        ("0.01", 1, "0.01%"),
        ("0.50", 50, "0.5%"),
        ("100", 10_000, "100%"),
        ("100.00", 10_000, "100%"),
    ],
)
def test_percent_is_read_exactly_and_written_back(text, percent_bp, shown):
    assert parse_percent(text) == percent_bp
    assert percent_text(percent_bp) == shown


@pytest.mark.parametrize(
    "text",
    [
        "",
        "0",
        "0.00",
        "-5",
        "100.01",
        "101",
        "12.345",
        "0.001",
        "1e2",
        "½",
        "٤",
        "40%%",
        ".5",
        "5.",
        "a",
    ],
)
def test_unclear_percent_is_refused(text):
    with pytest.raises(DcaBotError, match="above 0 and at most 100"):
        parse_percent(text)


@given(st.integers(1, 10_000))
def test_every_percentage_survives_writing_and_reading(percent_bp):
    assert parse_percent(percent_text(percent_bp)) == percent_bp
