"""An old copy of the ledger, and payments of LNbits that no reading of Lamassu brings back."""

import shutil
from datetime import timedelta

import pytest
from test_worker import assert_clean

from dca_bot.core.fixed_schedule import day_of
from dca_bot.errors import StateChanged
from dca_bot.ledger.audit.audit import audit_ledger
from dca_bot.ledger.audit.payments import audit_payments
from dca_bot.ledger.distributions import cash_outs, distributions, fixed_runs, recovery
from dca_bot.ledger.distributions.distributions import FIXED, Distribution, Share
from dca_bot.ledger.payouts import unknown_payments
from dca_bot.ledger.programme import clients, deposits
from dca_bot.ledger.programme.clients import ADDRESS, INVOICE_KEY, Destination
from dca_bot.ledger.store.accounts import TREASURY, Cause

RUN = "fixed:2026-11-24T09:00"


async def run(bench, run_id, *client_ids, minor=10_000, sat=12_000):
    """Give so much to each of the clients in a run of fixed mode."""
    now = bench.clock.now()
    n = len(client_ids)
    shares = tuple(Share(client_id, minor=minor, sat=sat) for client_id in client_ids)
    given = Distribution(
        id=run_id,
        kind=FIXED,
        at=now,
        principal_sat=n * sat,
        principal_minor=n * minor,
        shares=shares,
    )
    cause = Cause(distribution_id=run_id)

    def work(tx):
        fixed_runs.record_recovered(tx, given, clients=n, now=now)
        day = day_of(run_id)
        distributions.record(tx, given, source=TREASURY, day=day, cause=cause, now=now)
        distributions.plan_payouts(tx, given, now=now)

    await bench.database.transact(work)


@pytest.fixture
def make_old_copy(make_bench, wallets):
    """LNbits has paid a run to ana and ben; the ledger is a copy from before it, maybe with a run before."""

    async def make(*runs_before):
        bench = await make_bench()
        ids = [
            await bench.client(
                name, Destination(INVOICE_KEY, wallets(name).invoice_key), minor=50_000
            )
            for name in ("ana", "ben")
        ]
        for run_id in runs_before:
            await run(bench, run_id, *ids)
            await bench.settle(3)
        await bench.database.aclose()
        shutil.copytree(bench.folder / "data", bench.folder / "copy")
        await bench.open()
        await run(bench, RUN, *ids)
        await bench.settle(3)
        assert set(await bench.states()) == {"DONE"}
        await assert_clean(bench)
        await bench.database.aclose()
        (bench.folder / "data").rename(bench.folder / "lost")
        (bench.folder / "copy").rename(bench.folder / "data")
        await bench.open()
        await bench.worker.catch_up()
        return bench

    return make


@pytest.fixture
async def old_copy(make_old_copy):
    return await make_old_copy()


async def read(bench, work, *args):
    return await bench.database.read(lambda tx: work(tx, *args))


async def test_lost_run_is_recorded_as_lnbits_has_paid_it(old_copy, balance_sat):
    bench = old_copy
    assert len((await audit_payments(bench.database, bench.wallet)).findings) == 2
    assert await read(bench, recovery.distribution_ids) == [RUN]
    assert await read(bench, recovery.is_recordable, RUN)
    now = bench.clock.now()
    await bench.database.transact(lambda tx: recovery.record(tx, RUN, now=now, message_id="m"))
    await bench.settle(3)
    assert await bench.states() == ["DONE", "DONE"]
    for name in ("ana", "ben"):
        client = await read(bench, clients.by_name, name)
        assert (client.balance_minor, client.owed_sat) == (40_000, 0)
    assert await balance_sat(bench.source) == 1_000_000 - 24_000
    assert await read(bench, recovery.distribution_ids) == []
    rows = await bench.database.read(
        lambda tx: [row[0] for row in tx.execute("SELECT day FROM share")]
    )
    assert rows == ["2026-11-24"] * 2
    await assert_clean(bench)


async def record_lost_run(bench):
    now = bench.clock.now()
    await bench.database.transact(lambda tx: recovery.record(tx, RUN, now=now, message_id="m"))


