"""A rehearsal shares out as a programme does, and tells each evening what it would have paid."""

import random
from decimal import Decimal

import pytest
from ingest_bench import DAY, HOUR, MINUTE, NEVER_PAID, NOW, cash_out

from dca_bot.commands.simulate import simulate
from dca_bot.core.ports import Export
from dca_bot.core.reach import Part
from dca_bot.errors import LnbitsUnavailable
from dca_bot.faults import LnbitsFault
from dca_bot.jobs.payouts.funds import Funds
from dca_bot.jobs.rehearsal import Rehearsal
from dca_bot.ledger.programme import clients, commission
from dca_bot.ledger.programme.clients import ADDRESS, Destination
from dca_bot.ledger.reports.rehearsal import would_have_paid
from dca_bot.ledger.store import bot_state
from dca_bot.messages.notices import Notices
from dca_bot.messages.render import TEXT_BYTES_MAX, load_texts

EVENING = NOW.replace(hour=1) + DAY  # 19:00 in Guatemala
ODDS = [{}, {}, {}, {"dispense_confirmed": False}, NEVER_PAID, {"crypto_atoms": Decimal(1)}]


class ReadWallet:
    """An LNbits that tells a balance; `down`: doesn't answer."""

    def __init__(self):
        self.sat = 1_000_000
        self.down = False

    async def wallet_id(self):
        if self.down:
            raise LnbitsUnavailable("LNbits did not answer.", fault=LnbitsFault.UNREACHABLE)
        return "source"

    async def balance_msat(self):
        return self.sat * 1000


@pytest.fixture
def make_stage(make_ingest):
    """Make a poller on a rehearsal's ledger, with the job that reports: `await make_stage(**programme)`."""

    async def make(**changes):
        bench = await make_ingest(is_rehearsal=True, **changes)
        await bench.database.transact(
            lambda tx: bot_state.keep_kind(tx, rehearsal=True, now=bench.clock.now())
        )
        bench.wallet, notices = ReadWallet(), Notices(bench.programme, load_texts(bench.programme))
        common = notices, bench.programme, bench.clock
        funds = Funds(bench.database, bench.wallet, *common)
        bench.rehearsal = Rehearsal(bench.database, funds, *common, bench.signals)
        await bench.rehearsal.look_once()
        bench.clock.ahead = MINUTE
        return bench

    return make


async def reports(bench, at=EVENING):
    """Let the job look at an instant; return what it has written to the operators since the last time."""
    seen = len(await bench.letters())
    bench.clock.ahead = at - NOW
    await bench.rehearsal.look_once()
    return (await bench.letters())[seen:]


@pytest.mark.parametrize("seed", range(4))
async def test_rehearsal_gives_and_reports_what_simulate_gives(make_stage, seed):
    chance, bench = random.Random(seed), await make_stage()
    balances = {name: chance.randrange(1, 300_000) for name in ("ana", "ben", "eva", "leo", "zoe")}
    for name, minor in balances.items():
        await bench.client(name, minor=minor)
    rows = [
        cash_out(f"row{number}", NOW - chance.randrange(1, 5_000) * MINUTE, **chance.choice(ODDS))
        for number in range(25)
    ]
    bench.server.put(*rows)
    await bench.poll(2)
    outcomes = simulate(Export(tuple(rows), {}), balances, currency="GTQ", now=NOW)
    expected = {
        (one.id, share.id): (share.minor, share.sat)
        for one in outcomes
        for share in (one.allotment.shares if one.allotment else ())
    }
    given = {(row, name): (minor, sat) for row, name, minor, sat in await bench.given()}
    assert given == expected
    found = await bench.database.read(
        lambda tx: would_have_paid(tx, NOW, now=NOW + MINUTE, ceilings=bench.programme.ceilings)
    )
    sums = {name: [0, 0] for name in balances}
    for (_, name), (minor, sat) in expected.items():
        sums[name] = [sums[name][0] + minor, sums[name][1] + sat]
    assert {payee.name: [payee.minor, payee.sat] for payee in found.payees} == {
        name: sum_ for name, sum_ in sums.items() if sum_[1]
    }


