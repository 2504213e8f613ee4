"""When fixed mode buys, also where clocks are changed, and that no day gives more than its limit."""

from calendar import monthrange
from dataclasses import replace
from datetime import UTC, date, datetime, time, timedelta
from fractions import Fraction
from math import ceil, floor
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st

from dca_bot.core.calendar import local_date
from dca_bot.core.clients import LimitPeriod
from dca_bot.core.fixed_schedule import (
    FixedClient,
    Run,
    amounts,
    day_of,
    days_least,
    due,
    is_by_hand,
    is_settling,
    limit_of,
    missed_days,
    next_run,
    nth_part,
    run_by_hand,
    run_to_settle,
    runs_of,
)

GUATEMALA = ZoneInfo("America/Guatemala")
NEW_YORK = ZoneInfo("America/New_York")
DAY = date(2026, 11, 24)
ZONES = (
    "America/Guatemala",
    "America/New_York",
    "America/Havana",
    "America/Nuuk",
    "America/Santiago",
    "Asia/Beirut",
    "Australia/Lord_Howe",
    "Europe/Berlin",
    "Pacific/Apia",
)


def at(text):
    return datetime.fromisoformat(text).replace(tzinfo=UTC)


def clock(text):
    return time.fromisoformat(text)


# Zone, date and local times; the instants in UTC, and what the clocks there show then.
CHANGES = {
    "without changes": (
        ("America/Guatemala", "2026-11-24", "09:00 18:00"),
        "2026-11-24T15:00 2026-11-25T00:00",
    ),
    "New York leaps over 02:30": (
        ("America/New_York", "2026-03-08", "01:30 02:30 03:00"),
        "2026-03-08T06:30 2026-03-08T07:30 2026-03-08T07:00",
    ),
    "New York has 01:30 twice": (
        ("America/New_York", "2026-11-01", "00:30 01:30 02:30"),
        "2026-11-01T04:30 2026-11-01T05:30 2026-11-01T07:30",
    ),
    "Berlin leaps over 02:30": (
        ("Europe/Berlin", "2026-03-29", "02:00 02:30 03:00"),
        "2026-03-29T01:00 2026-03-29T01:30 2026-03-29T01:00",
    ),
    "Berlin has 02:30 twice": (
        ("Europe/Berlin", "2026-10-25", "02:30 03:00"),
        "2026-10-25T00:30 2026-10-25T02:00",
    ),
    "Lord Howe leaps over half an hour": (
        ("Australia/Lord_Howe", "2026-10-04", "02:15 02:30"),
        "2026-10-03T15:45 2026-10-03T15:30",
    ),
    "Lord Howe has half an hour twice": (
        ("Australia/Lord_Howe", "2026-04-05", "01:45 02:00"),
        "2026-04-04T14:45 2026-04-04T15:30",
    ),
    "Havana leaps over midnight, and it stays the same date": (
        ("America/Havana", "2026-03-08", "00:30"),
        "2026-03-08T05:30",
    ),
    "Nuuk leaps over the end of a date, so the run is before it": (
        ("America/Nuuk", "2026-03-28", "22:30 23:30"),
        "2026-03-29T00:30 2026-03-29T00:30",
    ),
    "a date that never was": (("Pacific/Apia", "2011-12-30", "09:00 18:00"), ""),
}


@pytest.mark.parametrize("name", CHANGES)
def test_each_local_time_is_one_instant(name):
    (zone, day, times), expected = CHANGES[name]
    found = runs_of(date.fromisoformat(day), list(map(clock, times.split())), ZoneInfo(zone))
    assert [run.at for run in found] == list(map(at, expected.split()))


def test_run_is_named_by_its_local_date_and_time():
    first, last = runs_of(DAY, (time(9), time(18)), GUATEMALA)
    assert first == Run("fixed:2026-11-24T09:00", DAY, at("2026-11-24T15:00"), 1, 2)
    assert (last.id, last.number, last.count) == ("fixed:2026-11-24T18:00", 2, 2)


