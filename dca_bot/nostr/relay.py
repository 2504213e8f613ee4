"""Keeps a relay connected and performs the actions of the protocol core.

The shell around `relay_protocol`: sockets, time limits, reconnection. The log has a line when a
connection comes up and a line when a connection goes down, none for attempts in between.
"""

import asyncio
import logging
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass
from datetime import datetime
from random import Random
from typing import Any, Protocol

from websockets.asyncio.client import ClientConnection
from websockets.exceptions import ConnectionClosed, WebSocketException

from dca_bot.core.ports import Clock
from dca_bot.errors import in_words, place_of
from dca_bot.nostr import actions
from dca_bot.nostr.events import Event
from dca_bot.nostr.frames import Filter
from dca_bot.nostr.keys import SecretKey
from dca_bot.nostr.relay_protocol import RelayProtocol
from dca_bot.nostr.relay_socket import OPEN_LIMIT_S, Endpoint, open_socket
from dca_bot.nostr.subscriptions import LOOKBACK_S

_LOG = logging.getLogger(__name__)
_PING_S = 20
_PUBLISH_LIMIT_S = 15
_QUERY_LIMIT_S = 10
_BACKOFF_S_MAX = 120


@dataclass(frozen=True, slots=True)
class RelayState:
    """The state of one of the bot's relays; `detail` is for a person."""

    url: str
    listening: bool
    detail: str


class RelayListener(Protocol):
    """The owner of a relay, who is told of connections and events."""

    async def on_connected(self, relay: "Relay") -> None:
        """Handle a new connection; runs beside the reading, and may publish."""
        ...

    async def on_event(self, event: Event) -> None:
        """Handle an event, not verified yet; the relay is not read further until this returns."""
        ...

    async def on_stored_read(self) -> None:
        """Handle the end of the stored events: every later event is new."""
        ...

    async def on_disconnected(self) -> None:
        """Handle the end of the connection; the next connection begins with stored events."""
        ...


class _Lost(Exception):
    """The connection ended; the text says why."""


