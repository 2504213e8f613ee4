"""What the computer's clock has shown, and how much time has really passed.

The invariant: once the clock is right, nothing waits for an instant that a wrong clock has noted. What
is still to happen is pulled back; what the schema never alters stays, and its order is its sequence.

    shows what it should ──less than a day back──▶ what lies ahead is pulled back to now
         ▲       │ more than a day back
         │       ▼
         │    in doubt: was it ahead, or is it behind? Nothing is decided or paid.
         ├───────┤ it shows again what it has shown before: it was behind
         └───────┘ the operator says `resume all`: it was ahead, and what lies ahead is pulled back
"""

from datetime import datetime, timedelta
from enum import Enum, auto

from dca_bot.core.payout import TOP_UP_LIFE
from dca_bot.core.ports import Uptime
from dca_bot.ledger.store import bot_state
from dca_bot.ledger.store.database import Tx
from dca_bot.ledger.store.instants import instant, micros

BACK_MAX = timedelta(days=1)
"""A clock that goes back further was or is very wrong."""
LEAP_MIN = timedelta(hours=1)
"""A clock that shows so much more than has passed was set ahead, or stood still with its computer."""
CODE_LIFE = timedelta(minutes=10)
"""How long the code of a confirmation may be used."""


class Turn(Enum):
    """What the clock has done since it was looked at last."""

    NONE = auto()
    BACK = auto()
    DOUBTED = auto()
    RIGHT = auto()
    """It is in doubt no more, as it shows again what it has shown before."""


def note(tx: Tx, now: datetime) -> Turn:
    """Note what the clock shows, and pull back what lies ahead if it shows less than before."""
    shown = shown_at(tx)
    if shown is None:
        pull_back(tx, now)
        return Turn.NONE
    if shown - now > BACK_MAX:
        if is_doubted(tx):
            return Turn.NONE
        bot_state.put(tx, bot_state.CLOCK_DOUBTED, now.isoformat())
        return Turn.DOUBTED
    turn = Turn.RIGHT if bot_state.drop(tx, bot_state.CLOCK_DOUBTED) else Turn.NONE
    if shown <= now:
        see(tx, now)
        return turn
    pull_back(tx, now)
    return turn if turn is Turn.RIGHT else Turn.BACK


def see(tx: Tx, now: datetime) -> None:
    """Note that the clock shows this; with whatever else is noted for a later instant."""
    shown = shown_at(tx)
    if shown is None or shown < now:
        bot_state.put(tx, bot_state.CLOCK_AT, now.isoformat())


def shown_at(tx: Tx) -> datetime | None:
    """Return the latest time that the clock has shown; None where nobody has looked yet."""
    return bot_state.moment(tx, bot_state.CLOCK_AT) or bot_state.moment(tx, bot_state.LOOKED_AT)


def is_doubted(tx: Tx) -> bool:
    """Tell whether the clock went back so far that nobody knows which time is right."""
    return bot_state.get(tx, bot_state.CLOCK_DOUBTED) is not None


def accept(tx: Tx, now: datetime) -> bool:
    """Take the operator's word that a doubted clock is right; tell whether it was doubted."""
    was_doubted = bot_state.drop(tx, bot_state.CLOCK_DOUBTED)
    if was_doubted:
        pull_back(tx, now)
    return was_doubted


def begin_copy(tx: Tx, now: datetime) -> None:
    """Note the start on a copy; if the copy was made in doubt, the doubt begins anew with it.

    So that what is heard while in doubt is heard since this start, and not since the doubt of then.
    """
    bot_state.put(tx, bot_state.RESTORED_AT, now.isoformat())
    if is_doubted(tx):
        bot_state.put(tx, bot_state.CLOCK_DOUBTED, now.isoformat())


def pull_back(tx: Tx, now: datetime) -> None:
    """Let everything that lies ahead be now, as far as it can be altered: the clock was ahead.

    Nothing becomes earlier than it was: who pulls back knows that now is later.
    """
    values = {
        "now": micros(now),
        "second": int(now.timestamp()),
        "code": micros(now + CODE_LIFE),
    }
    bot_state.put(tx, bot_state.CLOCK_BACK_AT, str(micros(now)))
    for statement in _PULLED:
        tx.execute(statement, values)
    _pull_start(tx, now)
    for name in _FACTS:
        noted = bot_state.moment(tx, name)
        if noted is not None and noted > now:
            bot_state.put(tx, name, now.isoformat())
    _pull_top_up(tx, now)
    bot_state.put(tx, bot_state.CLOCK_AT, now.isoformat())


