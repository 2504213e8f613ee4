"""`dca-bot demo`: the main job from end to end, on the screen.

The operator adds three clients, ana, ben and carla (carla in fixed mode), confirms the deposits and
gives half of the commission to a partner. Laypeople sell bitcoin at the machine, the operator
settles a hold and tops the source wallet up, the wallets fill, and at the end the ledger and the
wallets are put side by side.
"""

import asyncio
import contextlib
import re
import signal
import tempfile
from contextlib import AsyncExitStack
from dataclasses import dataclass
from pathlib import Path

from rich.console import Console
from rich.table import Table

from dca_bot.core.money import sat_floor, sat_text
from dca_bot.core.names import short_id
from dca_bot.core.ports import DmProtocol
from dca_bot.demo.lnbits_process import WalletKeys
from dca_bot.demo.offer import is_at_a_terminal, offer_chat
from dca_bot.demo.person import Person, person
from dca_bot.demo.world import World, demo_world, running_bot
from dca_bot.ledger.correspondence import outbox
from dca_bot.ledger.payouts import queue
from dca_bot.ledger.store.database import Database, Tx, reading_database
from dca_bot.lnbits.client import LnbitsWallet
from dca_bot.nostr.keys import generate

_SETTLE_LIMIT_S = 60
_PARTNER = "partner"
_BANK_SAT = 1_000_000
_INVOICE = re.compile(r"lnbc[0-9a-z]{50,}")
_WORTH = re.compile(r"that part is Q([0-9,]+\.[0-9]{2})")
_HOLD = re.compile(r"hold accept (\d+)")
_PARAGRAPH = "  "


@dataclass(frozen=True, slots=True)
class _DemoClient:
    """A client of the demo with the LNbits wallet that is to fill."""

    person: Person
    wallet: WalletKeys


@dataclass(frozen=True, slots=True)
class _Cast:
    """Everybody in the story: people, and wallets of others."""

    operator: Person
    ana: _DemoClient
    ben: _DemoClient
    carla: _DemoClient
    partner: WalletKeys
    bank: WalletKeys

    @property
    def clients(self) -> tuple[_DemoClient, ...]:
        """Return the clients."""
        return self.ana, self.ben, self.carla


@dataclass(frozen=True, slots=True)
class _Line:
    """A payee at the end of the demo: the sum paid by the ledger, and the wallet's balance."""

    name: str
    paid_sat: int
    wallet_sat: int


class _Stage:
    """Shows the story on the terminal."""

    def __init__(self) -> None:
        self._console = Console(highlight=False, soft_wrap=True)

    def scene(self, text: str) -> None:
        """Announce the next scene."""
        self._console.print(f"\n[bold]== {text}[/bold]")

    def show(self, sender: str, recipient: str, text: str) -> None:
        """Show a message."""
        colour = "cyan" if sender == "bot" else "green"
        self._console.print(f"[{colour}]{sender} → {recipient}[/{colour}]")
        for line in text.splitlines():
            self._console.print(f"{_PARAGRAPH}{line}", markup=False)

    def note(self, text: str) -> None:
        """Tell something that isn't a message."""
        self._console.print(f"[yellow]{text}[/yellow]")

    def table(self, lines: list[_Line]) -> None:
        """Put ledger and wallets side by side."""
        table = Table("client", "paid, by the ledger", "in the LNbits wallet", "")
        for line in lines:
            same = "equal" if line.paid_sat == line.wallet_sat else "DIFFERENT"
            table.add_row(line.name, sat_text(line.paid_sat), sat_text(line.wallet_sat), same)
        self._console.print(table)


