"""Holds the lease: of all bots on copies of a ledger, only the holder sends pay requests.

`core/lease` has the protocol and the proof. The invariant: a pay request rests on a look at LNbits that
began at most LOOK_AGE_MAX_S ago, and that found the bot's own row and no rival's.
"""

import logging
from dataclasses import dataclass, field
from datetime import datetime, timedelta

from dca_bot.core import lease as rules
from dca_bot.core.lease import (
    Claimed,
    Dispute,
    LeaseKind,
    LeaseReading,
    LeaseRecord,
    LeaseRow,
    Party,
)
from dca_bot.core.ports import Clock, Wallet
from dca_bot.errors import LeaseRefused, LnbitsUnavailable
from dca_bot.faults import LnbitsFault
from dca_bot.ledger.payouts import leases
from dca_bot.ledger.store import bot_state
from dca_bot.ledger.store.database import Database, Tx
from dca_bot.messages.notices import Notices

_LOOKS_MAX = 3
_SLOW = (
    f"LNbits takes longer than {rules.LOOK_AGE_MAX_S} s to list the lease's rows, so it isn't sure that no"
    " other bot pays; the bot tries again."
)
_WRITE_AGAIN_AFTER = timedelta(minutes=10)
"""Pause before another row is written, when LNbits doesn't list the last row."""
_UNLISTED = (
    "LNbits doesn't list the row of the lease that it has made in the source wallet; without it nothing"
    " is paid."
)
_log = logging.getLogger(__name__)


class NotHeld(Exception):
    """The lease isn't this bot's: no pay request leaves now."""


@dataclass(frozen=True, slots=True)
class Look:
    """When a look at LNbits began, by both clocks of the computer."""

    elapsed: timedelta
    at: datetime

    @classmethod
    def begin(cls, clock: Clock) -> "Look":
        """Note the time before LNbits is asked."""
        return cls(clock.uptime().elapsed, clock.now())

    def is_fresh(self, clock: Clock) -> bool:
        """Tell whether a pay request may still rest on the look."""
        return rules.is_fresh(clock.uptime().elapsed - self.elapsed, clock.now() - self.at)


