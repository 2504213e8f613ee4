"""Times of day fall due once a local date, in every time zone and through every change of its clock."""

from datetime import UTC, date, datetime, time, timedelta
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st

from dca_bot.core.calendar import SUNDAY, due_date, instant_of, last_due

ZONES = [
    "America/Guatemala",
    "Europe/Berlin",
    "America/New_York",
    "America/Sao_Paulo",  # its clock was put forward at midnight
    "America/St_Johns",  # and this one put back at one minute past it
    "Africa/Cairo",
    "Australia/Lord_Howe",  # by half an hour
    "Asia/Kathmandu",
    "Pacific/Kiritimati",
    "UTC",
]
DAY = timedelta(days=1)
zones = st.sampled_from(ZONES).map(ZoneInfo)
times = st.times().map(lambda at: at.replace(second=0, microsecond=0))
instants = st.datetimes(datetime(2005, 1, 1), datetime(2030, 1, 1), timezones=st.just(UTC))  # noqa: DTZ001

# (zone, local date, time of day, the instant in UTC)
BERLIN, GUATEMALA = "Europe/Berlin", "America/Guatemala"
INSTANTS = [
    (GUATEMALA, (2026, 3, 1), (19, 0), (2026, 3, 2, 1, 0)),
    (BERLIN, (2026, 1, 10), (19, 0), (2026, 1, 10, 18, 0)),
    (BERLIN, (2026, 7, 10), (19, 0), (2026, 7, 10, 17, 0)),
    (BERLIN, (2026, 3, 29), (2, 30), (2026, 3, 29, 1, 30)),  # never shown: it is 3:30 then
    (BERLIN, (2026, 10, 25), (2, 30), (2026, 10, 25, 0, 30)),  # shown twice: the first
    ("America/Sao_Paulo", (2018, 11, 4), (0, 0), (2018, 11, 4, 3, 0)),  # midnight is skipped
]


@pytest.mark.parametrize(("zone", "day", "at", "instant"), INSTANTS)
def test_time_of_day_is_one_instant_of_each_date(zone, day, at, instant):
    assert instant_of(date(*day), time(*at), ZoneInfo(zone)) == datetime(*instant, tzinfo=UTC)


@given(now=instants, at=times, zone=zones, weekday=st.none() | st.integers(0, 6))
def test_last_due_is_the_newest_of_all_dates(now, at, zone, weekday):
    around = [now.date() + n * DAY for n in range(-10, 11)]
    days = [day for day in around if weekday in (None, day.weekday())]
    assert last_due(now, at, zone, weekday=weekday) == max(
        moment for day in days if (moment := instant_of(day, at, zone)) <= now
    )


@given(start=instants, at=times.filter(lambda at: at.hour < 23), zone=zones)
def test_each_date_comes_once_however_often_one_looks(start, at, zone):
    done, told = None, []
    for minutes in range(0, 5 * 24 * 60, 25):
        now = start + timedelta(minutes=minutes)
        day = due_date(now, at, zone, done=done)
        if day is not None:
            told.append(day)
            done = day
            assert timedelta() <= now - instant_of(day, at, zone) < DAY + timedelta(hours=1)
    assert told == sorted(set(told))
    assert len(told) in (5, 6)


GUATEMALA_AT_8 = [
    # (now in UTC, the date that is done, what is due)
    ("2026-03-02 13:59", (2026, 3, 1), None),
    ("2026-03-02 14:00", (2026, 3, 1), (2026, 3, 2)),
    ("2026-03-02 14:00", None, (2026, 3, 2)),
    ("2026-03-02 14:01", (2026, 3, 2), None),
    ("2026-03-03 05:59", (2026, 3, 1), (2026, 3, 2)),
    ("2026-03-03 06:01", (2026, 3, 1), None),  # past midnight: yesterday's never comes
    ("2026-03-09 20:00", (2026, 3, 1), (2026, 3, 9)),  # one after a week, not seven
    ("2026-03-02 20:00", (2026, 3, 3), None),  # the clock was put back by a day
    ("2026-03-02 20:00", (2031, 1, 1), (2026, 3, 2)),  # it had been years ahead
]


@pytest.mark.parametrize(("now", "done", "due"), GUATEMALA_AT_8)
def test_date_is_due_from_its_hour_to_midnight(now, done, due):
    now = datetime.fromisoformat(now).replace(tzinfo=UTC)
    done, due = (date(*day) if day else None for day in (done, due))
    assert due_date(now, time(8), ZoneInfo(GUATEMALA), done=done) == due


@pytest.mark.parametrize(
    ("now", "due"),
    [
        ("2026-03-01 17:59", "2026-02-22 18:00"),  # 1 March is a Sunday
        ("2026-03-01 18:00", "2026-03-01 18:00"),
        ("2026-03-07 12:00", "2026-03-01 18:00"),
        ("2026-03-29 16:59", "2026-03-22 18:00"),  # the clock was put forward that night
        ("2026-03-29 17:00", "2026-03-29 17:00"),
    ],
)
def test_sundays_evening_in_berlin(now, due):
    now, due = (datetime.fromisoformat(text).replace(tzinfo=UTC) for text in (now, due))
    assert last_due(now, time(19), ZoneInfo(BERLIN), weekday=SUNDAY) == due
