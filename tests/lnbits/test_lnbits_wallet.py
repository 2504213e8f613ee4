"""The adapter against a real LNbits: what it says about money is what LNbits did."""

import asyncio
from datetime import UTC, datetime, timedelta

import httpx
import pytest
from bolt11_invoices import AMOUNTLESS_INVOICE, EVERLASTING_INVOICES, TESTNET_INVOICE
from lnbits_servers import SQLITE, databases, version

from dca_bot.core.ports import Credit, KeyKind, PayAnswer, PaymentStatus
from dca_bot.errors import DestinationRefused, LnbitsRefused, LnbitsUnavailable, Refusal
from dca_bot.lnbits.client import LnbitsWallet

pytestmark = pytest.mark.parametrize(
    "lnbits_server", databases(SQLITE, "Asia/Kolkata"), indirect=True, scope="module"
)

MARKS = {"external_id": "payout-1", "extra": {"client": "alice"}}
UNKNOWN_KEY = "0" * 32
UNKNOWN_HASH = "ab" * 32


@pytest.fixture(scope="module")
def lnbits(lnbits_server):
    return lnbits_server.process


async def pay_alice(source, alice, order, **changes):
    invoice = await source.request_invoice(alice.invoice_key, **{**order, **changes})
    reply = await source.pay(
        invoice.bolt11, external_id=changes.get("external_id", "payout-1"), extra={}
    )
    return invoice, reply


async def test_paid_invoice_is_debited_and_credited(source, alice, order):
    invoice = await source.request_invoice(alice.invoice_key, **order)
    reply = await source.pay(invoice.bolt11, **MARKS)

    assert reply.answer is PayAnswer.ANSWERED
    payment = await source.payment(invoice.payment_hash)
    assert payment.amount_msat == -invoice.amount_msat == -1_000_000
    assert payment.status is PaymentStatus.SUCCESS
    assert payment.fee_msat == 0
    assert payment.external_id == "payout-1"
    # LNbits 1.0 keeps none for a payment inside it.
    assert payment.preimage or version() == (1, 0)
    assert payment.extra["tag"] == "aio-dca"
    assert payment.extra["client"] == "alice"
    credited = await source.credited(alice.invoice_key, invoice.payment_hash)
    assert credited == Credit(PaymentStatus.SUCCESS, invoice.amount_msat)
    assert await source.balance_msat() == 99_000_000


async def test_invoice_lives_as_long_as_asked(source, alice, order):
    invoice = await source.request_invoice(alice.invoice_key, **order)
    left = invoice.expires_at - datetime.now(UTC)
    assert timedelta(hours=23, minutes=59) < left <= timedelta(hours=24)


@pytest.mark.parametrize("memo", ["", "m" * 1000, "ñ" * 640, "€" * 640, "m" + "🙂" * 200])
async def test_any_memo_fits_into_an_invoice(source, alice, order, memo):
    invoice = await source.request_invoice(alice.invoice_key, **{**order, "memo": memo})
    assert invoice.amount_msat == 1_000_000


async def test_second_payment_of_an_invoice_moves_nothing(source, alice, order):
    invoice, _ = await pay_alice(source, alice, order)
    again = await source.pay(invoice.bolt11, **MARKS)

    assert again.answer is PayAnswer.ANSWERED
    assert again.detail == "Internal invoice already paid."
    assert (await source.payment(invoice.payment_hash)).status is PaymentStatus.SUCCESS
    assert await source.balance_msat() == 99_000_000


async def test_concurrent_payments_of_an_invoice_pay_once(source, alice, order):
    invoice = await source.request_invoice(alice.invoice_key, **order)
    await asyncio.gather(*(source.pay(invoice.bolt11, **MARKS) for _ in range(4)))
    assert await source.balance_msat() == 99_000_000
    assert len(await source.payments_of("payout-1")) == 1


async def test_short_wallet_leaves_no_row(source, alice, order):
    invoice, reply = await pay_alice(source, alice, order, amount_sat=100_001)
    assert reply.answer is PayAnswer.INSUFFICIENT
    assert await source.payment(invoice.payment_hash) is None


async def test_unpaid_invoice_is_not_a_payment_of_the_source(source, alice, order):
    invoice = await source.request_invoice(alice.invoice_key, **order)
    assert await source.payment(invoice.payment_hash) is None
    assert await source.payment(UNKNOWN_HASH) is None
    assert await source.credited(alice.invoice_key, UNKNOWN_HASH) is None


