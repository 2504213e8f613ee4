"""The rule of fixed mode (docs/money.md), written a second time."""

import sqlite3
from collections.abc import Sequence
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from fractions import Fraction
from zoneinfo import ZoneInfo

from simulation.promise import hold

ZONE = ZoneInfo("America/Guatemala")
TIMES = ("09:00", "15:00", "21:00")
DAILY_MAX_MINOR = 200_000
RATE_AGE_MAX = timedelta(minutes=60)
DEVIATION_PERCENT_MAX = 5
MARGIN_PERCENT = "1.25"
SETTLES = ":settles:"
_BY_HAND = len("fixed:2026-03-02T09:00") + 1
_ROWS = (
    "SELECT client.id, fixed_limit_minor, fixed_period,"
    " (SELECT coalesce(sum(iif(to_account = account.id, amount, -amount)), 0) FROM entry"
    "   WHERE account.id IN (to_account, from_account)"
    "   AND posting_id < (SELECT id FROM posting WHERE distribution_id = ?1)),"
    " (SELECT coalesce(sum(minor), 0) FROM share WHERE client_id = client.id AND day = ?2"
    "   AND distribution_id <> ?1)"
    " FROM client JOIN account ON account.client_id = client.id AND account.kind = 'balance'"
    " WHERE role = 'client' AND destination IS NOT NULL AND {}"
)
_TAKE_PART = "state = 'active' AND mode = 'fixed'"


def check(
    ledger: sqlite3.Connection,
    run_id: str,
    *,
    prices: Sequence[Decimal],
    now: datetime,
) -> None:
    """Check the run that was just recorded: whose shares, and how much; raise Violation.

    `prices`: those that LNbits has told lately.
    """
    day = run_id.removeprefix("fixed:")[:10]
    hold(f"{run_id} happened on {now}", is_kept=now.astimezone(ZONE).date().isoformat() == day)
    number, count = 1, 1
    if len(run_id) < _BY_HAND:
        number, count = TIMES.index(run_id[-5:]) + 1, len(TIMES)
    wanted = {}
    settled, margin = run_id.partition(SETTLES)[2], Fraction(MARGIN_PERCENT)
    who = _ROWS.format(f"client.id = {int(settled)}" if settled else _TAKE_PART)
    for client_id, whole, period, balance, given in ledger.execute(who, (run_id, day)):
        limit = _limit(whole, period, date.fromisoformat(day))
        part = limit * number // count - limit * (number - 1) // count
        minor = min(part, balance, limit - given, DAILY_MAX_MINOR - given)
        if settled:
            minor, margin = balance, Fraction(0)
        if minor > 0:
            wanted[client_id] = minor
    found = {
        client_id: (minor, sat)
        for client_id, minor, sat in ledger.execute(
            "SELECT client_id, minor, sat FROM share WHERE distribution_id = ?", (run_id,)
        )
    }
    fits = [
        price
        for price in prices
        if price > 0
        and found
        == {
            one: (minor, sat)
            for one, minor in wanted.items()
            if (sat := _sat(minor, price, margin))
        }
    ]
    hold(f"{run_id}: {found}, not for {wanted} at one of {prices}", is_kept=bool(fits))
    ticker, at = ledger.execute(
        "SELECT price, at FROM ticker ORDER BY at DESC LIMIT 1"
    ).fetchone() or (0, 0)
    is_fresh = now - datetime.fromtimestamp(at / 1_000_000, UTC) <= RATE_AGE_MAX
    is_near = any(
        abs(Fraction(price) - Fraction(ticker)) * 100 <= DEVIATION_PERCENT_MAX * Fraction(ticker)
        for price in fits
    )
    hold(f"{run_id}: at {fits}, Lamassu's price is {ticker}", is_kept=is_near or not is_fresh)


def _limit(whole: int, period: str, day: date) -> int:
    """Return what a date has of a limit of a day, a week from Monday or a month."""
    if period == "daily":
        return whole
    following = day.replace(day=28) + timedelta(days=4)
    of_month = day.day, (following - timedelta(days=following.day)).day
    d, n = (day.weekday() + 1, 7) if period == "weekly" else of_month
    return int(Fraction(whole * d, n)) - int(Fraction(whole * (d - 1), n))


def _sat(minor: int, price: Decimal, margin: Fraction) -> int:
    return int(Fraction(minor, 100) * (100 - margin) / 100 / Fraction(price) * 10**8)