async def move_to_address(bench, name):
    """Have a client's sats go to a Lightning address, since the payments that the old copy lacks."""
    client = await read(bench, clients.by_name, name)
    address = Destination(ADDRESS, f"{name}@elsewhere.example")
    await bench.database.transact(lambda tx: clients.set_destination(tx, client.id, address))


async def test_payment_to_a_wallet_of_before_is_no_proof_that_it_arrived(old_copy):
    bench = old_copy
    await move_to_address(bench, "ben")
    await record_lost_run(bench)
    await bench.settle(3)
    assert sorted(await bench.states()) == ["DEBITED", "DONE"]
    bench.clock.ahead += timedelta(minutes=11)
    await bench.settle(3)
    assert sorted(await bench.states()) == ["ALERT", "DONE"]
    (letter,) = [one for one in await bench.letters() if one.startswith("Please check by hand")]
    assert "the client's wallet does not show it" in letter


async def test_payment_to_a_wallet_that_earlier_payouts_went_to_is_seen_there(make_old_copy):
    bench = await make_old_copy("fixed:2026-11-23T09:00")
    await move_to_address(bench, "ben")
    await record_lost_run(bench)
    await bench.settle(3)
    assert await bench.states() == ["DONE"] * 4


async def test_lost_run_settled_by_hand_leaves_the_audit_clean(old_copy):
    bench, now = old_copy, old_copy.clock.now()
    await bench.database.transact(lambda tx: unknown_payments.settle_distribution(tx, RUN, now=now))
    assert await read(bench, recovery.distribution_ids) == []
    assert (await audit_payments(bench.database, bench.wallet)).findings == ()
    await bench.worker.catch_up()
    assert (await audit_payments(bench.database, bench.wallet)).findings == ()
    assert await bench.states() == []


async def withdraw_all(bench, client):
    await bench.database.transact(
        lambda tx: deposits.withdraw(
            tx, client.id, amount_minor=client.balance_minor, note="", now=bench.clock.now()
        )
    )


async def test_lost_run_waits_for_the_missing_deposit(old_copy):
    bench, now = old_copy, old_copy.clock.now()
    await withdraw_all(bench, await read(bench, clients.by_name, "ben"))
    with pytest.raises(StateChanged, match="balance_too_small name=ben"):
        await bench.database.transact(lambda tx: recovery.record(tx, RUN, now=now, message_id="m"))
    assert await bench.states() == []
    assert (await read(bench, audit_ledger)).findings == ()


async def test_lost_run_waits_for_the_missing_client(old_copy):
    bench, now = old_copy, old_copy.clock.now()
    ben = await read(bench, clients.by_name, "ben")
    await withdraw_all(bench, ben)
    await bench.database.transact(lambda tx: clients.set_state(tx, ben, "closed"))
    with pytest.raises(StateChanged, match="no_client name=ben"):
        await bench.database.transact(lambda tx: recovery.record(tx, RUN, now=now, message_id="m"))


async def test_payments_of_an_added_cash_out_come_back_as_a_cash_out(make_bench, wallets):
    bench = await make_bench()
    ana = Destination(INVOICE_KEY, wallets("ana").invoice_key)
    await bench.client("ana", ana, minor=50_000)
    await bench.database.aclose()
    shutil.copytree(bench.folder / "data", bench.folder / "copy")
    await bench.open()
    added = await bench.distribute(12_000, 10_000)
    await bench.settle(2)
    await bench.database.aclose()
    shutil.rmtree(bench.folder / "data")
    (bench.folder / "copy").rename(bench.folder / "data")
    await bench.open()
    await bench.worker.catch_up()
    assert await read(bench, recovery.distribution_ids) == [added]
    now = bench.clock.now()
    given = await bench.database.transact(
        lambda tx: recovery.record(tx, added, now=now, message_id="m")
    )
    assert (given.kind, given.principal_sat, given.principal_minor) == ("flow", 12_000, 10_000)
    assert (await read(bench, cash_outs.states, [added]))[added][0] == "distributed"
    await bench.settle(2)
    await assert_clean(bench)