async def test_expired_invoice_leaves_balance_and_row_in_agreement(source, alice, order):
    invoice = await source.request_invoice(alice.invoice_key, **{**order, "expiry_s": 1})
    left = invoice.expires_at - datetime.now(UTC)
    await asyncio.sleep(left.total_seconds() + 0.1)  # LNbits goes by the real clock
    assert await source.decode(invoice.bolt11) == invoice

    # LNbits may pay it all the same, and the answer may be the payee's row.
    await source.pay(invoice.bolt11, **MARKS)
    payment = await source.payment(invoice.payment_hash)
    spent_msat = 0 if payment is None else -payment.amount_msat
    assert await source.balance_msat() == 100_000_000 - spent_msat


async def test_admin_and_invoice_keys_are_told_apart(source, alice):
    assert await source.identify(alice.admin_key) is KeyKind.ADMIN
    assert await source.identify(alice.invoice_key) is KeyKind.INVOICE


async def test_invoice_key_of_the_source_itself_is_told_apart(lnbits, wallets):
    keys = wallets("source", balance_sat=1)
    other = wallets("other", balance_sat=1)
    async with LnbitsWallet(lnbits.url, admin_key=keys.admin_key) as wallet:
        assert await wallet.identify(keys.invoice_key) is KeyKind.SOURCE
        assert await wallet.identify(keys.admin_key) is KeyKind.ADMIN
        assert await wallet.identify(other.invoice_key) is KeyKind.INVOICE


@pytest.mark.parametrize(
    "key", [UNKNOWN_KEY, "", "alice", "Ä" * 32, "A" * 32, "0" * 31 + "\n", "../" + "0" * 29]
)
async def test_unknown_key_is_refused(source, key):
    with pytest.raises(DestinationRefused):
        await source.identify(key)


async def test_invoice_for_an_unknown_key_is_refused(source, order):
    with pytest.raises(DestinationRefused, match="Copy the key again"):
        await source.request_invoice(UNKNOWN_KEY, **order)


async def test_key_of_a_deleted_wallet_is_refused(lnbits, source, alice, order):
    lnbits.delete_wallet(alice)
    with pytest.raises(DestinationRefused):
        await source.request_invoice(alice.invoice_key, **order)


async def test_deleted_payee_is_not_taken_for_credited(lnbits, source, alice, order):
    invoice = await source.request_invoice(alice.invoice_key, **order)
    lnbits.delete_wallet(alice)
    await source.pay(invoice.bolt11, **MARKS)
    assert await source.credited(alice.invoice_key, invoice.payment_hash) is None


async def test_invoice_key_as_source_is_refused_everywhere(
    lnbits, source_keys, source, alice, order
):
    invoice = await source.request_invoice(alice.invoice_key, **order)
    async with LnbitsWallet(lnbits.url, admin_key=source_keys.invoice_key) as wallet:
        assert (await wallet.pay(invoice.bolt11, **MARKS)).answer is PayAnswer.REFUSED
        with pytest.raises(LnbitsRefused, match="admin key"):
            await wallet.probe()


async def test_unknown_source_key_is_never_taken_for_unpaid(lnbits, source, alice, order):
    invoice, _ = await pay_alice(source, alice, order)
    async with LnbitsWallet(lnbits.url, admin_key=UNKNOWN_KEY) as stranger:
        assert (await stranger.pay(invoice.bolt11, **MARKS)).answer is PayAnswer.REFUSED
        with pytest.raises(LnbitsUnavailable, match="source_admin_key_file"):
            await stranger.payment(invoice.payment_hash)
        with pytest.raises(LnbitsRefused):
            await stranger.payments_of("payout-1")
        with pytest.raises(LnbitsRefused) as refused:
            await stranger.balance_msat()
        assert refused.value.status == 404


async def test_probe_shows_version_and_source_wallet(source, source_keys):
    probe = await source.probe()
    assert probe.id == source_keys.id
    assert probe.name == "source"
    assert probe.balance_msat == 100_000_000
    assert probe.version == await source.version()
    assert probe.version.startswith("{}.{}.".format(*version()))


