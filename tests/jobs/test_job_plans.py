"""Nothing on the path of a cash-out or a payout grows with history: the jobs, held against SQLite's plans."""

from datetime import timedelta
from decimal import Decimal

import pytest
from ingest_bench import HOUR, MINUTE, NEVER_PAID, NOW, UNCONFIRMED, cash_out
from payout_bench import Bench, HandClock, ScriptedAddresses, ScriptedWallet, programme
from query_plans import too_long, traced
from test_outbox import ANA, BEN, Office

from dca_bot.core.ports import CashIn, Payment, PaymentStatus
from dca_bot.core.relay_state import RelayState
from dca_bot.errors import DestinationUnavailable, Refusal
from dca_bot.jobs.alarms import Alarms
from dca_bot.jobs.digests import Digests
from dca_bot.jobs.fixed_mode import FixedMode
from dca_bot.jobs.operator_alarms import OperatorAlarms
from dca_bot.jobs.payouts.reconcile import reconcile
from dca_bot.jobs.signals import Signals
from dca_bot.ledger.correspondence import delivery, outbox, person_relays
from dca_bot.ledger.distributions import fixed_runs
from dca_bot.ledger.payouts import booking, queue, unknown_payments
from dca_bot.ledger.programme import clients
from dca_bot.ledger.programme.clients import ADDRESS, INVOICE_KEY, Destination
from dca_bot.messages.notices import Notices
from dca_bot.messages.render import load_texts


async def found_in(database, plans):
    assert plans
    return await database.read(lambda tx: too_long(tx, plans))


@pytest.fixture
async def bench(tmp_path):
    """Two clients, one with an address, and what a cash-out gives them, to be paid by a scripted LNbits."""
    clock = HandClock(NOW)
    wallet = ScriptedWallet(clock)
    bench = Bench(tmp_path, wallet, ScriptedAddresses(wallet), programme(), clock)
    await bench.open()
    await bench.client("ana", Destination(INVOICE_KEY, "key"), minor=10**6)
    await bench.client("ben", Destination(ADDRESS, "ben@example.com"), minor=10**6)
    await bench.recipient("ana", 1000)
    yield bench
    await bench.database.aclose()


@pytest.fixture
async def office(tmp_path):
    office = Office(tmp_path)
    await office.open()
    yield office
    await office.database.aclose()


async def test_poll_takes_no_longer_with_history(make_ingest):
    bench = await make_ingest()
    await bench.client("ana", minor=10**6)
    await bench.client("ben", minor=50_000)
    bench.server.put(
        cash_out("good", NOW - 3 * HOUR),
        cash_out("waits", NOW - MINUTE, **UNCONFIRMED),
        cash_out("held", NOW - timedelta(days=3), **UNCONFIRMED),
        cash_out("ignored", NOW - timedelta(days=4), **NEVER_PAID),
    )
    bench.server.put_in(
        CashIn("in", "machine", NOW - HOUR, Decimal(50), "GTQ", send_confirmed=True)
    )
    with traced(bench.database) as plans:
        await bench.poll()
        bench.server.put(
            cash_out("good", NOW - 3 * HOUR, error="changed"),
            cash_out("held", NOW - timedelta(days=3)),
            cash_out("more", NOW - 2 * MINUTE),
        )
        bench.server.machines = {"machine": "Market", "other": "Zona 10"}
        await bench.poll(2)
    assert await found_in(bench.database, plans) == []


async def test_payouts_take_no_longer_with_history(bench):
    with traced(bench.database) as plans:
        await bench.distribute(50_000, 40_000, 5_000)
        await bench.worker.catch_up()
        await bench.settle(2)
        bench.wallet.on_pay = bench.wallet.fail
        bench.addresses.min_sat = 40_000
        await bench.distribute(50_000, 40_000)
        await bench.settle(2)
        bench.clock.ahead += timedelta(days=2)
        await bench.settle(3)
    assert await found_in(bench.database, plans) == []