@given(
    st.sampled_from(ZONES),
    st.dates(date(2010, 1, 1), date(2035, 12, 31)),
    st.lists(st.times(), min_size=1, max_size=24, unique_by=lambda t: (t.hour, t.minute)),
)
def test_whatever_the_clocks_do_each_run_is_on_its_own_date(zone, day, times):
    timezone = ZoneInfo(zone)
    times = sorted(t.replace(second=0, microsecond=0) for t in times)
    runs = runs_of(day, times, timezone)
    assert all(local_date(run.at, timezone) == run.day == day for run in runs)
    assert len(runs) in (0, len(times)), "a date has all of its runs, or never was"
    assert runs or (zone, day) == ("Pacific/Apia", date(2011, 12, 30))
    assert len({run.id for run in runs}) == len(runs)
    exact = [run for run in runs if f"{run.at.astimezone(timezone):%H:%M}" == run.id[-5:]]
    assert len(exact) == len(runs) or day.month in (3, 4, 5, 8, 9, 10, 11), "few times are shifted"


@given(
    st.sampled_from(ZONES),
    st.datetimes(datetime(2010, 1, 1), datetime(2035, 1, 1), timezones=st.just(UTC)),  # noqa: DTZ001
    st.lists(st.times(), min_size=1, max_size=5, unique_by=lambda t: (t.hour, t.minute)),
)
def test_walking_from_run_to_run_misses_none(zone, now, times):
    timezone = ZoneInfo(zone)
    times = sorted(t.replace(second=0, microsecond=0) for t in times)
    coming = next_run(now, times, timezone)
    assert coming.at > now
    assert coming in runs_of(coming.day, times, timezone)
    first = local_date(now, timezone)
    days = [first + timedelta(days=n) for n in range((coming.day - first).days + 1)]
    passed = [run for day in days for run in runs_of(day, times, timezone)]
    assert [run for run in passed if now < run.at < coming.at] == []


def test_due_runs_come_oldest_first():
    runs = runs_of(date(2026, 3, 8), list(map(clock, ("02:30", "03:00", "18:00"))), NEW_YORK)
    found = due(runs, at("2026-03-08T08:00"))
    assert [run.id[-5:] for run in found] == ["03:00", "02:30"]
    assert due(runs, at("2026-03-08T06:59")) == []


def test_run_by_hand_never_has_the_id_of_a_scheduled_one():
    now = at("2026-11-24T15:00")
    by_hand = run_by_hand(now, GUATEMALA)
    (scheduled,) = runs_of(DAY, (time(9),), GUATEMALA)
    assert by_hand.id == "fixed:2026-11-24T09:00:00-06:00"
    assert (by_hand.day, by_hand.at, by_hand.number, by_hand.count) == (DAY, now, 1, 1)
    assert (is_by_hand(by_hand.id), is_by_hand(scheduled.id)) == (True, False)


def test_run_that_settles_has_the_id_of_no_other_run():
    now = at("2026-11-24T15:00")
    ana, ben = (run_to_settle(client_id, now, GUATEMALA) for client_id in (1, 2))
    assert ana.id == "fixed:2026-11-24T09:00:00-06:00:settles:1"
    assert len({ana.id, ben.id, run_by_hand(now, GUATEMALA).id}) == 3
    assert (day_of(ana.id), ana.day) == ("2026-11-24", DAY)
    assert (is_settling(ana.id), is_settling(run_by_hand(now, GUATEMALA).id)) == (True, False)


def test_run_by_hand_in_an_hour_that_comes_twice_has_an_id_of_its_own():
    first, second = at("2026-11-01T05:30"), at("2026-11-01T06:30")
    assert run_by_hand(first, NEW_YORK).id != run_by_hand(second, NEW_YORK).id


@pytest.mark.parametrize(
    ("last", "missed"),
    [
        ("2026-11-24", []),
        ("2026-11-23", ["2026-11-23"]),
        ("2026-11-21", ["2026-11-21", "2026-11-22", "2026-11-23"]),
        ("2026-11-30", []),
    ],
)
def test_missed_days_reach_up_to_yesterday(last, missed):
    found = missed_days(date.fromisoformat(last), DAY)
    assert [day.isoformat() for day in found] == missed


def test_missed_days_are_bounded():
    found = missed_days(date(2020, 1, 1), DAY)
    assert (len(found), found[-1]) == (31, date(2026, 11, 23))


# How much


@given(st.integers(0, 10**12), st.integers(1, 24))
def test_portions_of_a_day_add_up_to_the_limit(limit, count):
    parts = [nth_part(limit, number, count) for number in range(1, count + 1)]
    assert sum(parts) == limit
    assert max(parts) - min(parts) <= 1