async def test_top_up_invoice_can_be_paid_by_any_wallet(lnbits, source, wallets):
    invoice = await source.top_up_invoice(amount_sat=500, memo="top-up", expiry_s=3600)
    donor = wallets("donor", balance_sat=1000)
    async with LnbitsWallet(lnbits.url, admin_key=donor.admin_key) as other:
        await other.pay(invoice.bolt11, **MARKS)
    assert await source.balance_msat() == 100_500_000
    assert [payment async for payment in source.tagged_payments()] == []


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("", Refusal.NO_INVOICE),
        ("alice@example.com", Refusal.NO_INVOICE),
        ("lnbc1garbage", "can't decode"),
        (
            "LNURL1DP68GURN8GHJ7UM9WFMXJCM99E3K7MF0V9CXJ0M385EKVCENXC6R2C35XVUKXEFCV5MKVV34X5EKZD3EV56NYD3HXQURZEPEXEJXXEPNXSCRVWFNV9NXZCN9XQ6XYEFHVGCXXCMYXYMNSERXFQ5FNS",
            "can't decode",
        ),
        ("l" * 7090, Refusal.NO_INVOICE),
        (TESTNET_INVOICE, "other_network"),
        (AMOUNTLESS_INVOICE, Refusal.NO_AMOUNT),
    ],
    ids=["empty", "address", "garbage", "lnurl", "too long", "testnet", "amountless"],
)
async def test_what_cannot_be_paid_is_refused_by_decode(source, text, reason):
    with pytest.raises(DestinationRefused, match=reason):
        await source.decode(text)


async def test_invoice_in_capitals_is_the_same_invoice(source, alice, order):
    invoice = await source.request_invoice(alice.invoice_key, **order)
    assert await source.decode(f" {invoice.bolt11.upper()}\n") == invoice


async def test_payments_are_found_by_external_id(source, alice, order):
    first, _ = await pay_alice(source, alice, order, external_id="payout-1")
    other, _ = await pay_alice(source, alice, order, external_id="payout-10")
    await pay_alice(source, alice, order, external_id="payout-100")

    found = await source.payments_of("payout-1")
    assert [payment.payment_hash for payment in found] == [first.payment_hash]
    assert await source.payments_of("payout") == []
    assert await source.payments_of("") == []
    both = await source.payments_of("payout-10", "none", "payout-1")
    assert {payment.payment_hash for payment in both} == {first.payment_hash, other.payment_hash}


async def test_credits_are_found_by_external_id(source, alice, order):
    paid = [
        (await pay_alice(source, alice, order, external_id=f"payout-{number}"))[0].payment_hash
        for number in range(3)
    ]
    credit = Credit(PaymentStatus.SUCCESS, 1_000_000)
    found = {one async for one in source.credits_of(alice.invoice_key, "payout-0", "payout-2")}
    asked = {(payment_hash, credit) for payment_hash in (paid[0], paid[2])}
    whole = {one async for one in source.credits_of(alice.invoice_key)}
    # An LNbits before 1.5 lists every row.
    assert found == (asked if version() >= (1, 5) else whole)
    assert asked <= found
    assert whole == {(payment_hash, credit) for payment_hash in paid}


async def test_tagged_payments_come_oldest_first_and_without_others(
    lnbits, source, source_keys, alice, order
):
    hashes = []
    for number in range(3):
        invoice, _ = await pay_alice(source, alice, order, external_id=f"payout-{number}")
        hashes.append(invoice.payment_hash)
    foreign = await source.request_invoice(alice.invoice_key, **order)
    async with httpx.AsyncClient(base_url=lnbits.url) as http:
        await http.post(
            "/api/v1/payments",
            headers={"X-Api-Key": source_keys.admin_key},
            json={"out": True, "bolt11": foreign.bolt11},
        )

    payments = [payment async for payment in source.tagged_payments()]
    assert [payment.payment_hash for payment in payments] == hashes


@pytest.fixture
async def spread(lnbits_server, source_keys, source, alice, order):
    """Seven payments, two in each second; their hashes in order."""
    hashes = []
    for number in range(7):
        invoice, _ = await pay_alice(source, alice, order, external_id=f"payout-{number}")
        hashes.append(invoice.payment_hash)
    for number, payment_hash in enumerate(hashes):
        lnbits_server.sql(
            f"UPDATE apipayments SET time = {lnbits_server.instant(1_790_000_000.25 + number / 2)}"
            f" WHERE payment_hash = '{payment_hash}' AND wallet_id = '{source_keys.id}'"
        )
    return hashes


async def test_pages_join_without_gap_or_repetition(lnbits, source_keys, spread):
    for page_rows in (1, 2, 3, 4, 7, 8):
        async with LnbitsWallet(
            lnbits.url, admin_key=source_keys.admin_key, page_rows=page_rows
        ) as source:
            found = [payment.payment_hash async for payment in source.tagged_payments()]
        assert found == spread, page_rows


@pytest.mark.parametrize("bolt11", EVERLASTING_INVOICES, ids=["2**50 s", "10**12 s"])
async def test_everlasting_invoice_is_refused_and_not_laid_on_lnbits(source, bolt11):
    with pytest.raises(DestinationRefused, match=Refusal.NO_TIMES):
        await source.decode(bolt11)


