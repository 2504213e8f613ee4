"""What proxies, old versions and broken servers answer, which no healthy LNbits does."""

import asyncio
import contextlib

import pytest
from bolt11_invoices import AMOUNTLESS_INVOICE, invoice_of

from dca_bot.core.lease import LeaseKind, LeaseRow
from dca_bot.core.ports import PayAnswer
from dca_bot.errors import DestinationRefused, LnbitsRefused, LnbitsUnavailable, Refusal
from dca_bot.lnbits import api
from dca_bot.lnbits.client import LnbitsWallet

KEY = "5" * 32
HASH = "ab" * 32
MADE_HASH = "ad6b5" * 12 + "ad6b"
PAYMENTS = "/api/v1/payments"
ROW = {
    "checking_id": HASH,
    "payment_hash": HASH,
    "wallet_id": "w",
    "bolt11": "lnbc1x",
    "amount": -1000,
    "fee": -2000,
    "status": "pending",
    "time": "2026-01-02T03:04:05",
    "something_new": [1],
}
MARKS = {"external_id": "payout-1", "extra": {}}


@pytest.fixture
async def wallet(web):
    async with LnbitsWallet(web.url, admin_key=KEY) as wallet:
        yield wallet


@pytest.mark.parametrize(
    ("status", "body", "answer"),
    [
        (201, ROW, PayAnswer.ANSWERED),
        (201, {"payment_hash": HASH, "checking_id": HASH}, PayAnswer.ANSWERED),
        (400, {"detail": "Daily withdrawal limit of 5 sats reached."}, PayAnswer.ANSWERED),
        (520, {"detail": "Payment already paid.", "status": "failed"}, PayAnswer.ANSWERED),
        (
            520,
            {"detail": "Payment failed: Insufficient balance.", "status": "failed"},
            PayAnswer.ANSWERED,
        ),
        (520, {"detail": "Insufficient balance.", "status": "failed"}, PayAnswer.INSUFFICIENT),
        (520, b"<html>a proxy's own 520</html>", PayAnswer.NO_ANSWER),
        (500, {"detail": "Unexpected error!"}, PayAnswer.NO_ANSWER),
        (502, b"bad gateway", PayAnswer.NO_ANSWER),
        (504, b"", PayAnswer.NO_ANSWER),
        (429, b"Too many", PayAnswer.RATE_LIMITED),
        (401, {"detail": "Invalid adminkey."}, PayAnswer.REFUSED),
        (403, {"detail": "Invoice (or Admin) key required."}, PayAnswer.REFUSED),
        (404, {"detail": "Wallet not found."}, PayAnswer.REFUSED),
        (307, b"", PayAnswer.REFUSED),
    ],
)
async def test_pay_answers_are_sorted(web, wallet, status, body, answer):
    web.answer(PAYMENTS, body, status=status)
    reply = await wallet.pay("lnbc1x", **MARKS)
    assert reply.answer is answer
    assert reply.detail
    assert len(web.asked) == 1


async def test_oversized_answer_to_pay_is_no_answer(web, wallet, monkeypatch):
    monkeypatch.setattr(api, "_ANSWER_BYTES_MAX", 1000)
    web.answer(PAYMENTS, b"x" * 1001, status=201)
    assert (await wallet.pay("lnbc1x", **MARKS)).answer is PayAnswer.NO_ANSWER


async def test_silent_lnbits_is_given_up_on(web, wallet, monkeypatch):
    monkeypatch.setattr(api, "_REQUEST_LIMIT_S", 0.1)
    web.answers[PAYMENTS] = None
    assert (await wallet.pay("lnbc1x", **MARKS)).answer is PayAnswer.NO_ANSWER


async def test_cut_off_answer_to_pay_is_no_answer(web, wallet):
    web.answers[PAYMENTS] = b"HTTP/1.1 201 X\r\nContent-Length: 100\r\n\r\n{"
    assert (await wallet.pay("lnbc1x", **MARKS)).answer is PayAnswer.NO_ANSWER


async def test_answer_that_comes_twice_passes_for_no_other_answer():
    balances, serving = iter(range(1, 10)), []

    async def answer_twice(reader, writer):
        serving.append(asyncio.current_task())
        with contextlib.suppress(ConnectionError, asyncio.IncompleteReadError):
            while True:
                await reader.readuntil(b"\r\n\r\n")
                body = b'{"balance": %d}' % next(balances)
                head = b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n" % len(body)
                writer.write((head + body) * 2)
                await writer.drain()
        writer.close()

    async with await asyncio.start_server(answer_twice, "127.0.0.1", 0) as server:
        url = f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}"
        async with LnbitsWallet(url, admin_key=KEY) as wallet:
            assert [await wallet.balance_msat() for _ in range(3)] == [1, 2, 3]
        await asyncio.gather(*serving)


