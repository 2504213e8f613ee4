"""Sends the messages of the outbox: each until the recipient is reached, seven days at most.

`core/routing` decides where a message goes and when the recipient is reached, by the relays that the ledger
knows. `jobs/relay_lists` looks for newer relay lists beside the sending.
"""

import asyncio
import logging
import sqlite3
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime
from functools import partial

from dca_bot.core.delivery import RelayAnswer
from dca_bot.core.payout import backoff_s
from dca_bot.core.ports import Clock, DmProtocol, Messenger, OutgoingMessage
from dca_bot.core.programme import Programme
from dca_bot.core.relay_lists import RelayListKind
from dca_bot.core.routing import Outcome, PersonRelays, Route, answer_route, judge, route
from dca_bot.errors import place_of
from dca_bot.jobs.relay_lists import RelayListWatch
from dca_bot.jobs.signals import SLEEP_MAX_S, Signals, pause_until
from dca_bot.ledger.correspondence import delivery, inbox, outbox, person_relays
from dca_bot.ledger.correspondence.inbox import Person
from dca_bot.ledger.correspondence.outbox import OutboxMessage, Urgency
from dca_bot.ledger.programme import clients
from dca_bot.ledger.store.database import Database, Tx
from dca_bot.messages.notices import Notices

ROOM = {Urgency.ANSWER: 16, Urgency.NOTICE: 8, Urgency.BULK: 4}
"""The messages under way up to which a message of an urgency may leave; the rest is room for answers.

A message to dead relays alone is under way for half a minute.
"""
RETRIES_MAX = 8
"""The messages under way that a relay has already, without counting."""
_RETRY_MAX_S = 600
_log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class _Recipient:
    """The recipient of a message, as the ledger knows the person.

    `is_stranger`: the message answers somebody who is neither client nor operator.
    """

    person: Person | None
    is_stranger: bool
    relays: PersonRelays


