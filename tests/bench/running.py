"""The memory of a bot's process: after the start, and after everything that people ask for."""

import asyncio
import re
import shutil
import subprocess
import sys
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack
from pathlib import Path
from tempfile import TemporaryDirectory

from gateway import Gateway
from machine import GrowingExport, ssh_server
from world import World

from bench.spending import Sample, cpu_s_of, memory_mib, spent
from bench.whole_ledger import filled
from dca_bot.demo.lnbits_process import find_lnbits, start_lnbits
from dca_bot.demo.price_stub import PriceStub
from dca_bot.demo.relay import local_relay
from dca_bot.ledger.programme import clients
from dca_bot.ledger.programme.clients import ClientState
from dca_bot.ledger.store.bot_state import LAST_POLL_AT
from dca_bot.ledger.store.database import Tx, open_database

_REST_S = 5
_LIMIT_S = 300
_SALES = 5
_CLIENT_ASKS = ("help", "balance", "history", "stats", "export", "settings")
_OPERATOR_ASKS = (
    "help",
    "status",
    "clients",
    "txs",
    "payouts",
    "funds",
    "cash",
    "commission",
    "earnings",
    "client ana",
    "export",
)
"""Without `audit`, which has a row of its own: this LNbits has none of the ledger's payments."""


async def memory(folder: Path, shares: int) -> AsyncIterator[dict[str, Sample]]:
    """Run a bot on a ledger of so many shares, with a real LNbits, an SSH server and a relay."""
    data = await filled(folder, shares)
    while True:
        floor = _loaded()
        with TemporaryDirectory(prefix="running-", dir=folder) as name:
            database = await open_database(shutil.copytree(data, Path(name) / "data"))
            await database.transact(_pause)
            await database.aclose()
            with spent() as took:
                start, most, cpu_s = await _run(Path(name))
        yield {
            "memory-start": Sample(start, floor, cpu_s, took.wall_s),
            "memory-all": Sample(most, start, cpu_s, took.wall_s),
        }


def _loaded() -> float:
    """Load what a bot loads that reads over SSH; return the memory of the process in MiB."""
    program = "import dca_bot.app, dca_bot.lamassu.ssh; print(open('/proc/self/status').read())"
    done = subprocess.run(
        [sys.executable, "-c", program], capture_output=True, text=True, check=True
    )
    return int(re.search(r"VmRSS:\s+(\d+)", done.stdout)[1]) / 1024


async def _run(folder: Path) -> tuple[float, float, float]:
    """Have a bot do everything; return its memory after the start, the most, and its CPU time."""
    async with AsyncExitStack() as exits:
        price = PriceStub()
        exits.callback(price.close)
        lnbits = exits.enter_context(start_lnbits(find_lnbits(), folder / "lnbits", price=price))
        source = lnbits.create_user_wallet("source")
        lnbits.credit(source.id, 10_000_000)
        gateway = Gateway(lnbits.url, lnbits.url)
        exits.callback(gateway.close)
        export = GrowingExport(folder / "export")
        world = World(
            folder=folder,
            relays=[await exits.enter_async_context(local_relay())],
            lnbits=lnbits,
            gateway=gateway,
            source=source,
            export=export,
            ssh_port=await exits.enter_async_context(ssh_server(export, folder)),
        )
        await world.prepare()
        exits.push_async_callback(world.operator.leave)
        world.start(is_forked=False)
        exits.callback(world.process.kill)
        return await _used(world)


async def _used(world: World) -> tuple[float, float, float]:
    process = world.process.pid
    await world.until(lambda: world.rows("SELECT 1 FROM fact WHERE name = ?", LAST_POLL_AT))
    await asyncio.sleep(_REST_S)
    start = memory_mib("VmRSS", process)
    operator, ana = world.operator, await world.user("nip17")
    wallet = world.lnbits.create_user_wallet("ana")
    await operator.order(f"client add ana {ana.npub} 9000")
    ((deposit,),) = world.rows("SELECT max(id) FROM deposit")
    await ana.order(f"wallet {wallet.invoice_key}")
    await operator.order(f"deposit confirm {deposit}")
    ((before,),) = world.rows("SELECT count(*) FROM distribution")
    for _ in range(_SALES):
        world.export.sell(500)
    await world.until(lambda: world.is_settled(before + _SALES), limit_s=_LIMIT_S)
    for user, asked in ((ana, _CLIENT_ASKS), (operator, _OPERATOR_ASKS)):
        for text in asked:
            await user.ask(text, limit_s=_LIMIT_S)
    await ana.leave()
    most, cpu_s = memory_mib("VmHWM", process), cpu_s_of(process)
    assert world.stop() == 0, world.log()[-3000:]
    return start, most, cpu_s


def _pause(tx: Tx) -> None:
    """Have the ledger's clients, who have no wallets at this LNbits, take no part."""
    for client in clients.everyone(tx):
        clients.set_state(tx, client, ClientState.PAUSED)