@given(st.integers(0, 10**15), st.dates(date(2024, 1, 1), date(2030, 12, 31)))
def test_limit_of_a_date_is_the_contracts_and_a_periods_dates_have_the_whole(limit, day):
    monday = day - timedelta(days=day.weekday())
    first, days = day.replace(day=1), monthrange(day.year, day.month)[1]
    for period, start, count in (("weekly", monday, 7), ("monthly", first, days)):
        parts = [
            limit_of(start + timedelta(days=n), limit, LimitPeriod(period)) for n in range(count)
        ]
        for d, part in enumerate(parts, start=1):
            assert part == floor(Fraction(limit * d, count)) - floor(
                Fraction(limit * (d - 1), count)
            )
        assert sum(parts) == limit
        assert max(parts) <= ceil(Fraction(limit, days_least(LimitPeriod(period))))
    assert limit_of(day, limit, LimitPeriod.DAILY) == limit


def run(number, count):
    return Run(f"fixed:2026-11-24T{number:02}:00", DAY, at("2026-11-24T15:00"), number, count)


@pytest.mark.parametrize(
    ("number", "limit", "balance", "given", "ceiling", "amount"),
    [
        (1, 100, 1000, 0, 1000, 50),
        (2, 101, 1000, 50, 1000, 51),
        (2, 300, 1000, 50, 1000, 150),  # raised from 100 after the first run
        (2, 40, 1000, 50, 1000, None),  # lowered below what was given
        (2, 60, 1000, 50, 1000, 10),
        (1, 100, 30, 0, 1000, 30),
        (1, 100, 0, 0, 1000, None),
        (1, 0, 1000, 0, 1000, None),
        (1, 1, 1000, 0, 1000, None),
        (2, 1, 1000, 0, 1000, 1),
        (1, 100, 1000, 0, 40, 40),
        (2, 100, 1000, 40, 40, None),
        (2, 100, 1000, 90, 80, None),  # the ceiling was lowered
    ],
)
def test_run_gives_its_portion_within_balance_limit_and_ceiling(
    number, limit, balance, given, ceiling, amount
):
    found = amounts(run(number, 2), [FixedClient(7, limit, balance, given)], ceiling)
    assert found == ({} if amount is None else {7: amount})


def test_run_by_hand_gives_the_rest_of_the_day():
    by_hand = run_by_hand(at("2026-11-24T15:00"), GUATEMALA)
    assert amounts(by_hand, [FixedClient(7, 300, 1000, 50)], 1000) == {7: 250}
    assert amounts(by_hand, [FixedClient(7, 300, 1000, 50)], 200) == {7: 150}


money = st.integers(0, 5000)
events = st.lists(
    st.tuples(st.sampled_from(["run", "run", "by hand", "limit", "deposit", "withdraw"]), money),
    max_size=40,
)


@given(events, money, money, st.integers(1, 6), money)
def test_no_day_gives_more_than_ceiling_highest_limit_and_balance(
    story, limit, balance, count, ceiling
):
    client = FixedClient(1, limit, balance, 0)
    highest, number = limit, 0
    for what, minor in story:
        if what == "limit":
            client = replace(client, limit_minor=minor)
            highest = max(highest, minor)
        elif what in ("deposit", "withdraw"):
            more = minor if what == "deposit" else -min(minor, client.balance_minor)
            client = replace(client, balance_minor=client.balance_minor + more)
        elif what == "by hand" or number < count:
            number += what == "run"
            of = run(number, count) if what == "run" else run(1, 1)
            part = amounts(of, [client], ceiling).get(1, 0)
            assert part <= max(0, client.limit_minor - client.given_minor)
            client = replace(
                client,
                given_minor=client.given_minor + part,
                balance_minor=client.balance_minor - part,
            )
        assert client.balance_minor >= 0
        assert client.given_minor <= min(ceiling, highest)


@given(money, st.integers(1, 24))
def test_day_without_changes_gives_the_whole_limit(limit, count):
    client = FixedClient(1, limit, 10**6, 0)
    for number in range(1, count + 1):
        part = amounts(run(number, count), [client], 10**6).get(1, 0)
        client = replace(client, given_minor=client.given_minor + part)
    assert client.given_minor == limit
