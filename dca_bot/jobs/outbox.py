"""Sends the messages of the outbox: each until a relay has accepted the message, seven days at most."""

import asyncio
import logging
import sqlite3
from dataclasses import dataclass, field, replace

from dca_bot.core.payout import backoff_s
from dca_bot.core.ports import Clock, DmProtocol, Messenger, OutgoingMessage
from dca_bot.core.programme import Programme
from dca_bot.errors import place_of
from dca_bot.jobs.signals import Signals
from dca_bot.ledger.correspondence import inbox, outbox
from dca_bot.ledger.correspondence.inbox import Person
from dca_bot.ledger.correspondence.outbox import OutboxMessage, Urgency
from dca_bot.ledger.programme import clients
from dca_bot.ledger.store.database import Database, Tx

ROOM = {Urgency.ANSWER: 16, Urgency.NOTICE: 8, Urgency.BULK: 4}
"""The messages under way up to which a message of an urgency may leave; the rest is room for answers.

A message to dead relays alone is under way for half a minute. Each message goes to at most four relays.
"""
_IDLE_S = 30
_RETRY_MAX_S = 600
_log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class _Recipient:
    """The recipient of a message, as the ledger knows the person."""

    person: Person | None
    is_member: bool


@dataclass(frozen=True, slots=True)
class Outbox:
    """The sender of messages: one at a time to each person, to several persons at once."""

    database: Database
    messenger: Messenger
    programme: Programme
    clock: Clock
    signals: Signals
    relays: tuple[str, ...]
    _busy: dict[str, asyncio.Task[None]] = field(default_factory=dict, init=False)

    async def run(self) -> None:
        """Send every message that is due; never return."""
        async with asyncio.TaskGroup() as group:
            while True:
                await self._start_due(group)
                await self.signals.outbox.wait(self.clock, await self._pause_s())

    async def _start_due(self, group: asyncio.TaskGroup) -> None:
        for message in await self.database.read(self._pick):
            self._busy[message.recipient] = group.create_task(self._deliver(message))

    def _pick(self, tx: Tx) -> list[OutboxMessage]:
        """Choose the messages that leave now, the urgent first, one for each person."""
        now, picked = self.clock.now(), list[OutboxMessage]()
        for urgency, room in ROOM.items():
            busy = (*self._busy, *(message.recipient for message in picked))
            limit = room - len(busy)
            picked += outbox.due(tx, now, urgency=urgency, limit=limit, busy=busy)
        self.signals.leaving.update(message.id for message in picked)
        return picked

    async def _pause_s(self) -> float:
        next_at = await self.database.read(outbox.next_try_at)
        if next_at is None or self._busy:
            return _IDLE_S
        return min(max((next_at - self.clock.now()).total_seconds(), 0.0), _IDLE_S)

    async def _deliver(self, message: OutboxMessage) -> None:
        try:
            await self._send(message)
        except sqlite3.Error:
            raise
        except Exception as error:  # noqa: BLE001 - one message must not keep the others back
            _log.error(
                "message failed id=%d error=%s at=%s",
                message.id,
                type(error).__name__,
                place_of(error),
            )
            await self.database.transact(lambda tx: self._record(tx, message, taken=False))
        finally:
            del self._busy[message.recipient]
            self.signals.leaving.discard(message.id)
            self.signals.outbox.ring()

    async def _send(self, message: OutboxMessage) -> None:
        if await self._is_expired(message):
            return
        recipient = await self.database.read(lambda tx: self._recipient(tx, message))
        inbox = await self._inbox_relays(message, recipient)
        message = await self._with_event(message, recipient, inbox)
        assert message.event is not None
        taken = await self.messenger.publish(
            message.event,
            self._relays_for(message, recipient, inbox),
            bulk=message.urgency is Urgency.BULK,
        )
        await self.database.transact(lambda tx: self._record(tx, message, taken=taken))

    async def _is_expired(self, message: OutboxMessage) -> bool:
        """Drop a message that is worthless by now, as a code is after ten minutes."""
        if message.expires_at is None:
            return False
        now = self.clock.now()
        dropped = await self.database.transact(lambda tx: outbox.drop_expired(tx, message, now=now))
        if dropped:
            _log.info("message expired id=%d tries=%d", message.id, message.tries)
        return dropped

    async def _inbox_relays(self, message: OutboxMessage, recipient: _Recipient) -> tuple[str, ...]:
        """Look up the relays on which a person reads; a stranger is never looked up."""
        if _is_stranger(message, recipient):
            return ()
        return await self.messenger.inbox_relays(message.recipient)

    async def _with_event(
        self, message: OutboxMessage, recipient: _Recipient, inbox: tuple[str, ...]
    ) -> OutboxMessage:
        """Make the event: for NIP-17 at each try (one rumor, a fresh wrap), for NIP-04 once."""
        if message.event is not None:
            return message
        protocol = message.protocol or _protocol_for(recipient, inbox)
        event = self.messenger.seal(
            OutgoingMessage(
                recipient=message.recipient,
                text=message.text,
                created_at=message.created_at,
                protocol=protocol,
                expires_at=message.expires_at,
            )
        )
        kept = event if protocol is DmProtocol.NIP04 else None
        await self.database.transact(lambda tx: outbox.fix_protocol(tx, message, protocol, kept))
        return replace(message, protocol=protocol, event=event)

    def _relays_for(
        self, message: OutboxMessage, recipient: _Recipient, inbox: tuple[str, ...]
    ) -> tuple[str, ...]:
        if _is_stranger(message, recipient):
            return (message.relay,)
        if message.protocol is DmProtocol.NIP17 and inbox:
            return inbox
        wrote_at = message.relay or (recipient.person.relay if recipient.person else "")
        return tuple(dict.fromkeys([*([wrote_at] if wrote_at else []), *inbox, *self.relays]))

    def _recipient(self, tx: Tx, message: OutboxMessage) -> _Recipient:
        known = message.recipient in self.programme.operators or clients.by_pubkey(
            tx, message.recipient
        )
        return _Recipient(person=inbox.person(tx, message.recipient), is_member=bool(known))

    def _record(self, tx: Tx, message: OutboxMessage, *, taken: bool) -> None:
        now = self.clock.now()
        if taken:
            outbox.mark_sent(tx, message, now=now)
            return
        delay_s = backoff_s(message.tries + 1, max_s=_RETRY_MAX_S)
        if outbox.mark_failed(tx, message, delay_s=delay_s, now=now):
            _log.error("message given up id=%d tries=%d", message.id, message.tries + 1)


def _is_stranger(message: OutboxMessage, recipient: _Recipient) -> bool:
    return bool(message.relay) and not recipient.is_member


def _protocol_for(recipient: _Recipient, inbox: tuple[str, ...]) -> DmProtocol:
    """Choose the protocol of a notice: NIP-17 for a person with inbox relays, else the protocol used last."""
    if inbox or recipient.person is None:
        return DmProtocol.NIP17
    return recipient.person.protocol