async def test_key_is_sent_in_the_header_and_never_in_the_address(web, wallet):
    web.answer("/api/v1/wallet", {"name": "w", "balance": 1})
    await wallet.balance_msat()
    [(target, head)] = web.asked
    assert KEY not in target
    assert head.count(KEY) == 1
    assert f"X-Api-Key: {KEY}" in head


@pytest.mark.parametrize(
    ("status", "body"),
    [
        (200, {"paid": False}),
        (200, {"paid": True, "preimage": "00"}),
        (200, {"paid": True, "details": {**ROW, "payment_hash": "cd" * 32}}),
        (200, {"paid": True, "details": {**ROW, "status": "settled"}}),
        (200, {"paid": False, "details": {k: v for k, v in ROW.items() if k != "status"}}),
        (200, {"paid": True, "details": {**ROW, "amount": -1000.5}}),
        (200, b"<html>welcome</html>"),
        (404, {"detail": "Not Found"}),
        (404, b"<html>not here</html>"),
        (429, b""),
        (500, b""),
        (307, b""),
    ],
)
async def test_unclear_answer_about_a_payment_is_never_none(web, wallet, status, body):
    web.answer(f"{PAYMENTS}/{HASH}", body, status=status)
    with pytest.raises(LnbitsUnavailable):
        await wallet.payment(HASH)


@pytest.mark.parametrize("time", ["2026-01-02T03:04:05", "yesterday", 1_700_000_000, None])
async def test_row_is_read_without_regard_to_its_time_and_its_reserve_is_a_fee(web, wallet, time):
    web.answer(f"{PAYMENTS}/{HASH}", {"paid": False, "details": {**ROW, "time": time}})
    payment = await wallet.payment(HASH)
    assert payment.seen_at is None
    assert (payment.amount_msat, payment.fee_msat) == (-1000, 2000)


async def test_external_id_of_old_lnbits_is_read_from_extra(web, wallet):
    rows = [
        {**ROW, "extra": {"tag": "aio-dca", "external_id": "payout-1"}},
        {**ROW, "checking_id": "other", "extra": None},
    ]
    web.answer(f"{PAYMENTS}/paginated", {"data": rows, "total": 2})
    [payment] = await wallet.payments_of("payout-1")
    assert payment.external_id == "payout-1"


async def test_list_that_lacks_a_row_it_counts_ends_in_an_error(web):
    web.answer(f"{PAYMENTS}/paginated", {"data": [ROW], "total": 2})
    async with LnbitsWallet(web.url, admin_key=KEY) as wallet:
        with pytest.raises(LnbitsUnavailable, match="read whole"):
            await wallet.payments_of("payout-1")
    assert len(web.asked) < 50


@pytest.mark.parametrize("status", [400, 422, 500])
async def test_list_that_lnbits_never_shows_ends_in_an_error(web, wallet, status):
    web.answer(f"{PAYMENTS}/paginated", {"detail": "no"}, status=status)
    with pytest.raises(LnbitsUnavailable, match=f"HTTP {status}"):
        await wallet.payments_of("payout-1")
    assert len(web.asked) == 3


@pytest.mark.parametrize(
    "changes",
    [{"payment_hash": "fiat_sub_1"}, {"bolt11": None}, {"status": "refunded"}, {"extra": "null"}],
)
async def test_unreadable_row_of_others_hides_no_row_of_the_bot(web, wallet, changes):
    own = {**ROW, "extra": {"tag": "aio-dca", "external_id": "payout-1"}}
    other = {**ROW, "checking_id": "other", **changes}
    web.answer(f"{PAYMENTS}/paginated", {"data": [other, own], "total": 2})
    assert [payment.external_id async for payment in wallet.tagged_payments()] == ["payout-1"]


async def test_unreadable_row_of_a_client_hides_no_credit_of_the_bot(web, wallet):
    rows = [
        {**ROW, "amount": 1000, "fee": 0, "status": "success"},
        {**ROW, "amount": 5, "checking_id": "other", "payment_hash": "fiat_sub_1"},
    ]
    web.answer(f"{PAYMENTS}/paginated", {"data": rows, "total": 2})
    assert [hash_ async for hash_, _ in wallet.credits_of(KEY)] == [HASH]


async def test_unreadable_row_of_the_bot_is_an_error_and_not_left_out(web, wallet):
    row = {**ROW, "status": "refunded", "extra": {"tag": "aio-dca"}}
    web.answer(f"{PAYMENTS}/paginated", {"data": [row], "total": 1})
    with pytest.raises(LnbitsUnavailable, match="can't read"):
        [payment async for payment in wallet.tagged_payments()]


async def test_old_lnbits_is_named_as_such(web, wallet, order):
    web.answer(PAYMENTS, {"payment_hash": HASH, "checking_id": HASH}, status=201)
    with pytest.raises(LnbitsUnavailable, match=r"LNbits 1\.0 or later"):
        await wallet.request_invoice(KEY, **order)


