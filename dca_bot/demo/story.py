"""`dca-bot demo`: the main job from end to end, on the screen.

The operator adds three clients, ana, ben and carla (carla in fixed mode), confirms the deposits and
gives half of the commission to a partner. Laypeople sell bitcoin at the machine, the operator
settles a hold and tops the source wallet up, the wallets fill, and at the end the ledger and the
wallets are put side by side. At a terminal each scene waits for its reader, and there can be more sales.
"""

import asyncio
import contextlib
import re
import signal
import tempfile
import time
from contextlib import AsyncExitStack
from dataclasses import dataclass
from pathlib import Path

from dca_bot.core.money import sat_floor
from dca_bot.core.names import short_id
from dca_bot.core.ports import DmProtocol
from dca_bot.demo.encore import encore
from dca_bot.demo.lnbits_process import WalletKeys
from dca_bot.demo.person import Person, person
from dca_bot.demo.stage import PayeeLine, Stage, lines_of_terminal
from dca_bot.demo.summary import summary
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
_FOR_A_PHONE = (
    "No phone reaches this relay, which listens on this computer alone. To be asked from a phone in the"
    " same network, start again with this computer's address there, like --address 192.168.1.20 (make demo"
    " STAY=1 ADDRESS=192.168.1.20); the firewall must let the relay's port in."
)
_WITH_A_PHONE = (
    "From a phone in the same network: in an app that takes relays without TLS (Amethyst does where the"
    " address is typed with its ws://; others refuse), log in with the nsec of one of these play people,"
    " add the relay above to the app's relays, to those for messages too, and write to the bot's npub."
)


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


async def run_demo(*, stay: bool, address: str) -> bool:
    """Play the story; True if ledger and wallets are equal to the sat.

    `address`: where the relay listens. `stay`: everything keeps running afterwards.
    SIGINT, SIGTERM and SIGHUP end the story and every part that was started.
    """
    playing = asyncio.create_task(_run(stay=stay, address=address))
    loop = asyncio.get_running_loop()
    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        loop.add_signal_handler(number, playing.cancel)
    try:
        return await playing
    except asyncio.CancelledError:
        return False


async def _run(*, stay: bool, address: str) -> bool:
    stage = Stage(lines_of_terminal())
    if stage.lines is not None:
        stage.note("Each scene waits until it can be read; Enter goes on at once.")
    with tempfile.TemporaryDirectory(prefix="dca-bot-demo-") as folder:
        await stage.scene("Starting a relay and LNbits")
        async with AsyncExitStack() as exits:
            world = await exits.enter_async_context(demo_world(Path(folder), address))
            stage.note(f"relay {world.relay}, LNbits {world.lnbits.url}, bot {world.bot.npub}")
            await exits.enter_async_context(running_bot(world))
            cast = await _people(exits, world, stage)
            begun = time.monotonic()
            await _play(world, stage, cast)
            database = await exits.enter_async_context(reading_database(world.folder / "data"))
            equal = await _end(world, stage, cast, database, begun)
            with contextlib.suppress(asyncio.CancelledError):
                if stay:
                    await _tell_addresses(world, stage, cast)
                await encore(world, stage, cast.operator, database)
                while stay:
                    await asyncio.sleep(3600)
    return equal


async def _people(exits: AsyncExitStack, world: World, stage: Stage) -> _Cast:
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


async def _play(world: World, stage: Stage, cast: _Cast) -> None:
    await _join_in(world, stage, cast)
    await _commission(stage, cast)
    await _sales(world, stage, count=2)
    await _held_sale(world, stage, cast)
    await _fixed_run(stage, cast)
    await _sales(world, stage, count=world.machine.left)
    await _top_up(world, stage, cast)


async def _end(world: World, stage: Stage, cast: _Cast, database: Database, begun: float) -> bool:
    """Show what came of the story, which has `begun` then; True if ledger and wallets are equal."""
    await _settled(database, world)
    await stage.scene("The clients ask")
    for client in cast.clients:
        await client.person.ask("balance")
    await cast.ana.person.ask("history")
    await stage.scene("The operator looks: one cash-out with its commission, and the whole")
    await cast.operator.ask(f"tx {short_id(world.machine.sold[-1])}")
    await cast.operator.ask("status")
    took_s = time.monotonic() - begun
    await stage.scene("Ledger and wallets side by side")
    wallets = {client.person.name: client.wallet for client in cast.clients}
    wallets[_PARTNER] = cast.partner
    payees = [await _compare(database, world, *one) for one in wallets.items()]
    stage.table(payees)
    await stage.scene("In short")
    for line in await summary(world, database, payees, messages=stage.messages, took_s=took_s):
        stage.note(line)
    return all(payee.is_equal for payee in payees)


