"""The computer's clock can be wrong; uptime and the world's time never are."""

from datetime import UTC, datetime, timedelta

import pytest

from simulation.virtual_time import BEGIN, SEEN_AFTER, ComputerClock, VirtualLoop, WorldTime

HOUR = timedelta(hours=1)


@pytest.fixture
def run_for():
    """Return a loop's true time and its computer's clock, and how to let time pass."""
    loop = VirtualLoop()
    time = WorldTime(loop)

    def pass_(span):
        loop.run_until_complete(time.sleep(span))

    return time, ComputerClock(time), pass_


def test_clock_that_was_set_is_wrong_by_as_much_until_it_is_set_right(run_for):
    time, clock, pass_ = run_for
    clock.set(3 * HOUR)
    pass_(HOUR)
    assert (clock.now(), clock.is_right()) == (BEGIN + 4 * HOUR, False)
    clock.set()
    assert (clock.now(), clock.is_right(), clock.changed_at) == (time.now(), True, time.now())


def test_clock_that_is_too_fast_gains_time(run_for):
    _, clock, pass_ = run_for
    clock.set(drift=0.01)
    pass_(10 * HOUR)
    assert clock.wrong() == HOUR / 10
    assert clock.true_span(101 * HOUR) == 100 * HOUR


def test_computer_that_starts_anew_counts_its_uptime_from_then_whatever_its_clock_shows(run_for):
    _, clock, pass_ = run_for
    before = clock.uptime()
    pass_(HOUR)
    clock.reboot(datetime(1970, 1, 1, tzinfo=UTC))
    pass_(HOUR)
    assert clock.now() == datetime(1970, 1, 1, 1, tzinfo=UTC)
    assert clock.uptime().elapsed == HOUR
    assert clock.uptime().boot != before.boot


def test_clock_that_was_set_is_seen_soon_or_at_the_next_start(run_for):
    time, clock, pass_ = run_for
    clock.begin_watch()
    clock.set(HOUR)
    assert clock.seen_by == time.now() + SEEN_AFTER
    pass_(SEEN_AFTER / 2)
    clock.end_watch()
    pass_(HOUR)
    clock.begin_watch()
    at_start = time.now()
    assert clock.seen_by == at_start
    pass_(HOUR)
    clock.end_watch()
    clock.begin_watch()
    assert clock.seen_by == at_start