def witnessed(tx: Tx, uptime: Uptime) -> timedelta:
    """Return how much time has passed for certain, counted from an instant long ago.

    No setting of the clock changes it. While the computer is off, or until the bot is at work on it
    again, nothing is counted.
    """
    noted = bot_state.get(tx, bot_state.WITNESSED)
    if noted is None:
        return uptime.elapsed
    boot, elapsed_us, total_us, _ = noted.split()
    since = uptime.elapsed - timedelta(microseconds=int(elapsed_us))
    total = timedelta(microseconds=int(total_us))
    return total + max(since, timedelta()) if boot == uptime.boot else total


def witness(tx: Tx, uptime: Uptime, now: datetime) -> timedelta:
    """Add to what is witnessed; return by how much the clock has leapt ahead since the last time.

    That is no time where the computer was started meanwhile.
    """
    noted, total = bot_state.get(tx, bot_state.WITNESSED), witnessed(tx, uptime)
    elapsed_us, total_us = (span // timedelta(microseconds=1) for span in (uptime.elapsed, total))
    bot_state.put(tx, bot_state.WITNESSED, f"{uptime.boot} {elapsed_us} {total_us} {micros(now)}")
    if noted is None:
        return timedelta()
    boot, _, before_us, wall_us = noted.split()
    passed = timedelta(microseconds=total_us - int(before_us))
    leap = now - instant(int(wall_us)) - passed
    return leap if boot == uptime.boot and leap >= LEAP_MIN else timedelta()


def _pull_start(tx: Tx, now: datetime) -> None:
    """Let cash-outs count from now on where that was the first start; what is configured stays."""
    first, used = (
        bot_state.moment(tx, bot_state.START_AT),
        bot_state.moment(tx, bot_state.START_USED),
    )
    if used is not None and used == first and used > now:
        bot_state.put(tx, bot_state.START_USED, now.isoformat())


def _pull_top_up(tx: Tx, now: datetime) -> None:
    """Let a top-up invoice be over that would live for longer than any does."""
    noted = bot_state.get(tx, bot_state.TOP_UP)
    if noted is None:
        return
    trouble, expires_us, *rest = noted.split()
    if int(expires_us) > micros(now + TOP_UP_LIFE):
        bot_state.put(tx, bot_state.TOP_UP, " ".join((trouble, str(micros(now)), *rest)))


_OPEN_LETTER = "sent_at IS NULL AND dropped_at IS NULL"
_OPEN_PAYOUT = "id IN (SELECT id FROM open_payout)"
_PULLED = (
    # What is to be tried or told again, and since when something lasts.
    f"UPDATE payout SET try_at = :now WHERE {_OPEN_PAYOUT} AND try_at > :now",
    f"UPDATE outbox SET try_at = :now WHERE {_OPEN_LETTER} AND try_at > :now",
    "UPDATE verify_due SET try_at = :now WHERE try_at > :now",
    # A letter that was tried keeps its time: it must stay the same letter.
    f"UPDATE outbox SET created_at = :second WHERE {_OPEN_LETTER} AND tries = 0 AND event IS NULL"
    " AND created_at > :second",
    "UPDATE alarm SET since = :now WHERE since > :now",
    "UPDATE slow_destination SET since = :now WHERE since > :now",
    "UPDATE confirmation SET expires_at = :code WHERE expires_at > :code",
    # Whose messages count, and from when on.
    "UPDATE person SET protocol_at = :now WHERE protocol_at > :now",
    "UPDATE client SET key_at = :now WHERE key_at > :now",
    "UPDATE client SET created_at = :now WHERE created_at > :now",
    "UPDATE client SET missed_told_at = :now WHERE missed_told_at > :now",
    # What the ceiling of a day, the credit's grace, digests and the daily summary count.
    "UPDATE payout SET submitted_at = :now WHERE submitted_at > :now",
    f"UPDATE payout SET debited_at = :now WHERE {_OPEN_PAYOUT} AND debited_at > :now",
    "UPDATE payout SET done_at = :now WHERE done_at > :now",
    # The operator's word, and what it was said of: an old word must cover nothing new.
    "UPDATE hold SET opened_at = :now WHERE opened_at > :now",
    "UPDATE hold SET closed_at = :now WHERE closed_at > :now",
    "UPDATE foreign_payment SET seen_at = :now WHERE seen_at > :now",
    # From when on cash counts, for flow mode and for what should be in a machine.
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
    bot_state.BACKUP_FAILING,
)
