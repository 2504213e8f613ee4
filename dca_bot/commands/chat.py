"""`dca-bot chat`: a conversation with the bot from a terminal, without a phone.

At a terminal each line is sent at once, until Ctrl-D. From a pipe each line is sent after the answer to the
line before; the end of the pipe ends the program.
"""

import asyncio
import signal
import sys
from collections.abc import Callable, Sequence
from contextlib import suppress
from datetime import datetime, timedelta
from pathlib import Path

from dca_bot.commands.chat_terminal import Lines, LineUnreadable, Screen
from dca_bot.config_secrets import refuse_key_as_path
from dca_bot.core.ports import Clock, DmProtocol, IncomingMessage, OutgoingMessage
from dca_bot.core.relay_urls import normalize
from dca_bot.errors import ConfigError, DcaBotError
from dca_bot.files.secret_files import read_secret_file, write_secret
from dca_bot.nostr.dm_client import DmClient
from dca_bot.nostr.keys import SecretKey, generate, parse_public_key, parse_secret_key
from dca_bot.program import command
from dca_bot.system_clock import SystemClock

_LOOK_S = 0.2
_CONNECT_LIMIT = timedelta(seconds=5)
"""So long all relays are waited for, and afterwards one that is not there is told of."""
_ANSWER_LIMIT = timedelta(seconds=30)
_QUIET = timedelta(seconds=4)
_SKEW_MAX = timedelta(minutes=10)
"""The bot's clock may be so far behind."""
_UNANSWERED = (
    f"No answer came within {_ANSWER_LIMIT.seconds} seconds. A relay has the message, so the bot may still"
    " carry it out: look before you send it again. Is the bot running, is this its npub, and does it"
    " use this relay?"
)


class Chat:
    """One session: messages written since the start are shown, older messages are not.

    `one_by_one`: send a line after the answer to the line before, and fail if the bot doesn't answer.
    """

    def __init__(
        self,
        client: DmClient,
        lines: Lines,
        screen: Screen,
        clock: Clock,
        *,
        one_by_one: bool,
    ) -> None:
        self._client = client
        self._lines = lines
        self._screen = screen
        self._clock = clock
        self._one_by_one = one_by_one
        self._started_at = clock.now().replace(microsecond=0)
        self._heard_at = self._started_at
        self._heard = 0
        self._unanswered_since: datetime | None = None
        self._is_ready = False

    async def run(self) -> None:
        """Talk until the lines end; raise DcaBotError if the bot isn't reached, one by one."""
        trouble: DcaBotError | None = None
        async with asyncio.TaskGroup() as group:
            beside = (
                self._client.run(),
                self._listen(),
                self._watch_relays(),
                self._watch_silence(),
            )
            jobs = [group.create_task(job) for job in beside]
            try:
                await self._talk()
            except DcaBotError as error:
                trouble = error
            finally:
                for job in jobs:
                    job.cancel()
        if trouble is not None:
            raise trouble

    async def _talk(self) -> None:
        await self._get_ready()
        self._screen.ask()
        while (line := await self._next_line()) is not None:
            self._screen.answered()
            if line.strip():
                await self._say(line.strip())
            self._screen.ask()
        if self._one_by_one:
            await self._until(lambda: self._clock.now() - self._heard_at >= _QUIET)

    async def _next_line(self) -> str | None:
        """Wait for the next line; an unreadable line ends a pipe, and is reported at a terminal."""
        try:
            return await self._lines.get()
        except LineUnreadable as error:
            if self._one_by_one:
                raise
            self._screen.answered()
            self._screen.note(str(error))
            return ""

    async def _get_ready(self) -> None:
        """Wait for the relays, and skip the messages that the relays had stored."""
        states, connected = self._client.relay_states, self._client.connected
        await self._until(lambda: all(state.listening for state in states()), _CONNECT_LIMIT)
        if self._one_by_one and not await self._until(lambda: connected() > 0, _ANSWER_LIMIT):
            raise DcaBotError("No relay could be reached; check --relay and the network.")
        await self._clock.sleep(_LOOK_S)
        self._is_ready = True
        elsewhere = await self._client.answered_elsewhere()
        if elsewhere:
            self._screen.note(
                f"The bot answers where this key's inbox list says: {', '.join(elsewhere)}."
                " Give one of these as --relay too."
            )

    async def _say(self, text: str) -> None:
        heard = self._heard
        await self._send(self._client.compose(text))
        self._unanswered_since = self._clock.now()
        if self._one_by_one and not await self._until(lambda: self._heard > heard, _ANSWER_LIMIT):
            raise DcaBotError(_UNANSWERED)

    async def _send(self, message: OutgoingMessage) -> None:
        """Send a message until a relay takes the message; the bot carries out repeated copies once."""
        is_told = False
        while not await self._client.send(message):
            if self._one_by_one and self._clock.now() - message.created_at > _ANSWER_LIMIT:
                raise DcaBotError("No relay has taken the message; check --relay and the network.")
            if not is_told:
                self._screen.note("No relay has taken it yet; I keep trying.")
                is_told = True
            await self._clock.sleep(1)

    async def _listen(self) -> None:
        async for message in self._client.received():
            if self._is_new(message):
                self._screen.message(message.text, message.sent_at)
                self._heard += 1
                self._heard_at = self._clock.now()
                self._unanswered_since = None

    def _is_new(self, message: IncomingMessage) -> bool:
        """Tell whether a message was written after the start; the bot's clock may be a little behind."""
        patience = _SKEW_MAX if self._is_ready else timedelta()
        return message.sent_at >= self._started_at - patience

    async def _watch_relays(self) -> None:
        """Report when a relay is reached, not reached, or lost."""
        told: dict[str, bool] = {}
        while True:
            is_late = self._clock.now() - self._started_at > _CONNECT_LIMIT
            for relay in self._client.relay_states():
                was = told.get(relay.url, is_late and not relay.listening)
                if relay.listening is not was:
                    told[relay.url] = relay.listening
                    if relay.listening:
                        self._screen.note(f"Connected to {relay.url}")
                    else:
                        self._screen.note(
                            f"{relay.url} is out of reach: {relay.detail}. I keep trying."
                        )
            await self._clock.sleep(_LOOK_S)

    async def _watch_silence(self) -> None:
        """Report once that no answer has come yet; at a terminal the person decides how long to wait."""
        while not self._one_by_one:
            since = self._unanswered_since
            if since is not None and self._clock.now() - since > _ANSWER_LIMIT:
                self._unanswered_since = None
                self._screen.note(f"{_UNANSWERED} I keep listening.")
            await self._clock.sleep(_LOOK_S)

    async def _until(self, is_true: Callable[[], bool], limit: timedelta | None = None) -> bool:
        """Wait until a condition is true, at most for a limit; return whether the condition came true."""
        began_at = self._clock.now()
        while not is_true():
            if limit is not None and self._clock.now() - began_at > limit:
                return False
            await self._clock.sleep(_LOOK_S)
        return True


