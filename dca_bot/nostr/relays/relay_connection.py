"""Performs the actions of the protocol core on one open connection, until the connection ends."""

import asyncio
from collections.abc import Awaitable, Callable, Coroutine, Sequence
from contextlib import suppress
from datetime import datetime
from typing import Any, Protocol

from websockets.asyncio.client import ClientConnection
from websockets.exceptions import ConnectionClosed
from websockets.frames import CloseCode

from dca_bot.core.delivery import RelayAnswer
from dca_bot.core.ports import Clock
from dca_bot.core.relay_state import RelayTrouble
from dca_bot.errors import one_line
from dca_bot.nostr.events import Event
from dca_bot.nostr.relays import actions
from dca_bot.nostr.relays.frames import Filter
from dca_bot.nostr.relays.relay_protocol import RelayProtocol
from dca_bot.nostr.relays.relay_troubles import Trouble, trouble_of, trouble_said, unreached

_PING_S = 20
_AGAIN_AFTER_S = 5
"""After so long without an answer an event is sent once more: an OK can get lost."""
_ANSWER_LIMIT_S = 10
_SEND_LIMIT_S = 1
_AUTH_LIMIT_S = 8
"""How long an event waits for a challenge (NIP-42) that the relay should have sent."""
_QUERY_LIMIT_S = 10
_AUTH_WORKS_MAX = 3
"""How often in one connection an answer to a challenge gets work: challenges cost a relay nothing."""
_NO_CONNECTION = Trouble(RelayTrouble.LOST, "not connected")
_NO_ANSWER = Trouble(RelayTrouble.NO_ANSWER, "no answer in time")
_NO_PONG = Trouble(RelayTrouble.NO_PONG, "the relay does not answer pings")
_CLOSED_BY_RELAY = Trouble(RelayTrouble.LOST, "the relay closed the connection")


class ConnectionLost(Exception):
    """The connection ended by `trouble`; `is_oversized`: the relay sent a frame above the limit."""

    def __init__(self, trouble: Trouble, *, is_oversized: bool = False) -> None:
        super().__init__(trouble.detail)
        self.trouble = trouble
        self.is_oversized = is_oversized


class Inbox(Protocol):
    """The receiver of a relay's events."""

    async def on_event(self, event: Event, *, is_stored: bool) -> None:
        """Handle an event, not verified yet; the relay is not read further until this returns.

        `is_stored`: the relay had the event before the bot asked.
        """
        ...

    async def on_stored_begins(self) -> None:
        """Handle the request for stored events: some of the next events may come out of order."""
        ...

    async def on_stored_read(self) -> None:
        """Handle the end of the stored events: every later event is new."""
        ...


