"""Plays a cast: relays behind gates, the whole bot, and people who write to it and read what it sends."""

import asyncio
import time
from collections.abc import AsyncIterator, Callable
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from random import Random
from tempfile import TemporaryDirectory
from urllib.parse import urlsplit

from dead_hosts import REFUSING

from dca_bot.demo.relay import local_relay
from dca_bot.nostr.keys import generate
from dca_bot.nostr.relays.relay_socket import Endpoint
from reach.bot import Bot
from reach.cast import AT_THE_BOTS, LISTLESS, Cast, Role
from reach.certificates import DOMAIN, Authority
from reach.gate import Fault, Gate, gate_of
from reach.outcomes import Outcome, is_answer, judge
from reach.people import App, SdkApp

DOWN_S = (2.0, 15.0)
UNUSABLE = (
    "wss://10.0.0.7",
    f"wss://gone.{DOMAIN}:9",
    "wss://nobodyreadsthisoneanywhereatall.onion",
    f"wss://lost.{DOMAIN}:9",
)


@dataclass
class Person:
    """A person of the world, with what was said to and fro.

    `sent`: message id to (text, when sent); `told`: text to when the bot wrote the notice.
    """

    name: str
    role: Role
    app: App
    sent: dict[str, tuple[str, float]] = field(default_factory=dict)
    told: dict[str, float] = field(default_factory=dict)
    last_s: int = 0