async def _join_in(world: World, stage: Stage, cast: _Cast) -> None:
    operator, ana, ben, carla = cast.operator, cast.ana, cast.ben, cast.carla
    await stage.scene("The operator adds three clients (NIP-17)")
    for client, fiat in ((ana, 3000), (ben, 1000), (carla, 1000)):
        await operator.order(f"client add {client.person.name} {client.person.key.npub} {fiat}")
    await stage.scene("Each client says where the sats go: ana an LNbits invoice key over NIP-17,")
    stage.note("ben a Lightning address over NIP-04")
    await ana.person.order(f"wallet {ana.wallet.invoice_key}")
    await ben.person.order(f"wallet {world.lnbits.lightning_address(ben.wallet, 'ben')}")
    await carla.person.order(f"wallet {carla.wallet.invoice_key}")
    await stage.scene("carla wants a fixed amount a day instead of a part of each sale")
    await carla.person.ask("mode fixed 400")
    await carla.person.ask("notify each")
    await stage.scene("The cash is in the machine: the operator confirms the deposits")
    for number in (1, 2, 3):
        await operator.order(f"deposit confirm {number}")


async def _commission(stage: Stage, cast: _Cast) -> None:
    await stage.scene("Half of the commission goes to a partner")
    await cast.operator.order(f"commission set {_PARTNER} 50 {cast.partner.invoice_key}")


async def _sales(world: World, stage: Stage, *, count: int) -> None:
    await stage.scene("Laypeople sell bitcoin at the machine")
    for _ in range(count):
        tx_id, fiat, coin = world.machine.sell()
        stage.note(f"cash-out {short_id(tx_id)}: {fiat} GTQ ({coin})")
        await asyncio.sleep(2)


async def _held_sale(world: World, stage: Stage, cast: _Cast) -> None:
    await stage.scene(
        "One sale isn't clear: less bitcoin came in than was sold. The operator decides"
    )
    before = len(cast.operator.received)
    tx_id, fiat, _ = world.machine.sell(received_sat=50_000)
    stage.note(f"cash-out {short_id(tx_id)}: {fiat} GTQ, only 50,000 sats came in")
    told = await cast.operator.wait_for(lambda text: "hold accept" in text, since=before)
    found, part = _HOLD.search(told), _WORTH.search(told)
    assert found is not None
    assert part is not None
    stage.note(f"What came in is worth {part[1]} GTQ: so much is shared out")
    await cast.operator.order(f"hold accept {found[1]} {part[1]}")


async def _fixed_run(stage: Stage, cast: _Cast) -> None:
    await stage.scene(
        "Fixed mode buys at set times; the operator looks at the plan and has it buy now"
    )
    await cast.operator.ask("fixed")
    before = len(cast.carla.person.received)
    await cast.operator.order("fixed run")
    await cast.carla.person.wait_for(lambda text: "have arrived" in text, since=before)


async def _top_up(world: World, stage: Stage, cast: _Cast) -> None:
    await stage.scene("The source wallet runs short: the bot asks for a top-up, and waits")
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


async def _compare(database: Database, world: World, name: str, keys: WalletKeys) -> PayeeLine:
    def paid(tx: Tx) -> int:
        row = tx.execute(
            "SELECT coalesce(sum(amount_sat), 0) FROM payout JOIN client ON client.id = client_id"
            " WHERE name = ? AND debited_at IS NOT NULL",
            (name,),
        ).fetchone()
        return int(row[0])

    async with LnbitsWallet(world.lnbits.url, admin_key=keys.invoice_key) as wallet:
        balance_msat = await wallet.balance_msat()
    return PayeeLine(name, await database.read(paid), sat_floor(balance_msat))


async def _tell_addresses(world: World, stage: Stage, cast: _Cast) -> None:
    """Show where everything is, the keys of the people of the story, and what a phone needs."""
    await stage.scene("Everything keeps running; end it with Ctrl-C")
    stage.note(f"relay     {world.relay}")
    stage.note(f"bot       {world.bot.npub}")
    for someone in (cast.operator, *(client.person for client in cast.clients)):
        stage.note(f"{someone.name:9} {someone.key.npub} {someone.key.nsec()}")
    wallets = {client.person.name: client.wallet for client in cast.clients}
    for name, wallet in {"source": world.source, "bank": cast.bank, **wallets}.items():
        stage.note(f"{name:9} {world.lnbits.url}/wallet?usr={wallet.user}&wal={wallet.id}")
    stage.note(f"ledger and logs are in {world.folder}, until you end it")
    stage.note(_WITH_A_PHONE if world.is_reached_from_outside else _FOR_A_PHONE)
