"""Periods are whole local dates: each instant belongs to one date, whatever the clocks do."""

from datetime import UTC, date, datetime, timedelta
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st

from dca_bot.core.calendar import local_date
from dca_bot.core.periods import (
    LAST_MONTH,
    MONTH_NAMES,
    Period,
    calendar_period,
    last_days,
    latest_month,
    month_of,
)

ZONES = ("America/Guatemala", "Europe/Berlin", "Africa/Cairo", "America/Sao_Paulo", "Asia/Beirut")


@pytest.mark.parametrize(
    ("text", "first", "last"),
    [
        ("2026-02", date(2026, 2, 1), date(2026, 2, 28)),
        ("2028-02", date(2028, 2, 1), date(2028, 2, 29)),
        ("2026-12", date(2026, 12, 1), date(2026, 12, 31)),
        ("2026", date(2026, 1, 1), date(2026, 12, 31)),
    ],
)
def test_months_and_years_of_the_calendar(text, first, last):
    assert calendar_period(text) == Period(first, last)


@pytest.mark.parametrize(
    "text", ["2026-13", "2026-00", "2026-3", "26-03", "1999", "3000", "2026-03-01", "", "٢٠٢٦"]
)
def test_other_texts_are_no_calendar_periods(text):
    assert calendar_period(text) is None


def test_last_days_end_today():
    assert last_days(7, date(2026, 3, 7)) == Period(date(2026, 3, 1), date(2026, 3, 7))
    assert last_days(7, date(2026, 3, 7)).days == 7


def test_day_on_which_the_clocks_change_has_23_or_25_hours():
    zone = ZoneInfo("Europe/Berlin")
    days = (date(2026, 3, 28), date(2026, 3, 29), date(2026, 10, 25))
    spans = [Period(day, day).span(zone) for day in days]
    assert [(end - start) / timedelta(hours=1) for start, end in spans] == [24, 23, 25]


@given(
    day=st.dates(date(2001, 1, 1), date(2040, 12, 31)),
    zone=st.sampled_from(ZONES),
    minutes=st.integers(0, 26 * 60),
)
def test_span_of_a_date_has_the_instants_of_the_date_and_no_others(day, zone, minutes):
    zone = ZoneInfo(zone)
    start, end = Period(day, day).span(zone)
    at = datetime(day.year, day.month, day.day, tzinfo=UTC) + timedelta(minutes=minutes)
    assert (start <= at < end) == (local_date(at, zone) == day)
    assert Period(day + timedelta(1), day + timedelta(1)).span(zone)[0] == end


@given(day=st.dates(date(2001, 1, 1), date(2040, 12, 31)))
def test_a_month_is_its_days(day):
    month = month_of(day)
    assert month.first.day == 1
    assert month.first <= day <= month.last
    assert (month.last + timedelta(1)).day == 1
    assert month.days <= 31


@given(day=st.dates(date(2001, 1, 1), date(2040, 12, 31)), name=st.sampled_from(MONTH_NAMES))
def test_the_latest_month_of_a_name_has_begun_and_is_of_the_last_twelve(day, name):
    month = latest_month(name, day)
    assert month == month_of(month.first)
    assert month.first.strftime("%B").lower() == name
    assert month.first <= day
    assert (day.year - month.first.year) * 12 + day.month - month.first.month < 12


def test_another_word_is_no_month():
    assert latest_month("pending", date(2026, 1, 1)) is None


@given(day=st.dates(date(2001, 1, 1), date(2040, 12, 31)))
def test_the_last_month_ends_the_day_before_this_one_begins(day):
    assert latest_month(LAST_MONTH, day).last + timedelta(1) == month_of(day).first


@pytest.mark.parametrize(("days", "shown"), [(31, date(2026, 3, 17)), (32, date(2026, 3, 1))])
def test_list_of_more_than_a_month_shows_the_months(days, shown):
    assert last_days(days, date(2026, 3, 20)).part_of(date(2026, 3, 17)) == shown
