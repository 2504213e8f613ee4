"""Payouts into a wallet of a real LNbits, beside the two calls that LNbits needs for a payment."""

import time
from collections.abc import AsyncIterator
from contextlib import aclosing
from pathlib import Path
from tempfile import TemporaryDirectory

import httpx
from payout_bench import Bench, programme

from bench.spending import Sample, spent
from dca_bot.demo.lnbits_process import LnbitsProcess, WalletKeys, find_lnbits, start_lnbits
from dca_bot.demo.price_stub import PriceStub
from dca_bot.ledger.programme.clients import INVOICE_KEY, Destination
from dca_bot.lnbits.client import LnbitsWallet
from dca_bot.lnbits.lnurl import LightningAddresses

_SHARE_SAT, _SHARE_MINOR = 100_000, 80_000


async def payouts(folder: Path, count: int) -> AsyncIterator[dict[str, Sample]]:
    """Pay so many payouts, from the plan to the verified credit, and as many bare invoices."""
    price = PriceStub()
    try:
        with (
            TemporaryDirectory(prefix="paying-", dir=folder) as name,
            start_lnbits(find_lnbits(), Path(name) / "lnbits", price=price) as lnbits,
        ):
            async with aclosing(_paid_at(lnbits, Path(name), count)) as samples:
                async for sample in samples:
                    yield {"payouts": sample}
    finally:
        price.close()


async def _paid_at(lnbits: LnbitsProcess, folder: Path, count: int) -> AsyncIterator[Sample]:
    source, ana = lnbits.create_user_wallet("source"), lnbits.create_user_wallet("ana")
    async with (
        LnbitsWallet(lnbits.url, admin_key=source.admin_key) as wallet,
        LightningAddresses(lnbits.url) as addresses,
        httpx.AsyncClient(base_url=lnbits.url, timeout=60, trust_env=False) as http,
    ):
        bench = Bench(folder, wallet, addresses, programme(day_max_sat=10**12))
        await bench.open()
        await bench.client("ana", Destination(INVOICE_KEY, ana.invoice_key), minor=10**12)
        try:
            while True:
                lnbits.credit(source.id, 2 * count * _SHARE_SAT)
                for _ in range(count):
                    await bench.distribute(_SHARE_SAT, _SHARE_MINOR)
                with spent() as own:
                    await bench.settle()
                assert set(await bench.states()) == {"DONE"}
                began = time.perf_counter()
                for _ in range(count):
                    await _pay_bare(http, source, ana)
                floor_s = time.perf_counter() - began
                yield Sample(
                    own.wall_s * 1000 / count, floor_s * 1000 / count, own.cpu_s, own.wall_s
                )
        finally:
            await bench.database.aclose()


async def _pay_bare(http: httpx.AsyncClient, source: WalletKeys, payee: WalletKeys) -> None:
    made = await http.post(
        "/api/v1/payments",
        headers={"X-Api-Key": payee.invoice_key},
        json={"out": False, "amount": _SHARE_SAT, "memo": "bare"},
    )
    paid = await http.post(
        "/api/v1/payments",
        headers={"X-Api-Key": source.admin_key},
        json={"out": True, "bolt11": made.raise_for_status().json()["bolt11"]},
    )
    assert paid.raise_for_status().json()["status"] == "success"
