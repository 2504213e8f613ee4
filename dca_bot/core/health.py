"""Judges whether the bot works: a condition for each part, from what the jobs and the ledger know.

One judgement feeds the heartbeat, the metrics, `status` and the alerts. The conditions are codes.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from enum import StrEnum

from dca_bot.core.reach import Part, Reach
from dca_bot.core.relay_state import RelayState, RelayTrouble

LATE_AFTER = timedelta(minutes=3)
"""How long a poll or a step of the payout worker may be overdue."""
FAILING_AFTER = timedelta(minutes=1)
"""How long a payout may fail by an error of the bot's or for want of a clear answer of LNbits."""
HANGING_AFTER = timedelta(minutes=30)
"""How long payments to two payees may hang while none goes through."""
HANGING_ALONE_AFTER = timedelta(hours=6)
"""How long one payee's payment may hang while none is made to others: some wallets keep payments waiting."""


class HealthPart(StrEnum):
    """What is judged; each catalogue has the part's name under `word.health_part`."""

    POLL = "poll"
    LNBITS = "lnbits"
    PAYOUTS = "payouts"
    RELAYS = "relays"
    BACKUPS = "backups"
    OPERATORS = "operators"


VITAL = (HealthPart.POLL, HealthPart.LNBITS, HealthPart.PAYOUTS, HealthPart.RELAYS)
"""The parts without which the programme stands still."""


class Condition(StrEnum):
    """How a part is; each catalogue words the code under `word.condition`."""

    OK = "ok"
    PAUSED = "paused"
    """An operator has paused everything, or has yet to accept an earlier `start_at`."""
    STARTING = "starting"
    UNREACHABLE = "unreachable"
    """The part doesn't answer, or refuses the bot."""
    LATE = "late"
    """Lamassu has not been read for long, though nothing is known to be out of reach."""
    STALE = "stale"
    """Lamassu is read from a copy that nobody renews."""
    DEAF = "deaf"
    """Relays are connected, and none passes messages on."""
    NO_FUNDS = "no_funds"
    STUCK = "stuck"
    """The payout worker takes no step, payments hang, or a payout fails for no reason of its payee's."""
    DISPUTED = "disputed"
    LEASE_REFUSED = "lease_refused"
    CLOCK_DOUBTED = "clock_doubted"
    FAILING = "failing"
    UNREACHED = "unreached"


_GOOD = (Condition.OK, Condition.PAUSED)


@dataclass(frozen=True, slots=True)
class PartHealth:
    """A part's condition, and since when the part has been in good condition, or in trouble of any kind."""

    condition: Condition
    since: datetime

    @property
    def is_good(self) -> bool:
        """Tell whether nothing is to be done."""
        return self.condition in _GOOD


@dataclass(frozen=True, slots=True)
class Health:
    """The judgement of one look; `next_by`: when the next look is overdue."""

    at: datetime
    next_by: datetime
    parts: Mapping[HealthPart, PartHealth]

    @property
    def is_well(self) -> bool:
        """Tell whether all vital parts are in good condition."""
        return all(self.parts[part].is_good for part in VITAL)

    def is_overdue(self, now: datetime) -> bool:
        """Tell whether the next look is overdue: the judgement says nothing about now."""
        return now > self.next_by


@dataclass(frozen=True, slots=True)
class LedgerSeen:
    """What the ledger knows of the bot's health.

    `failing_since`: since when the oldest payout has been due that fails by an error of the bot's or for
    want of a clear answer of LNbits. `hanging_since`: since when payments hang, for each payee, the oldest
    first; empty once a later payment has gone through. `lost_operators`: how many operators are not reached.
    """

    is_paused: bool = False
    is_clock_doubted: bool = False
    polled_at: datetime | None = None
    is_copy_stale: bool = False
    is_waiting_for_funds: bool = False
    failing_since: datetime | None = None
    hanging_since: Sequence[datetime] = ()
    is_disputed: bool = False
    is_lease_refused: bool = False
    is_backup_failing: bool = False
    lost_operators: int = 0


