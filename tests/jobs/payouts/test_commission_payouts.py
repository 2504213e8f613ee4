"""Commission that is paid out: to whom, how much, and exactly once, on a real LNbits."""

from functools import partial

import pytest
from payout_bench import killed_at_each_call
from test_worker import assert_clean

from dca_bot.core.cash_out import Reason
from dca_bot.core.payout import PayoutState
from dca_bot.ledger.audit.payments import audit_payments
from dca_bot.ledger.payouts import holds, unknown_payments
from dca_bot.ledger.payouts.holds import HoldReason
from dca_bot.ledger.programme import clients
from dca_bot.ledger.programme.clients import ADDRESS, INVOICE_KEY, Destination
from dca_bot.ledger.store import accounts


async def account(bench, kind):
    return await bench.database.read(lambda tx: accounts.balance(tx, accounts.Account(kind)))


async def test_commission_arrives_at_key_address_and_client_to_the_sat(
    make_bench, wallets, lnbits, balance_sat
):
    bench = await make_bench()
    ana, rosa, luis = wallets("ana"), wallets("rosa"), wallets("luis")
    address = lnbits.lightning_address(luis, f"luis{luis.id[:6]}")
    await bench.client("ana", Destination(INVOICE_KEY, ana.invoice_key), minor=100_000)
    await bench.recipient("rosa", 3333, Destination(INVOICE_KEY, rosa.invoice_key))
    await bench.recipient("luis", 1250, Destination(ADDRESS, address))
    await bench.recipient("ana", 500)
    await bench.distribute(100_000, 80_000, 5_501)
    await bench.settle(2)
    assert await bench.states() == ["DONE"] * 4
    # 1833.48, 687.63 and 275.05 of 5501 sats, and 2704.84 for the operator.
    got = [await balance_sat(wallet) for wallet in (rosa, luis, ana)]
    assert got == [1_833, 688, 100_275]
    assert (await account(bench, "commission"), await account(bench, "paid")) == (2_705, 102_796)
    assert await balance_sat(bench.source) == 1_000_000 - 102_796
    await bench.settle(3)
    assert await balance_sat(bench.source) == 1_000_000 - 102_796
    await assert_clean(bench)


async def test_commission_payment_says_what_it_is(make_bench, wallets):
    bench = await make_bench()
    rosa = wallets("rosa")
    await bench.recipient("rosa", 4000, Destination(INVOICE_KEY, rosa.invoice_key))
    cash_out_id = await bench.distribute(100_000, 80_000, 1_000)
    await bench.settle()
    (payout,) = await bench.payouts()
    (payment,) = await bench.wallet.payments_of(payout.id)
    assert payment.extra["distributions"] == [f"commission:{cash_out_id}"]
    assert (payment.extra["client"], payment.extra["fiat_minor"]) == ("rosa", 0)


async def test_nobody_but_operators_and_clients_is_written_to(make_bench, wallets):
    bench = await make_bench()
    ana, rosa = wallets("ana"), wallets("rosa")
    await bench.client("ana", Destination(INVOICE_KEY, ana.invoice_key), minor=100_000)
    await bench.recipient("rosa", 4000, Destination(INVOICE_KEY, rosa.invoice_key))
    await bench.recipient("ana", 1000)
    await bench.distribute(100_000, 80_000, 1_000)
    await bench.settle(2)
    texts = await bench.database.read(
        lambda tx: [row["text"] for row in tx.execute("SELECT text FROM outbox ORDER BY id")]
    )
    assert sorted(text.split(" have ")[0] for text in texts) == [
        "100 sats of commission",
        "100,000 sats",
        "Congratulations! You",
    ]


async def test_recipient_whose_wallet_is_out_of_reach_keeps_nobody_back(
    make_bench, wallets, balance_sat
):
    bench = await make_bench()
    luis = wallets("luis")
    await bench.recipient("rosa", 4000, Destination(ADDRESS, "rosa@127.0.0.1:9"))
    await bench.recipient("luis", 1000, Destination(INVOICE_KEY, luis.invoice_key))
    await bench.distribute(100_000, 80_000, 1_000)
    await bench.settle()
    assert sorted(await bench.states()) == ["DONE", "PLANNED"]
    assert await balance_sat(luis) == 100


@pytest.mark.long
@pytest.mark.parametrize("moment", ["before", "after"])
async def test_commission_killed_at_any_call_is_paid_exactly_once(
    make_bench, wallets, balance_sat, moment
):
    """Kill at the n-th call, for every n there is, before it leaves and after it was answered."""
    bench = await make_bench(source_sat=10_000_000)
    rosa = wallets("rosa")
    await bench.recipient("rosa", 4000, Destination(INVOICE_KEY, rosa.invoice_key))
    distribute = partial(bench.distribute, 100_000, 80_000, 1_000)
    async for point in killed_at_each_call(bench, moment, distribute):
        assert await balance_sat(rosa) == 400 * point
        assert await balance_sat(bench.source) == 10_000_000 - 400 * point
    assert set(await bench.states()) == {"DONE"}
    await assert_clean(bench)


async def put_back(bench, folder, saved):
    """Put an old copy of the ledger in the place of the present one."""
    await bench.database.aclose()
    for path in folder.glob("ledger.sqlite3*"):
        path.unlink()
    (folder / "ledger.sqlite3").write_bytes(saved)
    (folder / "ledger.sqlite3").chmod(0o600)
    bench.distributed = 0
    await bench.open()
    await bench.worker.catch_up()