async def test_payout_whose_destination_fails_takes_no_longer_with_history(bench):
    await bench.distribute(50_000, 40_000)
    await bench.distribute(50_000, 40_000)

    async def unavailable(_address):
        raise DestinationUnavailable(Refusal.UNREACHABLE, "The server did not answer.")

    bench.addresses.limits = unavailable
    with traced(bench.database) as plans:
        await bench.settle(2)
        for payout in await bench.database.read(queue.open_payouts):
            await bench.database.transact(
                lambda tx, payout=payout: booking.cancel(tx, payout, now=bench.clock.now())
            )
    assert await found_in(bench.database, plans) == []


async def test_reconciling_takes_no_longer_with_history(bench):
    distributed = await bench.distribute(50_000, 40_000)
    now = bench.clock.now()
    extra = {"distributions": [distributed], "client": "ana"}
    status = PaymentStatus.SUCCESS
    unknown = Payment("ab" * 32, -25_000_000, 0, status, None, external_id="lost", extra=extra)

    async def tagged_payments(_since=None):
        yield unknown

    bench.wallet.tagged_payments = tagged_payments
    notices = Notices(bench.programme, load_texts(bench.programme))
    with traced(bench.database) as plans:
        done = await reconcile(bench.database, bench.wallet, notices, now=now)
        await reconcile(bench.database, bench.wallet, notices, now=now, since=done.mark)
        await bench.database.read(lambda tx: unknown_payments.open_hashes(tx, now=now, limit=9))
    assert "HELD" in await bench.states()
    assert await found_in(bench.database, plans) == []


async def test_looks_at_the_clock_take_no_longer_with_history(bench):
    await bench.database.transact(lambda tx: clients.set_mode(tx, 1, "fixed"))
    await bench.database.transact(lambda tx: clients.set_fixed_limit(tx, 1, 10_000))
    signals = Signals()
    notices = Notices(bench.programme, load_texts(bench.programme))
    rules = bench.database, notices, bench.programme, bench.clock, signals
    schedule = FixedMode(bench.database, Coin(), *rules[1:])
    operators = OperatorAlarms(bench.programme, notices, signals, HOUR)
    watch = Alarms(bench.database, Coin(), notices, bench.clock, signals, HOUR, HOUR, operators)
    await (
        watch.look_once()
    )  # the first one ever, or one after the clock went back, looks through all
    with traced(bench.database) as plans:
        for _ in range(6):
            await schedule.look_once()
            await bench.settle()
            await watch.look_once()
            await Digests(*rules).look_once()
            bench.clock.ahead += 8 * HOUR
    assert any(run.state == "done" for run in await bench.database.read(recent_runs))
    assert await found_in(bench.database, plans) == []


async def test_outboxy_takes_no_longer_with_history(office):
    await office.client("ana", ANA)
    with traced(office.database) as plans:
        await office.write(ANA, "one", "two")
        await office.write(BEN, "hello", relay="wss://there.example")
        await office.deliver()
        office.relays.takes = False
        await office.write(ANA, "three")
        await office.deliver()
        await office.database.transact(
            lambda tx: outbox.resend_since(tx, ANA, office.clock.now(), now=office.clock.now())
        )
        await office.database.transact(lambda tx: delivery.of(tx, ANA))
        await office.database.read(lambda tx: person_relays.places_of(tx, ANA))
    assert await found_in(office.database, plans) == []


def recent_runs(tx):
    return fixed_runs.recent(tx, limit=10)


class Coin:
    """LNbits' price of a coin; and relays that are connected."""

    async def price(self, _currency):
        return Decimal(800_000)

    def connected(self):
        return 1

    def relay_states(self):
        states = {"wss://good.example.com": True, "wss://bad.example.com": False}
        return [
            RelayState(url, listening=heard, detail="", since=NOW) for url, heard in states.items()
        ]