@pytest.mark.parametrize(
    "changes",
    [{"bolt11": "lnbc1x"}, {"bolt11": AMOUNTLESS_INVOICE}, {"payment_hash": "cd" * 32}],
    ids=["unreadable", "another amount", "another hash"],
)
async def test_another_invoice_than_asked_for_is_not_used(web, wallet, order, changes):
    made = ROW | {"bolt11": invoice_of("lnbc10u", (1, [21] * 52)), "payment_hash": MADE_HASH}
    web.answer(PAYMENTS, made, status=201)
    assert (await wallet.request_invoice(KEY, **order)).payment_hash == MADE_HASH
    web.answer(PAYMENTS, made | changes, status=201)
    with pytest.raises(LnbitsUnavailable, match="another invoice"):
        await wallet.request_invoice(KEY, **order)


async def test_own_invoice_for_another_network_is_not_used(web, wallet, order):
    made = ROW | {"bolt11": invoice_of("lnbcrt10u", (1, [21] * 52)), "payment_hash": MADE_HASH}
    web.answer(PAYMENTS, made, status=201)
    with pytest.raises(DestinationRefused, match="lnbcrt, not lnbc"):
        await wallet.request_invoice(KEY, **order)


async def test_proxy_that_asks_for_a_password_does_not_condemn_a_key(web, wallet):
    web.answer("/api/v1/wallet", b"who are you?", status=401)
    with pytest.raises(LnbitsUnavailable):
        await wallet.identify(KEY)


async def test_words_of_lnbits_carry_no_key_and_no_invoice(web, wallet):
    invoice = "lnbc" + "q" * 200
    web.answer(PAYMENTS, {"detail": f"{KEY}\nfailed\x00 {invoice}"}, status=520)
    reply = await wallet.pay(invoice, **MARKS)
    assert reply.detail == "… failed …"


async def test_lnbits_that_is_down_is_told_in_a_sentence():
    async with LnbitsWallet("http://127.0.0.1:9", admin_key=KEY) as wallet:
        with pytest.raises(LnbitsUnavailable, match=r"127\.0\.0\.1:9 did not answer"):
            await wallet.balance_msat()
        with pytest.raises(LnbitsUnavailable):
            await wallet.identify(KEY)


async def test_refused_network_names_both(web, wallet):
    web.answer(
        f"{PAYMENTS}/decode",
        {"currency": "bcrt", "amount_msat": 1000, "date": 1, "payment_hash": HASH},
    )
    with pytest.raises(DestinationRefused, match="lnbcrt, not lnbc"):
        await wallet.decode("lnbcrt10n1x")


@pytest.mark.parametrize(
    "changes",
    [
        {"expiry": 2**50},
        {"expiry": 10**12},
        {"expiry": 10**400},
        {"expiry": -1},
        {"date": 10**12},
        {"date": 2**70},
        {"date": -1},
    ],
)
async def test_invoice_with_an_absurd_time_is_refused_and_not_laid_on_lnbits(web, wallet, changes):
    decoded = {"currency": "bc", "amount_msat": 1000, "date": 1, "payment_hash": HASH}
    web.answer(f"{PAYMENTS}/decode", decoded | changes)
    with pytest.raises(DestinationRefused, match=Refusal.NO_TIMES):
        await wallet.decode("lnbc10n1x")


async def test_wallet_without_an_id_in_its_answer_is_known_by_an_invoice_key(web, wallet):
    web.answer("/api/v1/wallet", {"name": "w", "balance": 1})
    with pytest.raises(LnbitsRefused, match="is an invoice key"):
        await wallet.wallet_id()


async def test_cookies_of_lnbits_are_not_sent_back(web, wallet):
    body = {"name": "w", "balance": 1}
    web.answer("/api/v1/wallet", body, headers=["Set-Cookie: a=b; Max-Age=999"])
    await wallet.balance_msat()
    await wallet.balance_msat()
    assert len(web.asked) == 2
    assert all("cookie" not in head.lower() for _, head in web.asked)


async def test_wallet_that_only_reads_sends_nothing_that_could_act(web):
    async with LnbitsWallet(web.url, admin_key=KEY, reads_only=True) as wallet:
        for act in (
            wallet.pay("lnbc1x", **MARKS),
            wallet.top_up_invoice(amount_sat=1, memo="", expiry_s=60),
            wallet.request_invoice(KEY, amount_sat=1, memo="", expiry_s=60, **MARKS),
            wallet.write_lease(LeaseRow(1, "i", LeaseKind.CLAIM, "l", "b")),
            wallet.decode("lnbc1x"),
        ):
            with pytest.raises((LnbitsRefused, DestinationRefused), match="This is a rehearsal"):
                await act
        assert web.asked == []
        web.answer("/api/v1/wallet", {"id": "w", "name": "source", "balance": 5_000})
        assert await wallet.balance_msat() == 5_000
