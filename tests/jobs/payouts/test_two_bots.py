"""Two bots on two copies of one ledger, on a real LNbits: no payout is paid twice."""

import asyncio
from collections import Counter
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from time import monotonic_ns

import pytest
from payout_bench import Bench, FaultyWallet, Killed
from test_worker import assert_clean

from dca_bot.core.payout import PayoutState
from dca_bot.core.ports import PaymentStatus, Uptime
from dca_bot.ledger.audit.payments import audit_payments
from dca_bot.ledger.payouts import leases
from dca_bot.ledger.programme.clients import INVOICE_KEY, Destination
from dca_bot.ledger.store import bot_state
from dca_bot.ledger.store.backups import copy_ledger
from dca_bot.ledger.store.ledger_files import LEDGER_FILE
from dca_bot.lnbits.client import LnbitsWallet

FAST = 5


@dataclass
class FastClock:
    """The computer's time, running five times as fast: a wait of 15 s takes 3."""

    start: datetime = field(default_factory=lambda: datetime.now(UTC))
    start_ns: int = field(default_factory=monotonic_ns)
    ahead: timedelta = timedelta()

    def uptime(self):
        passed = timedelta(microseconds=(monotonic_ns() - self.start_ns) // 1000)
        return Uptime("first", passed * FAST + self.ahead)

    def now(self):
        return self.start + self.uptime().elapsed

    async def sleep(self, delay_s):
        await asyncio.sleep(delay_s / FAST)


@pytest.fixture
async def make_pair(make_bench, lnbits, tmp_path):
    """Make two bots on two copies of one ledger: `await make_pair(clients=…, started=True)`.

    The first one has paid before the copy is made, where it was `started`.
    """
    opened = []

    async def make(wallets, *, clients=3, started=False):
        one = await make_bench(source_sat=10_000_000, day_max_sat=10**9)
        one.clock = FastClock()
        await one.reopen()
        for number in range(clients):
            key = wallets(f"client{number}").invoice_key
            await one.client(f"client{number}", Destination(INVOICE_KEY, key), minor=10**7)
        if started:
            await one.distribute(3_000, 2_400)
            await work(one)
            assert set(await one.states()) == {"DONE"}
        (tmp_path / "second").mkdir()
        (tmp_path / "second" / "data").mkdir(mode=0o700)
        copy_ledger(tmp_path / "data", tmp_path / "second" / "data" / LEDGER_FILE)
        wallet = LnbitsWallet(lnbits.url, admin_key=one.source.admin_key)
        two = Bench(tmp_path / "second", FaultyWallet(wallet), one.addresses, one.programme)
        two.clock = FastClock(one.clock.start, one.clock.start_ns)
        two.source, two.distributed = one.source, one.distributed
        await two.open()
        opened.append((two, wallet))
        return one, two

    yield make
    for two, wallet in opened:
        await two.database.aclose()
        await wallet.aclose()


async def work(bench, rounds=1):
    for _ in range(rounds):
        while await bench.worker.work_once():
            pass


async def distribute(*benches, times=20):
    """Have each bot read the same cash-outs."""
    for _ in range(times):
        for bench in benches:
            await bench.distribute(3_000, 2_400)


async def paid(bench):
    """Count LNbits' successful payments of each payout."""
    return Counter(
        [
            payment.external_id
            async for payment in bench.wallet.tagged_payments()
            if payment.status is PaymentStatus.SUCCESS
        ]
    )


def twice(payments):
    return [payout for payout, count in payments.items() if count > 1]


async def is_disputed(bench):
    return await bench.database.read(leases.open_dispute) is not None


async def take_over(bench):
    """Say `resume all` with its code."""

    def word(tx):
        leases.accept(tx, now=bench.clock.now())
        bot_state.drop(tx, bot_state.PAUSED)

    await bench.database.transact(word)


async def test_two_bots_in_step_on_copies_of_a_new_ledger_pay_nothing_twice(make_pair, wallets):
    one, two = await make_pair(wallets)
    await distribute(one, two)
    await asyncio.gather(work(one, 3), work(two, 3))
    assert twice(await paid(one)) == []
    assert await is_disputed(one)
    assert await is_disputed(two)


async def test_two_bots_in_step_on_copies_of_a_ledger_in_use_pay_nothing_twice(make_pair, wallets):
    one, two = await make_pair(wallets, started=True)
    await distribute(one, two)
    await asyncio.gather(work(one, 3), work(two, 3))
    assert twice(await paid(one)) == []
    for bench in (one, two):
        assert await is_disputed(bench)
        (told,) = [text for text in await bench.letters() if "copies of one ledger" in text]
        assert "resume all" in told


async def test_second_bot_beside_a_paying_one_stops_both(make_pair, wallets):
    one, two = await make_pair(wallets, started=True)
    await distribute(one, two, times=5)
    await work(one)
    assert set(await one.states()) == {"DONE"}
    await distribute(one, two, times=15)
    starting = asyncio.create_task(work(two))
    async with asyncio.timeout(60):
        while not await is_disputed(one):
            await work(one)
            await one.distribute(3_000, 2_400)
    await starting
    await work(two)
    assert twice(await paid(one)) == []
    assert await is_disputed(two)


@pytest.mark.slow(40)
async def test_code_lets_one_of_two_bots_go_on_and_the_other_stays_stopped(
    make_pair, wallets, balance_sat
):
    one, two = await make_pair(wallets, started=True)
    await distribute(one, two, times=5)
    await asyncio.gather(work(one, 2), work(two, 2))
    await take_over(two)
    await asyncio.gather(work(one, 2), work(two, 2))
    await two.worker.catch_up()
    await work(two, 2)
    assert await is_disputed(one)
    assert not await is_disputed(two)
    payments = await paid(two)
    assert twice(payments) == []
    owed = {p.id for p in await two.payouts() if p.state is not PayoutState.HELD}
    assert owed <= set(payments)
    assert {str(s) for s in await two.states()} <= {"DONE", "HELD"}
    total = sum(payments.values()) * 1_000
    assert await balance_sat(two.source) == 10_000_000 - total


async def test_both_resumed_at_once_stop_again(make_pair, wallets):
    one, two = await make_pair(wallets, started=True)
    await distribute(one, two, times=5)
    await asyncio.gather(work(one, 2), work(two, 2))
    await take_over(one)
    await take_over(two)
    await asyncio.gather(work(one, 3), work(two, 3))
    assert twice(await paid(one)) == []
    assert await is_disputed(one) or await is_disputed(two)


async def test_restart_and_kill_go_on_by_themselves(make_pair, wallets):
    one, _ = await make_pair(wallets, started=True)
    await distribute(one, times=2)

    def kill(name, _number):
        if name == "pay":
            raise Killed

    one.wallet.after = kill
    with pytest.raises(Killed):
        await work(one)
    one.wallet.after = lambda _name, _number: None
    await one.reopen()
    await one.worker.catch_up()
    await work(one, 2)
    assert set(await one.states()) == {"DONE"}
    await one.reopen()
    await distribute(one, times=1)
    await work(one)
    assert set(await one.states()) == {"DONE"}
    assert not await is_disputed(one)
    await assert_clean(one)


async def test_moving_to_another_computer_needs_no_word(make_pair, wallets):
    one, two = await make_pair(wallets, started=True)
    await distribute(two, times=3)
    await two.worker.catch_up()
    await work(two)
    assert set(await two.states()) == {"DONE"}
    assert not await is_disputed(two)
    await assert_clean(two)
    # The old computer is switched on again: it finds that another bot pays, and both stop.
    await distribute(one, times=4)
    await work(one)
    assert await is_disputed(one)
    await distribute(two, times=1)
    two.clock.ahead += timedelta(seconds=10)
    await work(two)
    assert await is_disputed(two)
    assert twice(await paid(two)) == []


async def test_lease_rows_are_no_payments_for_audit_and_reconciliation(
    make_pair, wallets, lnbits, balance_sat
):
    one, _ = await make_pair(wallets, started=True)
    payer = wallets("payer", balance_sat=10)
    async with LnbitsWallet(lnbits.url, admin_key=one.source.admin_key) as source:
        page = await source._api.get(
            "/api/v1/payments/paginated", key=one.source.admin_key, params={"tag": "aio-dca-lease"}
        )
    (row,) = page.json()["data"]
    assert (row["amount"], row["pending"] if "pending" in row else row["status"]) == (
        1000,
        "pending",
    )
    before = await balance_sat(one.source)
    async with LnbitsWallet(lnbits.url, admin_key=payer.admin_key) as wallet:
        await wallet.pay(row["bolt11"], external_id="", extra={})
    assert await balance_sat(one.source) == before + 1, "whoever pays it gives the wallet a sat"
    await one.worker.catch_up()
    audit = await audit_payments(one.database, one.wallet)
    assert (audit.rows, audit.findings) == (3, ())
    one.clock.ahead += timedelta(minutes=1)
    await distribute(one, times=1)
    await work(one)
    assert set(await one.states()) == {"DONE"}, "a paid row is still the lease"
    await assert_clean(one)
