"""Simulated relays and people: messages are lost, late, doubled; what a relay has taken is never lost."""

import asyncio
import hashlib
import json
from collections.abc import AsyncIterator, Awaitable, Callable, Collection, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from random import Random

from dca_bot.core.delivery import RelayAnswer, Undelivered
from dca_bot.core.ports import (
    DmProtocol,
    IncomingMessage,
    OutgoingMessage,
    RelayHeard,
    SoughtPerson,
)
from dca_bot.core.relay_lists import RelayList, RelayListKind
from dca_bot.core.relay_state import RelayState
from dca_bot.errors import EventBroken, MessageRefused
from dca_bot.nostr import giftwrap
from dca_bot.nostr.dm import open_message
from dca_bot.nostr.events import Event
from dca_bot.nostr.keys import SecretKey
from simulation.journal import Journal
from simulation.network import Life, Weather
from simulation.virtual_time import WorldTime

RELAYS = ("wss://relay-1.example", "wss://relay-2.example")
_STORED_FOR = timedelta(hours=12)
_SHOWN_FOR = timedelta(hours=2)
_SHOWN_AGAIN = 0.1
"""The odds that a process that starts is shown a message once more that is older than _SHOWN_FOR."""
_ANSWER_LIMIT_S = 10


@dataclass(frozen=True)
class Letter:
    """A message that a person has received."""

    at: datetime
    text: str


@dataclass(frozen=True)
class Written:
    """A message that a person has written to the bot."""

    at: datetime
    sender: str
    text: str


@dataclass
class Mailbox:
    """A person's app: shows each message once, however many relays bring it."""

    pubkey: str
    letters: list[Letter] = field(default_factory=list)
    heard: Callable[[Letter], None] = lambda _letter: None
    _seen: set[str] = field(default_factory=set)

    def take(self, message_id: str, letter: Letter) -> bool:
        """Show a message, unless it was shown before; tell whether it is shown."""
        if message_id in self._seen:
            return False
        self._seen.add(message_id)
        self.letters.append(letter)
        self.heard(letter)
        return True


@dataclass
class Relays:
    """All relays, and the apps of all people who read there; `written`: each message to the bot, by id."""

    time: WorldTime
    journal: Journal
    random: Random
    weather: Weather
    bot_key: SecretKey
    mailboxes: dict[str, Mailbox] = field(default_factory=dict)
    stored: list[tuple[datetime, IncomingMessage | Event]] = field(default_factory=list)
    written: dict[str, Written] = field(default_factory=dict)
    listener: "asyncio.Queue[IncomingMessage | Event] | None" = None
    sent: int = 0
    must_show_all: bool = False

    def mailbox(self, pubkey: str) -> Mailbox:
        """Return a person's app."""
        return self.mailboxes.setdefault(pubkey, Mailbox(pubkey))

    def write(self, sender: str, text: str) -> None:
        """Send a person's message to the bot."""
        self.sent += 1
        now = self.time.now()
        self.journal.note(f"{sender[:8]} writes {text!r}")
        message_id = hashlib.sha256(f"{sender} {self.sent}".encode()).hexdigest()
        self.written[message_id] = Written(now, sender, text)
        delay_s = self.random.uniform(0.05, 2)
        if self.random.random() < self.weather.fault_rate:
            delay_s = self.random.uniform(5, 3600)
        for relay in RELAYS[: 1 + (self.random.random() < 0.5)]:
            message = IncomingMessage(
                message_id, sender, text, now.replace(microsecond=0), DmProtocol.NIP17, relay
            )
            self.time.loop.call_later(delay_s, self._store, message)
            delay_s += self.random.uniform(0, 1)

    def forge(self, key: SecretKey, sender: str, text: str) -> None:
        """Send the bot a message in somebody else's name; the seal has the key of who forges."""
        now = self.time.now()
        self.journal.note(f"{key.public_key[:8]} writes {text!r} in the name of {sender[:8]}")
        bot = self.bot_key.public_key
        rumor = giftwrap.make_rumor(sender, bot, text, int(now.timestamp()))
        event = giftwrap.wrap(rumor, key, (("p", bot),), now, self.random)
        self.time.loop.call_later(self.random.uniform(0.05, 2), self._store, event)

    def take(self, event: str) -> None:
        """Keep an event of the bot, and pass it on to the recipient."""
        values = json.loads(event)
        mailbox = self.mailbox(values["recipient"])
        letter = Letter(self.time.now(), values["text"])
        if mailbox.take(values["id"], letter):
            self.journal.note(f"{mailbox.pubkey[:8]} reads {letter.text!r}")

    def stored_again(self) -> list[IncomingMessage | Event]:
        """Return what the relays show a process that starts: the last hours' messages, and some older ones.

        All messages of _STORED_FOR after an older copy of the ledger was put back, which may lack any.
        """
        now, is_whole = self.time.now(), self.must_show_all
        self.must_show_all = False
        shown = []
        for at, message in reversed(self.stored):
            if now - at > _STORED_FOR:
                break
            is_young = now - at < _SHOWN_FOR
            if is_whole or is_young or self.random.random() < _SHOWN_AGAIN:
                shown.append(message)
        return shown[::-1]

    def _store(self, message: IncomingMessage | Event) -> None:
        now = self.time.now()
        self.stored.append((now, message))
        if self.listener is not None:
            is_plain = isinstance(message, IncomingMessage)
            self.listener.put_nowait(replace(message, arrived_at=now) if is_plain else message)


