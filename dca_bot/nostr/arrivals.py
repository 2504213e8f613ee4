"""Orders the messages of all relays by the messages' own times, before the bot answers the first of them.

Relays give stored events newest first, and wraps hide the messages' times. Two relays know nothing of each
other: one may have the older message of a person. So messages are held while a relay gives stored events,
and are then handed on by their own times, over all relays.

The bounds: nobody waits longer than WAIT_S for a relay, except people of whom that relay has given a stored
message: their messages wait until the relay has given all, or twice PATIENCE_S have passed. A relay that
takes longer than WAIT_S is not waited for again until the relay has once been in time. When the store is
full, all messages in it leave, in order.
"""

import asyncio
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, replace
from datetime import datetime, timedelta

from dca_bot.core.ports import Clock, IncomingMessage

WAIT_S = 2
_WAIT = timedelta(seconds=WAIT_S)
SETTLE_S = 0.1
"""With several relays: how long a new message waits for an older one that another relay passes on."""
PATIENCE_S = 45
"""How often messages are looked at that wait for a relay: none waits longer than twice as long."""
_PATIENCE = timedelta(seconds=PATIENCE_S)
_MESSAGES_MAX = 5_000
_CHARS_MAX = 8 * 1024 * 1024


@dataclass(frozen=True, slots=True)
class _Held:
    """A held message; `place` counts all arrivals."""

    message: IncomingMessage
    place: int
    since: datetime

    def __lt__(self, other: "_Held") -> bool:
        """Order by the messages' own times.

        Within a second stored messages come first, and in reverse: relays give the newest first.
        """
        return self._key() < other._key()

    def _key(self) -> tuple[datetime, int]:
        is_stored = self.message.arrived_at is None
        return self.message.sent_at, -self.place if is_stored else self.place


class Arrivals:
    """The store of held messages; `hand_on` takes each message, and may wait."""

    def __init__(self, clock: Clock, hand_on: Callable[[IncomingMessage], Awaitable[None]]) -> None:
        self._clock = clock
        self._hand_on = hand_on
        self._held: dict[str, _Held] = {}
        self._chars = 0
        self._places = 0
        self._expected: set[str] = set()
        self._began: dict[str, datetime] = {}
        self._slow: set[str] = set()
        self._live: set[str] = set()
        self._changed = asyncio.Event()
        self._room = asyncio.Event()
        self._room.set()
        self._due = asyncio.Event()
        self._due.set()

    def expect(self, relay: str) -> None:
        """Wait for a relay that is about to be connected for the first time."""
        self._expected.add(relay)
        self._judge()

    def begin(self, relay: str) -> None:
        """Wait for a relay that was asked for stored messages."""
        self._expected.discard(relay)
        self._began[relay] = self._clock.now()
        self._judge()

    def complete(self, relay: str) -> None:
        """Wait no more for a relay: the stored messages are here."""
        began_at = self._began.get(relay)
        if began_at is not None and self._clock.now() - began_at < _WAIT:
            self._slow.discard(relay)
        self._live.add(relay)
        self._leave_out(relay)

    def lose(self, relay: str) -> None:
        """Wait no more for a relay: the connection has ended, or never came."""
        self._live.discard(relay)
        self._leave_out(relay)

    async def add(self, event_id: str, message: IncomingMessage) -> None:
        """Hold the message of an event, as soon as the store has room."""
        await self._room.wait()
        self._places += 1
        self._held[event_id] = _Held(message, self._places, self._clock.now())
        self._chars += len(message.text)
        if self._is_full():
            self._room.clear()
        # A stored message waits for the others of its relay anyway.
        if self._is_full() or message.arrived_at is not None or message.relay not in self._began:
            self._judge()

    def note_new(self, event_id: str) -> None:
        """Note that a relay passed an event on as new, and not only as stored.

        A new event may also match the filter of a page of stored events, and come from there first.
        """
        held = self._held.get(event_id)
        if held is not None and held.message.arrived_at is None:
            message = replace(held.message, arrived_at=held.since)
            self._held[event_id] = replace(held, message=message)
            self._judge()

    async def run(self) -> None:
        """Hand messages on until cancelled."""
        while True:
            await self._wait(self._changed, PATIENCE_S)
            self._changed.clear()
            if len(self._live | self._began.keys()) > 1:
                await self._clock.sleep(SETTLE_S)
            await self._wait_for_relays()
            for one in self._take():
                await self._hand_on(one.message)

    async def _wait_for_relays(self) -> None:
        # Nothing may be awaited between the last look at `_due` and taking the messages.
        if not self._held or self._due.is_set():
            return
        await self._wait(self._due, WAIT_S)
        if not self._due.is_set():
            self._expected.clear()
            self._slow.update(self._began)
            self._due.set()

    async def _wait(self, event: asyncio.Event, limit_s: float) -> None:
        if event.is_set():
            return
        tasks = [asyncio.ensure_future(wait) for wait in (event.wait(), self._clock.sleep(limit_s))]
        try:
            await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)
        finally:
            for task in tasks:
                task.cancel()

    def _take(self) -> list[_Held]:
        """Take the messages that may leave, in order."""
        stay = set() if self._is_full() else self._senders_awaited()
        leaving = sorted(one for one in self._held.values() if one.message.sender not in stay)
        self._held = {id_: one for id_, one in self._held.items() if one.message.sender in stay}
        self._chars = sum(len(one.message.text) for one in self._held.values())
        self._room.set()
        return leaving

    def _senders_awaited(self) -> set[str]:
        """Return the people of whom a relay has given a stored message, and may give an older one."""
        now = self._clock.now()
        return {
            one.message.sender
            for one in self._held.values()
            if one.message.relay in self._began
            and one.message.arrived_at is None
            and now - one.since < _PATIENCE
        }

    def _leave_out(self, relay: str) -> None:
        self._expected.discard(relay)
        self._began.pop(relay, None)
        self._judge()

    def _is_full(self) -> bool:
        return len(self._held) >= _MESSAGES_MAX or self._chars >= _CHARS_MAX

    def _judge(self) -> None:
        """Set `_due` if no relay is to be waited for, or the store is full; wake `run`."""
        self._changed.set()
        if self._is_full() or not (self._expected or self._began.keys() - self._slow):
            self._due.set()
        else:
            self._due.clear()
