"""The source wallet's funds on a real LNbits: what the operators are told, and that paying helps."""

import asyncio
from datetime import timedelta

import pytest

from dca_bot.core.funds import Trouble
from dca_bot.errors import LnbitsUnavailable
from dca_bot.faults import LnbitsFault
from dca_bot.ledger.audit.audit import audit_ledger
from dca_bot.ledger.audit.payments import compare_payments, paid_by_hash
from dca_bot.ledger.payouts import booking, top_ups
from dca_bot.ledger.programme.clients import ADDRESS, INVOICE_KEY, Destination
from dca_bot.ledger.store import bot_state
from dca_bot.lnbits.client import LnbitsWallet

LEVELS = {"low_balance_sat": 50_000, "top_up_to_sat": 200_000}


class Operator:
    """Pays the invoices that the bot prints, from a wallet of some LNbits."""

    def __init__(self, bench, wallets, lnbits):
        self.bench = bench
        self.lnbits = lnbits
        self.keys = wallets("operator", balance_sat=10_000_000, at=lnbits)

    async def letters(self, *words):
        return [text for text in await self.bench.letters() if any(word in text for word in words)]

    async def pay_newest(self):
        """Pay the newest invoice in the letters; return what it asked for, in sats."""
        newest = (await self.letters("lnbc"))[-1]
        bolt11 = newest.partition("lightning:")[2].split()[0]
        async with LnbitsWallet(self.lnbits.url, admin_key=self.keys.admin_key) as wallet:
            asked_sat = (await wallet.decode(bolt11)).amount_msat // 1000
            await wallet.pay(bolt11, external_id="", extra={})
        return asked_sat


@pytest.fixture
def make_operator(wallets, lnbits):
    def make(bench, at=lnbits):
        return Operator(bench, wallets, at)

    return make


async def ana_at(bench, wallets):
    """Add a client of this LNbits with more fiat than the tests need."""
    ana = wallets("ana")
    await bench.client("ana", Destination(INVOICE_KEY, ana.invoice_key), minor=10**9)
    return ana


async def assert_clean(bench):
    found = await bench.database.read(audit_ledger)
    assert found.findings == ()
    payments = [payment async for payment in bench.wallet.tagged_payments()]
    assert compare_payments(await bench.database.read(paid_by_hash), payments) == []


async def test_low_balance_is_told_once_before_anything_waits_and_cleared_once(
    make_bench, make_operator, wallets, balance_sat
):
    bench = await make_bench(source_sat=100_000, **LEVELS)
    operator = make_operator(bench)
    ana = await ana_at(bench, wallets)
    await bench.settle(2)
    assert await bench.letters() == []
    await bench.distribute(50_001, 40_000)
    await bench.settle(5)
    assert await balance_sat(ana) == 50_001
    (warning,) = await bench.letters()
    assert "49,999 sats are left" in warning
    assert await operator.pay_newest() == 150_001
    await bench.settle(5)
    _, clear = await bench.letters()
    assert "filled up again: 200,000 sats" in clear
    assert await bench.database.read(top_ups.told) is None
    await assert_clean(bench)


async def test_crossing_again_warns_again(make_bench, make_operator, wallets):
    bench = await make_bench(source_sat=40_000, **LEVELS)
    operator = make_operator(bench)
    await ana_at(bench, wallets)
    for _ in range(3):
        await bench.settle(2)
        await operator.pay_newest()
        await bench.settle(2)
        await bench.distribute(160_000, 130_000)
    await bench.settle(2)
    assert len(await operator.letters("getting low")) == 4
    assert len(await operator.letters("filled up again")) == 3
    assert len(await bench.letters()) == 7


async def test_expired_top_up_invoice_is_replaced_once_a_day(make_bench, make_operator):
    bench = await make_bench(source_sat=40_000, **LEVELS)
    operator = make_operator(bench)
    await bench.settle(2)
    bench.clock.ahead += timedelta(hours=23)
    await bench.settle(2)
    assert len(await bench.letters()) == 1
    bench.clock.ahead += timedelta(hours=1)
    await bench.settle(3)
    first, second = await operator.letters("getting low")
    assert first != second
    assert await operator.pay_newest() == 160_000
    await bench.settle(2)
    assert len(await bench.letters()) == 3


async def test_shortage_replaces_the_warning(make_bench, make_operator, wallets, balance_sat):
    bench = await make_bench(source_sat=40_000, **LEVELS)
    operator = make_operator(bench)
    ana = await ana_at(bench, wallets)
    await bench.settle(2)
    await bench.distribute(40_001, 30_000)
    await bench.settle(4)
    warning, shortage = await bench.letters()
    assert "getting low" in warning
    assert "lacks 1 sat;" in shortage
    assert "replaces the one that came with the warning" in shortage
    bench.clock.ahead += timedelta(hours=23)
    await bench.settle(2)
    assert len(await bench.letters()) == 2, "the warning's invoice is not renewed meanwhile"
    assert await operator.pay_newest() == 200_001
    await bench.settle(3)
    assert await balance_sat(ana) == 40_001
    assert "enough again" in (await bench.letters())[2]
    assert len(await bench.letters()) == 3


async def test_shortage_without_a_warning_before_it_is_told_alone(make_bench, wallets):
    bench = await make_bench(source_sat=100_000, **LEVELS)
    await ana_at(bench, wallets)
    await bench.distribute(100_001, 80_000)
    await bench.settle(4)
    (shortage,) = await bench.letters()
    assert "lacks 1 sat;" in shortage
    assert "replaces" not in shortage