async def run_demo(*, stay: bool) -> bool:
    """Play the story; True if ledger and wallets are equal to the sat.

    SIGINT, SIGTERM and SIGHUP end the story and every part that was started.
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
    stage = _Stage()
    with tempfile.TemporaryDirectory(prefix="dca-bot-demo-") as folder:
        stage.scene("Starting a relay and LNbits")
        async with AsyncExitStack() as exits:
            world = await exits.enter_async_context(demo_world(Path(folder)))
            stage.note(f"relay {world.relay}, LNbits {world.lnbits.url}, bot {world.bot.npub}")
            await exits.enter_async_context(running_bot(world))
            async with AsyncExitStack() as guests:
                cast = await _people(guests, world, stage)
                equal = await _play(world, stage, cast)
                if stay:
                    with contextlib.suppress(asyncio.CancelledError):
                        await _stay(world, stage, cast)
            if not stay and is_at_a_terminal():
                await offer_chat(world)
    return equal


async def _people(exits: AsyncExitStack, world: World, stage: _Stage) -> _Cast:
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

    async def client(name: str, protocol: DmProtocol) -> _DemoClient:
        return _DemoClient(await join(name, protocol), world.lnbits.create_user_wallet(name))

    return _Cast(
        operator=await join("operator", DmProtocol.NIP17),
        ana=await client("ana", DmProtocol.NIP17),
        ben=await client("ben", DmProtocol.NIP04),
        carla=await client("carla", DmProtocol.NIP17),
        partner=world.lnbits.create_user_wallet(_PARTNER),
        bank=world.lnbits.create_user_wallet("bank"),
    )


async def _play(world: World, stage: _Stage, cast: _Cast) -> bool:
    await _join_in(world, stage, cast)
    await _commission(stage, cast)
    await _sales(world, stage, count=2)
    await _held_sale(world, stage, cast)
    await _fixed_run(stage, cast)
    await _sales(world, stage, count=world.machine.left)
    await _top_up(world, stage, cast)
    async with reading_database(world.folder / "data") as database:
        await _settled(database, world)
        stage.scene("The clients ask")
        for client in cast.clients:
            await client.person.ask("balance")
        await cast.ana.person.ask("history")
        stage.scene("The operator looks: one cash-out with its commission, and the whole")
        await cast.operator.ask(f"tx {short_id(world.machine.sold[-1])}")
        await cast.operator.ask("status")
        stage.scene("Ledger and wallets side by side")
        wallets = {client.person.name: client.wallet for client in cast.clients}
        wallets[_PARTNER] = cast.partner
        lines = [await _compare(database, world, *one) for one in wallets.items()]
    stage.table(lines)
    return all(line.paid_sat == line.wallet_sat and line.paid_sat > 0 for line in lines)


async def _join_in(world: World, stage: _Stage, cast: _Cast) -> None:
    operator, ana, ben, carla = cast.operator, cast.ana, cast.ben, cast.carla
    stage.scene("The operator adds three clients (NIP-17)")
    for client, fiat in ((ana, 3000), (ben, 1000), (carla, 1000)):
        await operator.order(f"client add {client.person.name} {client.person.key.npub} {fiat}")
    stage.scene("Each client says where the sats go: ana an LNbits invoice key over NIP-17,")
    stage.note("ben a Lightning address over NIP-04")
    await ana.person.order(f"wallet {ana.wallet.invoice_key}")
    await ben.person.order(f"wallet {world.lnbits.lightning_address(ben.wallet, 'ben')}")
    await carla.person.order(f"wallet {carla.wallet.invoice_key}")
    stage.scene("carla wants a fixed amount a day instead of a part of each sale")
    await carla.person.ask("mode fixed 400")
    await carla.person.ask("notify each")
    stage.scene("The cash is in the machine: the operator confirms the deposits")
    for number in (1, 2, 3):
        await operator.order(f"deposit confirm {number}")


async def _commission(stage: _Stage, cast: _Cast) -> None:
    stage.scene("Half of the commission goes to a partner")
    await cast.operator.order(f"commission set {_PARTNER} 50 {cast.partner.invoice_key}")


async def _sales(world: World, stage: _Stage, *, count: int) -> None:
    stage.scene("Laypeople sell bitcoin at the machine")
    for _ in range(count):
        tx_id, fiat, coin = world.machine.sell()
        stage.note(f"cash-out {short_id(tx_id)}: {fiat} GTQ ({coin})")
        await asyncio.sleep(2)


async def _held_sale(world: World, stage: _Stage, cast: _Cast) -> None:
    stage.scene("One sale isn't clear: less bitcoin came in than was sold. The operator decides")
    before = len(cast.operator.received)
    tx_id, fiat, _ = world.machine.sell(received_sat=50_000)
    stage.note(f"cash-out {short_id(tx_id)}: {fiat} GTQ, only 50,000 sats came in")
    told = await cast.operator.wait_for(lambda text: "hold accept" in text, since=before)
    found, part = _HOLD.search(told), _WORTH.search(told)
    assert found is not None
    assert part is not None
    stage.note(f"What came in is worth {part[1]} GTQ: so much is shared out")
    await cast.operator.order(f"hold accept {found[1]} {part[1]}")


async def _fixed_run(stage: _Stage, cast: _Cast) -> None:
    stage.scene("Fixed mode buys at set times; the operator looks at the plan and has it buy now")
    await cast.operator.ask("fixed")
    before = len(cast.carla.person.received)
    await cast.operator.order("fixed run")
    await cast.carla.person.wait_for(lambda text: "have arrived" in text, since=before)


async def _top_up(world: World, stage: _Stage, cast: _Cast) -> None:
    stage.scene("The source wallet runs short: the bot asks for a top-up, and waits")
    told = await cast.operator.wait_for(lambda text: bool(_INVOICE.search(text)))
    found = _INVOICE.search(told)
    assert found is not None
    world.lnbits.credit(cast.bank.id, _BANK_SAT)
    stage.note("Somebody pays the invoice from another wallet; the payouts go on by themselves")
    async with LnbitsWallet(world.lnbits.url, admin_key=cast.bank.admin_key) as bank:
        await bank.pay(found[0], external_id="top-up", extra={})


async def _settled(database: Database, world: World) -> None:
    """Wait until every cash-out of the sample is recorded and nothing is owed any more."""
    expected = len(_rows(world))

    def done(tx: Tx) -> bool:
        (recorded,) = tx.execute("SELECT count(*) FROM cash_out").fetchone()
        return recorded >= expected and not queue.open_payouts(tx) and not outbox.unsent(tx)

    async with asyncio.timeout(_SETTLE_LIMIT_S):
        while not await database.read(done):
            await asyncio.sleep(0.3)


def _rows(world: World) -> list[str]:
    text = (world.folder / "export" / "cash_out_txs.csv").read_text("utf-8")
    return text.splitlines()[1:]


async def _compare(database: Database, world: World, name: str, keys: WalletKeys) -> _Line:
    def paid(tx: Tx) -> int:
        row = tx.execute(
            "SELECT coalesce(sum(amount_sat), 0) FROM payout JOIN client ON client.id = client_id"
            " WHERE name = ? AND debited_at IS NOT NULL",
            (name,),
        ).fetchone()
        return int(row[0])

    async with LnbitsWallet(world.lnbits.url, admin_key=keys.invoice_key) as wallet:
        balance_msat = await wallet.balance_msat()
    return _Line(name, await database.read(paid), sat_floor(balance_msat))


async def _stay(world: World, stage: _Stage, cast: _Cast) -> None:
    stage.scene("Everything keeps running; end it with Ctrl-C")
    stage.note(f"relay     {world.relay}")
    stage.note(f"bot       {world.bot.npub}")
    for someone in (cast.operator, *(client.person for client in cast.clients)):
        stage.note(f"{someone.name:9} {someone.key.nsec()}")
    wallets = {client.person.name: client.wallet for client in cast.clients}
    for name, wallet in {"source": world.source, "bank": cast.bank, **wallets}.items():
        stage.note(f"{name:9} {world.lnbits.url}/wallet?usr={wallet.user}&wal={wallet.id}")
    stage.note(f"ledger and logs are in {world.folder}, until you end it")
    while True:
        await asyncio.sleep(3600)