async def test_report_comes_each_evening_and_counts_what_came_since(make_stage):
    bench = await make_stage()
    await bench.client("ana", minor=60_000)
    await bench.client("ben", minor=30_000)
    bench.server.put(cash_out("a", NOW - HOUR))
    await bench.poll()
    assert await reports(bench, EVENING - MINUTE) == []
    (told,) = await reports(bench)
    assert told.startswith("REHEARSAL, the report since 1 Mar 06:00. Nothing was paid")
    assert "Shared out: one cash-out, Q800.00, 100,000 sats" in told
    assert "Commission: 25,000 sats, of it 25,000 sats for you" in told
    assert "Would have been paid: 100,000 sats" in told
    assert "ana: 66,666 sats for Q533.33" in told
    assert "ben: 33,334 sats for Q266.67" in told
    assert await reports(bench, EVENING + MINUTE) == []
    await bench.database.transact(lambda tx: bot_state.put(tx, bot_state.PAUSED, "now"))
    (told,) = await reports(bench, EVENING + DAY)
    assert "PAUSED: nothing is shared out" in told
    assert "Nobody would have been paid." in told
    assert "Since the rehearsal began: 100,000 sats" in told
    assert await bench.rows("SELECT DISTINCT state FROM payout") == [("PLANNED",)]


async def test_report_tells_what_would_have_been_held_and_what_the_wallet_lacks(make_stage):
    bench = await make_stage(payout_max_sat=60_000)
    await bench.client("ana", minor=60_000)
    await bench.client("ben", minor=30_000)
    bench.server.put(cash_out("a", NOW - HOUR), cash_out("b", NOW - HOUR, fiat=Decimal("1.2")))
    bench.wallet.sat = 33_000
    await bench.poll()
    first, second = await reports(bench)
    assert "with LNbits' reserve for fees: 33,334 sats" in first
    assert "Missing for that: 334 sats" in first
    assert "ben: 33,334 sats" in first
    assert "ana" not in first
    assert second.startswith("REHEARSAL, what would have waited:\nHeld (above the ceiling for one")
    assert "66,666 sats to ana" in second
    assert "Hold #1: cash-out b" in second


async def test_report_to_many_payees_comes_in_messages_that_relays_take(make_stage):
    bench = await make_stage()
    for number in range(60):
        await bench.client(f"client-with-a-long-name-{number}", minor=10_000_000)
    bench.server.put(cash_out("a", NOW - HOUR))
    await bench.poll()
    told = await reports(bench)
    assert len(told) == 3
    assert all(len(text.encode()) < TEXT_BYTES_MAX for text in told)
    assert "\n".join(told).count("client-with-a-long-name") == 60


async def test_report_tells_what_is_too_small_for_a_wallet_and_what_has_no_wallet(make_stage):
    bench = await make_stage()
    await bench.client("ana", minor=60_000)

    def work(tx):
        (ana,) = clients.everyone(tx)
        clients.set_destination(tx, ana.id, Destination(ADDRESS, "ana@pay.example", 500_000))
        lena = clients.add(tx, name="lena", pubkey="e" * 64, language="en", now=NOW)
        commission.set_share(tx, lena.id, 4_000, now=NOW)

    await bench.database.transact(work)
    bench.server.put(cash_out("a", NOW - HOUR))
    await bench.poll()
    first, second = await reports(bench)
    assert "Nobody would have been paid." in first
    assert "Waiting for a wallet, not counted: 10,000 sats in one payout" in second
    assert "Too small for the wallet, waits for more: 75,000 sats in one share" in second


async def test_commission_of_recipients_is_reported_apart(make_stage):
    bench = await make_stage()
    await bench.client("ana", minor=80_000)

    def share(tx):
        (ana,) = clients.everyone(tx)
        commission.set_share(tx, ana.id, 4_000, now=NOW)

    await bench.database.transact(share)
    bench.server.put(cash_out("a", NOW - HOUR))
    await bench.poll()
    (told,) = await reports(bench)
    assert "Commission: 25,000 sats, of it 15,000 sats for you" in told
    assert "ana: 100,000 sats" in told
    assert "ana: 10,000 sats of commission" in told


async def test_nothing_is_shared_out_before_lnbits_has_answered_and_outages_are_noted(make_stage):
    bench = await make_stage()
    bench.wallet.down = True
    bench.signals.reconciled.clear()
    await bench.rehearsal.look_once()
    assert not bench.signals.reconciled.is_set()
    assert not bench.signals.parts[Part.LNBITS].reachable
    (told,) = await reports(bench)
    assert "LNbits does not tell" in told
    bench.wallet.down = False
    await bench.rehearsal.look_once()
    assert bench.signals.reconciled.is_set()
    assert bench.signals.parts[Part.LNBITS].reachable


async def test_report_of_a_clock_that_was_ahead_keeps_no_later_report_back(make_stage):
    bench = await make_stage()
    assert len(await reports(bench, EVENING + 30 * DAY)) == 1
    assert len(await reports(bench, EVENING)) == 1
    assert await reports(bench, EVENING + HOUR) == []
