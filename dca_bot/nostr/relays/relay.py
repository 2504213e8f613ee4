"""Keeps a relay connected, connection by connection, with delays in between."""

import asyncio
import logging
from collections.abc import Sequence
from dataclasses import replace
from datetime import datetime, timedelta
from functools import partial
from random import Random
from typing import Protocol

from websockets.asyncio.client import ClientConnection
from websockets.exceptions import ConnectionClosed, WebSocketException

from dca_bot.core.delivery import RelayAnswer, Undelivered
from dca_bot.core.ports import UNHEARD, Clock, RelayHeard
from dca_bot.core.relay_state import RelayState, RelayTrouble
from dca_bot.errors import one_line, place_of
from dca_bot.nostr.events import Event
from dca_bot.nostr.keys import SecretKey
from dca_bot.nostr.relays.frames import Filter
from dca_bot.nostr.relays.inbox_reading import LOOKBACK_S
from dca_bot.nostr.relays.relay_connection import ConnectionLost, Inbox, RelayConnection
from dca_bot.nostr.relays.relay_information import work_told
from dca_bot.nostr.relays.relay_protocol import RelayProtocol
from dca_bot.nostr.relays.relay_rules import RelayRules
from dca_bot.nostr.relays.relay_socket import OPEN_LIMIT_S, Endpoint, open_socket
from dca_bot.nostr.relays.relay_troubles import Trouble, trouble_of, trouble_said
from dca_bot.nostr.relays.relay_watch import DEAF, NOT_LISTENING, RelayWatch

_LOG = logging.getLogger(__name__)
_BACKOFF_S_MAX = 120
_FAILURES_MAX_IF_IT_WORKED = 4
_LESSONS_MAX = 3
_STEADY = timedelta(seconds=10)


class RelayListener(Inbox, Protocol):
    """The owner of a relay, who is told of connections and events."""

    async def on_connected(self, relay: "Relay") -> None:
        """Handle a new connection; runs beside the reading, and may publish."""
        ...

    async def on_disconnected(self) -> None:
        """Handle the end of the connection; the next connection begins with stored events."""
        ...


