"""`dca-bot demo`: the main job end to end, shown as it happens.

The operator adds two clients and confirms their deposits, laypeople sell bitcoin at the machine, the
clients' wallets fill, and in the end the ledger and the wallets are put side by side.
"""

import asyncio
import contextlib
import signal
import tempfile
from contextlib import AsyncExitStack
from dataclasses import dataclass
from pathlib import Path

from rich.console import Console
from rich.table import Table

from dca_bot.core.money import sat_text
from dca_bot.core.ports import DmProtocol
from dca_bot.demo.lnbits_process import WalletKeys
from dca_bot.demo.offer import is_at_a_terminal, offer_chat
from dca_bot.demo.person import Person, person
from dca_bot.demo.world import World, demo_world, running_bot
from dca_bot.ledger import clients, mail, payouts, reports
from dca_bot.ledger.database import Database, Tx, reading_database
from dca_bot.lnbits.client import LnbitsWallet
from dca_bot.nostr.keys import generate

SETTLE_LIMIT_S = 60
PARAGRAPH = "  "


@dataclass(frozen=True, slots=True)
class Saver:
    """A client of the demo with the LNbits wallet that is to fill."""

    person: Person
    wallet: WalletKeys


@dataclass(frozen=True, slots=True)
class Line:
    """One client at the end: what the ledger says was paid, and what the wallet has."""

    name: str
    paid_sat: int
    wallet_sat: int


class Stage:
    """Shows what happens on the terminal."""

    def __init__(self) -> None:
        self._console = Console(highlight=False, soft_wrap=True)

    def scene(self, text: str) -> None:
        """Announce what comes now."""
        self._console.print(f"\n[bold]== {text}[/bold]")

    def show(self, sender: str, recipient: str, text: str) -> None:
        """Show a message on its way."""
        colour = "cyan" if sender == "bot" else "green"
        self._console.print(f"[{colour}]{sender} → {recipient}[/{colour}]")
        for line in text.splitlines():
            self._console.print(f"{PARAGRAPH}{line}", markup=False)

    def note(self, text: str) -> None:
        """Tell something that isn't a message."""
        self._console.print(f"[yellow]{text}[/yellow]")

    def table(self, lines: list[Line]) -> None:
        """Put ledger and wallets side by side."""
        table = Table("client", "paid, by the ledger", "in the LNbits wallet", "")
        for line in lines:
            same = "equal" if line.paid_sat == line.wallet_sat else "DIFFERENT"
            table.add_row(line.name, sat_text(line.paid_sat), sat_text(line.wallet_sat), same)
        self._console.print(table)


async def run_demo(*, stay: bool) -> bool:
    """Play the story; True if ledger and wallets are equal to the sat.

    SIGINT, SIGTERM and SIGHUP end it with everything that it started.
    """
    playing = asyncio.create_task(_run(stay=stay))
    loop = asyncio.get_running_loop()
    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        loop.add_signal_handler(number, playing.cancel)
    try:
        return await playing
    except asyncio.CancelledError:
        return False


async def _run(*, stay: bool) -> bool:
    stage = Stage()
    with tempfile.TemporaryDirectory(prefix="dca-bot-demo-") as folder:
        stage.scene("Starting a relay and LNbits")
        async with AsyncExitStack() as exits:
            world = await exits.enter_async_context(demo_world(Path(folder)))
            stage.note(f"relay {world.relay}, LNbits {world.lnbits.url}, bot {world.bot.npub}")
            await exits.enter_async_context(running_bot(world))
            async with AsyncExitStack() as guests:
                people = await _people(guests, world, stage)
                equal = await _play(world, stage, *people)
                if stay:
                    with contextlib.suppress(asyncio.CancelledError):
                        await _stay(world, stage, *people)
            if not stay and is_at_a_terminal():
                await offer_chat(world)
    return equal


