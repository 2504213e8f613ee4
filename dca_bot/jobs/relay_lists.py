"""Keeps the relay lists of clients and operators fresh, beside the messages: no message waits for a look-up.

A person is looked up when a message leaves, at most once in FRESH_FOR; when a message did not arrive, at
most once in RETRY_AFTER; and else after EVERY. A changed list is recorded at once, and the person's waiting
messages leave for the new relays. Strangers are never looked up.
"""

import asyncio
import logging
import sqlite3
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta

from dca_bot.core.ports import Clock, Messenger, SoughtPerson
from dca_bot.core.programme import Programme
from dca_bot.core.relay_lists import RelayList, RelayListKind
from dca_bot.errors import place_of
from dca_bot.jobs.signals import Bell, Signals
from dca_bot.ledger.correspondence import delivery, outbox, person_relays
from dca_bot.ledger.programme import clients
from dca_bot.ledger.store.database import Database, Tx

FRESH_FOR = timedelta(minutes=5)
RETRY_AFTER = timedelta(minutes=1)
EVERY = timedelta(minutes=20)
PEOPLE_MAX = 8
"""The people of one look-up: a relay gives at most 20 events for one query."""
AT_ONCE = 3
LOOK = timedelta(minutes=5)
_DOUBLED_MAX = 10
_RESENT_FOR = timedelta(hours=1)
_log = logging.getLogger(__name__)


@dataclass(slots=True)
class RelayListWatch:
    """The look-ups of relay lists: `want` asks for a look-up, `run` carries the look-ups out.

    `on_change` is called with the public key of a person whose inbox list names other relays than before.
    """

    database: Database
    messenger: Messenger
    programme: Programme
    clock: Clock
    signals: Signals
    on_change: Callable[[str], None] = lambda _pubkey: None
    _looked_at: dict[str, datetime] = field(default_factory=dict, init=False)
    _sought: set[str] = field(default_factory=set, init=False)
    _kept: dict[tuple[str, RelayListKind], int] = field(default_factory=dict, init=False)
    _wanted: dict[str, None] = field(default_factory=dict, init=False)
    _bell: Bell = field(default_factory=Bell, init=False)
    _busy: int = field(default=0, init=False)
    _unanswered: int = field(default=0, init=False)

    def want(self, pubkey: str, *, failed: bool = False) -> None:
        """Have a person looked up soon, unless that was just done; `failed`: a message did not arrive."""
        if pubkey not in self._wanted and self._is_older(
            pubkey, RETRY_AFTER if failed else FRESH_FOR
        ):
            self._wanted[pubkey] = None
            self._bell.ring()

    def is_sought(self, pubkey: str) -> bool:
        """Tell whether a look-up of a person has ended: a person without a list then really has none."""
        return pubkey in self._sought

    async def run(self) -> None:
        """Look up each wanted person, and each person whose last look-up is old; never return."""
        async with asyncio.TaskGroup() as group:
            everybody_at = self.clock.now()
            while True:
                now = self.clock.now()
                if not everybody_at - LOOK <= now < everybody_at:
                    await self._want_everybody()
                    everybody_at = now + LOOK
                self._start(group)
                await self._bell.wait(self.clock, LOOK.total_seconds())

    def _is_older(self, pubkey: str, age: timedelta) -> bool:
        looked_at, now = self._looked_at.get(pubkey), self.clock.now()
        # A time ahead of now was noted while the clock was wrong.
        return looked_at is None or not looked_at <= now < looked_at + age

    async def _want_everybody(self) -> None:
        """Note the people whose last look-up is old, and forget former clients."""
        people = await self.database.read(self._people)
        for gone in self._looked_at.keys() - set(people):
            del self._looked_at[gone]
            self._sought.discard(gone)
            for kind in RelayListKind:
                self._kept.pop((gone, kind), None)
        for pubkey in people:
            if self._is_older(pubkey, EVERY):
                self._wanted.setdefault(pubkey)

    def _people(self, tx: Tx) -> list[str]:
        keys = (*sorted(self.programme.operators), *clients.pubkeys(tx))
        return list(dict.fromkeys(keys))

    def _start(self, group: asyncio.TaskGroup) -> None:
        while self._wanted and self._busy < AT_ONCE:
            batch = list(self._wanted)[:PEOPLE_MAX]
            now = self.clock.now()
            for pubkey in batch:
                del self._wanted[pubkey]
                self._looked_at[pubkey] = now
            self._busy += 1
            group.create_task(self._look_up(batch))

    async def _look_up(self, batch: list[str]) -> None:
        try:
            people = await self.database.read(
                lambda tx: [SoughtPerson(one, person_relays.places_of(tx, one)) for one in batch]
            )
            if await self.messenger.look_up(people, self._keep):
                self._unanswered = 0
            else:
                self._look_again(batch)
        except Exception as error:
            # A failed look-up must not end the bot; a failed disk must.
            if _is_of_ledger(error):
                raise
            name = type(error).__name__
            _log.error("look-up of relay lists failed error=%s at=%s", name, place_of(error))
        finally:
            self._busy -= 1
            self._bell.ring()
        await self._note_sought(batch)

    def _look_again(self, batch: list[str]) -> None:
        """Have people looked up before EVERY is over: no relay of the bot's own answered.

        After RETRY_AFTER at first, then after growing pauses.
        """
        pause = min(RETRY_AFTER * 2**self._unanswered, EVERY)
        self._unanswered = min(self._unanswered + 1, _DOUBLED_MAX)
        for pubkey in batch:
            self._looked_at[pubkey] = self.clock.now() - EVERY + pause

    async def _note_sought(self, batch: list[str]) -> None:
        """Note that people's first look-up has ended; messages that waited for the end are due."""
        new, now = [one for one in batch if one not in self._sought], self.clock.now()
        self._sought.update(new)

        def work(tx: Tx) -> None:
            for pubkey in new:
                outbox.hurry_person(tx, pubkey, now)

        if new:
            await self.database.transact(work)
            self.signals.outbox.ring()

    async def _keep(self, found: RelayList) -> None:
        """Record a list; if the inbox list changed, have the person's messages leave for the new relays.

        A list as old as a list that was recorded before, in this run of the bot, is passed over.
        """
        now, key = self.clock.now(), (found.pubkey, found.kind)
        if found.created_at <= self._kept.get(key, -1):
            return
        if await self.database.transact(lambda tx: _record(tx, found, now)):
            self.on_change(found.pubkey)
            self.signals.outbox.ring()
        self._kept[key] = found.created_at


def _record(tx: Tx, found: RelayList, now: datetime) -> bool:
    """Record a list; return whether the list is an inbox list that names other relays than before.

    Messages that wait leave now. Recent messages leave once more, unless the relay that accepted the last one
    is on the list: the messages went to former relays, or left before any list was known.
    """
    before = person_relays.list_of(tx, found.pubkey, found.kind)
    if not person_relays.keep_list(tx, found) or found.kind is not RelayListKind.INBOX:
        return False
    since = now - _RESENT_FOR
    if before is not None:
        since = max(since, datetime.fromtimestamp(found.created_at, UTC))
    fared = delivery.of(tx, found.pubkey)
    if fared is None or fared.relay not in found.relays:
        outbox.resend_since(tx, found.pubkey, since, now=now)
    outbox.hurry_person(tx, found.pubkey, now)
    return True


def _is_of_ledger(error: Exception) -> bool:
    if isinstance(error, ExceptionGroup):
        return error.subgroup(sqlite3.Error) is not None
    return isinstance(error, sqlite3.Error)
