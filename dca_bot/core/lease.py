"""Decides which of several bots pays from one source wallet; pure, the shell is `jobs/payouts/lease`.

The danger: two bots run on two copies of one ledger and pay the same payout twice. The remedy is a
lease. A bot pays only while it holds the lease; the lease is kept at LNbits as rows of the source
wallet, unpaid invoices of 1 sat with a tag of their own, because LNbits is the one place that both
bots must reach in order to pay.

**A row** names a generation (a counting number), an instance (a random id of one bot process), a kind,
and two ids that tell whose copies are rivals: the ledger's id, which is copied with the ledger, and the
bot's own id, made of its Nostr key. Two bots are *rivals* if one of the two ids is the same. Different
programmes that share a wallet share neither, and never disturb each other.

| kind | who writes it |
|---|---|
| claim | a bot that starts to pay |
| takeover | the same, after the operators' `resume all` with its code |
| dispute | a bot that has seen a rival's claim and has stopped, so that the rival stops too |

**Taking the lease**: read the rows. Stop if a rival's claim or takeover is newer than every row that this
ledger has recorded or that the operators have accepted, and its process isn't known to have ended. Record
the generation max + 1 in the ledger; write the row; read again. The bot's own row must be in that reading.
A rival's row that was not there before, or whose generation is not below the own one: dispute. Then wait
WAIT_S, read once more, and reconcile the ledger with LNbits. The wait is left out only where no rival's row
was ever there and the ledger has recorded none.

**Paying**: a pay request leaves only while the last look at the rows began less than LOOK_AGE_MAX_S ago;
else the bot looks again first. A rival's row whose generation is not below the own one stops the bot. If
the own row is gone, the lease is lost and taken anew, with its wait. LNbits is asked for payments of the
payout after the lease was taken and before the pay request (`jobs/payouts/send`).

**Why no payout is paid twice**, where LNbits carries out a pay request less than WAIT_S after the look
that allowed it began. Let A and B both pay one payout, B's request being carried out later; vA, vB: when
their rows became visible; sA, sB: when their deciding looks began. Had both vA <= sB and vB <= sA, each would
have seen the other's row, and the one with the lower generation would have stopped.
- vB > sA, and B waited: A's request was carried out before sA + WAIT_S < vB + WAIT_S, when B's wait ended.
  So B's reconciliation or its question about the payout found A's payment, and B did not pay.
- vB > sA, and B did not wait: B read the rows after vB and saw no rival at all, so vA > vB > sA; but A's
  deciding look comes after vA. Contradiction.
- vA > sB, and A waited: A's request left after vA + WAIT_S > sB + WAIT_S, when B's was carried out. So B's
  wasn't the later one. A did not wait: as above, with A and B exchanged.

No clock of LNbits takes part, and no clocks of two computers are compared. Rows are found by their
generations. An LNbits that deletes expired invoices takes the oldest first: a bot whose own row is still
listed misses no newer one.

**The limit.** A process that is frozen (or a request that is under way) for longer than WAIT_S minus
LOOK_AGE_MAX_S between its look and LNbits' payment isn't covered: that one payout can be paid twice if a
rival takes the lease meanwhile. One payout, because each bot sends one request at a time and looks again
before the next.
"""

import hashlib
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import timedelta
from enum import StrEnum, auto

LEASE_TAG = "aio-dca-lease"
LOOK_AGE_MAX_S = 5
WAIT_S = 15
GENERATION_MAX = 10**9
ID_CHARS = 16
SHORT_CHARS = 4


class LeaseKind(StrEnum):
    """Why a row was written."""

    CLAIM = "claim"
    TAKEOVER = "takeover"
    DISPUTE = "dispute"


class DisputeReason(StrEnum):
    """Why a bot has stopped paying."""

    SECOND_BOT = "second-bot"
    TAKEN_OVER = "taken-over"
    NEWER_START = "newer-start"


@dataclass(frozen=True, slots=True)
class LeaseRow:
    """A row at LNbits; `ledger` and `bot` are the ids that make two bots rivals."""

    generation: int
    instance: str
    kind: LeaseKind
    ledger: str
    bot: str


@dataclass(frozen=True, slots=True)
class LeaseReading:
    """What one look at LNbits found; `is_whole`: there are no lease rows but these."""

    rows: tuple[LeaseRow, ...]
    is_whole: bool


@dataclass(frozen=True, slots=True)
class Party:
    """One bot process; an empty `bot` id is nobody's.

    `ended`: processes that ran on this very data folder, which only one can at a time. That they have
    ended spares the operators a question; no payment rests on it, as a folder can be copied too.
    """

    instance: str
    ledger: str
    bot: str = ""
    ended: frozenset[str] = frozenset()

    def rivals(self, rows: Iterable[LeaseRow]) -> list[LeaseRow]:
        """Return the rows of other processes on copies of this ledger or with this bot's key."""
        return [row for row in rows if row.instance != self.instance and self._is_related(row)]

    def newer(self, rows: Iterable[LeaseRow], record: "LeaseRecord") -> list[LeaseRow]:
        """Return the rivals' rows that were written without this ledger's or the operators' knowledge."""
        rivals = self.rivals(rows)
        return [row for row in rivals if record.is_newer(row) and row.instance not in self.ended]

    def row(self, generation: int, kind: LeaseKind) -> LeaseRow:
        """Make a row of this process."""
        return LeaseRow(generation, self.instance, kind, self.ledger, self.bot)

    def _is_related(self, row: LeaseRow) -> bool:
        return row.ledger == self.ledger or (self.bot != "" and row.bot == self.bot)


