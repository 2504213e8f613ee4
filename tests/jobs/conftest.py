"""The payout bench on a fresh source wallet of a real LNbits."""

import pytest
from doubt_bench import NOW, PLACES, URL
from ingest_bench import Bench as IngestBench
from ingest_bench import Server
from payout_bench import (
    Bench,
    FaultyWallet,
    HandClock,
    ScriptedAddresses,
    ScriptedWallet,
    programme,
)

from dca_bot.ledger.audit.audit import audit_ledger
from dca_bot.ledger.programme.clients import INVOICE_KEY, Destination
from dca_bot.lnbits.client import LnbitsWallet
from dca_bot.lnbits.lnurl import LightningAddresses

KEY = Destination(INVOICE_KEY, "key")


@pytest.fixture
async def make_bench(lnbits, wallets, tmp_path):
    """Make a bench on a fresh source wallet: `await make_bench(source_sat=…, **programme)`.

    The wallet is `at` the LNbits of this worker, or at another one.
    """
    opened = []

    async def make(*, source_sat: int = 1_000_000, at=lnbits, **changes) -> Bench:
        source = wallets("source", balance_sat=source_sat, at=at)
        wallet = LnbitsWallet(at.url, admin_key=source.admin_key)
        addresses = LightningAddresses(lnbits.url)
        bench = Bench(tmp_path, FaultyWallet(wallet), addresses, programme(**changes))
        bench.source = source
        await bench.open()
        opened.append((bench, wallet, addresses))
        return bench

    yield make
    for bench, wallet, addresses in opened:
        await bench.database.aclose()
        await wallet.aclose()
        await addresses.aclose()


@pytest.fixture
async def make_scripted(tmp_path):
    """Make a bench on a scripted LNbits: ana has cash for any number of payouts."""
    benches = []

    async def make(destination=KEY, scripted=ScriptedWallet, **changes):
        clock = HandClock(NOW)
        wallet = scripted(clock)
        bench = Bench(tmp_path, wallet, ScriptedAddresses(wallet), programme(**changes), clock)
        await bench.open()
        benches.append(bench)
        await bench.client("ana", destination, minor=10**9)
        return bench

    yield make
    for bench in benches:
        assert (await bench.database.read(audit_ledger)).findings == ()
        await bench.database.aclose()


@pytest.fixture
def make_due(make_scripted):
    """Make a bench on a scripted LNbits, with 50,000 sats due to ana."""

    async def make(destination=KEY, **changes):
        bench = await make_scripted(destination, **changes)
        await bench.distribute(50_000, 40_000)
        return bench

    return make


@pytest.fixture(params=PLACES, ids=[place.kind for place in PLACES])
def make_doubted(make_due, request):
    """Make a bench on a scripted LNbits that calls payments failed, with 50,000 sats due to ana."""

    async def make(*, verify_url=URL, **changes):
        bench = await make_due(request.param, **changes)
        bench.wallet.on_pay = bench.wallet.fail
        bench.addresses.verify_url = verify_url
        return bench

    return make


@pytest.fixture
async def balance_sat(lnbits):
    """Ask LNbits what a wallet has."""

    async def ask(wallet, at=lnbits) -> int:
        async with LnbitsWallet(at.url, admin_key=wallet.invoice_key) as client:
            whole, rest = divmod(await client.balance_msat(), 1000)
            assert rest == 0
            return whole

    return ask


@pytest.fixture
async def make_ingest(tmp_path):
    """Make a poller on an empty ledger, which is proven at the end: `await make_ingest(source)`."""
    benches = []

    async def make(source=None, *, folder=tmp_path, **changes):
        bench = IngestBench(folder, source or Server(), **changes)
        await bench.open()
        benches.append(bench)
        return bench

    yield make
    for bench in benches:
        assert (await bench.database.read(audit_ledger)).findings == ()
        await bench.database.aclose()
