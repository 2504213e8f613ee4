"""The readings of the computer's clock, and the time that has surely passed.

The invariant: once the clock is right, nothing waits for an instant that a wrong clock has recorded. Future
instants are pulled back to now. Instants that the schema never alters stay; their order is their sequence.

    right ──less than a day back──▶ future instants are pulled back to now
      ▲       │ more than a day back: the ends of open codes are pulled back
      │       ▼
      │    in doubt: was the clock ahead, or is it behind? Nothing is decided or paid.
      ├───────┤ the clock shows again a time from before: the clock was behind
      └───────┘ the operator says `resume all`: the clock was ahead, future instants are pulled back
"""

import sqlite3
from collections.abc import Iterable
from datetime import datetime, timedelta
from enum import Enum, auto

from dca_bot.core.attempt import FAILED_FOR_GOOD
from dca_bot.core.payout import TOP_UP_LIFE
from dca_bot.core.ports import Uptime
from dca_bot.ledger.store import bot_state
from dca_bot.ledger.store.conditions import UNSENT_MESSAGE
from dca_bot.ledger.store.database import Tx
from dca_bot.ledger.store.instants import instant, micros

BACK_MAX = timedelta(days=1)
"""A clock that goes back further was or is very wrong."""
LEAP_MIN = timedelta(hours=1)
"""A clock that shows so much more than has passed was set ahead, or stood still with its computer."""
CODE_LIFE = timedelta(minutes=10)
"""How long the code of a confirmation may be used."""
KNOCK_LIFE = timedelta(hours=24)
"""How long a stranger's knock may be used."""
FILE_LIFE = timedelta(days=30)
"""How long a file that was sent lies on the file server."""


class Turn(Enum):
    """How the clock has moved since the last reading."""

    NONE = auto()
    BACK = auto()
    DOUBTED = auto()
    RIGHT = auto()
    """It is in doubt no more, as it shows again what it has shown before."""


def note(tx: Tx, now: datetime) -> Turn:
    """Record a reading of the clock; pull back future instants if the clock went back."""
    shown = shown_at(tx)
    if shown is None:
        pull_back(tx, now)
        return Turn.NONE
    if shown - now > BACK_MAX:
        if is_doubted(tx):
            return Turn.NONE
        bot_state.put(tx, bot_state.CLOCK_DOUBTED, now.isoformat())
        # Whichever time is right, no code may be used for as long as the doubt lasts.
        _pull(tx, _PULLED_CODES, now)
        return Turn.DOUBTED
    turn = Turn.RIGHT if bot_state.drop(tx, bot_state.CLOCK_DOUBTED) else Turn.NONE
    if shown <= now:
        if shown < now:
            bot_state.put(tx, bot_state.CLOCK_AT, now.isoformat())
        return turn
    pull_back(tx, now)
    return turn if turn is Turn.RIGHT else Turn.BACK


def see(tx: Tx, now: datetime) -> None:
    """Record a reading of the clock, together with any instant that is recorded for later."""
    shown = shown_at(tx)
    if shown is None or shown < now:
        bot_state.put(tx, bot_state.CLOCK_AT, now.isoformat())


def shown_at(tx: Tx) -> datetime | None:
    """Return the latest reading of the clock; None before the first."""
    return bot_state.moment(tx, bot_state.CLOCK_AT) or bot_state.moment(tx, bot_state.LOOKED_AT)


def is_doubted(tx: Tx) -> bool:
    """Tell whether the clock went back so far that nobody knows which time is right."""
    return bot_state.get(tx, bot_state.CLOCK_DOUBTED) is not None


def accept(tx: Tx, now: datetime) -> bool:
    """Record the operator's word that a doubted clock is right; return whether the clock was in doubt."""
    was_doubted = bot_state.drop(tx, bot_state.CLOCK_DOUBTED)
    if was_doubted:
        pull_back(tx, now)
    return was_doubted


def begin_copy(tx: Tx, now: datetime) -> None:
    """Record the start on a restored ledger.

    A doubt that the copy brought along begins anew at this start, so that messages since this start count.
    """
    bot_state.put(tx, bot_state.RESTORED_AT, now.isoformat())
    if is_doubted(tx):
        bot_state.put(tx, bot_state.CLOCK_DOUBTED, now.isoformat())


