"""The demo's world: a relay, an LNbits with wallets, a sample machine and a bot."""

import asyncio
import json
import os
import signal
import sys
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass
from pathlib import Path

from dca_bot.demo.lnbits_process import LnbitsProcess, WalletKeys, find_lnbits, start_lnbits
from dca_bot.demo.machine import SampleMachine
from dca_bot.demo.price_stub import PriceStub
from dca_bot.demo.relay import LOOPBACK, local_relay
from dca_bot.files.secret_files import write_secret
from dca_bot.nostr.keys import SecretKey, generate

_SOURCE_SAT = 300_000
_STOP_LIMIT_S = 10
_CONFIG = """\
[nostr]
relays = [{relay}]
operators = [{operator}]
discovery_relays = []

[lamassu]
source = "directory"
poll_seconds = 1

[lnbits]
url = {url}
low_balance_sat = 0
top_up_to_sat = 500000
"""


@dataclass(frozen=True, slots=True)
class World:
    """The parts that were started, and the folder of the demo."""

    folder: Path
    relay: str
    lnbits: LnbitsProcess
    source: WalletKeys
    machine: SampleMachine
    bot: SecretKey
    operator: SecretKey

    @property
    def config(self) -> Path:
        """Return the bot's configuration file."""
        return self.folder / "config.toml"

    @property
    def is_reached_from_outside(self) -> bool:
        """Tell whether the relay listens on more than this computer alone."""
        return not self.relay.startswith(f"ws://{LOOPBACK}:")


@asynccontextmanager
async def demo_world(folder: Path, address: str) -> AsyncIterator[World]:
    """Start all parts but the bot; everything ends with the context. `address`: where the relay listens."""
    async with AsyncExitStack() as exits:
        price = PriceStub()
        exits.callback(price.close)
        lnbits = await _start_lnbits(folder, price)
        exits.callback(lnbits.close)
        source = lnbits.create_user_wallet("DCA source")
        lnbits.credit(source.id, _SOURCE_SAT)
        relay = await exits.enter_async_context(local_relay(address=address))
        world = World(
            folder=folder,
            relay=relay,
            lnbits=lnbits,
            source=source,
            machine=SampleMachine(folder / "export"),
            bot=generate(),
            operator=generate(),
        )
        _write_config(world)
        yield world


async def _start_lnbits(folder: Path, price: PriceStub) -> LnbitsProcess:
    """Start LNbits; if the demo is cancelled meanwhile, close LNbits as soon as the start is over."""
    starting = asyncio.create_task(
        asyncio.to_thread(start_lnbits, find_lnbits(), folder / "lnbits", price=price)
    )
    try:
        return await asyncio.shield(starting)
    except asyncio.CancelledError:
        (await starting).close()
        raise


@asynccontextmanager
async def running_bot(world: World) -> AsyncIterator[asyncio.subprocess.Process]:
    """Run the bot as a process of its own; the end of the context stops the bot."""
    with (world.folder / "bot.log").open("ab") as log:
        process = await asyncio.create_subprocess_exec(
            sys.executable,
            "-P",
            "-m",
            "dca_bot",
            "run",
            "--config",
            str(world.config),
            stdin=asyncio.subprocess.DEVNULL,
            stdout=log,
            stderr=log,
            env=dict(os.environ),
        )
    try:
        yield process
    finally:
        if process.returncode is None:
            process.send_signal(signal.SIGTERM)
            try:
                await asyncio.wait_for(process.wait(), _STOP_LIMIT_S)
            except TimeoutError:
                process.kill()
                await process.wait()


def _write_config(world: World) -> None:
    world.config.write_text(
        _CONFIG.format(
            relay=json.dumps(world.relay),
            operator=json.dumps(world.operator.npub),
            url=json.dumps(world.lnbits.url),
        ),
        encoding="utf-8",
    )
    write_secret(world.folder / "bot.nsec", world.bot.nsec())
    write_secret(world.folder / "lnbits.key", world.source.admin_key)