async def test_wallet_id_is_that_of_the_admin_key_s_wallet(lnbits, source, source_keys, alice):
    assert await source.wallet_id() == source_keys.id
    async with LnbitsWallet(lnbits.url, admin_key=alice.invoice_key) as wallet:
        with pytest.raises(LnbitsRefused, match="is an invoice key"):
            await wallet.wallet_id()
    async with LnbitsWallet(lnbits.url, admin_key=UNKNOWN_KEY) as wallet:
        with pytest.raises(LnbitsRefused):
            await wallet.wallet_id()


async def test_credits_are_what_came_in_at_the_clients_wallet(source, alice, order):
    paid, unpaid = [
        await source.request_invoice(alice.invoice_key, **{**order, "amount_sat": sat})
        for sat in (700, 800)
    ]
    await source.pay(paid.bolt11, **MARKS)
    credits_ = {hash_: credit async for hash_, credit in source.credits_of(alice.invoice_key)}
    assert credits_ == {
        paid.payment_hash: Credit(PaymentStatus.SUCCESS, 700_000),
        unpaid.payment_hash: Credit(PaymentStatus.PENDING, 800_000),
    }


async def test_credits_of_a_key_that_lnbits_does_not_know_are_refused(source):
    with pytest.raises(LnbitsRefused):
        [row async for row in source.credits_of(UNKNOWN_KEY)]


@pytest.fixture
async def one_instant(lnbits_server, source_keys, source, alice, order):
    """Twelve payments, all of one instant; their hashes."""
    paid = [await pay_alice(source, alice, order) for _ in range(12)]
    lnbits_server.sql(
        f"UPDATE apipayments SET time = {lnbits_server.instant(1_790_000_000)}"
        f" WHERE wallet_id = '{source_keys.id}'"
    )
    return {invoice.payment_hash for invoice, _ in paid}


async def test_payments_of_one_instant_are_read_once_each(lnbits, source_keys, one_instant):
    for page_rows in (2, 5, 100):
        async with LnbitsWallet(
            lnbits.url, admin_key=source_keys.admin_key, page_rows=page_rows
        ) as source:
            found = [payment.payment_hash async for payment in source.tagged_payments()]
            by_id = [payment.payment_hash for payment in await source.payments_of("payout-1")]
        assert (set(found), len(found)) == (one_instant, 12), page_rows
        assert (set(by_id), len(by_id)) == (one_instant, 12), page_rows


async def test_payments_made_after_a_mark_are_found(source, alice, order):
    await pay_alice(source, alice, order)
    mark = await source.list_mark()
    assert mark.rows == 1
    invoice, _ = await pay_alice(source, alice, order)
    found = [payment.payment_hash async for payment in source.tagged_payments(mark)]
    assert found[0] == invoice.payment_hash
    assert len(found) == 2


async def test_payment_made_while_lnbits_clock_was_behind_is_found_after_a_mark(
    lnbits, lnbits_server, source_keys, alice, order
):
    async with LnbitsWallet(lnbits.url, admin_key=source_keys.admin_key, page_rows=2) as source:
        for _ in range(5):
            await pay_alice(source, alice, order)
        mark = await source.list_mark()
        invoice, _ = await pay_alice(source, alice, order)
        lnbits_server.sql(
            f"UPDATE apipayments SET time = {lnbits_server.instant(1_500_000_000)}"
            f" WHERE payment_hash = '{invoice.payment_hash}'"
        )
        found = [payment.payment_hash async for payment in source.tagged_payments(mark)]
    assert invoice.payment_hash in found
    assert len(found) == len(set(found))


async def test_rows_of_the_list_come_with_their_direction_as_a_hint(source, alice, order):
    """Rows of both directions are read; a filter is a hint that LNbits takes."""
    await pay_alice(source, alice, order)
    await source.top_up_invoice(amount_sat=5, memo="", expiry_s=3600)
    everything = [row.amount async for row in source._payments.rows({})]
    assert sorted(everything) == [-1_000_000, 5_000, 100_000_000]
    assert [row.amount async for row in source._payments.rows({"amount[lt]": "0"})] == [-1_000_000]
    pending = [
        row.amount async for row in source._payments.rows({"amount[gt]": "0", "status": "pending"})
    ]
    assert pending == [5_000]
    unknown = [row.amount async for row in source._payments.rows({"no_such_field": "1"})]
    assert sorted(unknown) == sorted(everything)
