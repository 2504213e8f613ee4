"""Payments that leave LNbits: a second LNbits stands for the rest of the Lightning network.

The second one also takes the kills: invoices of a FakeWallet don't outlive its process.
"""

import asyncio

import pytest
from lnbits_servers import version

from dca_bot.core.ports import Credit, PayAnswer, PaymentStatus
from dca_bot.errors import LnbitsUnavailable
from dca_bot.lnbits.client import LnbitsWallet

MARKS = {"external_id": "payout-1", "extra": {}}


@pytest.fixture
async def remote_source(remote_lnbits, wallets):
    keys = wallets("remote source", balance_sat=1000, at=remote_lnbits)
    async with LnbitsWallet(remote_lnbits.url, admin_key=keys.admin_key) as wallet:
        yield wallet


async def test_external_invoice_is_paid(source, remote_source, alice, order):
    invoice = await source.request_invoice(alice.invoice_key, **{**order, "amount_sat": 500})
    reply = await remote_source.pay(invoice.bolt11, **MARKS)

    assert reply.answer is PayAnswer.ANSWERED
    payment = await remote_source.payment(invoice.payment_hash)
    assert (payment.status, payment.amount_msat) == (PaymentStatus.SUCCESS, -500_000)
    # LNbits 1.0 has none from another LNbits.
    assert payment.preimage or version() == (1, 0)
    credited = await source.credited(alice.invoice_key, invoice.payment_hash)
    assert credited == Credit(PaymentStatus.SUCCESS, invoice.amount_msat)


async def test_fee_reserve_counts_as_missing_sats(source, remote_source, alice, order):
    invoice = await source.request_invoice(alice.invoice_key, **order)
    reply = await remote_source.pay(invoice.bolt11, **MARKS)
    assert reply.answer is PayAnswer.INSUFFICIENT
    assert "reserve" in reply.detail
    assert await remote_source.payment(invoice.payment_hash) is None


async def test_failed_external_payment_is_listed_as_failed(
    lnbits, source, remote_source, alice, order
):
    invoice = await source.request_invoice(alice.invoice_key, **{**order, "amount_sat": 500})
    lnbits.delete_wallet(alice)
    # The node of the second LNbits can't pay an invoice that is paid already.
    await source.pay(invoice.bolt11, **MARKS)
    reply = await remote_source.pay(invoice.bolt11, **MARKS)

    assert reply.answer is PayAnswer.ANSWERED
    payment = await remote_source.payment(invoice.payment_hash)
    assert payment.status is PaymentStatus.FAILED
    assert [p.status for p in await remote_source.payments_of("payout-1")] == [PaymentStatus.FAILED]
    tagged = [p.status async for p in remote_source.tagged_payments()]
    assert tagged == [PaymentStatus.FAILED]
    assert await remote_source.balance_msat() == 1_000_000


@pytest.mark.slow(40)
async def test_lnbits_killed_before_it_acted_gives_no_answer_and_pays_later(
    remote_lnbits, remote_source, wallets, order
):
    bob = wallets("bob", at=remote_lnbits)
    invoice = await remote_source.request_invoice(bob.invoice_key, **{**order, "amount_sat": 500})
    remote_lnbits.freeze()
    paying = asyncio.create_task(remote_source.pay(invoice.bolt11, **MARKS))
    await asyncio.sleep(0.2)  # the request is on its way to a process that is standing still
    remote_lnbits.kill()
    try:
        assert (await paying).answer is PayAnswer.NO_ANSWER
        with pytest.raises(LnbitsUnavailable, match="did not answer"):
            await remote_source.payment(invoice.payment_hash)
    finally:
        remote_lnbits.start()

    assert await remote_source.payment(invoice.payment_hash) is None
    assert (await remote_source.pay(invoice.bolt11, **MARKS)).answer is PayAnswer.ANSWERED
    payment = await remote_source.payment(invoice.payment_hash)
    assert payment.status is PaymentStatus.SUCCESS
    credited = await remote_source.credited(bob.invoice_key, invoice.payment_hash)
    assert credited == Credit(PaymentStatus.SUCCESS, 500_000)
