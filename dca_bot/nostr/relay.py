"""Keeps a relay connected and performs the actions of the protocol core.

The shell around `relay_protocol`: sockets, time limits, reconnection. The log has a line when a
connection comes up and a line when a connection goes down, none for attempts in between.
"""

import asyncio
import logging
from collections.abc import Sequence
from contextlib import suppress
from datetime import datetime
from random import Random
from typing import Any, Protocol

from websockets.asyncio.client import ClientConnection
from websockets.exceptions import ConnectionClosed, WebSocketException

from dca_bot.core.delivery import RelayAnswer
from dca_bot.core.ports import Clock
from dca_bot.core.relay_state import RelayState, RelayTrouble
from dca_bot.errors import place_of
from dca_bot.nostr import actions
from dca_bot.nostr.events import Event
from dca_bot.nostr.frames import Filter
from dca_bot.nostr.keys import SecretKey
from dca_bot.nostr.relay_protocol import RelayProtocol
from dca_bot.nostr.relay_socket import OPEN_LIMIT_S, Endpoint, open_socket
from dca_bot.nostr.relay_troubles import Trouble, trouble_of, trouble_said, unreached
from dca_bot.nostr.subscriptions import LOOKBACK_S

_LOG = logging.getLogger(__name__)
_PING_S = 20
_PUBLISH_LIMIT_S = 15
_QUERY_LIMIT_S = 10
_BACKOFF_S_MAX = 120


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
    """The connection ended by `trouble`."""

    def __init__(self, trouble: Trouble) -> None:
        super().__init__(trouble.detail)
        self.trouble = trouble


_NO_CONNECTION = Trouble(RelayTrouble.LOST, "not connected")
_NOT_LISTENING = Trouble(RelayTrouble.NO_ANSWER, "connected, but not listening")
_NO_PONG = Trouble(RelayTrouble.NO_PONG, "the relay does not answer pings")
_CLOSED_BY_RELAY = Trouble(RelayTrouble.LOST, "the relay closed the connection")
_NO_ANSWER = Trouble(RelayTrouble.NO_ANSWER, "no answer in time")


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
        self._answers: dict[str, asyncio.Future[RelayAnswer]] = {}
        self._queries: dict[str, asyncio.Future[Sequence[Event] | None]] = {}
        self._listening = False
        self._ending: Trouble | None = None
        self._trouble: Trouble | None = Trouble(RelayTrouble.NOT_TRIED, "not connected yet")
        self._since = clock.now()
        self._ever_listened = False

    @property
    def state(self) -> RelayState:
        """Return the state of the relay."""
        trouble = self._trouble or Trouble(RelayTrouble.NOT_TRIED, "listening")
        return RelayState(
            url=self.url,
            listening=self._listening,
            detail=trouble.detail,
            since=self._since,
            trouble=None if self._trouble is None else trouble.code,
            words=trouble.words,
            status=trouble.status,
            ever_listened=self._ever_listened,
        )

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

    async def publish(self, event: Event) -> RelayAnswer:
        """Send an event, and return the relay's answer or why none came."""
        if self._protocol is None:
            return self.unreached()
        answer: asyncio.Future[RelayAnswer] = asyncio.get_running_loop().create_future()
        # Registered before the event is sent: the answer may come at once.
        self._answers[event.id] = answer
        protocol = self._protocol
        try:
            async with asyncio.timeout(_PUBLISH_LIMIT_S):
                await self._perform(protocol.publish(event))
                return await answer
        except TimeoutError:
            return unreached(self.url, _NO_ANSWER)
        except ConnectionClosed as error:
            return unreached(self.url, trouble_of(error))
        finally:
            self._answers.pop(event.id, None)
            protocol.forget(event.id)

    def unreached(self) -> RelayAnswer:
        """Return the answer to a message that the relay's present trouble keeps from being sent."""
        return unreached(self.url, self._trouble or _NO_CONNECTION)

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
            self._note(trouble_of(error))
            return
        try:
            await self._serve(socket)
        except* _Lost as errors:
            self._note(_the_loss(errors).trouble)
        except* ConnectionClosed as errors:
            self._note(trouble_of(errors.exceptions[0]))
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
        self._note(Trouble(RelayTrouble.FAILED, f"failed by an unexpected {name}"))

    async def _serve(self, socket: ClientConnection) -> None:
        # A time ahead of now was noted while the clock was wrong.
        heard_at = None if self._heard_at is None else min(self._heard_at, self._clock.now())
        since = None if heard_at is None else int(heard_at.timestamp()) - LOOKBACK_S
        protocol = RelayProtocol(self.url, self._key, self._random, inbox_since=since)
        async with asyncio.TaskGroup() as group:
            self._socket, self._protocol, self._group = socket, protocol, group
            self._ending = None
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
                self._note(None if protocol.listening else _NOT_LISTENING)
        except ConnectionClosed as error:
            raise _Lost(self._ending or trouble_of(error)) from error
        raise _Lost(self._ending or _CLOSED_BY_RELAY)

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
                    await self._end(_NO_PONG)
                if protocol.up_to_date:
                    self._heard_at = asked_at

    async def _end(self, trouble: Trouble) -> None:
        """End the connection; the loop that reads the socket notices."""
        self._ending = trouble
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
                await self._end(trouble_said(RelayTrouble.AUTH, reason))

    async def _wake(self, action: actions.WakeIn) -> None:
        await self._clock.sleep(action.delay_s)
        if self._protocol is not None:
            todo = self._protocol.wake(action.subscription, action.turn, self._now_s())
            with suppress(ConnectionClosed):
                await self._perform(todo)

    def _on_answer(self, event_id: str, *, accepted: bool, reason: str) -> None:
        if not accepted:
            _LOG.warning("publish_refused relay=%s event=%s reason=%r", self.url, event_id, reason)
            trouble = trouble_said(RelayTrouble.REFUSED, reason)
            _resolve(self._answers.get(event_id), unreached(self.url, trouble))
            return
        _resolve(self._answers.get(event_id), RelayAnswer(self.url, accepted=True, words=reason))

    def _release(self) -> None:
        """Forget the ended connection, and answer everybody who waits for an event's or a query's answer."""
        self._socket = self._protocol = self._group = None
        for answer in self._answers.values():
            _resolve(answer, unreached(self.url, self._ending or _NO_CONNECTION))
        for events in self._queries.values():
            _resolve(events, None)

    def _note(self, trouble: Trouble | None) -> None:
        """Note what is wrong, None for a relay that listens; log a change."""
        self._trouble, listening = trouble, trouble is None
        if listening == self._listening:
            return
        self._listening, self._since = listening, self._clock.now()
        self._ever_listened = self._ever_listened or listening
        level = logging.INFO if listening else logging.WARNING
        detail = self.state.detail
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


def _the_loss(errors: BaseExceptionGroup[_Lost]) -> _Lost:
    """Return the first loss of a group; TaskGroups can nest groups."""
    first = errors.exceptions[0]
    return first if isinstance(first, _Lost) else _the_loss(first)


def _resolve(answer: asyncio.Future[Any] | None, value: Any) -> None:
    if answer is not None and not answer.done():
        answer.set_result(value)