@dataclass(slots=True)
class Lease:
    """The lease from the side of this bot process.

    `must_reconcile`: a rival may have paid until this bot took the lease, so the ledger must be reconciled
    with LNbits before the first pay request.
    """

    database: Database
    wallet: Wallet
    notices: Notices
    clock: Clock
    party: Party
    must_reconcile: bool = field(default=False, init=False)
    _own: LeaseRow | None = field(default=None, init=False)
    _word: LeaseRow | None = field(default=None, init=False)
    _is_held: bool = field(default=False, init=False)
    _look: Look | None = field(default=None, init=False)
    _unlisted_since: timedelta | None = field(default=None, init=False)

    @property
    def is_ready(self) -> bool:
        """Tell whether this bot has the lease, and nothing is left to do before the first pay request."""
        return self._is_held and not self.must_reconcile

    async def hold(self) -> bool:
        """Take the lease, and wait as the protocol asks; tell whether this bot has the lease now.

        Raise LnbitsUnavailable or LnbitsRefused if LNbits doesn't show the holder.
        """
        if not self._is_held:
            await self._take()
        return self._is_held

    async def check(self) -> None:
        """Make sure, right before a pay request, that this bot has the lease; look again if need be.

        An answer that takes longer than LOOK_AGE_MAX_S proves nothing. Raise NotHeld if another bot has the
        lease or the own row is gone. Raise LnbitsUnavailable or LnbitsRefused as `hold`.
        """
        for _ in range(_LOOKS_MAX):
            if not self._is_held or self._own is None:
                raise NotHeld
            if self._is_fresh():
                return
            found = await self._read(self._own.generation)
            await self._judge(rules.judge_look(self._own, self.party, found))
        if not (self._is_held and self._is_fresh()):
            raise LnbitsUnavailable(_SLOW, fault=LnbitsFault.LEASE_SLOW)

    async def announce(self) -> None:
        """Write the row by which a rival stops too, if a dispute has stopped this bot and lacks that row.

        Raise LnbitsUnavailable or LnbitsRefused.
        """
        dispute = await self.database.read(leases.open_dispute)
        if dispute is None or not dispute.announce:
            return
        record = await self.database.read(leases.record_of)
        found = await self._read(record.floor)
        generation = rules.next_generation(record, found.rows)
        row = _unlisted(self._word, record, found) or self.party.row(generation, LeaseKind.DISPUTE)
        self._word = row
        try:
            await self._write(row)
        except LeaseRefused as error:
            _log.warning("rival can't be told to stop detail=%s", error)
            return
        await self.database.transact(leases.note_announced)

    async def _take(self) -> None:
        record = await self.database.read(leases.record_of)
        before = await self._read(record.floor)
        if self._own is None or self._own not in before.rows:
            planned = rules.plan_claim(self.party, record, before)
            if isinstance(planned, Dispute):
                await self._stop(planned)
                return
            self._refuse_writing_soon_again()
            self._own = _unlisted(self._own, record, before) or planned
            if not await self._claim(self._own):
                return
        after = await self._read(min(self._own.generation, record.floor))
        judged = rules.judge_claim(self._own, self.party, record, before=before, after=after)
        if judged is Claimed.HELD_AFTER_WAIT:
            judged = await self._wait(self._own)
        if judged is Claimed.MISSING:
            self._unlisted_since = self._elapsed()
        await self._judge(judged)

    async def _claim(self, row: LeaseRow) -> bool:
        """Write a row; tell the operators once if LNbits refuses the row."""
        try:
            await self._write(row)
        except LeaseRefused as error:
            words = str(error)
            await self.database.transact(lambda tx: self._tell_refused(tx, words))
            return False
        await self.database.transact(lambda tx: bot_state.drop(tx, bot_state.LEASE_REFUSED))
        return True

    async def _write(self, row: LeaseRow) -> None:
        """Record a row in the ledger, then have LNbits keep the row."""
        now = self.clock.now()
        await self.database.transact(lambda tx: leases.note(tx, row, now=now))
        await self.wallet.write_lease(row)

    async def _wait(self, own: LeaseRow) -> Claimed | Dispute:
        """Wait until no earlier pay request of a rival can be under way, then look once more."""
        since = self._elapsed()
        while left_s := rules.wait_left_s(self._elapsed() - since):
            await self.clock.sleep(left_s)
        self.must_reconcile = True
        return rules.judge_look(own, self.party, await self._read(own.generation))

    async def _read(self, down_to: int) -> LeaseReading:
        """Look at the rows; the look's age counts from before LNbits was asked."""
        look = Look.begin(self.clock)
        found = await self.wallet.lease_rows(down_to=down_to, look_id=f"{look.elapsed}")
        self._look = look
        return found

    async def _judge(self, judged: Claimed | Dispute) -> None:
        self._is_held = judged is Claimed.HELD
        if isinstance(judged, Dispute):
            await self._stop(judged)
        elif judged is Claimed.MISSING:
            _log.warning("lease row not listed instance=%s", self.party.instance)

    async def _stop(self, dispute: Dispute) -> None:
        """Pause everything, tell the operators, and stop a rival that still pays by a row."""
        self._is_held, self._own, self._unlisted_since = False, None, None
        now = self.clock.now()

        def work(tx: Tx) -> None:
            if leases.stop(tx, dispute, now=now):
                self.notices.alarms.lease_disputed(tx, dispute, now)

        await self.database.transact(work)
        _log.error(
            "lease disputed reason=%s rival=%s generation=%d",
            dispute.reason,
            dispute.rival.instance,
            dispute.rival.generation,
        )
        await self.announce()

    def _tell_refused(self, tx: Tx, words: str) -> None:
        if bot_state.get(tx, bot_state.LEASE_REFUSED) is None:
            self.notices.alarms.lease_refused(tx, words, self.clock.now())
        bot_state.put(tx, bot_state.LEASE_REFUSED, words)

    def _elapsed(self) -> timedelta:
        return self.clock.uptime().elapsed

    def _is_fresh(self) -> bool:
        return self._look is not None and self._look.is_fresh(self.clock)

    def _refuse_writing_soon_again(self) -> None:
        since = self._unlisted_since
        if since is not None and self._elapsed() - since < _WRITE_AGAIN_AFTER:
            raise LnbitsUnavailable(_UNLISTED, fault=LnbitsFault.LEASE_UNLISTED)


def _unlisted(row: LeaseRow | None, record: LeaseRecord, found: LeaseReading) -> LeaseRow | None:
    """Return the last recorded row if LNbits never listed the row and no newer row exists."""
    if row is None or row.generation != record.generation:
        return None
    return row if all(one.generation < row.generation for one in found.rows) else None
