"""Rows that LNbits keeps after a migration, a repair by hand or a payment to oneself."""

import pytest
from lnbits_servers import SQLITE, databases, version

from dca_bot.core.ports import PaymentStatus
from dca_bot.errors import LnbitsUnavailable
from dca_bot.lnbits.client import LnbitsWallet

pytestmark = pytest.mark.parametrize(
    "lnbits_server", databases(SQLITE), indirect=True, scope="module"
)


@pytest.fixture(scope="module")
def lnbits(lnbits_server):
    return lnbits_server.process


@pytest.fixture
async def paid(source, alice, order):
    """Two payouts that were paid; their hashes."""
    hashes = []
    for number in (1, 2):
        id_ = f"payout-{number}"
        invoice = await source.request_invoice(alice.invoice_key, **{**order, "external_id": id_})
        await source.pay(invoice.bolt11, external_id=id_, extra={"client": "alice"})
        hashes.append(invoice.payment_hash)
    return hashes


@pytest.fixture
def change(lnbits_server, source_keys, paid):
    """Change the first payout's row in the source wallet."""

    def change_row(what):
        lnbits_server.sql(
            f"UPDATE apipayments SET {what}"
            f" WHERE payment_hash = '{paid[0]}' AND wallet_id = '{source_keys.id}'"
        )

    return change_row


async def hashes_of(source):
    return [payment.payment_hash async for payment in source.tagged_payments()]


async def test_payment_of_the_source_to_itself_is_one_outgoing_payment(source):
    invoice = await source.top_up_invoice(amount_sat=500, memo="", expiry_s=3600)
    await source.pay(invoice.bolt11, external_id="payout-1", extra={})
    payment = await source.payment(invoice.payment_hash)
    assert (payment.amount_msat, payment.status) == (-500_000, PaymentStatus.SUCCESS)
    assert await hashes_of(source) == [invoice.payment_hash]
    assert await source.balance_msat() == 100_000_000


async def test_payment_whose_extra_is_damaged_is_still_the_bots(source, change, paid):
    change("extra = '{broken'")
    if version() == (1, 0):
        with pytest.raises(LnbitsUnavailable, match="HTTP 400"):
            await hashes_of(source)
    else:
        assert await hashes_of(source) == paid


async def test_row_that_lnbits_can_not_show_is_an_error_and_no_short_list(source, change):
    change("bolt11 = NULL")
    with pytest.raises(LnbitsUnavailable, match="HTTP 400"):
        await hashes_of(source)


async def test_state_that_the_bot_does_not_know_is_an_error_and_no_short_list(source, change, paid):
    change("status = 'processing'")
    with pytest.raises(LnbitsUnavailable):
        await hashes_of(source)
    with pytest.raises(LnbitsUnavailable):
        await source.payment(paid[0])


async def test_fee_is_what_was_taken_whatever_its_sign(source, change, paid):
    for fee in (2_000, -2_000):
        change(f"fee = {fee}")
        assert (await source.payment(paid[0])).fee_msat == 2_000


async def test_row_that_was_deleted_by_hand_hides_no_later_one(
    lnbits, lnbits_server, source_keys, source, alice, order, paid
):
    async with LnbitsWallet(lnbits.url, admin_key=source_keys.admin_key, page_rows=2) as wallet:
        mark = await wallet.list_mark()
        lnbits_server.sql(
            f"DELETE FROM apipayments WHERE payment_hash = '{paid[0]}'"
            f" AND wallet_id = '{source_keys.id}'"
        )
        invoice = await source.request_invoice(alice.invoice_key, **order)
        await source.pay(invoice.bolt11, external_id="later", extra={})
        found = [payment.payment_hash async for payment in wallet.tagged_payments(mark)]
    assert set(found) == {paid[1], invoice.payment_hash}
    assert await source.payment(paid[0]) is None
