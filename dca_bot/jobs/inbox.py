"""Receives messages from the relays, and has each person's messages answered in order.

The invariant: a message in flight is not started twice, two messages of one person never overlap, and
a flood from one person fills only that person's queue.
"""

import asyncio
import logging
from bisect import insort
from collections.abc import AsyncIterator
from typing import Protocol

from dca_bot.core.names import short_id
from dca_bot.core.ports import IncomingMessage

QUEUE_MAX = 50
"""The waiting messages of one person; further messages that come as new are dropped."""
AT_ONCE = 16
"""The persons whose messages are handled at the same time."""
PEOPLE_MAX = 1000
"""The waiting persons; while the limit is reached, no message is taken off the relays."""
_log = logging.getLogger(__name__)


class Inbound(Protocol):
    """The source of messages: the part of a Messenger that the inbox needs."""

    def incoming(self) -> AsyncIterator[IncomingMessage]:
        """Yield verified messages, copies too."""
        ...


class Handler(Protocol):
    """The part of a Conversation that the inbox needs."""

    async def handle(self, message: IncomingMessage) -> None:
        """Handle a message; one that was handled before has no further effect."""
        ...


async def answer_messages(messenger: Inbound, conversation: Handler) -> None:
    """Answer messages until cancelled.

    A message in flight at that moment leaves no trace, and runs again after the next start.
    """
    async with asyncio.TaskGroup() as tasks:
        queues = _Queues(conversation, tasks)
        async for message in messenger.incoming():
            await queues.take(message)


class _Queues:
    """A short queue and a task for each person with waiting messages."""

    def __init__(self, conversation: Handler, tasks: asyncio.TaskGroup) -> None:
        self._conversation = conversation
        self._tasks = tasks
        self._queues: dict[str, list[IncomingMessage]] = {}
        self._in_flight: set[tuple[str, str]] = set()
        self._people = asyncio.Semaphore(PEOPLE_MAX)
        self._serving = asyncio.Semaphore(AT_ONCE)

    async def take(self, message: IncomingMessage) -> None:
        """Queue a message, unless a copy is in flight or the sender's queue is full.

        Stored messages are no flood: they come at once after an outage, and not again.
        """
        key = (message.sender, message.id)
        if key in self._in_flight:
            return
        queue = self._queues.get(message.sender)
        if queue is None:
            await self._people.acquire()
            queue = self._queues[message.sender] = []
            self._tasks.create_task(self._serve(message.sender, queue))
        if message.arrived_at is not None and len(queue) >= QUEUE_MAX:
            _log.warning(
                "message dropped, too many are waiting sender=%s", short_id(message.sender)
            )
            return
        self._in_flight.add(key)
        insort(queue, message, key=lambda waiting: waiting.sent_at)

    async def _serve(self, sender: str, queue: list[IncomingMessage]) -> None:
        """Handle one person's messages until the queue is empty: of those that wait, the oldest first."""
        while queue:
            message = queue.pop(0)
            async with self._serving:
                await self._conversation.handle(message)
            self._in_flight.discard((message.sender, message.id))
        del self._queues[sender]
        self._people.release()
