"""From which instant on cash-outs count, start after start."""

from datetime import timedelta, timezone

import pytest

from dca_bot.ledger.programme import start
from dca_bot.ledger.store import bot_state, clock

DAY = timedelta(days=1)
GUATEMALA = timezone(timedelta(hours=-6))


@pytest.fixture
def begin(story):
    """Start the bot with a configured `start_at` in days from the story's begin; None: left out."""
    zero = story.now

    def do(days, *, after=DAY):
        story.now += after
        configured = None if days is None else zero + days * DAY
        return story.do(start.begin, configured, story.now)

    return do


def test_first_start_asks_nothing_however_long_ago_start_at_lies(story, begin):
    assert not begin(-3000).asks
    assert not story.read(bot_state.paused)


@pytest.mark.parametrize(
    ("first", "then"),
    [(None, -5), (None, 0), (10, 9), (10, None), (-5, -6), (500, 0)],
)
def test_start_at_that_is_moved_back_pauses_until_the_operators_word(story, begin, first, then):
    assert not begin(first).asks
    for _ in range(2):
        begun = begin(then)
        assert begun.asks
        assert story.read(bot_state.paused)
        assert story.read(start.asked) == begun.at < begun.used
    story.do(start.accept)
    assert not story.read(bot_state.paused)
    assert not begin(then).asks, "it was asked once, and is accepted for good"


@pytest.mark.parametrize(
    ("first", "then"), [(None, 20), (-5, -5), (-5, None), (3, 4), (None, None)]
)
def test_start_at_that_stays_or_is_moved_on_asks_nothing(story, begin, first, then):
    begin(first)
    assert not begin(then).asks
    assert not story.read(bot_state.paused)


def test_start_at_that_is_put_back_asks_no_more(story, begin):
    begin(0)
    assert begin(-100).asks
    assert not begin(0).asks
    assert not story.read(bot_state.paused)
    assert begin(-100).asks


def test_same_instant_in_another_offset_is_the_same_start(story):
    at = story.now - DAY
    story.do(start.begin, at, story.now)
    begun = story.do(start.begin, at.astimezone(GUATEMALA), story.now)
    assert (begun.asks, begun.at) == (False, at)


def test_own_pause_of_the_operator_outlasts_the_question(story, begin):
    begin(0)
    story.do(bot_state.put, bot_state.PAUSED, "now")
    begin(-100)
    begin(0)
    assert story.read(bot_state.paused)


def test_first_start_by_a_clock_ahead_asks_nothing_once_the_clock_is_right(story):
    right = story.now
    story.do(start.begin, None, right + 300 * DAY)
    story.do(clock.note, right + 300 * DAY)
    story.do(clock.note, right + DAY)
    assert story.do(clock.accept, right + DAY)
    assert not story.do(start.begin, None, right + 2 * DAY).asks


@pytest.mark.parametrize("back", [timedelta(seconds=1), 5 * DAY])
def test_configured_start_that_lies_ahead_stays_though_the_clock_goes_back(story, begin, back):
    begin(0)
    begun = begin(20)
    story.do(clock.note, story.now)
    story.do(clock.note, story.now - back)
    story.do(clock.accept, story.now - back)
    assert story.read(start.ahead, story.now) == begun.at
    assert begin(19).asks


def test_start_that_lies_ahead_is_known(story, begin):
    begin(20)
    assert story.read(start.ahead, story.now) is not None
    assert story.read(start.ahead, story.now + 30 * DAY) is None


def test_ledger_of_before_this_rule_takes_the_configured_start_as_agreed(story, begin):
    story.do(bot_state.put, bot_state.START_AT, story.now.isoformat())
    assert not begin(-100).asks
    assert begin(-101).asks