@dataclass
class RelayClient:
    """The messages of one bot process; fulfils `core.ports.Messenger`."""

    relays: Relays
    life: Life
    weather: Weather

    async def run(self) -> None:
        await asyncio.Event().wait()

    async def incoming(self) -> AsyncIterator[IncomingMessage]:
        self.life.check()
        queue: asyncio.Queue[IncomingMessage | Event] = asyncio.Queue()
        for stored in self.relays.stored_again():
            queue.put_nowait(stored)
        self.relays.listener = queue
        while True:
            message = self._opened(await queue.get())
            self.life.check()
            if message is not None:
                yield message

    def _opened(self, message: IncomingMessage | Event) -> IncomingMessage | None:
        """Open a sealed message as the program does; None for a message that the program refuses."""
        if isinstance(message, IncomingMessage):
            return message
        now = self.relays.time.now()
        try:
            opened = open_message(message, self.relays.bot_key, now=now, relay=RELAYS[0])
        except (EventBroken, MessageRefused):
            return None
        return replace(opened, arrived_at=now)

    async def look_up(
        self, people: Sequence[SoughtPerson], found: Callable[[RelayList], Awaitable[None]]
    ) -> bool:
        await asyncio.sleep(self.weather.way_s())
        self.life.check()
        if self.weather.is_away:
            return False
        event = json.dumps({"tags": [["relay", url] for url in RELAYS]})
        for person in people:
            await found(RelayList(person.pubkey, RelayListKind.INBOX, 1, RELAYS, event))
        return True

    def seal(self, message: OutgoingMessage) -> str:
        values = {
            "recipient": message.recipient,
            "text": message.text,
            "created_at": message.created_at.isoformat(),
        }
        rumor = hashlib.sha256(json.dumps(values, sort_keys=True).encode()).hexdigest()
        return json.dumps({**values, "id": rumor})

    async def deliver(
        self,
        event_json: str,
        waves: Sequence[Sequence[str]],
        counting: Collection[str],
        *,
        bulk: bool = False,  # noqa: ARG002
    ) -> Sequence[RelayAnswer]:
        answers: list[RelayAnswer] = []
        for wave in waves:
            answers += [await self._publish(event_json, url) for url in wave]
            if any(one.accepted and one.relay in counting for one in answers):
                break
        return answers

    async def _publish(self, event_json: str, url: str) -> RelayAnswer:
        self.life.check()
        if self.weather.is_away or url not in RELAYS:
            await asyncio.sleep(self.weather.way_s())
            self.life.check()
            return RelayAnswer(url, accepted=False, reason=Undelivered.NO_CONNECTION)
        is_faulty = self.weather.random.random() < self.weather.fault_rate
        is_lost = is_faulty and self.weather.random.random() < 0.5
        if not is_lost:
            self.relays.time.loop.call_later(self.weather.way_s(), self.relays.take, event_json)
        await asyncio.sleep(_ANSWER_LIMIT_S if is_faulty else self.weather.most_s * 2)
        self.life.check()
        if is_faulty:
            return RelayAnswer(url, accepted=False, reason=Undelivered.NO_ANSWER)
        return RelayAnswer(url, accepted=True)

    async def profile_names(self, _pubkeys: Sequence[str]) -> Mapping[str, str]:
        return {}

    async def profile_address(self, _person: SoughtPerson) -> str:
        return ""

    def connected(self) -> int:
        return 0 if self.weather.is_away else len(RELAYS)

    def relay_states(self) -> Sequence[RelayState]:
        return ()

    def take_refused(self, _count: int) -> Sequence[bytes]:
        return ()

    def heard(self) -> Sequence[RelayHeard]:
        return ()