class RelayConnection:
    """One connection.

    `note` is called after each frame, `heard` with the time until when all was heard. `refit` makes an event
    that a relay refused, with the relay's words, anew; None if that is of no use.
    """

    def __init__(
        self,
        url: str,
        socket: ClientConnection,
        protocol: RelayProtocol,
        *,
        clock: Clock,
        inbox: Inbox | None,
        note: Callable[[], None],
        heard: Callable[[datetime], None],
        refit: Callable[[Event, str], Awaitable[Event | None]],
    ) -> None:
        self._url = url
        self._socket = socket
        self._protocol = protocol
        self._clock = clock
        self._inbox = inbox
        self._note = note
        self._heard = heard
        self._refit = refit
        self._group = asyncio.TaskGroup()
        self._reading = asyncio.Lock()
        self._asked_at = clock.now()
        self._answers: dict[str, asyncio.Future[RelayAnswer]] = {}
        self._queries: dict[str, asyncio.Future[Sequence[Event] | None]] = {}
        self._ending: Trouble | None = None
        self._ended = False
        self._auth_works = 0
        self._sleeping: dict[str, asyncio.Task[None]] = {}

    async def serve(self, on_open: Callable[[], Coroutine[Any, Any, None]]) -> None:
        """Serve the connection; `on_open` runs beside the reading.

        Raise ConnectionLost at the end of the connection, in an exception group.
        """
        async with self._group as group:
            group.create_task(self._keep_alive())
            try:
                await self._perform(self._protocol.start())
                group.create_task(on_open())
                await self._read()
                raise ConnectionLost(self._ending or _CLOSED_BY_RELAY)
            except ConnectionClosed as error:
                raise self._loss(error) from error
            finally:
                self._release()

    async def close(self) -> None:
        """Close the connection."""
        await self._socket.close()

    async def publish(self, event: Event) -> RelayAnswer:
        """Send an event, twice if need be, and return the relay's answer or why none came."""
        if self._ended:
            return unreached(self._url, _NO_CONNECTION)
        answer: asyncio.Future[RelayAnswer] = asyncio.get_running_loop().create_future()
        # Registered before the event is sent: the answer may come at once.
        self._answers[event.id] = answer
        try:
            # Sending waits for a relay that doesn't read.
            async with asyncio.timeout(_AGAIN_AFTER_S + _ANSWER_LIMIT_S + _SEND_LIMIT_S):
                await self._perform(self._protocol.publish(event))
                return await self._answer(event, answer)
        except TimeoutError:
            return unreached(self._url, _NO_ANSWER)
        except ConnectionClosed as error:
            return unreached(self._url, trouble_of(error))
        finally:
            self._answers.pop(event.id, None)
            self._protocol.forget(event.id)

    async def query(self, wanted: Filter) -> Sequence[Event] | None:
        """Ask for stored events, which are not verified; None if no answer came."""
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
            self._protocol.abandon(name)

    async def _answer(self, event: Event, answer: asyncio.Future[RelayAnswer]) -> RelayAnswer:
        done, _ = await asyncio.wait([answer], timeout=_AGAIN_AFTER_S)
        refusal = self._protocol.refusal(event.id)
        if not done and not refusal:
            await self._perform(self._protocol.publish(event))
        limit_s = _AUTH_LIMIT_S - _AGAIN_AFTER_S if refusal else _ANSWER_LIMIT_S
        if not done:
            done, _ = await asyncio.wait([answer], timeout=limit_s)
        if done:
            return answer.result()
        refusal = self._protocol.refusal(event.id)
        trouble = trouble_said(RelayTrouble.AUTH, refusal) if refusal else _NO_ANSWER
        return unreached(self._url, trouble)

    async def _read(self) -> None:
        async for frame in self._socket:
            if isinstance(frame, str):
                async with self._reading:
                    await self._perform(self._protocol.receive(frame, self._now_s()))
            self._note()

    def _loss(self, error: ConnectionClosed) -> ConnectionLost:
        sent = error.sent
        is_oversized = sent is not None and sent.code == CloseCode.MESSAGE_TOO_BIG
        return ConnectionLost(self._ending or trouble_of(error), is_oversized=is_oversized)

    async def _keep_alive(self) -> None:
        """Ping, so that a half-open connection ends, and note until when all messages were heard.

        The time of the last answered ping counts, not the time of the loss: a machine that slept in
        between would otherwise never ask for the messages of that time.
        """
        while True:
            asked_at = self._clock.now()
            pong = asyncio.ensure_future(self._ping())
            try:
                await self._clock.sleep(_PING_S)
                if not pong.done():
                    await self._end(_NO_PONG)
                elif pong.result() and self._protocol.up_to_date:
                    self._heard(asked_at)
            finally:
                pong.cancel()

    async def _ping(self) -> bool:
        """Ping, and wait for the answer; False for a connection that ends meanwhile."""
        with suppress(ConnectionClosed):
            # Sending, too, waits for a relay that doesn't read.
            await (await self._socket.ping())
            return True
        return False

    async def _end(self, trouble: Trouble) -> None:
        """End the connection; the loop that reads the socket notices."""
        self._ending = trouble
        await self.close()

    async def _perform(self, todo: Sequence[actions.Action]) -> None:
        for action in todo:
            await self._perform_one(action)

    async def _perform_one(self, action: actions.Action) -> None:
        match action:
            case actions.Send(text):
                await self._socket.send(text)
            case actions.Answered(event_id, accepted, reason):
                self._on_answer(event_id, accepted=accepted, reason=reason)
            case actions.Queried(query, events, complete):
                _resolve(self._queries.get(query), events if complete else None)
            case actions.WakeIn() if not self._ended:
                self._wake_later(action)
            case actions.AuthRefused() if not self._ended and self._auth_works < _AUTH_WORKS_MAX:
                self._auth_works += 1
                self._group.create_task(self._authenticate(action))
            case actions.Drop(reason):
                await self._end(trouble_said(RelayTrouble.AUTH, reason))
            case _ if self._inbox is not None:
                await self._hand_on(self._inbox, action)

    async def _hand_on(self, inbox: Inbox, action: actions.Action) -> None:
        match action:
            case actions.Deliver(event, is_stored):
                await inbox.on_event(event, is_stored=is_stored)
            case actions.StoredBegins():
                self._asked_at = self._clock.now()
                await inbox.on_stored_begins()
            case actions.StoredRead(complete):
                await inbox.on_stored_read()
                if complete and not self._protocol.is_mute:
                    self._heard(self._asked_at)

    def _wake_later(self, action: actions.WakeIn) -> None:
        """Wake a subscription after the delay, and no longer at an earlier wake-up's time."""
        earlier = self._sleeping.get(action.subscription)
        if earlier is not None:
            earlier.cancel()
        self._sleeping[action.subscription] = self._group.create_task(self._wake(action))

    async def _wake(self, action: actions.WakeIn) -> None:
        await self._clock.sleep(action.delay_s)
        # From here on the task is not cancelled: the actions are performed to the end.
        del self._sleeping[action.subscription]
        # While a frame is being handled, more frames may wait: silence would be a wrong conclusion.
        async with self._reading:
            todo = self._protocol.wake(action.subscription, action.turn, self._now_s())
            with suppress(ConnectionClosed):
                await self._perform(todo)
        self._note()

    async def _authenticate(self, refused: actions.AuthRefused) -> None:
        again = await self._refit(refused.event, refused.reason)
        if again is not None:
            with suppress(ConnectionClosed):
                await self._perform(self._protocol.authenticate(again))

    def _on_answer(self, event_id: str, *, accepted: bool, reason: str) -> None:
        if accepted:
            answer = RelayAnswer(self._url, accepted=True, words=one_line(reason))
        else:
            answer = unreached(self._url, trouble_said(RelayTrouble.REFUSED, reason))
        _resolve(self._answers.get(event_id), answer)

    def _release(self) -> None:
        """Answer everybody who waits for an event's or a query's answer: the connection has ended."""
        self._ended = True
        for answer in self._answers.values():
            _resolve(answer, unreached(self._url, self._ending or _NO_CONNECTION))
        for events in self._queries.values():
            _resolve(events, None)

    def _now_s(self) -> int:
        return int(self._clock.now().timestamp())


def _resolve(answer: asyncio.Future[Any] | None, value: Any) -> None:
    if answer is not None and not answer.done():
        answer.set_result(value)
