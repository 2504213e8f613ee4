"""A world for each test, and what it needs to begin."""

from contextlib import AsyncExitStack

import pytest
from gateway import Gateway
from machine import GrowingExport, ssh_server
from world import World

from dca_bot.demo.relay import local_relay


@pytest.fixture
async def make_world(lnbits, remote_lnbits, wallets, tmp_path):
    """Make a world: `await make_world(relays=1, source_sat=…)`.

    The bot pays from a wallet of `remote_lnbits`; what it pays to wallets of `lnbits` is external.
    """
    async with AsyncExitStack() as exits:

        async def make(*, relays: int = 1, source_sat: int = 5_000_000) -> World:
            urls = [await exits.enter_async_context(local_relay()) for _ in range(relays)]
            export = GrowingExport(tmp_path / "export")
            port = await exits.enter_async_context(ssh_server(export, tmp_path))
            gateway = Gateway(remote_lnbits.url, lnbits.url)
            exits.callback(gateway.close)
            world = World(
                folder=tmp_path,
                relays=urls,
                lnbits=remote_lnbits,
                gateway=gateway,
                source=wallets("source", balance_sat=source_sat, at=remote_lnbits),
                export=export,
                ssh_port=port,
            )
            exits.callback(_end, world)
            await world.prepare()
            for user in world.users:
                exits.push_async_callback(user.leave)
            return world

        yield make


def _end(world: World) -> None:
    if world.process is not None and world.process.poll() is None:
        world.process.kill()
        world.process.wait()
