"""The ledger against an LNbits on PostgreSQL, in time zones on both sides of UTC.

The pages are of three rows, so that the few payments here are a long list.
"""

from datetime import timedelta

import pytest
from lnbits_servers import databases
from scaffold import in_english
from test_worker import assert_clean

from dca_bot.ledger.audit.payments import audit_payments
from dca_bot.ledger.payouts import unknown_payments
from dca_bot.ledger.programme.clients import INVOICE_KEY, Destination
from dca_bot.lnbits.client import LnbitsWallet

pytestmark = pytest.mark.parametrize(
    "lnbits_server",
    databases("America/Guatemala", long=("Asia/Kolkata", "UTC", "Europe/Madrid")),
    indirect=True,
    scope="module",
)
PAYOUTS = 8


@pytest.fixture(scope="module")
def lnbits(lnbits_server):
    return lnbits_server.process


@pytest.fixture
async def bench(lnbits, make_bench, wallets):
    """A ledger with eight payouts that have arrived, after its reconciliation at the start."""
    bench = await make_bench()
    await bench.wallet._wallet.aclose()
    async with LnbitsWallet(
        lnbits.url, admin_key=bench.source.admin_key, page_rows=3
    ) as bench.wallet._wallet:
        destination = Destination(INVOICE_KEY, wallets("ana").invoice_key)
        await bench.client("ana", destination, minor=1_000_000)
        await bench.worker.look_once()
        for _ in range(PAYOUTS):
            await bench.distribute(1_000, 800)
        await bench.settle(2)
        assert await bench.states() == ["DONE"] * PAYOUTS
        yield bench


async def pay_unknown(bench, invoice_key, external_id):
    """Have a payment made that carries the bot's tag and that the ledger doesn't know."""
    invoice = await bench.wallet.request_invoice(
        invoice_key, amount_sat=7, memo="", expiry_s=86_400, external_id=external_id, extra={}
    )
    extra = {"distributions": [f"{external_id}-cash-out"], "client": "ana"}
    await bench.wallet.pay(invoice.bolt11, external_id=external_id, extra=extra)
    return invoice.payment_hash


async def remembered(bench):
    def work(tx):
        return {row["external_id"] for row in tx.execute("SELECT external_id FROM foreign_payment")}

    return await bench.database.read(work)


async def test_start_hourly_look_and_audit_find_every_payment_and_accuse_none(bench, wallets):
    ben = wallets("ben")
    await bench.worker.catch_up()
    await assert_clean(bench)
    assert await remembered(bench) == set()

    await pay_unknown(bench, ben.invoice_key, "hourly")
    bench.clock.ahead += timedelta(hours=1, minutes=1)
    await bench.worker.look_once()
    assert await remembered(bench) == {"hourly"}

    await pay_unknown(bench, ben.invoice_key, "start")
    await bench.reopen()
    await bench.worker.look_once()
    assert await remembered(bench) == {"hourly", "start"}

    audit = await audit_payments(bench.database, bench.wallet)
    assert audit.rows == PAYOUTS + 2
    assert len(audit.findings) == 2
    assert all("which the ledger doesn't know" in text for text in in_english(audit.findings))

    for payout in await bench.payouts():
        (payment,) = await bench.wallet.payments_of(payout.id)
        assert payment.payment_hash == payout.attempt.payment_hash


async def test_hourly_look_reads_the_newest_pages_only(bench, wallets):
    pages, payments = [], bench.wallet._wallet._payments
    whole = payments.page

    async def page(params):
        pages.append(params)
        return await whole(params)

    payments.page = page
    for added in (0, 1):
        for number in range(added):
            await pay_unknown(bench, wallets("ben").invoice_key, f"unknown-{number}")
        # The first look after the start still has the mark of an empty list.
        for _hour in range(2):
            pages.clear()
            bench.clock.ahead += timedelta(hours=1, minutes=1)
            await bench.worker.look_once()
        assert len(pages) == 2, "one for the mark, one for the rows"
    assert len(await remembered(bench)) == 1


async def test_pending_payment_of_an_old_copy_is_renewed_without_reading_all(bench, wallets):
    """What the ledger remembers as pending is asked for by its hash, wherever it is in the list."""
    payment_hash = await pay_unknown(bench, wallets("ben").invoice_key, "old")
    await bench.worker.catch_up()
    for _ in range(6):
        await bench.distribute(1_000, 800)
    await bench.settle(2)
    await bench.worker.catch_up()
    await bench.database.transact(
        lambda tx: tx.execute("UPDATE foreign_payment SET status = 'pending'")
    )
    now = bench.clock.now()
    opened = await bench.database.read(
        lambda tx: unknown_payments.open_hashes(tx, now=now, limit=9)
    )
    assert opened == [payment_hash]
    bench.clock.ahead += timedelta(hours=1, minutes=1)
    await bench.worker.look_once()
    now = bench.clock.now()
    assert (
        await bench.database.read(lambda tx: unknown_payments.open_hashes(tx, now=now, limit=9))
        == []
    )