async def copy(bench, folder):
    await bench.database.aclose()
    saved = (folder / "ledger.sqlite3").read_bytes()
    await bench.open()
    return saved


@pytest.mark.parametrize("accepted", [True, False])
async def test_commission_of_an_old_copy_is_taken_over_not_paid_again(
    make_bench, wallets, balance_sat, tmp_path, accepted
):
    bench = await make_bench()
    rosa, folder = wallets("rosa"), tmp_path / "data"
    await bench.recipient("rosa", 4000, Destination(INVOICE_KEY, rosa.invoice_key))
    saved = await copy(bench, folder)
    cash_out_id = await bench.distribute(100_000, 80_000, 1_000)
    await bench.settle(2)
    await put_back(bench, folder, saved)
    assert await bench.database.read(lambda tx: unknown_payments.of_cash_out(tx, cash_out_id))
    if accepted:
        await accept(bench, cash_out_id)
    await bench.distribute(100_000, 80_000, 1_000)
    await bench.settle(2)
    assert await balance_sat(rosa) == 400
    (payout,) = await bench.payouts()
    assert payout.state is (PayoutState.DONE if accepted else PayoutState.HELD)
    if accepted:
        await assert_clean(bench)


async def test_commission_of_a_client_who_has_no_wallet_in_the_old_copy_is_held(
    make_bench, wallets, balance_sat, tmp_path
):
    bench = await make_bench()
    ana, folder = wallets("ana"), tmp_path / "data"
    id_ = await bench.client("ana", None, minor=1)
    await bench.recipient("ana", 4000)
    saved = await copy(bench, folder)
    where = Destination(INVOICE_KEY, ana.invoice_key)
    await bench.database.transact(lambda tx: clients.set_mode(tx, id_, "fixed"))
    await bench.database.transact(lambda tx: clients.set_destination(tx, id_, where))
    cash_out_id = await bench.distribute(100_000, 80_000, 1_000)
    await bench.settle(2)
    await put_back(bench, folder, saved)
    await accept(bench, cash_out_id)
    await bench.database.transact(lambda tx: clients.set_mode(tx, id_, "fixed"))
    await bench.distribute(100_000, 80_000, 1_000)
    await bench.worker.catch_up()
    assert await bench.states() == ["HELD"]
    await bench.database.transact(lambda tx: clients.set_destination(tx, id_, where))
    await bench.settle(2)
    assert await balance_sat(ana) == 400


async def test_held_cash_out_that_was_shared_out_again_is_taken_over_whatever_it_was_held_for(
    make_bench, wallets, balance_sat, tmp_path
):
    """It waited for the operator in the old copy already, for a reason of its own."""
    bench = await make_bench()
    ana, folder = wallets("ana"), tmp_path / "data"
    await bench.client("ana", Destination(INVOICE_KEY, ana.invoice_key), minor=1_000_000)
    saved = await copy(bench, folder)
    cash_out_id = await bench.distribute(100_000, 80_000)
    await bench.settle(2)
    await put_back(bench, folder, saved)
    await accept(bench, cash_out_id, Reason.SHORT)
    await bench.distribute(100_000, 80_000)
    await bench.settle(2)
    assert await bench.states() == ["DONE"]
    assert await balance_sat(ana) == 100_000
    await assert_clean(bench)


async def accept(bench, cash_out_id, reason=HoldReason.KNOWN_DISTRIBUTION):
    """Have the operator accept a cash-out that LNbits has paid already."""

    def work(tx):
        now = bench.clock.now()
        holds.open_hold(tx, "cash-out", cash_out_id, reason, now=now)
        holds.close(tx, "cash-out", cash_out_id, outcome="accepted", now=now)

    await bench.database.transact(work)


@pytest.mark.parametrize("copy_knows_rosa", [True, False])
async def test_commission_that_lnbits_has_paid_by_other_terms_is_not_split_again(
    make_bench, wallets, balance_sat, copy_knows_rosa
):
    """Who got what of it is LNbits' to tell; the rest is the operator's, and to be settled by hand."""
    bench = await make_bench()
    rosa, luis = wallets("rosa"), wallets("luis")
    if copy_knows_rosa:
        await bench.recipient("rosa", 1000, Destination(INVOICE_KEY, rosa.invoice_key))
    await bench.recipient("luis", 4000, Destination(INVOICE_KEY, luis.invoice_key))
    id_ = "00000001-cash-out"
    invoice = await bench.wallet.request_invoice(
        rosa.invoice_key, amount_sat=77, memo="", expiry_s=3600, external_id="lost", extra={}
    )
    extra = {"distributions": [f"commission:{id_}"], "client": "Rosa"}
    await bench.wallet.pay(invoice.bolt11, external_id="lost", extra=extra)
    await bench.worker.catch_up()
    await bench.distribute(100_000, 80_000, 1_000)
    await bench.settle(2)
    assert await bench.states() == []
    assert (await balance_sat(luis), await balance_sat(rosa)) == (0, 77)
    await bench.distribute(100_000, 80_000, 1_000)
    await bench.settle(2)
    assert await balance_sat(luis) == 400, "what comes later is split as ever"
    findings = (await audit_payments(bench.database, bench.wallet)).findings
    assert findings == ()