async def _people(exits: AsyncExitStack, world: World, stage: Stage) -> tuple[Person, Saver, Saver]:
    async def join(name: str, protocol: DmProtocol) -> Person:
        key = world.operator if name == "operator" else generate()
        return await exits.enter_async_context(
            person(
                name,
                key,
                world.bot.public_key,
                protocol=protocol,
                relay=world.relay,
                show=stage.show,
            )
        )

    operator = await join("operator", DmProtocol.NIP17)
    ana, ben = await join("ana", DmProtocol.NIP17), await join("ben", DmProtocol.NIP04)
    wallets = [world.lnbits.create_user_wallet(name) for name in ("ana", "ben")]
    return operator, Saver(ana, wallets[0]), Saver(ben, wallets[1])


async def _play(world: World, stage: Stage, operator: Person, ana: Saver, ben: Saver) -> bool:
    stage.scene("The operator adds two clients (NIP-17)")
    await operator.order(f"client add ana {ana.person.key.npub} 3000")
    await operator.order(f"client add ben {ben.person.key.npub} 1000")
    stage.scene("Each client says where the sats go: ana an LNbits invoice key over NIP-17,")
    stage.note("ben a Lightning address over NIP-04")
    await ana.person.order(f"wallet {ana.wallet.invoice_key}")
    await ben.person.order(f"wallet {world.lnbits.lightning_address(ben.wallet, 'ben')}")
    stage.scene("The cash is in the machine: the operator confirms the deposits")
    await operator.order("deposit confirm 1")
    await operator.order("deposit confirm 2")
    stage.scene("Laypeople sell bitcoin at the machine")
    while world.machine.left:
        tx_id, fiat, coin = world.machine.sell()
        stage.note(f"cash-out {tx_id[:8]}: {fiat} GTQ ({coin})")
        await asyncio.sleep(2)
    async with reading_database(world.folder / "data") as database:
        await _settled(database, world)
        stage.scene("The clients ask: ana over NIP-17, ben over NIP-04")
        for saver in (ana, ben):
            await saver.person.ask("balance")
            await saver.person.ask("history")
        stage.scene("The operator looks")
        await operator.ask("status")
        stage.scene("Ledger and wallets side by side")
        lines = [await _compare(database, world, saver) for saver in (ana, ben)]
    stage.table(lines)
    return all(line.paid_sat == line.wallet_sat and line.paid_sat > 0 for line in lines)


async def _settled(database: Database, world: World) -> None:
    """Wait until every cash-out of the sample is recorded and nothing is owed any more."""
    expected = len(_rows(world))

    def done(tx: Tx) -> bool:
        (recorded,) = tx.execute("SELECT count(*) FROM cash_out").fetchone()
        return recorded >= expected and not payouts.open_payouts(tx) and not mail.unsent(tx)

    async with asyncio.timeout(SETTLE_LIMIT_S):
        while not await database.read(done):
            await asyncio.sleep(0.3)


def _rows(world: World) -> list[str]:
    text = (world.folder / "export" / "cash_out_txs.csv").read_text("utf-8")
    return text.splitlines()[1:]


async def _compare(database: Database, world: World, saver: Saver) -> Line:
    def paid(tx: Tx) -> int:
        client = clients.by_name(tx, saver.person.name)
        assert client is not None
        return reports.received(tx, client.id)[1] - client.owed_sat

    async with LnbitsWallet(world.lnbits.url, admin_key=saver.wallet.invoice_key) as wallet:
        balance_msat = await wallet.balance_msat()
    return Line(saver.person.name, await database.read(paid), balance_msat // 1000)


async def _stay(world: World, stage: Stage, operator: Person, ana: Saver, ben: Saver) -> None:
    stage.scene("Everything keeps running; end it with Ctrl-C")
    stage.note(f"relay     {world.relay}")
    stage.note(f"bot       {world.bot.npub}")
    for someone in (operator, ana.person, ben.person):
        stage.note(f"{someone.name:9} {someone.key.nsec()}")
    for name, wallet in (("source", world.source), ("ana", ana.wallet), ("ben", ben.wallet)):
        stage.note(f"{name:9} {world.lnbits.url}/wallet?usr={wallet.user}&wal={wallet.id}")
    stage.note(f"ledger and logs are in {world.folder}")
    while True:
        await asyncio.sleep(3600)
