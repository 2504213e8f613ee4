"""A conversation on real parts: one person writes to the bot turn by turn, and a page keeps each message."""

import asyncio
import hashlib
import random
import uuid
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path

import nostr_sdk as sdk
from gateway import Gateway
from machine import GrowingExport, ssh_server
from people import AppUser
from world import World

from dca_bot.demo.lnbits_process import LnbitsProcess, find_lnbits, funded_by, start_lnbits
from dca_bot.demo.price_stub import PriceStub
from dca_bot.demo.relay import local_relay
from dca_bot.nostr.keys import generate
from transcripts.page import CODE, Page

ANSWER_LIMIT_S = 20
PAID_LIMIT_S = 240
"""Each sale is paid to 57 clients of the operator's, one after the other."""
TURN_S = 1.1
"""The pace of a person; the bot takes 40 messages at once, and afterwards one every 2 seconds."""
MACHINES = {
    "Zona 10": "8f1c9a0b5d2e47f6a3b1c8d97e60452f13ab6c7d8e9f00112233445566778899",
    "Antigua": "3b7e44d1908a6cf25e1d7b30a9c845f6e2d1c0b9a8f7e6d5c4b3a29180716253",
}


class SeededWorld(World):
    """A world in which each person has the same key in each run."""

    async def user(self, protocol: str) -> AppUser:
        return await self.person(f"person {len(self.users)}", protocol)

    async def person(self, seed: str, protocol: str = "nip17", *, secret: str = "") -> "Person":
        """Let a person join whose key is made of a word, or is `secret` in hex."""
        keys = sdk.Keys.parse(secret or hashlib.sha256(seed.encode()).hexdigest())
        person = Person(self.relays, self.bot.npub, protocol=protocol, keys=keys)
        await person.join()
        self.users.append(person)
        return person


class Person(AppUser):
    """Opens each event once, however often the relay hands the events out."""

    _opened: dict[str, dict[str, tuple[int, str]]]

    def _open(self, event: sdk.Event) -> dict[str, tuple[int, str]]:
        opened = self.__dict__.setdefault("_opened", {})
        id_ = event.id().to_hex()
        if id_ not in opened:
            opened[id_] = super()._open(event)
        return opened[id_]


@dataclass
class Parts:
    """The two LNbits: the bot pays from `remote`, whose node is a wallet of `lnbits`."""

    lnbits: LnbitsProcess
    remote: LnbitsProcess


@asynccontextmanager
async def parts(folder: Path) -> AsyncIterator[Parts]:
    """Start both LNbits."""
    async with AsyncExitStack() as exits:
        price = PriceStub()
        exits.callback(price.close)
        lnbits = exits.enter_context(start_lnbits(find_lnbits(), folder / "lnbits", price=price))
        node = lnbits.create_user_wallet("node of the second")
        lnbits.credit(node.id, 100_000_000)
        remote = exits.enter_context(
            start_lnbits(
                find_lnbits(),
                folder / "remote",
                price=price,
                funding=funded_by(lnbits.url, node),
            )
        )
        yield Parts(lnbits, remote)


@asynccontextmanager
async def world_of(
    parts: Parts, folder: Path, *, seed: str, settings: str
) -> AsyncIterator[SeededWorld]:
    """Make a world with a bot that isn't running yet; `settings`: lines added to the configuration."""
    ids = (uuid.uuid5(uuid.NAMESPACE_DNS, f"{seed} {number}") for number in range(10_000))
    async with AsyncExitStack() as exits:
        relay = await exits.enter_async_context(local_relay())
        export = GrowingExport(folder / "export", ids=ids)
        port = await exits.enter_async_context(ssh_server(export, folder))
        gateway = Gateway(parts.remote.url, parts.lnbits.url)
        exits.callback(gateway.close)
        source = parts.remote.create_user_wallet("source")
        parts.remote.credit(source.id, 5_000_000)
        world = SeededWorld(
            folder=folder,
            relays=[relay],
            lnbits=parts.remote,
            gateway=gateway,
            source=source,
            export=export,
            ssh_port=port,
            bot=generate(random.Random(seed)),
        )
        await world.prepare()
        config = folder / "config.toml"
        text = config.read_text(encoding="utf-8")
        begun = f"[lamassu]\nstart_at = {datetime.now(UTC) - timedelta(days=7):%Y-%m-%dT%H:%M:%SZ}"
        text = text.replace("\n[lamassu]", f"\n{begun}")
        config.write_text(f"{text}\n{settings}", encoding="utf-8")
        try:
            yield world
        finally:
            if world.process is not None and world.process.poll() is None:
                world.kill()
            for user in world.users:
                await user.leave()


