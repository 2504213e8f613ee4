"""Seals messages, and makes an event anew for a relay with rules: proof of work, or no back-dated wraps.

A wrap's key is used once and forgotten: no wrap can be altered, and the message is sealed anew. The rumor
stays the same, and the receiver's app shows both wraps as a single message.
"""

import asyncio
import threading
import time
from collections import OrderedDict
from dataclasses import dataclass, replace
from datetime import timedelta
from random import Random

from dca_bot.core.ports import Clock, OutgoingMessage
from dca_bot.nostr.dm import draft_message
from dca_bot.nostr.events import Event, UnsignedEvent, sign_draft
from dca_bot.nostr.keys import SecretKey
from dca_bot.nostr.relays.proof_of_work import BITS_MAX, LIMIT_S, mine, work_of
from dca_bot.nostr.relays.relay_habits import RelayHabits

_REMEMBERED_MAX = 512
_FITTED_MAX = 64
_FRESH_FOR = timedelta(minutes=10)
"""An event that is not older passes for dated now."""

_Wanted = tuple[OutgoingMessage | str, int, bool]
"""A message, or the id of any other event; the bits of work; whether dated now."""


@dataclass(slots=True, eq=False)
class _Fitting:
    """An event that is made anew, by a task; `waiting`: how many relays wait for the event."""

    task: asyncio.Task[Event | None]
    waiting: int = 0
    has_begun: bool = False


class Sealer:
    """The maker of a key's events; remembers the messages of the latest events."""

    def __init__(self, key: SecretKey, clock: Clock, random: Random) -> None:
        self._key = key
        self._clock = clock
        self._random = random
        self._messages: OrderedDict[str, OutgoingMessage] = OrderedDict()
        self._fitted: OrderedDict[_Wanted, _Fitting] = OrderedDict()
        self._mining = asyncio.Lock()

    def seal(self, message: OutgoingMessage) -> Event:
        """Make an event that carries a message."""
        event = sign_draft(*self._draft(message))
        self._messages[event.id] = message
        if len(self._messages) > _REMEMBERED_MAX:
            self._messages.popitem(last=False)
        return event

    async def fit(self, event: Event, habits: RelayHabits) -> Event | None:
        """Return the event as a relay takes events; None if the relay, or all relays, ask for too much work.

        An event that suits the relay is returned as given, and so is an event of another key whose
        message isn't remembered.
        """
        dates_now = habits.dates_now and self._is_old(event)
        is_worked = work_of(event) >= habits.pow_bits and not dates_now
        bits = 0 if is_worked else habits.pow_bits
        if not bits and not dates_now:
            return event
        message = self._messages.get(event.id)
        if message is None and event.pubkey != self._key.public_key:
            return event
        wanted = (message or event.id, bits, dates_now)
        known = self._fitted.get(wanted)
        if known is None or not self._is_of_use(known.task, dates_now=dates_now):
            if not self._make_room():
                return None
            task = asyncio.create_task(self._remake(wanted, event))
            known = self._fitted[wanted] = _Fitting(task)
        return await self._result(wanted, known)

    async def _result(self, wanted: _Wanted, fitting: _Fitting) -> Event | None:
        """Wait for an event that is made anew; drop work that no relay waits for before the work begins."""
        fitting.waiting += 1
        try:
            # Shielded: work that has begun is finished, and serves the message's next try.
            return await asyncio.shield(fitting.task)
        finally:
            fitting.waiting -= 1
            if not (fitting.waiting or fitting.has_begun or fitting.task.done()):
                fitting.task.cancel()
                if self._fitted.get(wanted) is fitting:
                    del self._fitted[wanted]

    def _is_of_use(self, fitted: asyncio.Task[Event | None], *, dates_now: bool) -> bool:
        if not fitted.done():
            return True
        event = None if fitted.cancelled() or fitted.exception() else fitted.result()
        return event is not None and not (dates_now and self._is_old(event))

    def _make_room(self) -> bool:
        """Forget the oldest event that was made anew; False if all are still being made."""
        if len(self._fitted) < _FITTED_MAX:
            return True
        oldest = next((key for key, fitting in self._fitted.items() if fitting.task.done()), None)
        if oldest is not None:
            del self._fitted[oldest]
        return oldest is not None

    async def _remake(self, wanted: _Wanted, event: Event) -> Event | None:
        _, bits, dates_now = wanted
        if event.pubkey == self._key.public_key:
            draft, signer = event.body, self._key
            if dates_now:
                draft = replace(draft, created_at=int(self._clock.now().timestamp()))
        else:
            draft, signer = self._draft(self._messages[event.id], dates_now=dates_now)
        mined = await self._mine(draft, wanted) if bits else draft
        return None if mined is None else sign_draft(mined, signer)

    async def _mine(self, draft: UnsignedEvent, wanted: _Wanted) -> UnsignedEvent | None:
        """Mine in a thread, one event at a time, until found, too late, or cancelled."""
        _, bits, _ = wanted
        if bits > BITS_MAX:
            return None
        is_cancelled = threading.Event()
        async with self._mining:
            self._fitted[wanted].has_begun = True
            ends_at = time.monotonic() + LIMIT_S
            try:
                return await asyncio.to_thread(
                    mine, draft, bits, lambda: is_cancelled.is_set() or time.monotonic() > ends_at
                )
            finally:
                is_cancelled.set()

    def _draft(
        self, message: OutgoingMessage, *, dates_now: bool = False
    ) -> tuple[UnsignedEvent, SecretKey]:
        now = self._clock.now()
        return draft_message(message, self._key, now=now, random=self._random, dates_now=dates_now)

    def _is_old(self, event: Event) -> bool:
        return event.created_at < (self._clock.now() - _FRESH_FOR).timestamp()