async def test_payouts_that_go_on_with_little_left_keep_the_open_invoice(
    make_bench, make_operator, wallets, lnbits, balance_sat
):
    bench = await make_bench(source_sat=10_000, **LEVELS)
    operator = make_operator(bench)
    ana = await ana_at(bench, wallets)
    await bench.distribute(10_001, 8_000)
    await bench.settle(2)
    lnbits.credit(bench.source.id, 1)
    await bench.settle(3)
    assert await balance_sat(ana) == 10_001
    _, eased = await bench.letters()
    assert "stays good" in eased
    assert (await bench.database.read(top_ups.told)).trouble is Trouble.LOW
    assert await operator.pay_newest() == 200_001
    await bench.settle(3)
    assert "filled up again" in (await bench.letters())[2]
    assert len(await bench.letters()) == 3


async def test_without_a_threshold_nothing_is_told_until_something_waits(make_bench, wallets):
    bench = await make_bench(source_sat=1, top_up_to_sat=200_000, low_balance_sat=0)
    await ana_at(bench, wallets)
    await bench.settle(3)
    assert await bench.letters() == []


async def test_restart_tells_nothing_again(make_bench):
    bench = await make_bench(source_sat=40_000, **LEVELS)
    await bench.settle(2)
    await bench.reopen()
    await bench.settle(2)
    assert len(await bench.letters()) == 1


async def test_warning_comes_while_everything_is_paused_too(make_bench):
    bench = await make_bench(source_sat=40_000, **LEVELS)
    await bench.database.transact(lambda tx: bot_state.put(tx, bot_state.PAUSED, "1"))
    await bench.settle(2)
    assert len(await bench.letters()) == 1


async def test_cancelled_payout_ends_the_shortage(make_bench, wallets):
    bench = await make_bench(source_sat=100_000, **LEVELS)
    await ana_at(bench, wallets)
    await bench.distribute(100_001, 80_000)
    await bench.settle(2)
    (payout,) = await bench.payouts()
    now = bench.clock.now()
    await bench.database.transact(lambda tx: booking.cancel(tx, payout, now=now))
    await bench.settle(3)
    assert "enough again" in (await bench.letters())[1]
    assert len(await bench.letters()) == 2


async def test_warning_without_an_invoice_says_what_to_type(make_bench):
    bench = await make_bench(source_sat=40_000, **LEVELS)

    def refuse(name, _number):
        if name == "top_up_invoice":
            raise LnbitsUnavailable(
                "LNbits makes no invoice so large.", fault=LnbitsFault.UNREACHABLE
            )

    bench.wallet.before = refuse
    await bench.settle(3)
    (warning,) = await bench.letters()
    assert "topup AMOUNT" in warning


@pytest.mark.parametrize("levels", [{"low_balance_sat": 0, "top_up_to_sat": 0}, LEVELS])
async def test_payout_inside_lnbits_that_lacks_one_sat_waits_until_the_invoice_is_paid(
    make_bench, make_operator, wallets, balance_sat, levels
):
    bench = await make_bench(source_sat=49_999, **levels)
    operator = make_operator(bench)
    ana = await ana_at(bench, wallets)
    await bench.distribute(50_000, 40_000)
    await bench.settle(3)
    assert await balance_sat(ana) == 0
    assert await operator.pay_newest() == 1 + levels["top_up_to_sat"]
    await bench.settle(2)
    assert await balance_sat(ana) == 50_000
    assert len(await bench.letters()) == 2
    await assert_clean(bench)


async def test_payout_out_of_lnbits_that_lacks_one_sat_of_the_reserve_waits_until_it_is_paid(
    make_bench, make_operator, wallets, lnbits, remote_lnbits, balance_sat
):
    """50,000 sats need 500 more as a reserve; the invoice is paid from the other LNbits."""
    bench = await make_bench(
        source_sat=50_499, at=remote_lnbits, low_balance_sat=0, top_up_to_sat=0
    )
    operator = make_operator(bench)
    ana = wallets("ana")
    address = lnbits.lightning_address(ana, f"ana{ana.id[:6]}")
    await bench.client("ana", Destination(ADDRESS, address), minor=10**9)
    await bench.distribute(50_000, 40_000)
    await bench.settle(3)
    assert (await balance_sat(ana), bench.wallet.calls.count("pay")) == (0, 0)
    assert await operator.pay_newest() == 1
    await arrival(balance_sat, bench.source, remote_lnbits, 50_500)
    await bench.settle(4)
    assert await bench.states() == ["DONE"]
    assert await balance_sat(ana) == 50_000
    assert len(await bench.letters()) == 2
    await assert_clean(bench)


async def test_top_up_is_paid_over_lightning(
    make_bench, make_operator, remote_lnbits, balance_sat, lnbits
):
    bench = await make_bench(source_sat=40_000, **LEVELS)
    operator = make_operator(bench, at=remote_lnbits)
    await bench.settle(2)
    assert await operator.pay_newest() == 160_000
    await arrival(balance_sat, bench.source, lnbits, 200_000)
    await bench.settle(2)
    assert "filled up again" in (await bench.letters())[1]


async def arrival(balance_sat, wallet, at, expected_sat):
    """Wait until a payment between two LNbits has been credited."""
    for _ in range(200):
        if await balance_sat(wallet, at) == expected_sat:
            return
        await asyncio.sleep(0.05)  # LNbits hears of it over a websocket of its own
    pytest.fail("the payment did not arrive")