async def talk(
    key: SecretKey, other: str, relays: Sequence[str], lines: Lines, *, protocol: DmProtocol
) -> None:
    """Talk with `other` (a public key in hex) over relays until the lines end."""
    clock = SystemClock()
    client = DmClient(key, other, relays, clock, protocol=protocol)
    screen = Screen(is_terminal=sys.stdout.isatty())
    one_by_one = not sys.stdin.isatty()
    await Chat(client, lines, screen, clock, one_by_one=one_by_one).run()


async def run_chat(key_file: Path, relays: Sequence[str], to: str, *, protocol: DmProtocol) -> None:
    """Carry out `dca-bot chat`; SIGINT, SIGTERM and SIGHUP end the session cleanly. Raise DcaBotError."""
    refuse_key_as_path(key_file)
    remedy = f"make one with: {command('chat', '--new', '--key', key_file)}"
    key = parse_secret_key(read_secret_file(key_file, remedy=remedy))
    other = parse_public_key(to)
    for url in relays:
        if normalize(url) is None:
            raise ConfigError(f"{url!r} is no relay; write one like wss://relay.example.com")
    task, loop = asyncio.current_task(), asyncio.get_running_loop()
    assert task is not None
    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        loop.add_signal_handler(number, task.cancel)
    lines = Lines(sys.stdin.fileno(), sys.stdin.encoding or "utf-8")
    with suppress(asyncio.CancelledError):
        await talk(key, other, relays, lines, protocol=protocol)


def make_key(path: Path) -> str:
    """Write a new key into a file of mode 600 and return the npub; raise ConfigError."""
    refuse_key_as_path(path)
    key = generate()
    try:
        write_secret(path, key.nsec())
    except FileExistsError:
        raise ConfigError(f"{path} is there already, and is not overwritten.") from None
    return key.npub