@dataclass(frozen=True, slots=True)
class LeaseRecord:
    """What the ledger knows: the newest row that it wrote, and what the operators have accepted.

    `accepted` is the generation of the rival's row that stopped the bot when the operators last said
    `resume all`; `is_takeover`: nothing was claimed since. A `generation` of 0: none was ever written.
    """

    generation: int = 0
    instance: str = ""
    accepted: int = 0
    is_takeover: bool = False

    @property
    def floor(self) -> int:
        """Return the highest generation that needs nobody's word."""
        return max(self.generation, self.accepted)

    def is_newer(self, row: LeaseRow) -> bool:
        """Tell whether a rival's row is unknown to this ledger and not accepted by the operators."""
        if row.kind is LeaseKind.DISPUTE:  # its writer has stopped
            return False
        is_twin = row.generation == self.generation > self.accepted
        return row.generation > self.floor or (is_twin and row.instance != self.instance)


@dataclass(frozen=True, slots=True)
class Dispute:
    """Why a bot stops, and the rival's row that stops it; `announce`: the rival has yet to stop."""

    reason: DisputeReason
    rival: LeaseRow
    announce: bool = False


class Claimed(StrEnum):
    """What a reading after the own row was written says."""

    HELD = auto()
    HELD_AFTER_WAIT = auto()
    MISSING = auto()


def plan_claim(party: Party, record: LeaseRecord, found: LeaseReading) -> LeaseRow | Dispute:
    """Return the row to write; a Dispute if a rival has started since this ledger's last start."""
    newer = party.newer(found.rows, record)
    if newer:
        return Dispute(DisputeReason.NEWER_START, _highest(newer))
    kind = LeaseKind.TAKEOVER if record.is_takeover else LeaseKind.CLAIM
    return party.row(next_generation(record, found.rows), kind)


def judge_claim(
    own: LeaseRow, party: Party, record: LeaseRecord, *, before: LeaseReading, after: LeaseReading
) -> Claimed | Dispute:
    """Judge the reading after the own row was written; `record` is that of before."""
    if own not in after.rows:
        return Claimed.MISSING
    rivals, known = party.rivals(after.rows), set(before.rows)
    # A row that a dead predecessor recorded may reach LNbits late: it is not newer than the record.
    new = [row for row in party.newer(rivals, record) if row not in known]
    in_the_way = new + [row for row in rivals if row.generation >= own.generation]
    if in_the_way:
        return _dispute(in_the_way)
    is_first = record.floor == 0 and after.is_whole and not rivals
    return Claimed.HELD if is_first else Claimed.HELD_AFTER_WAIT


def judge_look(own: LeaseRow, party: Party, found: LeaseReading) -> Claimed | Dispute:
    """Judge a look before a pay request."""
    in_the_way = [row for row in party.rivals(found.rows) if row.generation >= own.generation]
    if in_the_way:
        return _dispute(in_the_way)
    return Claimed.HELD if own in found.rows else Claimed.MISSING


def next_generation(record: LeaseRecord, rows: Iterable[LeaseRow]) -> int:
    """Return a generation above all that is known, other programmes' included.

    Those count so that the newest rows of a wallet have the highest generations.
    """
    return max([record.floor, *(row.generation for row in rows)]) + 1


def is_fresh(age: timedelta, age_by_date: timedelta) -> bool:
    """Tell whether a look is young enough for a pay request, by both clocks of the computer.

    The one counts evenly, the other can be set; whichever says more is believed, because a computer
    that was suspended or a virtual one that was paused may have only one of them go on.
    """
    ages = (age, age_by_date)
    return timedelta(0) <= min(ages) and max(ages) <= timedelta(seconds=LOOK_AGE_MAX_S)


def wait_left_s(age: timedelta) -> int:
    """Return how many whole seconds of the wait are left, rounded up."""
    return max(0, -((age - timedelta(seconds=WAIT_S)) // timedelta(seconds=1)))


def public_id(secret: str) -> str:
    """Make an id that may be shown to LNbits, always the same for the same text; empty for none."""
    return hashlib.sha256(secret.encode()).hexdigest()[:ID_CHARS] if secret else ""


def short_name(instance: str) -> str:
    """Return the part of an instance's id by which people tell bots apart."""
    return instance[:SHORT_CHARS]


def _dispute(rows: list[LeaseRow]) -> Dispute:
    rival = _highest(rows)
    if rival.kind is LeaseKind.TAKEOVER:
        return Dispute(DisputeReason.TAKEN_OVER, rival)
    return Dispute(DisputeReason.SECOND_BOT, rival, announce=rival.kind is LeaseKind.CLAIM)


def _highest(rows: list[LeaseRow]) -> LeaseRow:
    return max(rows, key=lambda row: (row.generation, row.instance))
