"""Keeps one relay connected and performs what its protocol core asks for.

The shell around `relay_protocol`: sockets, time limits, reconnection. One log line is written when
a connection comes up and one when it goes down, none for attempts in between.
"""

import asyncio
import logging
import random
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Protocol

from websockets.asyncio.client import ClientConnection, connect
from websockets.exceptions import ConnectionClosed, WebSocketException

from dca_bot.core.ports import Clock
from dca_bot.errors import in_words, place_of
from dca_bot.nostr import actions
from dca_bot.nostr.events import Event
from dca_bot.nostr.frames import Filter
from dca_bot.nostr.keys import SecretKey
from dca_bot.nostr.relay_protocol import LOOKBACK_S, RelayProtocol

_LOG = logging.getLogger(__name__)
_OPEN_LIMIT_S = 10
_ADDRESS_LIMIT_S = 2
"""How long one address of a relay may take to open where there is another one to try."""
_NEXT_ADDRESS_S = 0.25
"""How long after one address of the bot's own relay the next is tried beside it (RFC 8305)."""
_PING_S = 20
_CLOSE_LIMIT_S = 2
_PUBLISH_LIMIT_S = 15
_QUERY_LIMIT_S = 10
_BACKOFF_S_MAX = 120
# Above what relays take from their writers, so that nobody's large event ends the connection.
_FRAME_BYTES_MAX = 4 * 1024 * 1024


@dataclass(frozen=True, slots=True)
class RelayState:
    """How one of the bot's relays is doing; `detail` is for a person."""

    url: str
    listening: bool
    detail: str


@dataclass(frozen=True, slots=True)
class Endpoint:
    """The addresses that a relay's host name stands for, at least one, in the order to try them."""

    hosts: tuple[str, ...]
    port: int


class RelayListener(Protocol):
    """What a relay tells its owner."""

    async def on_connected(self, relay: "Relay") -> None:
        """Take note of a new connection; runs beside it, may publish."""
        ...

    async def on_event(self, event: Event) -> None:
        """Take an event, not verified yet; the relay is not read on meanwhile."""
        ...

    async def on_stored_read(self) -> None:
        """Take note that what comes from now on is new."""
        ...

    async def on_disconnected(self) -> None:
        """Take note that the connection ended; stored events come first on the next one."""
        ...


class _Lost(Exception):
    """The connection ended; the text says why."""


class Relay:
    """One relay by its URL.

    With `since` the bot's mail is read, from then on at first and from the time of the last
    connection afterwards. An `endpoint` fixes where to connect, whatever the name resolves to: the
    first of its addresses that a connection can be opened to.
    """

    def __init__(
        self,
        url: str,
        key: SecretKey,
        *,
        clock: Clock,
        source: random.Random,
        since: datetime | None = None,
        listener: RelayListener | None = None,
        endpoint: Endpoint | None = None,
    ) -> None:
        self.url = url
        self._key = key
        self._clock = clock
        self._source = source
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
        """Return how the relay is doing."""
        return RelayState(self.url, self._listening, self._detail)

    async def run(self) -> None:
        """Stay connected until cancelled, with growing, jittered delays between attempts."""
        failures = 0
        while True:
            began_at = self._clock.now()
            await self.connect_once()
            steady = (self._clock.now() - began_at).total_seconds() > _BACKOFF_S_MAX
            failures = 0 if steady else failures + 1
            delay_s = min(_BACKOFF_S_MAX, 2**failures) * self._source.uniform(0.5, 1)
            await self._clock.sleep(delay_s)

    async def connect_once(self) -> None:
        """Connect and serve the connection until it ends; failures are kept in `state`.

        An unexpected error ends this connection and nothing else: a relay may be anybody's.
        """
        try:
            await self._connect()
        except Exception as error:  # noqa: BLE001 - no relay may end the bot
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
        """Ask for stored events; None when no answer came. They are not verified."""
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

    async def _open(self) -> ClientConnection:
        """Open a connection to the relay's name, or to its endpoint's addresses one after the other."""
        if self._endpoint is None:
            return await self._open_at(happy_eyeballs_delay=_NEXT_ADDRESS_S)
        fixed: dict[str, Any] = {"port": self._endpoint.port, "proxy": None}
        *others, last = self._endpoint.hosts
        share_s = min(_ADDRESS_LIMIT_S, _OPEN_LIMIT_S / (len(others) + 2))
        for host in others:
            # What a relay answers, a refusal too, is no OSError: then no other address is tried.
            with suppress(OSError):
                return await self._open_at(limit_s=share_s, host=host, **fixed)
        return await self._open_at(host=last, **fixed)

    async def _open_at(self, *, limit_s: float = _OPEN_LIMIT_S, **place: Any) -> ClientConnection:
        return await connect(
            self.url,
            open_timeout=limit_s,
            ping_interval=None,
            close_timeout=_CLOSE_LIMIT_S,
            max_size=_FRAME_BYTES_MAX,
            compression=None,
            **place,
        )

    async def _connect(self) -> None:
        try:
            async with asyncio.timeout(_OPEN_LIMIT_S):
                socket = await self._open()
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
        if self._listener is not None:
            await self._listener.on_disconnected()

    def _fail(self, error: Exception) -> None:
        """Note a connection that ended by an error nobody foresaw, without the error's text."""
        while isinstance(error, ExceptionGroup):
            error = error.exceptions[0]
        name = type(error).__name__
        _LOG.error("relay_failed relay=%s error=%s at=%s", self.url, name, place_of(error))
        self._note(listening=False, detail=f"failed by an unexpected {name}")

    async def _serve(self, socket: ClientConnection) -> None:
        # A clock that was ahead has heard nothing later than now.
        heard_at = None if self._heard_at is None else min(self._heard_at, self._clock.now())
        since = None if heard_at is None else int(heard_at.timestamp()) - LOOKBACK_S
        protocol = RelayProtocol(self.url, self._key, self._source, inbox_since=since)
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
        """Ping, so that a half-open connection ends, and note until when all mail was heard.

        The time of the last ping that was answered counts, not that of the loss: a machine that
        slept in between would otherwise never ask for what came meanwhile.
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
        """End the connection; the loop that reads it notices."""
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
        """Forget the ended connection; whoever waits for it is told."""
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


def _resolve(answer: asyncio.Future[Any] | None, value: Any) -> None:
    if answer is not None and not answer.done():
        answer.set_result(value)
