"""The lease's rows at a real LNbits of each version and database, among other payments."""

import pytest
from lnbits_servers import SQLITE, databases

from dca_bot.core.lease import LeaseKind, LeaseReading, LeaseRow
from dca_bot.lnbits.lease_rows import TOP_ROWS

pytestmark = pytest.mark.parametrize(
    "lnbits_server", databases(SQLITE, "America/Guatemala"), indirect=True, scope="module"
)


@pytest.fixture(scope="module")
def lnbits(lnbits_server):
    return lnbits_server.process


def row(generation, instance="one", kind=LeaseKind.CLAIM):
    return LeaseRow(generation, instance, kind, ledger="ledger", bot="bot")


async def look(wallet, down_to=0):
    return await wallet.lease_rows(down_to=down_to, look_id="1")


async def test_rows_come_back_as_they_were_written_and_cost_nothing(source):
    before = await source.balance_msat()
    assert await look(source) == LeaseReading((), is_whole=True)
    written = [row(1), row(2, "other", LeaseKind.DISPUTE), row(3, kind=LeaseKind.TAKEOVER)]
    for one in written:
        await source.write_lease(one)
    assert await look(source) == LeaseReading(tuple(reversed(written)), is_whole=True)
    assert await source.balance_msat() == before
    assert [payment async for payment in source.tagged_payments()] == []


async def test_rows_are_found_in_one_request_among_many_payments(source, order):
    """A shop's wallet: other invoices of 1 sat, payments, and a memo that sorts before the lease's."""
    for number in range(15):
        memo = {"amount_sat": 1, "memo": f"zzz {number}"}
        await source.request_invoice(source._admin_key, **{**order, **memo})
    await source.write_lease(row(7))
    for number in range(15):
        memo = {"amount_sat": 1, "memo": f"dca-bot lease {number}"}
        await source.request_invoice(source._admin_key, **{**order, **memo})
    assert await look(source, 7) == LeaseReading((row(7),), is_whole=True)


async def test_newest_generations_come_first_however_many_there_are(source):
    """Written in no order, so that LNbits' clock says nothing; nine has fewer digits than ten."""
    generations = [11, 3, 9, 14, 1, 12, 10, 8, 2, 13, 4, 7, 5, 6]
    for generation in generations:
        await source.write_lease(row(generation))
    found = await look(source, 9)
    assert [one.generation for one in found.rows] == list(range(14, 14 - TOP_ROWS, -1))
    assert not found.is_whole
    whole = await look(source, 3)
    assert sorted(one.generation for one in whole.rows) == list(range(1, 15)), (
        "not all are on the page"
    )
    assert whole.is_whole


async def test_rows_outlive_a_restart_of_lnbits(source, lnbits):
    await source.write_lease(row(4))
    lnbits.kill()
    lnbits.start()
    assert await look(source, 4) == LeaseReading((row(4),), is_whole=True)
    await source.write_lease(row(5, "other"))
    assert await look(source, 4) == LeaseReading((row(5, "other"), row(4)), is_whole=True)
