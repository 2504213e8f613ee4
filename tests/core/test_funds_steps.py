from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from dca_bot.core.funds import (
    Levels,
    Purse,
    Step,
    TopUp,
    Trouble,
    least_sat,
    next_step,
    wanted_sat,
)
from dca_bot.core.payout import TOP_UP_LIFE

NOW = datetime(2026, 3, 1, 12, tzinfo=UTC)
LATER = NOW + timedelta(hours=24)
MUCH = 10**9
LEVELS = Levels(low_sat=500, top_up_to_sat=2000)
OFF = Levels(low_sat=0, top_up_to_sat=2000)


def purse(free_sat, **how):
    return Purse(balance_msat=(free_sat + 100) * 1000, needed_msat=100_000, **how)


def told(trouble, *, expires_at=LATER, balance_sat=100, asked_sat=1600):
    return TopUp(trouble, expires_at, balance_sat * 1000, asked_sat)


LOW, SHORT = told(Trouble.LOW), told(Trouble.SHORT)
OVER = {"expires_at": NOW}


@pytest.mark.parametrize(
    ("now_there", "before", "step"),
    [
        (purse(500), None, Step.NOTHING),
        (purse(499), None, Step.WARN),
        (purse(-50), None, Step.WARN),
        (purse(499), LOW, Step.NOTHING),
        (purse(0), LOW, Step.NOTHING),
        (purse(499), told(Trouble.LOW, **OVER), Step.WARN),
        (purse(499), told(Trouble.LOW, asked_sat=100), Step.WARN),  # paid, and still low
        (purse(499), told(Trouble.LOW, asked_sat=0, balance_sat=599), Step.NOTHING),  # no invoice
        (purse(500), LOW, Step.NOTHING),
        (purse(874), LOW, Step.NOTHING),
        (purse(874), told(Trouble.LOW, **OVER), Step.NOTHING),
        (purse(875), LOW, Step.ALL_CLEAR),
        (purse(-1, kept_back_msat=MUCH), None, Step.ASK),
        (purse(-1, kept_back_msat=MUCH), LOW, Step.ASK),
        (purse(-1, kept_back_msat=MUCH), SHORT, Step.NOTHING),
        (purse(-1, kept_back_msat=MUCH, is_waiting=True), SHORT, Step.NOTHING),
        (purse(-1, kept_back_msat=MUCH), told(Trouble.SHORT, **OVER), Step.ASK),
        (purse(1600, kept_back_msat=MUCH), SHORT, Step.ASK),  # paid, and still short
        (purse(-1, kept_back_msat=MUCH, peak_msat=1_700_000), SHORT, Step.ASK),  # paid, and sent on
        (purse(-1, kept_back_msat=MUCH, peak_msat=1_699_999), SHORT, Step.NOTHING),
        (purse(2000, is_waiting=True), SHORT, Step.NOTHING),
        (purse(-1, is_waiting=True), told(Trouble.SHORT, **OVER), Step.NOTHING),
        (purse(499), SHORT, Step.EASE),
        (purse(499), told(Trouble.SHORT, **OVER), Step.WARN),
        (purse(499), told(Trouble.SHORT, asked_sat=0), Step.WARN),
        (purse(500), SHORT, Step.ALL_CLEAR),
        (purse(2000), told(Trouble.SHORT, **OVER), Step.ALL_CLEAR),
    ],
)
def test_operators_are_told_what_is_new(now_there, before, step):
    assert next_step(now_there, LEVELS, before, NOW) is step


@pytest.mark.parametrize(
    ("now_there", "before", "step"),
    [
        (purse(0), None, Step.NOTHING),
        (purse(-1), None, Step.NOTHING),
        (purse(-1), told(Trouble.SHORT, **OVER), Step.ALL_CLEAR),
        (purse(-1, kept_back_msat=MUCH), None, Step.ASK),
        (purse(5), LOW, Step.ALL_CLEAR),
    ],
)
def test_without_a_threshold_there_is_no_warning(now_there, before, step):
    assert next_step(now_there, OFF, before, NOW) is step


