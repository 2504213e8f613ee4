"""Fixtures of a simulated LNbits in the place of a real one, for tests that use its wallets alone."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from datetime import UTC, datetime
from random import Random
from typing import TypeVar

import pytest
from payout_bench import Bench, FaultyWallet, programme
from simulation.journal import Journal
from simulation.lightning import Mischief
from simulation.lnbits import SOURCE_ADMIN_KEY, SOURCE_KEY, Lnbits
from simulation.lnbits_client import LnbitsClient
from simulation.network import Line

from dca_bot.core.ports import PaymentStatus
from dca_bot.demo.lnbits_process import WalletKeys

SOURCE = WalletKeys("source", SOURCE_ADMIN_KEY, SOURCE_KEY, "operator")
T = TypeVar("T")


class _RealTime:
    """The time by which LNbits works, whatever the bot's clock shows."""

    @property
    def loop(self) -> asyncio.AbstractEventLoop:
        return asyncio.get_running_loop()

    def now(self) -> datetime:
        return datetime.now(UTC)


class _NoWay(Line):
    """A way that takes no time and loses nothing."""

    def __init__(self) -> None:
        pass

    async def ask(self, effect: Callable[[], T], _lost: Callable[[], Exception]) -> T:
        await asyncio.sleep(0)
        return effect()


@pytest.fixture
def simulated() -> Lnbits:
    time = _RealTime()
    return Lnbits(time, Journal(time), Random(1), Mischief(Random(1)))


@pytest.fixture
def wallets(simulated) -> Callable[[str], WalletKeys]:
    """Make fresh wallets: `wallets("alice")`."""

    def make(name: str) -> WalletKeys:
        key = simulated.open_wallet(name)
        return WalletKeys(name, simulated.admin_keys[key], key, name)

    return make


@pytest.fixture
async def make_bench(simulated, tmp_path) -> AsyncIterator[Callable[..., Awaitable[Bench]]]:
    """Make a bench on the source wallet: `await make_bench(source_sat=…, **programme)`."""
    opened = []

    async def make(*, source_sat: int = 1_000_000, **changes) -> Bench:
        simulated.balance_msat = 1000 * source_sat
        client = LnbitsClient(simulated, _NoWay())
        bench = Bench(tmp_path, FaultyWallet(client), None, programme(**changes))
        bench.source = SOURCE
        await bench.open()
        opened.append(bench)
        return bench

    yield make
    for bench in opened:
        await bench.database.aclose()


@pytest.fixture
def balance_sat(simulated) -> Callable[[WalletKeys], Awaitable[int]]:
    """Ask LNbits what a wallet has."""

    async def ask(wallet: WalletKeys) -> int:
        received = simulated.credits[wallet.invoice_key].values()
        msat = sum(one.amount_msat for one in received if one.status is PaymentStatus.SUCCESS)
        if wallet == SOURCE:
            msat = simulated.balance_msat
        whole, rest = divmod(msat, 1000)
        assert rest == 0
        return whole

    return ask