class Relay:
    """A relay by URL.

    `since`: the bot's inbox is read from this time on; later connections read from the time until when
    all was heard. None reads no inbox. `endpoint` fixes the addresses to connect to, instead of DNS.
    `rules`: how the relay takes events, as earlier connections have shown.
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
        rules: RelayRules | None = None,
    ) -> None:
        self.url = url
        self._key = key
        self._clock = clock
        self._random = random
        self._heard_at = since
        self._listener = listener
        self._endpoint = endpoint
        self._rules = rules or RelayRules()
        self._habits = self._rules.habits
        self._connection: RelayConnection | None = None
        self._protocol: RelayProtocol | None = None
        self._one_by_one = False
        self._is_deaf = False
        self._tried = asyncio.Event()
        self._watch = RelayWatch(url, clock, logs=since is not None)

    @property
    def state(self) -> RelayState:
        """Return the state of the relay."""
        return self._watch.state

    @property
    def heard(self) -> RelayHeard | None:
        """Return how far the relay was heard; None for a relay whose inbox isn't read."""
        heard_at = self._heard_until()
        if heard_at is None:
            return None
        return RelayHeard(self.url, heard_at, self._watch.listened_at)

    @property
    def is_live(self) -> bool:
        """Tell whether the relay says that it passes new messages on."""
        return self._protocol is not None and self._protocol.listening

    def note_deaf(self, *, is_deaf: bool) -> None:
        """Note whether the relay passes messages on, as `echo` has measured."""
        if is_deaf is not self._is_deaf:
            self._is_deaf = is_deaf
            self._on_frame()

    async def run(self) -> None:
        """Stay connected until cancelled, with growing, jittered delays between attempts.

        The delays stay short at a relay that works while connected, though the relay ends every connection.
        """
        failures = 0
        while True:
            began_at, habits = self._clock.now(), replace(self._habits)
            await self.connect_once()
            # A lesson about the relay is tried at once.
            failures = failures + 1 if habits == self._habits else 0
            listened_at = self._watch.listened_at
            if listened_at is not None and listened_at >= began_at:
                is_steady = self._clock.now() - began_at >= _STEADY
                failures = 0 if is_steady else min(failures, _FAILURES_MAX_IF_IT_WORKED)
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
        if self._connection is not None:
            await self._connection.close()

    async def publish(self, event: Event) -> RelayAnswer:
        """Send an event, and return the relay's answer or why none came.

        An event that the relay refuses for want of work, or for the date, is made anew and sent again.
        """
        if self._connection is None:
            return self.unreached()
        sent = await self._rules.fit(event)
        answer = await self._publish_once(sent)
        for _ in range(_LESSONS_MAX):
            again = None if answer.accepted else await self._refit(event, answer.words)
            if again is None or again.id == sent.id:
                break
            sent, answer = again, await self._publish_once(again)
        if answer.reason is Undelivered.REFUSED:
            _LOG.warning(
                "publish_refused relay=%s event=%s reason=%r", self.url, sent.id, answer.words
            )
        return answer

    def unreached(self) -> RelayAnswer:
        """Return the answer to a message that the relay's present trouble keeps from being sent."""
        return self._watch.unreached()

    async def tried(self) -> None:
        """Wait until the first attempt to connect has ended, in a connection or not."""
        await self._tried.wait()

    async def query(self, wanted: Filter) -> Sequence[Event] | None:
        """Ask for stored events, which are not verified; None if no answer came."""
        return None if self._connection is None else await self._connection.query(wanted)

    async def _publish_once(self, event: Event) -> RelayAnswer:
        if self._connection is None:
            return self.unreached()
        return await self._connection.publish(event)

    async def _refit(self, event: Event, words: str) -> Event | None:
        read_work = partial(work_told, self.url, self._endpoint)
        return await self._rules.refit(event, words, read_work)

    async def _connect(self) -> None:
        try:
            async with asyncio.timeout(OPEN_LIMIT_S):
                socket = await open_socket(
                    self.url,
                    self._endpoint,
                    is_guest=self._heard_at is None,
                    large_frames=self._habits.large_frames,
                    one_by_one=self._one_by_one,
                )
        except (OSError, WebSocketException, ValueError) as error:
            self._one_by_one = not self._one_by_one
            self._watch.note(trouble_of(error), listening=False)
            await self._tell_end()
            return
        try:
            await self._serve(socket)
        except* ConnectionLost as errors:
            self._lose(errors)
        except* ConnectionClosed as errors:
            self._watch.note(trouble_of(errors.exceptions[0]), listening=False)
        except* Exception as errors:  # noqa: BLE001 - the listener is told of every end
            self._fail(errors)
        finally:
            await socket.close()
        _heed_cancellation()
        await self._tell_end()

    async def _tell_end(self) -> None:
        self._tried.set()
        if self._listener is not None:
            await self._listener.on_disconnected()

    async def _serve(self, socket: ClientConnection) -> None:
        heard_at = self._heard_until()
        since = None if heard_at is None else int(heard_at.timestamp()) - LOOKBACK_S
        self._protocol = RelayProtocol(
            self.url, self._key, self._random, inbox_since=since, habits=self._habits
        )
        self._connection = RelayConnection(
            self.url,
            socket,
            self._protocol,
            clock=self._clock,
            inbox=self._listener,
            note=self._on_frame,
            heard=self._on_heard,
            refit=self._refit,
        )
        try:
            await self._connection.serve(self._on_open)
        finally:
            self._connection = self._protocol = None

    async def _on_open(self) -> None:
        self._tried.set()
        if self._listener is not None:
            await self._listener.on_connected(self)

    def _heard_until(self) -> datetime | None:
        """Return until when all was heard; a time ahead of now was noted while the clock was wrong.

        Nobody knows the right time. Once the clock has come as far, the wrong time would pass for right.
        """
        now = self._clock.now()
        if self._heard_at is not None and self._heard_at > now:
            self._heard_at = now - UNHEARD
        return self._heard_at

    def _on_heard(self, until: datetime) -> None:
        if self._heard_at is not None:
            self._heard_at = until

    def _on_frame(self) -> None:
        """Note whether the relay listens, and the relay's complaint."""
        if self._protocol is None:
            return
        protocol, trouble = self._protocol, None
        if protocol.complaint:
            trouble = trouble_said(RelayTrouble.CLOSED, protocol.complaint)
        elif not protocol.listening:
            trouble = replace(NOT_LISTENING, words=one_line(protocol.notice))
        elif self._is_deaf:
            trouble = DEAF
        self._watch.note(trouble, listening=protocol.listening and not self._is_deaf)

    def _lose(self, errors: BaseExceptionGroup[ConnectionLost]) -> None:
        first = errors.exceptions[0]
        while isinstance(first, BaseExceptionGroup):
            first = first.exceptions[0]
        self._habits.large_frames = self._habits.large_frames or first.is_oversized
        self._watch.note(first.trouble, listening=False)

    def _fail(self, error: Exception) -> None:
        """Note a connection that ended by an unforeseen error, without the error's text."""
        while isinstance(error, ExceptionGroup):
            error = error.exceptions[0]
        name = type(error).__name__
        _LOG.error("relay_failed relay=%s error=%s at=%s", self.url, name, place_of(error))
        self._watch.note(
            Trouble(RelayTrouble.FAILED, f"failed by an unexpected {name}"), listening=False
        )


def _heed_cancellation() -> None:
    """Raise CancelledError if this task was cancelled.

    Up to Python 3.12 a TaskGroup that ends by an error forgets a cancellation that comes meanwhile.
    """
    task = asyncio.current_task()
    if task is not None and task.cancelling():
        raise asyncio.CancelledError
