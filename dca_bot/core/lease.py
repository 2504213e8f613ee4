"""Decides which of several bots pays from one source wallet; pure, the shell is `jobs/payouts/lease`.

The danger: two bots run on two copies of a ledger and pay the same payout twice. The remedy is a lease: a
bot pays only while holding the lease. The lease is kept at LNbits, because both bots must reach LNbits in
order to pay. The lease's rows are unpaid invoices of the source wallet over 1 sat, with a
special tag.

**A row** names a generation (a counting number), an instance (a random id of the bot process), a kind, the
ledger's id (copied with the ledger), and the bot's id (made from the bot's Nostr key). Two bots are
*rivals* if the ledger's id or the bot's id is the same. Different programmes that share a wallet share
neither id, and never disturb each other.

| kind | who writes it |
|---|---|
| claim | a bot that starts to pay |
| takeover | a bot that starts to pay after the operators' `resume all` with a code |
| dispute | a bot that has stopped at the sight of a rival's claim, so that the rival stops too |

**Taking the lease**: read the rows. Stop if a rival's claim or takeover is newer than every row that this
ledger has recorded or that the operators have accepted, unless the rival's process is known to have ended.
Record the generation max + 1 in the ledger, write the own row, and read again. The second reading must
have the own row. A rival's row that is new, or whose generation is not below the own generation, means a
dispute. Then wait WAIT_S, read once more, and reconcile the ledger with LNbits. The wait is left out only
if LNbits shows no rival's row and the ledger has recorded no row before.

**Paying**: a pay request leaves only while the last look at the rows began at most LOOK_AGE_MAX_S ago;
otherwise the bot looks again first. A rival's row whose generation is not below the own generation stops
the bot. If the own row is gone, the lease is lost, and taken anew with the wait. Between taking the lease
and the pay request, LNbits is asked for payments of the payout (`jobs/payouts/send`).

**Why no payout is paid twice**, if LNbits carries out a pay request less than WAIT_S after the beginning of
the look that allowed the request. Let A and B both pay the payout, B's request being carried out later. vA
and vB: when A's and B's rows became visible. sA and sB: when A's and B's deciding looks began. Had both
vA <= sB and vB <= sA, each bot would have seen the other's row, and the bot with the lower generation would
have stopped. So at least one inequality is false:
- vB > sA, and B waited: A's request was carried out before sA + WAIT_S < vB + WAIT_S, when B's wait ended.
  So B's reconciliation or its question about the payout found A's payment, and B did not pay.
- vB > sA, and B did not wait: B read the rows after vB and saw no rival at all, so vA > vB > sA; but A's
  deciding look comes after vA. Contradiction.
- vA > sB, and A waited: A's request left after vA + WAIT_S > sB + WAIT_S, when B's request had been carried
  out. So B's request wasn't the later request. A did not wait: as above, with A and B exchanged.

No clock of LNbits takes part, and no clocks of two computers are compared. Rows are found by generation. An
LNbits that deletes expired invoices deletes the oldest first: a bot whose own row is still listed misses no
newer row.

**The limit.** A process that is frozen, or a request that is under way, for longer than WAIT_S minus
LOOK_AGE_MAX_S between the look and LNbits' payment isn't covered: if a rival takes the lease meanwhile, the
payout can be paid twice. No more than one payout, because each bot sends a single request at a time and looks
again before the next request.
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
_ID_CHARS = 16
_SHORT_CHARS = 4


class LeaseKind(StrEnum):
    """Why a row was written (see the module's table)."""

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
    """A row of the lease at LNbits; bots that share the id `ledger` or the id `bot` are rivals."""

    generation: int
    instance: str
    kind: LeaseKind
    ledger: str
    bot: str


@dataclass(frozen=True, slots=True)
class LeaseReading:
    """The rows that a look at LNbits found; `is_whole`: LNbits has no further rows of the lease."""

    rows: tuple[LeaseRow, ...]
    is_whole: bool


@dataclass(frozen=True, slots=True)
class Party:
    """A bot process; an empty `bot` id matches no other.

    `ended`: earlier processes on the same data folder, which a single process can use at a time. Rows
    of ended processes spare the operators a question. No payment rests on the knowledge, because a
    folder can be copied.
    """

    instance: str
    ledger: str
    bot: str = ""
    ended: frozenset[str] = frozenset()

    def rivals(self, rows: Iterable[LeaseRow]) -> list[LeaseRow]:
        """Return the rows of other processes on copies of the ledger or with the bot's key."""
        return [row for row in rows if row.instance != self.instance and self._is_related(row)]

    def newer(self, rows: Iterable[LeaseRow], record: "LeaseRecord") -> list[LeaseRow]:
        """Return the rivals' rows that neither the ledger's record nor the operators know."""
        rivals = self.rivals(rows)
        return [row for row in rivals if record.is_newer(row) and row.instance not in self.ended]

    def row(self, generation: int, kind: LeaseKind) -> LeaseRow:
        """Make a row of the process."""
        return LeaseRow(generation, self.instance, kind, self.ledger, self.bot)

    def _is_related(self, row: LeaseRow) -> bool:
        return row.ledger == self.ledger or (self.bot != "" and row.bot == self.bot)


@dataclass(frozen=True, slots=True)
class LeaseRecord:
    """The ledger's newest recorded row, and what the operators have accepted.

    `generation`: 0 if no row was ever recorded. `accepted`: the generation of the rival's row that had
    stopped the bot at the operators' last `resume all`. `is_takeover`: no claim was recorded since.
    """

    generation: int = 0
    instance: str = ""
    accepted: int = 0
    is_takeover: bool = False

    @property
    def floor(self) -> int:
        """Return the highest generation that needs no operator's word."""
        return max(self.generation, self.accepted)

    def is_newer(self, row: LeaseRow) -> bool:
        """Tell whether a rival's row is neither recorded in the ledger nor accepted by the operators."""
        if row.kind is LeaseKind.DISPUTE:  # the rival has stopped
            return False
        is_twin = row.generation == self.generation > self.accepted
        return row.generation > self.floor or (is_twin and row.instance != self.instance)


@dataclass(frozen=True, slots=True)
class Dispute:
    """Why a bot stops, and the rival's row behind the stop; `announce`: the rival is still to be stopped."""

    reason: DisputeReason
    rival: LeaseRow
    announce: bool = False


class Claimed(StrEnum):
    """The verdict on a reading: whether the bot has the lease, and whether only after the wait."""

    HELD = auto()
    HELD_AFTER_WAIT = auto()
    MISSING = auto()


def plan_claim(party: Party, record: LeaseRecord, found: LeaseReading) -> LeaseRow | Dispute:
    """Return the row to write, or a Dispute if a rival has started since the ledger's last recorded row."""
    newer = party.newer(found.rows, record)
    if newer:
        return Dispute(DisputeReason.NEWER_START, _highest(newer))
    kind = LeaseKind.TAKEOVER if record.is_takeover else LeaseKind.CLAIM
    return party.row(next_generation(record, found.rows), kind)


def judge_claim(
    own: LeaseRow, party: Party, record: LeaseRecord, *, before: LeaseReading, after: LeaseReading
) -> Claimed | Dispute:
    """Judge the reading `after` the own row was written; `record` and `before` were read earlier."""
    if own not in after.rows:
        return Claimed.MISSING
    rivals, known = party.rivals(after.rows), set(before.rows)
    # A dead predecessor's recorded row may reach LNbits late: the row is not newer than the record.
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
    """Return a generation above all known generations, other programmes' included.

    Other programmes count so that the newest rows of a wallet have the highest generations.
    """
    return max([record.floor, *(row.generation for row in rows)]) + 1


def is_fresh(age: timedelta, age_by_date: timedelta) -> bool:
    """Tell whether a look is young enough for a pay request, by both clocks of the computer.

    Uptime counts evenly, the date can be set. The higher age counts, because a suspended computer or a
    paused virtual machine may stop either clock.

    >>> is_fresh(timedelta(seconds=2), timedelta(seconds=2))
    True
    >>> is_fresh(timedelta(seconds=2), timedelta(hours=1))
    False
    """
    ages = (age, age_by_date)
    return timedelta(0) <= min(ages) and max(ages) <= timedelta(seconds=LOOK_AGE_MAX_S)


def wait_left_s(age: timedelta) -> int:
    """Return how many whole seconds of the wait are left, rounded up.

    >>> wait_left_s(timedelta(milliseconds=4200)), wait_left_s(timedelta(minutes=1))
    (11, 0)
    """
    return max(0, -((age - timedelta(seconds=WAIT_S)) // timedelta(seconds=1)))


def public_id(secret: str) -> str:
    """Derive an id that LNbits may see from a secret; empty for an empty secret."""
    return hashlib.sha256(secret.encode()).hexdigest()[:_ID_CHARS] if secret else ""


def short_name(instance: str) -> str:
    """Return the beginning of an instance's id, by which people tell bots apart."""
    return instance[:_SHORT_CHARS]


def _dispute(rows: list[LeaseRow]) -> Dispute:
    rival = _highest(rows)
    if rival.kind is LeaseKind.TAKEOVER:
        return Dispute(DisputeReason.TAKEN_OVER, rival)
    return Dispute(DisputeReason.SECOND_BOT, rival, announce=rival.kind is LeaseKind.CLAIM)


def _highest(rows: list[LeaseRow]) -> LeaseRow:
    return max(rows, key=lambda row: (row.generation, row.instance))