@dataclass(frozen=True, slots=True)
class Seen:
    """What a look has found.

    `polls_due_at`: since when Lamassu should have been read: the bot's start, or the end of a pause.
    `stepped_at`: when the payout worker last took a step, at the earliest the bot's start.
    `polls_late_after`, `steps_late_after`: from which age on the newest poll or step is overdue.
    """

    ledger: LedgerSeen
    reaches: Mapping[Part, Reach]
    relays: Sequence[RelayState]
    polls_due_at: datetime
    stepped_at: datetime
    polls_late_after: timedelta = LATE_AFTER
    steps_late_after: timedelta = LATE_AFTER


def judge(seen: Seen, now: datetime) -> dict[HealthPart, Condition]:
    """Return the condition of each part."""
    ledger = seen.ledger
    return {
        HealthPart.POLL: _poll(seen, now),
        HealthPart.LNBITS: _reach(seen.reaches.get(Part.LNBITS)),
        HealthPart.PAYOUTS: _payouts(seen, now),
        HealthPart.RELAYS: _relays(seen.relays),
        HealthPart.BACKUPS: Condition.FAILING if ledger.is_backup_failing else Condition.OK,
        HealthPart.OPERATORS: Condition.UNREACHED if ledger.lost_operators else Condition.OK,
    }


def follow(
    before: Mapping[HealthPart, PartHealth], found: Mapping[HealthPart, Condition], now: datetime
) -> dict[HealthPart, PartHealth]:
    """Return the parts' health after a look: trouble keeps the time of its beginning, whatever its kind."""
    return {part: _followed(before.get(part), condition, now) for part, condition in found.items()}


def _followed(before: PartHealth | None, condition: Condition, now: datetime) -> PartHealth:
    found = PartHealth(condition, now)
    if before is None or before.is_good is not found.is_good:
        return found
    return replace(found, since=min(before.since, now))


def _poll(seen: Seen, now: datetime) -> Condition:
    ledger, lamassu = seen.ledger, seen.reaches.get(Part.LAMASSU)
    if ledger.is_clock_doubted:
        return Condition.CLOCK_DOUBTED
    if ledger.is_paused:
        return Condition.PAUSED
    if lamassu is not None and not lamassu.reachable:
        return Condition.UNREACHABLE
    polled_at = ledger.polled_at
    if polled_at is not None and now - polled_at < seen.polls_late_after:
        return Condition.STALE if ledger.is_copy_stale else Condition.OK
    is_late = now - seen.polls_due_at >= seen.polls_late_after
    return Condition.LATE if is_late else Condition.STARTING


def _reach(reach: Reach | None) -> Condition:
    if reach is None:
        return Condition.STARTING
    return Condition.OK if reach.reachable else Condition.UNREACHABLE


def _payouts(seen: Seen, now: datetime) -> Condition:
    ledger = seen.ledger
    if ledger.is_disputed:
        return Condition.DISPUTED
    if ledger.is_clock_doubted:
        return Condition.CLOCK_DOUBTED
    if ledger.is_paused:
        return Condition.PAUSED
    if ledger.is_lease_refused:
        return Condition.LEASE_REFUSED
    if ledger.is_waiting_for_funds:
        return Condition.NO_FUNDS
    failing_since = ledger.failing_since
    is_failing = failing_since is not None and now - failing_since >= FAILING_AFTER
    # While LNbits is out of reach the worker can't take a step: that part tells.
    is_answering = _reach(seen.reaches.get(Part.LNBITS)) is Condition.OK
    is_hung = is_answering and now - seen.stepped_at >= seen.steps_late_after
    is_stuck = is_failing or is_hung or _is_hanging(ledger.hanging_since, now)
    return Condition.STUCK if is_stuck else Condition.OK


def _is_hanging(since: Sequence[datetime], now: datetime) -> bool:
    """Tell whether payments to two payees hang for long, or one payment for very long."""
    limits = (HANGING_ALONE_AFTER, HANGING_AFTER)
    return any(now - at >= limit for at, limit in zip(since, limits, strict=False))


def _relays(states: Sequence[RelayState]) -> Condition:
    if any(state.listening for state in states):
        return Condition.OK
    troubles = {state.trouble for state in states}
    if RelayTrouble.DEAF in troubles:
        return Condition.DEAF
    is_untried = troubles <= {RelayTrouble.NOT_TRIED}
    return Condition.STARTING if is_untried else Condition.UNREACHABLE
