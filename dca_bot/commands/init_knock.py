"""Finds the operator of a new bot: who writes to the bot gets a code, and types the code at the terminal.

The invariant: an npub counts only once the code that was sent to that npub alone was typed at the terminal.
Nobody becomes the operator by writing at the right moment.
"""

import asyncio
import secrets
import sys
from collections.abc import Callable
from contextlib import suppress
from datetime import datetime, timedelta

from dca_bot.commands.console import say
from dca_bot.config import Config
from dca_bot.core import knock
from dca_bot.core.names import visible
from dca_bot.core.ports import Clock, DmProtocol, IncomingMessage, OutgoingMessage, SoughtPerson
from dca_bot.core.relay_lists import RelayList, RelayListKind
from dca_bot.messages.render import load_texts
from dca_bot.messages.say import Say
from dca_bot.nostr.keys import SecretKey, npub
from dca_bot.nostr.pool import NostrMessenger
from dca_bot.outside import build_messenger, programme_of
from dca_bot.system_clock import SystemClock

_LIMIT = timedelta(minutes=5)
_SKEW_MAX = timedelta(minutes=10)
"""The writer's clock may be so far behind."""
_CONNECT_LIMIT_S = 10
_PEOPLE_MAX = 20
_NAME_CHARS_MAX = 40


def find_operator(config: Config, key: SecretKey) -> str:
    """Wait for the operator's message and code; return the npub, or an empty text if nobody was found.

    The bot's profile and relays are published as at a start of the bot: apps find the bot by them.
    """
    return asyncio.run(_find(config, key))


async def _find(config: Config, key: SecretKey) -> str:
    texts = load_texts(programme_of(config))

    def worded(code: str) -> str:
        return texts.render(Say("setup.code", code=code), config.bot.language)

    clock = SystemClock()
    door = Door(build_messenger(config, key, None), clock, worded)
    async with asyncio.TaskGroup() as group:
        beside = (door.messenger.run(), door.answer(group), door.warn_if_deaf())
        jobs = [group.create_task(job) for job in beside]
        found = ""
        with suppress(TimeoutError):
            async with asyncio.timeout(_LIMIT.total_seconds()):
                found = await _typed_code(door.pubkey_of)
        for job in (*jobs, *door.errands):
            job.cancel()
    if not found:
        return ""
    say(f"  ✓ the operator is {npub(found)}")
    return npub(found)


class Door:
    """Answers each person who writes with a code of the person's own, at most _PEOPLE_MAX people."""

    def __init__(
        self, messenger: NostrMessenger, clock: Clock, worded: Callable[[str], str]
    ) -> None:
        self.messenger = messenger
        self.errands: list[asyncio.Task[None]] = []
        self._clock = clock
        self._worded = worded
        self._opened_at = clock.now()
        self._pubkeys: dict[str, str] = {}
        self._is_full = False

    def pubkey_of(self, code: str) -> str:
        """Return whom a code was sent to; empty for an unknown code."""
        return self._pubkeys.get(code, "")

    async def answer(self, group: asyncio.TaskGroup) -> None:
        """Answer until cancelled; messages that relays had stored before are left alone."""
        async for message in self.messenger.incoming():
            is_old = message.sent_at < self._opened_at - _SKEW_MAX
            is_known = message.sender in self._pubkeys.values()
            if is_old or is_known:
                continue
            if len(self._pubkeys) < _PEOPLE_MAX:
                code = knock.make(secrets.SystemRandom())
                self._pubkeys[code] = message.sender
                self.errands.append(group.create_task(self._send(message, code)))
                self.errands.append(group.create_task(self._introduce(message)))
            elif not self._is_full:
                self._is_full = True
                say(
                    f"  More than {_PEOPLE_MAX} people have written; no more get a code. If you have none,"
                    " press Enter and type your npub: your app shows it on your profile's page."
                )

    async def warn_if_deaf(self) -> None:
        """Tell if no relay is connected after some seconds, for no message can come then."""
        await self._clock.sleep(_CONNECT_LIMIT_S)
        if not self.messenger.connected():
            say(
                "  No relay is reached, so no message comes through. Enter leads back to your npub."
            )

    async def _send(self, message: IncomingMessage, code: str) -> None:
        """Send a code to the bot's relays at once, then to the person's inbox relays."""
        now = self._clock.now().replace(microsecond=0)
        answer = OutgoingMessage(
            message.sender, self._worded(code), now, message.protocol, now + _LIMIT
        )
        own = [state.url for state in self.messenger.relay_states()]
        await self.messenger.publish(self.messenger.seal(answer), own)
        inbox: dict[datetime | int, tuple[str, ...]] = {}

        async def note(found: RelayList) -> None:
            if found.kind is RelayListKind.INBOX:
                inbox[found.created_at] = found.relays

        await self.messenger.look_up([SoughtPerson(message.sender)], note)
        if inbox:
            await self.messenger.publish(self.messenger.seal(answer), inbox[max(inbox)])

    async def _introduce(self, message: IncomingMessage) -> None:
        names = await self.messenger.profile_names([message.sender])
        name = visible(names.get(message.sender, ""))[:_NAME_CHARS_MAX]
        shown = "".join(char for char in name if char.isprintable())
        called = f" calls itself {shown!r} and" if shown else ""
        say(f"  {npub(message.sender)}{called} has written, and was sent a code.")
        if message.protocol is DmProtocol.NIP04:
            say(
                "  That app writes old direct messages (NIP-04), in which the bot takes no commands of"
                ' operators, unless nostr.operator_protocols has "nip04" in it. Better use another app.'
            )


async def _typed_code(pubkey_of: Callable[[str], str]) -> str:
    """Read lines until one has a code that was sent; return whom to, or an empty text for an empty line."""
    while line := (await _typed_line()).strip():
        code = knock.read(line) or knock.read(f"{knock.WORD}-{line}")
        if code and (pubkey := pubkey_of(code)):
            return pubkey
        say("  No such code was sent. Type it as the bot has answered it, like KNOCK-7K2QXM.")
    return ""


async def _typed_line() -> str:
    """Wait for a line of the terminal; a thread would go on waiting, and take the next answer."""
    loop = asyncio.get_running_loop()
    ready = asyncio.Event()
    loop.add_reader(sys.stdin.fileno(), ready.set)
    try:
        await ready.wait()
    finally:
        loop.remove_reader(sys.stdin.fileno())
    return sys.stdin.readline()
