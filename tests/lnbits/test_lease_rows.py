"""What LNbits may answer about the lease's rows, and no healthy one does."""

import pytest

from dca_bot.core.lease import LEASE_TAG, LeaseKind, LeaseReading, LeaseRow
from dca_bot.errors import LeaseRefused, LnbitsRefused, LnbitsUnavailable
from dca_bot.lnbits.client import LnbitsWallet
from dca_bot.lnbits.lease_rows import lease_invoice

LIST = "/api/v1/payments/paginated"
PAY = "/api/v1/payments"


def row(generation, instance="one", kind=LeaseKind.CLAIM):
    return LeaseRow(generation, instance, kind, ledger="ledger", bot="bot")


def listed(*rows, **changes):
    """A page as LNbits writes it."""
    data = [
        {"checking_id": f"{n}", "amount": 1000, "extra": lease_invoice(one)["extra"], **changes}
        for n, one in enumerate(rows)
    ]
    return {"data": data, "total": len(data)}


async def look(wallet, down_to=0):
    return await wallet.lease_rows(down_to=down_to, look_id="1")


@pytest.fixture
async def bot(web):
    async with LnbitsWallet(web.url, admin_key="0" * 32) as wallet:
        yield wallet


async def test_wallet_that_may_hold_no_more_says_so(source, lnbits):
    limit = "lnbits_wallet_limit_max_balance"
    lnbits._ask("PATCH", "/admin/api/v1/settings", {limit: 1})
    try:
        with pytest.raises(LeaseRefused, match="balance"):
            await source.write_lease(row(1))
    finally:
        lnbits._ask("PATCH", "/admin/api/v1/settings", {limit: 0})
    await source.write_lease(row(1))


async def test_list_in_no_order_is_read_whole(bot, web):
    """An LNbits that ignores the order: the first page proves nothing."""
    rows = [row(n) for n in (5, 3, 9, 1, 2, 4, 6, 7, 8, 10)]
    page = listed(*rows)
    web.answer(LIST, page)
    found = await look(bot, 6)
    assert found == LeaseReading(tuple(rows), is_whole=True)
    assert len(web.asked) > 1


async def test_filter_that_is_ignored_is_seen_and_the_list_read_whole(bot, web):
    others = [{"checking_id": f"x{n}", "amount": 1000 * n, "extra": None} for n in range(-3, 9)]
    page = listed(row(2))
    page["data"] += others
    page["total"] = len(page["data"])
    web.answer(LIST, page)
    assert await look(bot, 1) == LeaseReading((row(2),), is_whole=True)
    assert len(web.asked) > 1


async def test_list_that_hides_rows_is_no_reading(bot, web):
    page = listed(row(2))
    page["total"] = 5
    web.answer(LIST, page)
    with pytest.raises(LnbitsUnavailable, match="couldn't be read whole"):
        await look(bot, 1)


@pytest.mark.parametrize(
    "extra",
    [
        None,
        "text",
        {"tag": LEASE_TAG},
        {**lease_invoice(row(1))["extra"], "generation": "9"},
        {**lease_invoice(row(1))["extra"], "generation": 10**30},
        {**lease_invoice(row(1))["extra"], "kind": "unheard of"},
        {**lease_invoice(row(1))["extra"], "tag": "aio-dca"},
        {**lease_invoice(row(1))["extra"], "instance": ""},
    ],
)
async def test_row_that_no_bot_has_written_is_no_lease(bot, web, extra):
    page = listed(row(3))
    page["data"].append({"checking_id": "y", "amount": 1000, "extra": extra})
    page["total"] = 2
    web.answer(LIST, page)
    assert await look(bot, 1) == LeaseReading((row(3),), is_whole=True)


async def test_payment_that_left_the_wallet_is_no_lease(bot, web):
    web.answer(LIST, listed(row(3), amount=-1000))
    assert await look(bot, 1) == LeaseReading((), is_whole=True)


async def test_each_look_asks_anew(bot, web):
    web.answer(LIST, listed(row(3)))
    for number in range(2):
        await bot.lease_rows(down_to=1, look_id=f"{number}")
    first, second = (target for target, _ in web.asked)
    assert first != second, "a cache on the way would answer the same question"


@pytest.mark.parametrize(
    ("status", "body", "error"),
    [
        (520, {"detail": "Invoice amount 1 sats is too low."}, LeaseRefused),
        (400, {"detail": "No invoices today."}, LeaseRefused),
        (404, {"detail": "Not Found"}, LnbitsUnavailable),
        (429, {"detail": "Slow down."}, LnbitsUnavailable),
        (502, {"detail": "Bad gateway."}, LnbitsUnavailable),
        (520, "not JSON", LnbitsUnavailable),
        (200, {"payment_hash": "a" * 64}, LnbitsUnavailable),
        (401, {"detail": "Invalid key."}, LnbitsRefused),
    ],
)
async def test_answer_to_a_row_tells_a_refusal_from_a_fault(bot, web, status, body, error):
    web.answer(PAY, body if isinstance(body, dict) else body.encode(), status=status)
    with pytest.raises(error):
        await bot.write_lease(row(1))