class Relay:
    """A relay by URL.

    `since`: the bot's inbox is read from this time on; later connections read from the time of the
    last answered ping. None reads no inbox. `endpoint` fixes the addresses to connect to, instead
    of DNS.
    """

    def __init__(
        self,
        url: str,
        key: SecretKey,
        *,
        clock: Clock,
        random: Random,
        since: datetime | None = None,
        listener: RelayListener | None = None,
        endpoint: Endpoint | None = None,
    ) -> None:
        self.url = url
        self._key = key
        self._clock = clock
        self._random = random
        self._heard_at = since
        self._listener = listener
        self._endpoint = endpoint
        self._socket: ClientConnection | None = None
        self._protocol: RelayProtocol | None = None
        self._group: asyncio.TaskGroup | None = None
        self._answers: dict[str, asyncio.Future[bool]] = {}
        self._queries: dict[str, asyncio.Future[Sequence[Event] | None]] = {}
        self._listening = False
        self._ending = ""
        self._detail = "not connected yet"

    @property
    def state(self) -> RelayState:
        """Return the state of the relay."""
        return RelayState(self.url, self._listening, self._detail)

    async def run(self) -> None:
        """Stay connected until cancelled, with growing, jittered delays between attempts."""
        failures = 0
        while True:
            began_at = self._clock.now()
            await self.connect_once()
            steady = (self._clock.now() - began_at).total_seconds() > _BACKOFF_S_MAX
            failures = 0 if steady else failures + 1
            # Jitter: when a relay restarts, not all its clients come back in the same second.
            delay_s = min(_BACKOFF_S_MAX, 2**failures) * self._random.uniform(0.5, 1)
            await self._clock.sleep(delay_s)

    async def connect_once(self) -> None:
        """Connect, and serve the connection until the end; a failure is kept in `state`."""
        try:
            await self._connect()
        except Exception as error:  # noqa: BLE001 - anybody can run a relay: none may end the bot
            self._fail(error)

    async def leave(self) -> None:
        """Close the present connection."""
        if self._socket is not None:
            await self._socket.close()

    async def publish(self, event: Event) -> bool:
        """Send an event and wait for the answer; False for a refusal, silence or no connection."""
        if self._protocol is None:
            return False
        answer: asyncio.Future[bool] = asyncio.get_running_loop().create_future()
        # Registered before the event is sent: the answer may come at once.
        self._answers[event.id] = answer
        protocol = self._protocol
        try:
            async with asyncio.timeout(_PUBLISH_LIMIT_S):
                await self._perform(protocol.publish(event))
                return await answer
        except (TimeoutError, ConnectionClosed):
            return False
        finally:
            self._answers.pop(event.id, None)
            protocol.forget(event.id)

    async def query(self, wanted: Filter) -> Sequence[Event] | None:
        """Ask for stored events, which are not verified; None if no answer came."""
        if self._protocol is None:
            return None
        name, todo = self._protocol.query(wanted)
        answer: asyncio.Future[Sequence[Event] | None]
        answer = asyncio.get_running_loop().create_future()
        self._queries[name] = answer
        try:
            async with asyncio.timeout(_QUERY_LIMIT_S):
                await self._perform(todo)
                return await answer
        except (TimeoutError, ConnectionClosed):
            return None
        finally:
            self._queries.pop(name, None)

    async def _connect(self) -> None:
        try:
            async with asyncio.timeout(OPEN_LIMIT_S):
                socket = await open_socket(self.url, self._endpoint)
        except (OSError, WebSocketException, ValueError) as error:
            self._note(listening=False, detail=in_words(error))
            return
        try:
            await self._serve(socket)
        except* (_Lost, ConnectionClosed) as errors:
            self._note(listening=False, detail=in_words(errors.exceptions[0]))
        except* Exception as errors:  # noqa: BLE001 - the listener is told of every end
            self._fail(errors)
        finally:
            await socket.close()
        _heed_cancellation()
        if self._listener is not None:
            await self._listener.on_disconnected()

    def _fail(self, error: Exception) -> None:
        """Note a connection that ended by an unforeseen error, without the error's text."""
        while isinstance(error, ExceptionGroup):
            error = error.exceptions[0]
        name = type(error).__name__
        _LOG.error("relay_failed relay=%s error=%s at=%s", self.url, name, place_of(error))
        self._note(listening=False, detail=f"failed by an unexpected {name}")

    async def _serve(self, socket: ClientConnection) -> None:
        # A time ahead of now was noted while the clock was wrong.
        heard_at = None if self._heard_at is None else min(self._heard_at, self._clock.now())
        since = None if heard_at is None else int(heard_at.timestamp()) - LOOKBACK_S
        protocol = RelayProtocol(self.url, self._key, self._random, inbox_since=since)
        async with asyncio.TaskGroup() as group:
            self._socket, self._protocol, self._group = socket, protocol, group
            self._ending = ""
            group.create_task(self._keep_alive(socket, protocol))
            try:
                await self._converse(socket, protocol, group)
            finally:
                self._release()

    async def _converse(
        self, socket: ClientConnection, protocol: RelayProtocol, group: asyncio.TaskGroup
    ) -> None:
        await self._perform(protocol.start())
        if self._listener is not None:
            group.create_task(self._listener.on_connected(self))
        try:
            async for frame in socket:
                if isinstance(frame, str):
                    await self._perform(protocol.receive(frame, self._now_s()))
                detail = "listening" if protocol.listening else "connected, but not listening"
                self._note(listening=protocol.listening, detail=detail)
        except ConnectionClosed as error:
            raise _Lost(self._ending or in_words(error)) from error
        raise _Lost(self._ending or "the relay closed the connection")

    async def _keep_alive(self, socket: ClientConnection, protocol: RelayProtocol) -> None:
        """Ping, so that a half-open connection ends, and note until when all messages were heard.

        The time of the last answered ping counts, not the time of the loss: a machine that slept in
        between would otherwise never ask for the messages of that time.
        """
        with suppress(ConnectionClosed):
            while True:
                asked_at = self._clock.now()
                pong = asyncio.ensure_future(await socket.ping())
                await self._clock.sleep(_PING_S)
                if not pong.done():
                    await self._end("the relay does not answer pings")
                if protocol.up_to_date:
                    self._heard_at = asked_at

    async def _end(self, reason: str) -> None:
        """End the connection; the loop that reads the socket notices."""
        self._ending = reason
        await self.leave()

    async def _perform(self, todo: Sequence[actions.Action]) -> None:
        for action in todo:
            await self._perform_one(action)

    async def _perform_one(self, action: actions.Action) -> None:
        match action:
            case actions.Send(text) if self._socket is not None:
                await self._socket.send(text)
            case actions.Deliver(event) if self._listener is not None:
                await self._listener.on_event(event)
            case actions.StoredRead() if self._listener is not None:
                await self._listener.on_stored_read()
            case actions.Answered(event_id, accepted, reason):
                self._on_answer(event_id, accepted=accepted, reason=reason)
            case actions.Queried(query, events, complete):
                _resolve(self._queries.get(query), events if complete else None)
            case actions.WakeIn() if self._group is not None:
                self._group.create_task(self._wake(action))
            case actions.Drop(reason):
                await self._end(reason)

    async def _wake(self, action: actions.WakeIn) -> None:
        await self._clock.sleep(action.delay_s)
        if self._protocol is not None:
            todo = self._protocol.wake(action.subscription, action.turn, self._now_s())
            with suppress(ConnectionClosed):
                await self._perform(todo)

    def _on_answer(self, event_id: str, *, accepted: bool, reason: str) -> None:
        if not accepted:
            _LOG.warning("publish_refused relay=%s event=%s reason=%r", self.url, event_id, reason)
        _resolve(self._answers.get(event_id), accepted)

    def _release(self) -> None:
        """Forget the ended connection, and answer everybody who waits for an event's or a query's answer."""
        self._socket = self._protocol = self._group = None
        for accepted in self._answers.values():
            _resolve(accepted, False)  # noqa: FBT003
        for events in self._queries.values():
            _resolve(events, None)

    def _note(self, *, listening: bool, detail: str) -> None:
        self._detail = detail
        if listening == self._listening:
            return
        self._listening = listening
        level = logging.INFO if listening else logging.WARNING
        _LOG.log(level, "relay_listening=%s relay=%s detail=%r", listening, self.url, detail)

    def _now_s(self) -> int:
        return int(self._clock.now().timestamp())


def _heed_cancellation() -> None:
    """Raise CancelledError if this task was cancelled.

    Up to Python 3.12 a TaskGroup that ends by an error forgets a cancellation that comes meanwhile.
    """
    task = asyncio.current_task()
    if task is not None and task.cancelling():
        raise asyncio.CancelledError


def _resolve(answer: asyncio.Future[Any] | None, value: Any) -> None:
    if answer is not None and not answer.done():
        answer.set_result(value)