@dataclass
class Stage:
    """The turns of one person, and happenings around the person."""

    world: SeededWorld
    person: Person
    page: Page
    turns: int = 0
    wrong: list[str] = field(default_factory=list)
    """Each answer without the words that the script expects."""
    _told: int = 0

    async def says(self, text: str, *expected: str) -> str:
        """Send a message, and return the answers; `{code}` stands for the newest code."""
        await self.listen()
        text = text.format(code=self.page.code)
        before = self._received()
        self.turns += 1
        self.page.person(self.turns, text)
        await asyncio.sleep(TURN_S)
        await self.person.send(text)
        await self.world.until(lambda: self._received() > before, limit_s=ANSWER_LIMIT_S)
        answers = await self.listen()
        if not answers:
            self.page.silence()
        answer = "\n".join(answers)
        self._check(text, answer, expected)
        return answer

    async def operator_does(self, note: str, *commands: str) -> None:
        """Have the operator write commands, each with its code, out of this person's sight."""
        self.page.aside(note)
        operator = self.world.operator
        for command in commands:
            answer = await operator.ask(command)
            if found := CODE.search(answer):
                await operator.ask(f"confirm {found[1]}")
        await self.listen()

    async def sale(self, fiat: int, *, machine: str = "Zona 10", note: str = "") -> str:
        """Have a layperson sell bitcoin at the machine; return the sale's id once the shares are paid."""
        self.page.aside(note or f"Somebody sells bitcoin for {fiat} GTQ at {machine}.")
        (before,) = self.world.rows("SELECT count(*) FROM distribution")[0]
        sale, _ = self.world.export.sell(fiat, device=MACHINES[machine])
        await self.world.until(lambda: self._shared_out(before), limit_s=PAID_LIMIT_S)
        await self.listen()
        return sale

    async def short_sale(self, fiat: int) -> None:
        """Have a sale of three days ago, with a note of 50 GTQ stuck, become a hold."""
        self.page.aside(
            f"A sale of {fiat} GTQ at Antigua has waited for two days: a note got stuck."
        )
        self.world.export.sell(
            fiat, stuck=1, error="jam", device=MACHINES["Antigua"], age=timedelta(days=3)
        )
        await self.world.until(lambda: self.world.rows("SELECT 1 FROM hold") != [])
        await self.listen()

    async def hears(self, other: Person, text: str) -> None:
        """Have another person write to the bot, with a code where the bot asks for one."""
        self.page.aside(f"Ana, a client, writes: “{text}”")
        answer = await other.ask(text)
        if found := CODE.search(answer):
            await other.ask(f"confirmar {found[1]}")
        await self.listen()

    async def listen(self) -> list[str]:
        """Write down what has come from the bot until the outbox is empty, and return the texts."""
        async with asyncio.timeout(ANSWER_LIMIT_S):
            while True:
                texts = await self.person.received()
                (unsent, written) = self.world.rows(
                    "SELECT coalesce(sum(sent_at IS NULL), 0), count(*) FROM outbox"
                    " WHERE recipient = ? AND dropped_at IS NULL",
                    self.person.keys.public_key().to_hex(),
                )[0]
                if not unsent and len(texts) >= written:
                    break
                await asyncio.sleep(0.05)
        new = texts[self._told :]
        self._told = len(texts)
        for text in new:
            self.page.bot(text)
        return new

    def _received(self) -> int:
        key = self.person.keys.public_key().to_hex()
        return self.world.rows("SELECT count(*) FROM inbox WHERE sender = ?", key)[0][0]

    def _shared_out(self, before: int) -> bool:
        (count,) = self.world.rows("SELECT count(*) FROM distribution")[0]
        (unpaid,) = self.world.rows(
            "SELECT count(*) FROM payout JOIN client ON client.id = client_id"
            " WHERE payout.state NOT IN ('DONE', 'CANCELLED', 'MERGED')"
            " AND client.destination_kind IS NOT NULL"
        )[0]
        return count > before and not unpaid

    def _check(self, text: str, answer: str, expected: tuple[str, ...]) -> None:
        for words in expected:
            if (words or answer) not in answer or (not words and answer):
                self.wrong.append(f"turn {self.turns}, {text!r}: no {words!r} in {answer!r}")