def pull_back(tx: Tx, now: datetime) -> None:
    """Set future instants to now, where the schema allows: the clock was ahead.

    No instant becomes earlier than now, and past instants stay.
    """
    bot_state.put(tx, bot_state.CLOCK_BACK_AT, str(micros(now)))
    _pull(tx, _PULLED, now)
    _pull_start(tx, now)
    for name in _FACTS:
        noted = bot_state.moment(tx, name)
        if noted is not None and noted > now:
            bot_state.put(tx, name, now.isoformat())
    bot_state.put(tx, bot_state.CLOCK_AT, now.isoformat())


def witnessed(tx: Tx, uptime: Uptime) -> timedelta:
    """Return how much time has surely passed since an instant long ago.

    The sum counts the computer's uptime while a bot is at work. Setting the clock changes nothing; time with
    the computer off isn't counted.
    """
    return _witnessed(_noted(tx), uptime)


def witness(tx: Tx, uptime: Uptime, now: datetime) -> timedelta:
    """Add the uptime since the last call to the witnessed time; return the leap of the clock meanwhile.

    What the clock has leapt over, or the computer was off for, ages no unknown payment that LNbits may still
    make. The leap is zero below LEAP_MIN, or if the computer was restarted meanwhile.
    """
    noted = _noted(tx)
    total = _witnessed(noted, uptime)
    elapsed_us, total_us = (span // timedelta(microseconds=1) for span in (uptime.elapsed, total))
    tx.execute(
        "INSERT OR REPLACE INTO witnessed (id, boot, elapsed_us, total_us, shown_at)"
        " VALUES (1, ?, ?, ?, ?)",
        (uptime.boot, elapsed_us, total_us, micros(now)),
    )
    if noted is None:
        return timedelta()
    passed = timedelta(microseconds=total_us - noted["total_us"])
    until = instant(noted["shown_at"]) + passed
    leap, is_same_boot = now - until, noted["boot"] == uptime.boot
    if leap >= LEAP_MIN or (leap > timedelta() and not is_same_boot):
        _keep_young(tx, until, now)
    return leap if is_same_boot and leap >= LEAP_MIN else timedelta()


def steady(tx: Tx, now: datetime) -> datetime:
    """Return `now`; the last reading that was witnessed, if the clock may have leapt ahead since."""
    noted = _noted(tx)
    shown_at = now if noted is None else instant(noted["shown_at"])
    return shown_at if now - shown_at >= LEAP_MIN else now


def _keep_young(tx: Tx, until: datetime, now: datetime) -> None:
    """Date what had not failed for good when the clock showed `until` as long before `now`.

    Up to an hour later a payment can have been seen before the clock leapt.
    """
    tx.execute(
        "UPDATE foreign_payment SET seen_at = min(seen_at + :leap, :now)"
        " WHERE status IN ('failed', 'pending') AND seen_at > :since AND seen_at < :until",
        {
            "leap": micros(now) - micros(until),
            "now": micros(now),
            "since": micros(until - FAILED_FOR_GOOD),
            "until": micros(until + LEAP_MIN),
        },
    )


def _pull(tx: Tx, statements: Iterable[str], now: datetime) -> None:
    values = {
        "now": micros(now),
        "second": int(now.timestamp()),
        "code": micros(now + CODE_LIFE),
        "top_up": micros(now + TOP_UP_LIFE),
        "knock": micros(now + KNOCK_LIFE),
        "file": micros(now + FILE_LIFE),
        "month": f"{now.replace(day=1) - timedelta(days=1):%Y-%m}",
    }
    for statement in statements:
        tx.execute(statement, values)


def _witnessed(noted: sqlite3.Row | None, uptime: Uptime) -> timedelta:
    if noted is None:
        return uptime.elapsed
    since = uptime.elapsed - timedelta(microseconds=noted["elapsed_us"])
    total = timedelta(microseconds=noted["total_us"])
    return total + max(since, timedelta()) if noted["boot"] == uptime.boot else total


def _noted(tx: Tx) -> sqlite3.Row | None:
    found: sqlite3.Row | None = tx.execute("SELECT * FROM witnessed").fetchone()
    return found


def _pull_start(tx: Tx, now: datetime) -> None:
    """Let cash-outs count from now on, if they counted from the first start; a configured instant stays."""
    first, used = (
        bot_state.moment(tx, bot_state.START_AT),
        bot_state.moment(tx, bot_state.START_USED),
    )
    if used is not None and used == first and used > now:
        bot_state.put(tx, bot_state.START_USED, now.isoformat())


_OPEN_PAYOUT = "id IN (SELECT id FROM open_payout)"
_PULLED_CODES = (
    "UPDATE confirmation SET expires_at = :code WHERE expires_at > :code",
    "UPDATE question SET expires_at = :code WHERE expires_at > :code",
    "UPDATE outbox SET expires_at = :code WHERE expires_at > :code",
)
_PULLED = (
    *_PULLED_CODES,
    # Next tries of payouts, messages and looks; beginnings of alarms.
    f"UPDATE payout SET try_at = :now WHERE {_OPEN_PAYOUT} AND try_at > :now",
    f"UPDATE outbox SET try_at = :now WHERE {UNSENT_MESSAGE} AND try_at > :now",
    "UPDATE file_waiting SET try_at = :now WHERE try_at > :now",
    "UPDATE uploaded_file SET delete_at = :file WHERE delete_at > :file",
    "UPDATE verify_due SET try_at = :now WHERE try_at > :now",
    # A message that was tried keeps its time: a second event would arrive as a second message.
    f"UPDATE outbox SET created_at = :second WHERE {UNSENT_MESSAGE} AND tries = 0 AND event IS NULL"
    " AND created_at > :second",
    "UPDATE alarm SET since = :now WHERE since > :now",
    "UPDATE slow_destination SET since = :now WHERE since > :now",
    "UPDATE delivery SET lost_at = :now WHERE lost_at > :now",
    "UPDATE knock SET knocked_at = :now WHERE knocked_at > :now",
    "UPDATE knock SET expires_at = :knock WHERE expires_at > :knock",
    # No top-up invoice lives longer.
    "UPDATE top_up SET expires_at = :now WHERE expires_at > :top_up",
    # From when on a person's messages count.
    "UPDATE person SET protocol_at = :now WHERE protocol_at > :now",
    "UPDATE client SET key_at = :now WHERE key_at > :now",
    "UPDATE client SET created_at = :now WHERE created_at > :now",
    # Statements of months that are not over yet were written while the clock was ahead.
    "UPDATE client SET statement_month = :month WHERE statement_month > :month",
    "UPDATE client SET missed_told_at = :now WHERE missed_told_at > :now",
    # Counted by the day's ceiling, the grace of a credit, digests and the daily summary.
    "UPDATE payout SET submitted_at = :now WHERE submitted_at > :now",
    f"UPDATE payout SET debited_at = :now WHERE {_OPEN_PAYOUT} AND debited_at > :now",
    "UPDATE payout SET done_at = :now WHERE done_at > :now",
    # An operator's decision and its subject: an old decision must not cover a new payment.
    "UPDATE hold SET opened_at = :now WHERE opened_at > :now",
    "UPDATE hold SET closed_at = :now WHERE closed_at > :now",
    "UPDATE foreign_payment SET seen_at = :now WHERE seen_at > :now",
    # From when on cash counts, for flow mode and for a machine's expected cash.
    "UPDATE deposit SET confirmed_at = :now WHERE state = 'confirmed' AND confirmed_at > :now",
    "UPDATE cash_count SET counted_at = :now WHERE counted_at > :now",
)
_FACTS = (
    bot_state.START_AT,
    bot_state.LAST_POLL_AT,
    bot_state.LISTENED_AT,
    bot_state.RESTORED_AT,
    bot_state.LOOKED_AT,
    bot_state.POLLS_DUE_AT,
    bot_state.SUMMARY_AT,
    bot_state.BACKUP_AT,
    bot_state.BACKUP_PROVEN_AT,
    bot_state.BACKUP_FAILING,
    bot_state.COPY_REHEARSED_AT,
    bot_state.RESTORE_REMINDED_AT,
)