@dataclass
class World:
    """A cast on its stage; `limit_s` is how long the last message may take."""

    cast: Cast
    authority: Authority
    make_app: Callable[[str, str], App]
    limit_s: float
    random: Random
    gates: list[Gate] = field(default_factory=list)
    people: list[Person] = field(default_factory=list)
    awake: asyncio.Lock = field(default_factory=asyncio.Lock)
    """Held by whoever uses the bot's ledger, so that no restart comes between."""

    @asynccontextmanager
    async def stage(self) -> AsyncIterator[tuple[Bot, list[Gate]]]:
        """Have the relays, the running bot and the people, everything ready."""
        async with AsyncExitStack() as exits:
            folder = Path(exits.enter_context(TemporaryDirectory(prefix="dca-bot-reach-")))
            bots = [await self._gate(exits, fault, "b") for fault in self.cast.bot_faults]
            discovery = await exits.enter_async_context(local_relay())
            key = generate()
            bot = Bot(
                key,
                folder,
                relays=[gate.url for gate in bots],
                discovery=[discovery],
                operators=[generate().npub],
                find_endpoint=self.find_endpoint,
            )
            hints = {}
            for number, role in enumerate(self.cast.people):
                person = Person(f"p{number}", role, self.make_app(key.public_key, role.kind))
                exits.push_async_callback(person.app.leave)
                hints[person.app.pubkey] = await self._settle(exits, person, bots, discovery)
                self.people.append(person)
            await bot.prepare({one.name: one.app.pubkey for one in self.people}, hints)
            await bot.start()
            exits.push_async_callback(bot.stop)
            yield bot, bots

    async def play(self) -> list[Outcome]:
        """Play the world to its end, and judge each message."""
        async with self.stage() as (bot, _):
            async with asyncio.TaskGroup() as group:
                for person in self.people:
                    group.create_task(self._write(person))
                    group.create_task(self._tell(person, bot))
                group.create_task(self._restart(bot))
            deadline = time.monotonic() + self.limit_s
            while time.monotonic() < deadline:
                if all(_has_everything(person) for person in self.people):
                    break
                await asyncio.sleep(0.5)
            return [
                outcome for person in self.people for outcome in await judge(self.cast, person, bot)
            ]

    async def find_endpoint(self, url: str) -> Endpoint | None:
        """Find other people's relays as the bot does, with made-up addresses for the made-up names."""
        parts = urlsplit(url)
        for gate in self.gates:
            if urlsplit(gate.url).netloc == parts.netloc and parts.scheme == "wss":
                first = gate.fault.first_address
                return Endpoint((*([first] if first else []), "127.0.0.1"), gate.port)
        is_public = parts.scheme == "wss" and (parts.hostname or "").endswith(DOMAIN)
        return Endpoint((REFUSING,), parts.port or 443) if is_public else None

    async def _gate(
        self, exits: AsyncExitStack, fault: Fault, prefix: str, *, auth: bool = False
    ) -> Gate:
        """Have a relay with a gate; a relay of a person's, or one with a certificate, is reached over TLS."""
        relay = await exits.enter_async_context(local_relay(auth_dm=auth))
        by_name = prefix != "b" or fault.certificate != "good" or bool(fault.first_address)
        host = f"{prefix}{len(self.gates)}.{DOMAIN}" if by_name else "127.0.0.1"
        tls = self.authority.contexts[fault.certificate] if by_name else None
        gate = await exits.enter_async_context(gate_of(fault, relay, host=host, tls=tls))
        self.gates.append(gate)
        return gate

    async def _settle(
        self, exits: AsyncExitStack, person: Person, bots: list[Gate], discovery: str
    ) -> list[str]:
        """Give a person relays, and publish the person's lists; return the hints of the person's nprofile."""
        role, app = person.role, person.app
        own: list[Gate] = []
        if role.kind not in AT_THE_BOTS:
            own = [
                await self._gate(exits, fault, "p", auth=role.kind == "auth")
                for fault in role.faults
            ]
        named = [*own, *([self.random.choice(bots)] if role.with_the_bots and own else [])]
        reads_at = [gate.relay for gate in named or bots]
        await app.join(writes_at=[gate.relay for gate in bots], reads_at=reads_at)
        listed = [gate.url for gate in named]
        if role.kind in ("dead", "mixed"):
            listed = [*UNUSABLE, *listed]
        if role.kind in LISTLESS:
            return []
        if role.kind != "elsewhere":
            await app.publish_list(10_050, "relay", listed, [gate.relay for gate in bots])
            return []
        where = [discovery] if role.way == "discovery" else [gate.relay for gate in own]
        await app.publish_list(10_050, "relay", listed, where)
        if role.way == "kind 10002":
            await app.publish_list(10_002, "r", [gate.url for gate in own], [discovery])
        return [gate.url for gate in own] if role.way == "hint" else []

    async def _write(self, person: Person) -> None:
        """Have a person write the commands, each dated a second after the last at least."""
        for number in range(self.cast.commands):
            await asyncio.sleep(self.random.uniform(*self.cast.pause_s))
            person.last_s = max(int(time.time()), person.last_s + 1)
            text, at = f"limit {number + 1}.37", time.time()
            id_ = await person.app.write(text, person.last_s)
            person.sent[id_] = (text, at)

    async def _tell(self, person: Person, bot: Bot) -> None:
        for number in range(self.cast.notices):
            await asyncio.sleep(self.random.uniform(*self.cast.pause_s) * 2)
            text = f"Notice {number + 1} to {person.name}."
            async with self.awake:
                person.told[text] = time.time()
                await bot.tell(person.app.pubkey, text)

    async def _restart(self, bot: Bot) -> None:
        for _ in range(self.cast.restarts):
            await asyncio.sleep(self.random.uniform(*self.cast.pause_s) * 2)
            async with self.awake:
                await bot.stop()
                await asyncio.sleep(self.random.uniform(*DOWN_S))
                await bot.start()


def _has_everything(person: Person) -> bool:
    """Tell whether an answer to each command has come, and each notice."""
    texts = [arrival.text for arrival in person.app.arrivals]
    is_answered = all(
        any(is_answer(text, command) for text in texts) for command, _ in person.sent.values()
    )
    return is_answered and all(told in texts for told in person.told)


async def play(
    cast: Cast,
    authority: Authority,
    *,
    limit_s: float,
    make_app: Callable[[str, str], App] = SdkApp,
) -> list[Outcome]:
    """Play a cast on a stage of its own; an error names the cast."""
    world = World(cast, authority, make_app, limit_s, Random(cast.seed))
    try:
        return await world.play()
    except Exception as error:
        error.add_note(f"in {cast.name}, seed {cast.seed}")
        raise