@pytest.mark.parametrize(
    ("levels", "clear_sat", "target_sat"),
    [
        (Levels(500_000, 2_000_000), 875_000, 2_000_000),
        (Levels(500_000, 0), 625_000, 625_000),
        (Levels(500_000, 500_000), 625_000, 625_000),
        (Levels(0, 100), 25, 100),
        (Levels(0, 0), 0, 0),
    ],
)
def test_top_up_always_ends_the_warning(levels, clear_sat, target_sat):
    assert (levels.clear_sat, levels.target_sat) == (clear_sat, target_sat)


def test_invoice_asks_for_all_that_is_missing_rounded_up():
    lacking = Purse(balance_msat=49_999_001, needed_msat=50_000_000)
    assert wanted_sat(lacking, Levels(0, 0)) == 1
    assert wanted_sat(lacking, Levels(0, 1000)) == 1001
    assert least_sat(lacking, Levels(700, 1000), Trouble.SHORT) == 1
    assert least_sat(lacking, Levels(700, 1000), Trouble.LOW) == 701


sats = st.integers(0, 5000)
levels = st.builds(Levels, st.integers(0, 3000), st.integers(0, 5000))
rounds = st.lists(
    st.tuples(
        sats,  # the balance
        st.integers(0, 1500),  # what is needed
        st.booleans(),  # whether a payout was tried
        st.integers(0, 30),  # hours since the round before
    ),
    max_size=40,
)


@example(Levels(0, 0), [(0, 1, False, 0)])  # without a threshold nothing is low
@given(levels, rounds)
def test_nothing_is_told_twice_and_nothing_is_kept_back(limits, story):
    """Whatever the balance does: each message follows from the one before it, and is due."""
    now, before, warned_at = NOW, None, None
    for balance_sat, needed_sat, is_tried, hours in story:
        now += timedelta(hours=hours)
        is_short = is_tried and needed_sat > balance_sat
        kept_back_msat = needed_sat * 1000 if is_short else 0
        here = Purse(balance_sat * 1000, needed_sat * 1000, kept_back_msat=kept_back_msat)
        is_low = limits.low_sat > 0 and balance_sat - needed_sat < limits.low_sat
        step = next_step(here, limits, before, now)
        if step is Step.WARN:
            assert is_low
            assert not is_short
            was_paid = (
                before and balance_sat * 1000 >= before.balance_msat + before.asked_sat * 1000
            )
            assert warned_at is None or now - warned_at >= TOP_UP_LIFE or was_paid
        if step is Step.ALL_CLEAR:
            assert before is not None
            assert not is_short
            assert not is_low
        if step is Step.NOTHING and is_short:
            assert before is not None
            assert before.trouble is Trouble.SHORT
        if step is Step.NOTHING and is_low and not is_short:
            assert before is not None
            assert before.trouble is Trouble.LOW
            assert before.expires_at > now
        before, warned_at = after(step, here, limits, before, now, warned_at)
        assert next_step(here, limits, before, now) is Step.NOTHING, "said once is enough"


def after(step, here, limits, before, now, warned_at):
    """Note what was told, as the bot does."""
    match step:
        case Step.ASK | Step.WARN:
            trouble = Trouble.SHORT if step is Step.ASK else Trouble.LOW
            asked_sat = wanted_sat(here, limits)
            assert asked_sat >= least_sat(here, limits, trouble) > 0
            noted = TopUp(trouble, now + TOP_UP_LIFE, here.balance_msat, asked_sat)
            paid = Purse(here.balance_msat + asked_sat * 1000, here.needed_msat)
            assert next_step(paid, limits, noted, now) is Step.ALL_CLEAR, "paid is enough"
            return noted, now if step is Step.WARN else None
        case Step.EASE:
            return TopUp(Trouble.LOW, before.expires_at, *_rest(before)), None
        case Step.ALL_CLEAR:
            return None, None
    return before, warned_at


def _rest(before):
    return before.balance_msat, before.asked_sat


@given(levels.filter(lambda limits: limits.low_sat > 3), st.lists(st.booleans(), max_size=30))
def test_balance_that_plays_around_the_threshold_is_told_of_once(limits, ups):
    before, steps = None, []
    for is_up in ups:
        free_sat = limits.clear_sat - 1 if is_up else limits.low_sat - 1
        here = Purse(free_sat * 1000, 0)
        step = next_step(here, limits, before, NOW)
        before, _ = after(step, here, limits, before, NOW, None)
        steps.append(step)
    assert steps.count(Step.WARN) <= 1
    assert set(steps) <= {Step.WARN, Step.NOTHING}