@dataclass(frozen=True, slots=True)
class Outbox:
    """The sender of messages: one at a time to each person, to several persons at once."""

    database: Database
    messenger: Messenger
    programme: Programme
    clock: Clock
    signals: Signals
    relays: tuple[str, ...]
    lists: RelayListWatch
    notices: Notices
    _busy: dict[str, asyncio.Task[None]] = field(default_factory=dict, init=False)
    _retrying: dict[str, asyncio.Task[None]] = field(default_factory=dict, init=False)

    async def run(self) -> None:
        """Send every message that is due; never return."""
        self.lists.on_change = self._begin_anew
        async with asyncio.TaskGroup() as group:
            while True:
                next_at = await self._start_due(group)
                await self.signals.outbox.wait(self.clock, self._pause_s(next_at))

    async def _start_due(self, group: asyncio.TaskGroup) -> datetime | None:
        """Start sending the messages that leave now; return when the first of the others is due."""
        picked, next_at = await self.database.read(self._pick)
        for message, recipient in picked:
            task = group.create_task(self._deliver(message, recipient))
            self._busy_with(message)[message.recipient] = task
            # A task that is cancelled before its first step runs no `finally` of its own.
            task.add_done_callback(partial(self._end, message))
        return next_at

    def _busy_with(self, message: OutboxMessage) -> dict[str, asyncio.Task[None]]:
        """Return the messages under way that a message waits for: a retry keeps no new message back."""
        return self._retrying if message.taken_beside else self._busy

    def _begin_anew(self, pubkey: str) -> None:
        """End the tries at a person's former relays; the messages are due again."""
        for busy in (self._busy, self._retrying):
            if pubkey in busy:
                busy[pubkey].cancel()

    def _pick(self, tx: Tx) -> tuple[list[tuple[OutboxMessage, _Recipient]], datetime | None]:
        """Choose the messages that leave now, the urgent first, one for each person; and find the next try.

        One more message for each person is tried again: a message that a relay has, without counting.
        """
        now, picked, next_at = self.clock.now(), list[OutboxMessage](), outbox.next_try_at(tx)
        if next_at is None or next_at > now:
            return [], next_at
        for urgency, room in ROOM.items():
            busy = (*self._busy, *(message.recipient for message in picked))
            limit = room - len(busy)
            picked += outbox.due(tx, now, urgency=urgency, limit=limit, busy=busy)
        limit, busy = RETRIES_MAX - len(self._retrying), tuple(self._retrying)
        picked += outbox.taken_and_due(tx, now, limit=limit, busy=busy)
        self.signals.leaving.update(message.id for message in picked)
        return [(message, self._recipient(tx, message)) for message in picked], next_at

    def _pause_s(self, next_at: datetime | None) -> float:
        if self._busy or self._retrying:
            return SLEEP_MAX_S  # The end of each rings.
        return pause_until(self.clock.now(), next_at)

    async def _deliver(self, message: OutboxMessage, recipient: _Recipient) -> None:
        try:
            await self._send(message, recipient)
        except sqlite3.Error:
            raise
        except Exception as error:  # noqa: BLE001 - one message must not keep the others back
            _log.error(
                "message failed id=%d error=%s at=%s",
                message.id,
                type(error).__name__,
                place_of(error),
            )
            await self.database.transact(lambda tx: self._retry(tx, message, ""))

    def _end(self, message: OutboxMessage, _task: asyncio.Task[None]) -> None:
        """Note that a message is under way no more."""
        del self._busy_with(message)[message.recipient]
        self.signals.leaving.discard(message.id)
        self.signals.outbox.ring()

    async def _send(self, message: OutboxMessage, recipient: _Recipient) -> None:
        if await self._is_expired(message):
            return
        if not recipient.is_stranger:
            self.lists.want(message.recipient)
        message = await self._with_event(message, recipient)
        assert message.event is not None
        chosen = self._route(message, recipient)
        answers: Sequence[RelayAnswer] = ()
        if chosen.waves:
            bulk = message.urgency is Urgency.BULK
            answers = await self.messenger.deliver(
                message.event, chosen.waves, chosen.counting, bulk=bulk
            )
        outcome = judge(chosen, answers)
        await self.database.transact(lambda tx: self._record(tx, message, recipient, outcome))
        if outcome.reason is not None and not outcome.is_pending and not recipient.is_stranger:
            self.lists.want(message.recipient, failed=True)

    async def _is_expired(self, message: OutboxMessage) -> bool:
        """Drop a message that is worthless by now, as a code is after ten minutes; tell the recipient."""
        if message.expires_at is None:
            return False
        now = self.clock.now()

        def drop(tx: Tx) -> bool:
            dropped = outbox.drop_expired(tx, message, now=now)
            if dropped and not message.taken_beside:
                self.notices.code_over(tx, message.recipient, now)
            return dropped

        dropped = await self.database.transact(drop)
        if dropped:
            _log.info("message expired id=%d tries=%d", message.id, message.tries)
        return dropped

    async def _with_event(self, message: OutboxMessage, recipient: _Recipient) -> OutboxMessage:
        """Make the event: for NIP-17 at each try (one rumor, a fresh wrap), for NIP-04 once."""
        if message.event is not None:
            return message
        protocol = message.protocol or _protocol_for(recipient)
        event = self.messenger.seal(
            OutgoingMessage(
                recipient=message.recipient,
                text=message.text,
                created_at=message.created_at,
                protocol=protocol,
                expires_at=message.expires_at,
                file=message.file,
            )
        )
        kept = event if protocol is DmProtocol.NIP04 else None
        if kept is not None or protocol is not message.protocol:
            await self.database.transact(
                lambda tx: outbox.fix_protocol(tx, message, protocol, kept)
            )
        return replace(message, protocol=protocol, event=event)

    def _route(self, message: OutboxMessage, recipient: _Recipient) -> Route:
        if recipient.is_stranger:
            return answer_route(message.relay)
        relays = recipient.relays
        if message.relay:
            relays = replace(relays, wrote_at=message.relay)
        assert message.protocol is not None
        return route(relays, message.protocol, self.relays, taken_beside=message.taken_beside)

    def _recipient(self, tx: Tx, message: OutboxMessage) -> _Recipient:
        pubkey = message.recipient
        person, fared = inbox.person(tx, pubkey), delivery.of(tx, pubkey)
        relays = PersonRelays(
            inbox=_inbox_of(tx, pubkey),
            hints=person_relays.hints_of(tx, pubkey),
            wrote_at=person.relay if person else "",
            accepted_at=fared.relay if fared else "",
            is_lost=fared is not None and fared.loss is not None,
            is_sought=self.lists.is_sought(pubkey),
        )
        is_stranger = (
            bool(message.relay)  # Only an answer has the relay where its question was written.
            and pubkey not in self.programme.operators
            and clients.by_pubkey(tx, pubkey) is None
        )
        return _Recipient(person, is_stranger, relays)

    def _record(
        self, tx: Tx, message: OutboxMessage, recipient: _Recipient, outcome: Outcome
    ) -> None:
        """Record what became of a message, and how messages to the person fare."""
        now, pubkey = self.clock.now(), message.recipient
        inbox_relays, before = _inbox_of(tx, pubkey), recipient.relays
        is_moved = inbox_relays != before.inbox and outcome.reached_at not in (inbox_relays or ())
        if outcome.reason is None and not is_moved:
            outbox.mark_sent(tx, message, now=now)
            is_known = not recipient.is_stranger
            if is_known and delivery.note_reached(tx, pubkey, outcome.reached_at, now=now):
                outbox.hurry_person(tx, pubkey, now)
            return
        self._retry(tx, message, outcome.beside)
        if recipient.is_stranger:
            return
        # Cut off from all of its own relays, the bot blames nobody else.
        if outcome.reason and self.messenger.connected() and not outcome.is_pending:
            delivery.note_lost(tx, pubkey, outcome.reason, outcome.words, now=now)
        now_known = (inbox_relays, self.lists.is_sought(pubkey))
        if now_known != (before.inbox, before.is_sought):
            # A list was found meanwhile, or has changed, or there is none.
            outbox.hurry_person(tx, pubkey, now)

    def _retry(self, tx: Tx, message: OutboxMessage, beside: str) -> None:
        """Record a failed try; `beside`: a relay that has the message although that doesn't count."""
        now = self.clock.now()
        delay_s = backoff_s(message.tries + 1, max_s=_RETRY_MAX_S)
        if outbox.mark_failed(tx, message, delay_s=delay_s, now=now, taken_beside=beside):
            _log.error("message given up id=%d tries=%d", message.id, message.tries + 1)
        if beside or message.taken_beside:
            outbox.put_off_taken(tx, message.recipient, delay_s=delay_s, now=now)


def _inbox_of(tx: Tx, pubkey: str) -> tuple[str, ...] | None:
    """Return the relays of a person's inbox list; None without a list, or for an empty one."""
    listed = person_relays.list_of(tx, pubkey, RelayListKind.INBOX)
    return listed.relays or None if listed else None


def _protocol_for(recipient: _Recipient) -> DmProtocol:
    """Choose the protocol of a notice: NIP-17 for a person with an inbox list, else the last one used."""
    if recipient.relays.inbox or recipient.person is None:
        return DmProtocol.NIP17
    return recipient.person.protocol
