import asyncio
import logging
import shutil
from dataclasses import replace
from datetime import timedelta
from functools import partial

import pytest
from doubt_bench import NOW, quiet
from lnurl_codes import code_at
from payout_bench import Killed, killed_at_each_call

from dca_bot.core.payout import PayoutState, Waiting
from dca_bot.core.ports import Payment, PaymentStatus
from dca_bot.core.reach import Part
from dca_bot.errors import DestinationUnavailable, LnbitsRefused, LnbitsUnavailable, Refusal
from dca_bot.faults import LnbitsFault
from dca_bot.jobs.payouts import worker
from dca_bot.jobs.payouts.reconcile import reconcile, record_unknown
from dca_bot.jobs.payouts.worker import Round
from dca_bot.jobs.signals import REST_S
from dca_bot.ledger.audit.audit import audit_ledger
from dca_bot.ledger.audit.payments import compare_payments, paid_by_hash
from dca_bot.ledger.payouts import (
    booking,
    holds,
    invoices,
    payouts,
    planning,
    queue,
    top_ups,
    transitions,
    unknown_payments,
    witnesses,
)
from dca_bot.ledger.payouts.holds import HoldReason
from dca_bot.ledger.programme.clients import (
    ADDRESS,
    INVOICE_KEY,
    LNURL,
    Destination,
    by_name,
    set_destination,
)
from dca_bot.ledger.store import bot_state, clock
from dca_bot.ledger.store.instants import micros
from dca_bot.lnbits.client import LnbitsWallet


async def assert_clean(bench):
    """Ledger and LNbits agree, to the sat."""
    found = await bench.database.read(audit_ledger)
    assert found.findings == ()
    payments = [payment async for payment in bench.wallet.tagged_payments()]
    recorded = await bench.database.read(paid_by_hash)
    assert compare_payments(recorded, payments) == []


def place_of(lnbits, wallet, kind):
    """Return a wallet's destination of a kind: the invoice key, or an LNURL-pay code."""
    if kind == LNURL:
        return Destination(LNURL, code_at(lnbits, wallet, f"ana{wallet.id[:6]}"))
    return Destination(INVOICE_KEY, wallet.invoice_key)


async def test_payouts_to_key_and_address_arrive_once(make_bench, wallets, lnbits, balance_sat):
    bench = await make_bench()
    ana, ben = wallets("ana"), wallets("ben")
    address = lnbits.lightning_address(ben, f"ben{ben.id[:6]}")
    await bench.client("ana", Destination(INVOICE_KEY, ana.invoice_key), minor=900_000)
    await bench.client("ben", Destination(ADDRESS, address), minor=100_000)
    await bench.distribute(250_000, 200_000)
    await bench.settle(2)
    assert await bench.states() == ["DONE", "DONE"]
    assert (await balance_sat(ana), await balance_sat(ben)) == (225_000, 25_000)
    assert await balance_sat(bench.source) == 750_000
    await bench.settle(3)
    assert await balance_sat(bench.source) == 750_000
    await assert_clean(bench)


async def test_payout_to_an_lnurl_pay_code_arrives_once(make_bench, wallets, lnbits, balance_sat):
    bench = await make_bench()
    ben = wallets("ben")
    code = code_at(lnbits, ben, f"ben{ben.id[:6]}")
    await bench.client("ben", Destination(LNURL, code), minor=100_000)
    await bench.distribute(25_000, 20_000)
    await bench.settle(3)
    (payout,) = await bench.payouts()
    assert (payout.state, payout.destination) == (PayoutState.DONE, Destination(LNURL, code))
    assert await balance_sat(ben) == 25_000
    assert await balance_sat(bench.source) == 975_000
    await assert_clean(bench)


async def test_payment_carries_memo_tag_distribution_client_and_fiat(make_bench, wallets):
    bench = await make_bench()
    ana = wallets("ana")
    await bench.client("ana", Destination(INVOICE_KEY, ana.invoice_key), minor=100_000)
    cash_out_id = await bench.distribute(100_000, 80_000)
    await bench.settle()
    (payout,) = await bench.payouts()
    (payment,) = await bench.wallet.payments_of(payout.id)
    assert payment.extra["tag"] == "aio-dca"
    assert payment.extra["distributions"] == [cash_out_id]
    assert (payment.extra["client"], payment.extra["fiat_minor"]) == ("ana", 80_000)


@pytest.mark.parametrize(
    ("kind", "moment"),
    [
        (INVOICE_KEY, "before"),
        pytest.param(INVOICE_KEY, "after", marks=pytest.mark.long),
        pytest.param(LNURL, "before", marks=pytest.mark.long),
        (LNURL, "after"),
    ],
)
async def test_killed_at_any_call_pays_exactly_once(
    make_bench, wallets, lnbits, balance_sat, kind, moment
):
    """Kill at the n-th call, for every n there is, before it leaves and after it was answered."""
    bench = await make_bench(source_sat=10_000_000, day_max_sat=10**9)
    ana = wallets("ana")
    await bench.client("ana", place_of(lnbits, ana, kind), minor=10**9)
    distribute = partial(bench.distribute, 10_000, 8_000)
    async for point in killed_at_each_call(bench, moment, distribute):
        assert await balance_sat(ana) == 10_000 * point
        assert await balance_sat(bench.source) == 10_000_000 - 10_000 * point
    assert set(await bench.states()) == {"DONE"}
    await assert_clean(bench)


async def test_lost_pay_reply_does_not_pay_twice(make_bench, wallets, balance_sat):
    bench = await make_bench()
    ana = wallets("ana")
    await bench.client("ana", Destination(INVOICE_KEY, ana.invoice_key), minor=100_000)
    await bench.distribute(50_000, 40_000)

    def lose(name, _number):
        if name == "pay":
            raise LnbitsUnavailable("The reply was lost.", fault=LnbitsFault.UNREACHABLE)

    bench.wallet.after = lose
    await bench.settle()
    assert await bench.states() == ["SUBMITTED"]
    bench.wallet.after = lambda _name, _number: None
    await bench.settle(2)
    assert bench.wallet.calls.count("pay") == 1
    assert await balance_sat(ana) == 50_000
    await assert_clean(bench)


async def test_request_that_never_left_is_sent_again_with_the_same_invoice(
    make_bench, wallets, balance_sat
):
    bench = await make_bench()
    ana = wallets("ana")
    await bench.client("ana", Destination(INVOICE_KEY, ana.invoice_key), minor=100_000)
    await bench.distribute(50_000, 40_000)

    def lose(name, _number):
        if name == "pay":
            raise LnbitsUnavailable("The request was lost.", fault=LnbitsFault.UNREACHABLE)

    bench.wallet.before = lose
    await bench.settle()
    bench.wallet.before = lambda _name, _number: None
    await bench.settle(3)
    (payout,) = await bench.payouts()
    assert (payout.state, payout.attempts) == (PayoutState.DONE, 1)
    assert bench.wallet.calls.count("request_invoice") == 1
    assert await balance_sat(ana) == 50_000
    await assert_clean(bench)


async def test_lacking_one_sat_waits_and_goes_out_after_the_printed_invoice_is_paid(
    make_bench, wallets, balance_sat, lnbits
):
    bench = await make_bench(source_sat=49_999, top_up_to_sat=0)
    ana, ben, payer = wallets("ana"), wallets("ben"), wallets("payer", balance_sat=10)
    await bench.client("ana", Destination(INVOICE_KEY, ana.invoice_key), minor=100_000)
    await bench.distribute(50_000, 40_000)
    await bench.client("ben", Destination(INVOICE_KEY, ben.invoice_key), minor=10**9)
    await bench.distribute(1_000, 800)
    await bench.settle(3)
    assert await balance_sat(ben) == 0, "a smaller one behind it doesn't overtake"
    asked = [text for text in await bench.letters() if "lnbc" in text]
    assert len(asked) == 1
    bolt11 = asked[0].partition("lightning:")[2].split()[0]
    async with LnbitsWallet(lnbits.url, admin_key=bench.source.admin_key) as source:
        needed = (await source.decode(bolt11)).amount_msat // 1000
    lnbits.credit(payer.id, needed)
    async with LnbitsWallet(lnbits.url, admin_key=payer.admin_key) as wallet:
        await wallet.pay(bolt11, external_id="", extra={})
    await bench.settle(3)
    assert set(await bench.states()) == {"DONE"}
    assert await balance_sat(ana) + await balance_sat(ben) == 51_000
    assert await bench.database.read(top_ups.told) is None
    await assert_clean(bench)


@pytest.mark.parametrize(
    ("limits", "reason"),
    [
        ({"payout_max_sat": 49_999}, HoldReason.CEILING_PAYOUT),
        ({"day_max_sat": 49_999}, HoldReason.CEILING_DAY),
    ],
)
async def test_payout_above_a_ceiling_is_held_not_sent(
    make_bench, wallets, balance_sat, limits, reason
):
    bench = await make_bench(**limits)
    ana = wallets("ana")
    await bench.client("ana", Destination(INVOICE_KEY, ana.invoice_key), minor=100_000)
    await bench.distribute(50_000, 40_000)
    await bench.settle(3)
    assert await bench.states() == ["HELD"]
    assert await balance_sat(ana) == 0
    (hold,) = await bench.database.read(holds.still_open)
    assert (hold.kind, hold.reason) == ("payout", reason)
    assert sum("payout" in text.lower() for text in await bench.letters()) == 1


async def test_unreachable_destination_steps_aside(make_bench, wallets, balance_sat):
    bench = await make_bench()
    ana = wallets("ana")
    await bench.client("zoe", Destination(ADDRESS, "zoe@127.0.0.1:9"), minor=900_000)
    await bench.client("ana", Destination(INVOICE_KEY, ana.invoice_key), minor=100_000)
    await bench.distribute(10_000, 8_000)
    await bench.settle()
    assert sorted(await bench.states()) == ["DONE", "PLANNED"]
    assert await balance_sat(ana) == 1_000


async def test_new_destination_takes_what_was_not_submitted(make_bench, wallets, balance_sat):
    bench = await make_bench()
    old, new = wallets("old"), wallets("new")
    client_id = await bench.client("ana", Destination(INVOICE_KEY, old.invoice_key), minor=100_000)
    await bench.distribute(10_000, 8_000)

    def kill(name, _number):
        if name == "payments_of":
            raise Killed

    bench.wallet.before = kill
    with pytest.raises(Killed):
        await bench.settle()
    assert await bench.states() == ["INVOICED"]
    bench.wallet.before = lambda _name, _number: None
    await bench.database.transact(
        lambda tx: set_destination(tx, client_id, Destination(INVOICE_KEY, new.invoice_key))
    )
    await bench.settle(2)
    assert (await balance_sat(old), await balance_sat(new)) == (0, 10_000)
    await assert_clean(bench)


async def test_paused_programme_pays_nothing(make_bench, wallets, balance_sat):
    bench = await make_bench()
    ana = wallets("ana")
    await bench.client("ana", Destination(INVOICE_KEY, ana.invoice_key), minor=100_000)
    await bench.distribute(10_000, 8_000)
    await bench.database.transact(lambda tx: bot_state.put(tx, bot_state.PAUSED, "1"))
    await bench.settle(2)
    assert await balance_sat(ana) == 0
    await bench.database.transact(lambda tx: bot_state.drop(tx, bot_state.PAUSED))
    await bench.settle()
    assert await balance_sat(ana) == 10_000


@pytest.mark.parametrize("kind", [INVOICE_KEY, LNURL])
async def test_old_copy_of_the_ledger_pays_nothing_again(
    make_bench, wallets, lnbits, balance_sat, tmp_path, kind
):
    bench = await make_bench()
    ana = wallets("ana")
    await bench.client("ana", place_of(lnbits, ana, kind), minor=100_000)
    await bench.distribute(10_000, 8_000)
    await bench.database.aclose()
    saved = (tmp_path / "data" / "ledger.sqlite3").read_bytes()
    await bench.open()
    await bench.settle(2)
    assert await balance_sat(ana) == 10_000
    await bench.database.aclose()
    for path in (tmp_path / "data").glob("ledger.sqlite3*"):
        path.unlink()
    (tmp_path / "data" / "ledger.sqlite3").write_bytes(saved)
    (tmp_path / "data" / "ledger.sqlite3").chmod(0o600)
    await bench.open()
    await bench.settle(2)
    assert await bench.states() == ["HELD"], "found at LNbits even without a reconciliation before"
    await bench.worker.catch_up()
    await bench.settle(3)
    assert await bench.states() == ["HELD"]
    assert await balance_sat(ana) == 10_000


async def test_reconciliation_remembers_what_only_lnbits_knows(make_bench, wallets):
    bench = await make_bench()
    ana = wallets("ana")
    invoice = await bench.wallet.request_invoice(
        ana.invoice_key, amount_sat=7, memo="", expiry_s=3600, external_id="lost", extra={}
    )
    extra = {"distributions": ["11-cash-out", "12-cash-out"]}
    await bench.wallet.pay(invoice.bolt11, external_id="lost", extra=extra)
    context = bench.worker.context
    for _ in range(2):
        done = await reconcile(
            context.database, context.wallet, context.notices, now=bench.clock.now()
        )
        assert done.unknown == 1
    rows = await bench.database.read(
        lambda tx: [
            tuple(row)
            for row in tx.execute(
                "SELECT external_id, distribution_id, amount_msat FROM foreign_payment ORDER BY 2"
            )
        ]
    )
    assert rows == [("lost", "11-cash-out", -7000), ("lost", "12-cash-out", -7000)]


async def test_payment_by_another_bot_is_found_within_the_hour_and_its_payout_held(
    make_bench, wallets
):
    bench = await make_bench()
    ana = wallets("ana")
    await bench.client("ana", Destination(INVOICE_KEY, ana.invoice_key), minor=100_000)
    cash_out_id = await bench.distribute(10_000, 8_000)
    await bench.database.transact(lambda tx: bot_state.put(tx, bot_state.PAUSED, "now"))
    await bench.worker.look_once()
    (payout,) = await bench.payouts()
    about = {"amount_sat": 10_000, "memo": "", "expiry_s": 3600, "external_id": payout.id}
    invoice = await bench.wallet.request_invoice(ana.invoice_key, **about, extra={})
    extra = {"distributions": [cash_out_id], "client": "ana"}
    await bench.wallet.pay(invoice.bolt11, external_id=payout.id, extra=extra)
    states = []
    for _ in range(12):
        bench.clock.ahead += timedelta(minutes=5)
        await bench.worker.look_once()
        states += await bench.states()
    assert states == ["PLANNED"] * 11 + ["HELD"]
    (found,) = await bench.database.read(lambda tx: unknown_payments.of_payout(tx, payout.id))
    assert found.payment_hash == invoice.payment_hash
    assert any("LNbits" in text for text in await bench.letters())


async def test_debited_without_credit_becomes_an_alert_and_is_not_paid_again(
    make_bench, wallets, balance_sat
):
    bench = await make_bench()
    ana = wallets("ana")
    await bench.client("ana", Destination(INVOICE_KEY, ana.invoice_key), minor=100_000)
    await bench.distribute(10_000, 8_000)

    def no_credit(name, _number):
        if name == "credited":
            raise LnbitsUnavailable("LNbits doesn't answer.", fault=LnbitsFault.UNREACHABLE)

    bench.wallet.before = no_credit
    await bench.settle()
    assert await bench.states() == ["DEBITED"]
    bench.wallet.before = lambda _name, _number: None
    bench.wallet._wallet = Uncredited(bench.wallet._wallet)
    bench.clock.ahead += timedelta(minutes=11)
    await bench.settle(3)
    assert await bench.states() == ["ALERT"]
    assert bench.wallet.calls.count("pay") == 1
    bench.wallet._wallet = bench.wallet._wallet.wallet
    bench.clock.ahead += timedelta(hours=2)
    await bench.settle()
    assert await bench.states() == ["DONE"]
    assert await balance_sat(ana) == 10_000
    await assert_clean(bench)


class Uncredited:
    """LNbits that was killed between its two commits: the payee's row isn't there."""

    def __init__(self, wallet):
        self.wallet = wallet

    def __getattr__(self, name):
        return getattr(self.wallet, name)

    async def credited(self, _key, _payment_hash):
        return None


async def test_shares_below_the_minimum_wait_for_more(make_bench, wallets, lnbits, balance_sat):
    bench = await make_bench()
    ben = wallets("ben")
    address = lnbits.lightning_address(ben, f"ben{ben.id[:6]}")
    client_id = await bench.client("ben", Destination(ADDRESS, address, 5_000), minor=10**6)
    bench.worker.minimum_seen_at[client_id] = bench.clock.now()
    await bench.distribute(3_000, 2_400)
    await bench.settle()
    assert await bench.payouts() == []
    await bench.distribute(2_500, 2_000)
    await bench.settle()
    (payout,) = await bench.payouts()
    assert (payout.amount_sat, payout.state) == (5_500, PayoutState.DONE)
    assert await balance_sat(ben) == 5_500
    client = await bench.database.read(lambda tx: by_name(tx, "ben"))
    assert (client.id, client.owed_sat) == (client_id, 0)
    await assert_clean(bench)


async def test_cancelled_payout_is_never_paid(make_bench, wallets, balance_sat):
    bench = await make_bench()
    ana = wallets("ana")
    await bench.client("ana", Destination(INVOICE_KEY, ana.invoice_key), minor=100_000)
    await bench.distribute(10_000, 8_000)
    (payout,) = await bench.payouts()
    now = bench.clock.now()
    await bench.database.transact(lambda tx: booking.cancel(tx, payout, now=now))
    await bench.settle(3)
    assert await balance_sat(ana) == 0
    client = await bench.database.read(lambda tx: by_name(tx, "ana"))
    assert (client.balance_minor, client.owed_sat) == (100_000, 0)
    await assert_clean(bench)


async def test_old_copy_with_the_invoice_but_not_its_payment_is_held(
    make_bench, wallets, balance_sat
):
    bench = await make_bench()
    ana = wallets("ana")
    await bench.client("ana", Destination(INVOICE_KEY, ana.invoice_key), minor=100_000)
    await bench.distribute(10_000, 8_000)

    def kill(name, _number):
        if name == "payments_of":
            raise Killed

    bench.wallet.before = kill
    with pytest.raises(Killed):
        await bench.settle()
    bench.wallet.before = lambda _name, _number: None
    (payout,) = await bench.payouts()
    assert payout.state == "INVOICED"
    await bench.wallet.pay(
        payout.attempt.bolt11,
        external_id=payout.id,
        extra={"distributions": list(payout.distribution_ids), "client": "ana"},
    )
    bench.clock.ahead += timedelta(days=2)
    await bench.worker.catch_up()
    await bench.settle(3)
    assert await bench.states() == ["HELD"]
    assert await balance_sat(ana) == 10_000


async def test_old_copy_that_would_group_shares_differently_is_held(
    make_bench, wallets, balance_sat
):
    bench = await make_bench()
    ana, ben = wallets("ana"), wallets("ben")
    await bench.client("ana", Destination(INVOICE_KEY, ana.invoice_key), minor=100_000)
    await bench.client("ben", Destination(INVOICE_KEY, ben.invoice_key), minor=100_000)
    first = await bench.distribute(10_000, 8_000)
    invoice = await bench.wallet.request_invoice(
        ana.invoice_key, amount_sat=11_000, memo="", expiry_s=3600, external_id="both", extra={}
    )
    extra = {"distributions": [first, "another"], "client": "ana"}
    await bench.wallet.pay(invoice.bolt11, external_id="both", extra=extra)
    await bench.worker.catch_up()
    await bench.settle(2)
    assert sorted(await bench.states()) == ["DONE", "HELD"]
    assert (await balance_sat(ana), await balance_sat(ben)) == (11_000, 5_000)


async def test_waiting_share_of_an_old_copy_is_not_paid_with_a_later_one(
    make_bench, wallets, lnbits, balance_sat
):
    bench = await make_bench()
    ben = wallets("ben")
    address = lnbits.lightning_address(ben, f"ben{ben.id[:6]}")
    await bench.client("ben", Destination(ADDRESS, address, 1_500), minor=10**6)
    first = await bench.distribute(1_000, 800)
    invoice = await bench.wallet.request_invoice(
        ben.invoice_key, amount_sat=2_000, memo="", expiry_s=3600, external_id="lost", extra={}
    )
    extra = {"distributions": [first, "lost"], "client": "ben"}
    await bench.wallet.pay(invoice.bolt11, external_id="lost", extra=extra)
    await bench.worker.catch_up()
    await bench.database.transact(
        lambda tx: tx.execute("UPDATE client SET destination_min_sat = 1500")
    )
    bench.worker.minimum_seen_at[1] = bench.clock.now() + timedelta(days=1)
    await bench.distribute(1_000, 800)
    await bench.settle(3)
    assert await bench.states() == ["HELD"]
    assert await balance_sat(ben) == 2_000


async def test_copy_from_before_a_change_of_the_source_wallet_pays_nothing_unasked(
    make_bench, wallets, lnbits, balance_sat, tmp_path
):
    """Only the old wallet knows what it has paid since; the operators are told, and decide."""
    bench = await make_bench()
    ana, other = wallets("ana"), wallets("other", balance_sat=100_000)
    await bench.client("ana", Destination(INVOICE_KEY, ana.invoice_key), minor=100_000)
    await bench.worker.catch_up()
    await bench.database.aclose()
    shutil.copytree(tmp_path / "data", tmp_path / "copy")
    await bench.open()
    await bench.distribute(10_000, 8_000)
    await bench.settle()
    await bench.database.aclose()
    (tmp_path / "data").rename(tmp_path / "lost")
    (tmp_path / "copy").rename(tmp_path / "data")
    await bench.open()
    async with LnbitsWallet(lnbits.url, admin_key=other.admin_key) as wallet:
        old, bench.wallet._wallet = bench.wallet._wallet, wallet
        bench.distributed = 0
        await bench.worker.catch_up()
        assert await bench.database.read(bot_state.paused)
        await bench.distribute(10_000, 8_000)
        await bench.settle()
        bench.wallet._wallet = old
    assert await balance_sat(ana) == 10_000
    (told,) = await bench.letters()
    assert "Everything is paused" in told
    assert "put the old wallet's admin key back" in told


async def test_other_source_wallet_pays_nothing_while_payouts_are_unsettled(
    make_bench, wallets, lnbits, balance_sat
):
    bench = await make_bench()
    ana, other = wallets("ana"), wallets("other", balance_sat=100_000)
    await bench.client("ana", Destination(INVOICE_KEY, ana.invoice_key), minor=100_000)
    await bench.worker.catch_up()
    await bench.distribute(10_000, 8_000)

    def kill(name, _number):
        if name == "pay":
            raise Killed

    bench.wallet.after = kill
    with pytest.raises(Killed):
        await bench.settle()
    bench.wallet.after = lambda _name, _number: None
    before = bench.wallet._wallet
    async with LnbitsWallet(lnbits.url, admin_key=other.admin_key) as wallet:
        bench.wallet._wallet = wallet
        for _ in range(2):
            with pytest.raises(LnbitsRefused, match="another one than before"):
                await bench.worker.catch_up()
        assert not await bench.database.read(bot_state.paused)
    assert len([text for text in await bench.letters() if "another LNbits wallet" in text]) == 1
    bench.wallet._wallet = before
    await bench.worker.catch_up()
    await bench.settle()
    assert await balance_sat(ana) == 10_000
    assert await balance_sat(other) == 100_000


async def test_key_that_lnbits_refuses_is_an_error_in_the_journal_once(make_bench, lnbits, caplog):
    bench = await make_bench()
    caplog.set_level(logging.WARNING, "dca_bot.jobs.payouts.worker")
    async with LnbitsWallet("http://127.0.0.1:9", admin_key="0" * 32) as wallet:
        bench.wallet._wallet = wallet
        await bench.worker.look_once()
    async with LnbitsWallet(lnbits.url, admin_key="0" * 32) as wallet:
        bench.wallet._wallet = wallet
        for _ in range(3):
            await bench.worker.look_once()
    levels = [(record.levelname, record.getMessage()[:22]) for record in caplog.records]
    assert levels == [("WARNING", "LNbits reachable=False"), ("ERROR", "LNbits reachable=False")]
    assert "Copy the key again" in caplog.text


async def test_journal_tells_in_a_line_each_when_lnbits_goes_refuses_and_is_back(make_due, caplog):
    caplog.set_level(logging.WARNING, "dca_bot.jobs.payouts.worker")
    bench = await make_due()
    away = LnbitsUnavailable("No answer.", fault=LnbitsFault.UNREACHABLE)
    refused = LnbitsRefused("Wrong key.", fault=LnbitsFault.KEY_REFUSED, status=401)
    answer = bench.wallet.balance_msat

    async def fail():
        raise error

    for error in (None, away, refused, None):
        bench.wallet.balance_msat = answer if error is None else fail
        for _ in range(2):
            await bench.worker.look_once()
    assert [(record.levelname, record.getMessage()) for record in caplog.records] == [
        ("WARNING", "LNbits reachable=False detail=No answer."),
        ("ERROR", "LNbits reachable=False detail=Wrong key."),
        ("WARNING", "LNbits reachable=True detail="),
    ]


class Servers:
    """Lightning addresses at servers that misbehave; `asked` counts the look-ups."""

    def __init__(self, answer):
        self.answer = answer
        self.asked = 0

    async def limits(self, address):
        self.asked += 1
        return await self.answer(address)


async def test_dead_address_with_many_payouts_starves_nobody(make_bench, wallets, balance_sat):
    bench = await make_bench(day_max_sat=10**9, source_sat=10_000_000)

    async def dead(address):
        raise DestinationUnavailable(Refusal.UNREACHABLE, f"{address} doesn't answer.")

    servers = Servers(dead)
    object.__setattr__(bench.worker.context, "addresses", servers)
    ana = wallets("ana")
    await bench.client("zoe", Destination(ADDRESS, "zoe@dead.example"), minor=10**8)
    for _ in range(230):
        await bench.distribute(1_000, 800)
    await bench.client("ana", Destination(INVOICE_KEY, ana.invoice_key), minor=10**8)
    await bench.distribute(1_000, 800)
    await bench.settle(3)
    assert await balance_sat(ana) > 0
    assert servers.asked <= 3


async def test_refused_top_up_invoice_still_tells_the_operators(make_bench, wallets):
    bench = await make_bench(source_sat=0, top_up_to_sat=2 * 10**9)
    ana = wallets("ana")
    await bench.client("ana", Destination(INVOICE_KEY, ana.invoice_key), minor=100_000)
    await bench.distribute(10_000, 8_000)
    await bench.settle(3)
    asked = [text for text in await bench.letters() if "source wallet" in text]
    assert len(asked) == 1
    assert "lnbc" in asked[0]


async def test_unclear_answer_about_one_payout_keeps_no_other_back(
    make_bench, wallets, balance_sat
):
    bench = await make_bench()
    ana, ben = wallets("ana"), wallets("ben")
    await bench.client("ana", Destination(INVOICE_KEY, ana.invoice_key), minor=100_000)
    await bench.distribute(10_000, 8_000)

    def kill(name, _number):
        if name == "pay":
            raise Killed

    bench.wallet.before = kill
    with pytest.raises(Killed):
        await bench.settle()
    (stuck,) = await bench.payouts()

    real = bench.wallet._wallet

    class Unclear:
        def __getattr__(self, name):
            return getattr(real, name)

        async def payment(self, payment_hash):
            if payment_hash == stuck.attempt.payment_hash:
                raise LnbitsUnavailable(
                    "LNbits gave no clear answer.", fault=LnbitsFault.UNREACHABLE
                )
            return await real.payment(payment_hash)

    bench.wallet.before = lambda _name, _number: None
    bench.wallet._wallet = Unclear()
    await bench.client("ben", Destination(INVOICE_KEY, ben.invoice_key), minor=10**7)
    await bench.distribute(10_000, 8_000)
    await bench.worker.catch_up()
    await bench.settle(2)
    assert await balance_sat(ben) > 0
    assert [p.waiting for p in await bench.payouts() if p.id == stuck.id] == [Waiting.NO_ANSWER]
    bench.wallet._wallet = real
    bench.clock.ahead += timedelta(minutes=20)
    await bench.settle(2)
    assert set(await bench.states()) == {"DONE"}
    await assert_clean(bench)


async def test_ceiling_that_was_lifted_lifts_no_other(make_bench, wallets, balance_sat):
    bench = await make_bench(payout_max_sat=49_999, day_max_sat=49_999)
    ana = wallets("ana")
    await bench.client("ana", Destination(INVOICE_KEY, ana.invoice_key), minor=100_000)
    await bench.distribute(50_000, 40_000)
    for reason in (HoldReason.CEILING_PAYOUT, HoldReason.CEILING_DAY):
        await bench.settle()
        assert await balance_sat(ana) == 0
        (hold,) = await bench.database.read(holds.still_open)
        assert hold.reason == reason
        await bench.database.transact(lambda tx, hold=hold: _let_go(tx, bench, hold))
    await bench.settle()
    assert await balance_sat(ana) == 50_000


async def test_ceiling_of_a_day_counts_what_has_left_within_24_hours(
    make_bench, wallets, balance_sat
):
    bench = await make_bench(day_max_sat=100_000)
    bench.clock.ahead -= timedelta(hours=24)  # LNbits' own clock can't be moved on
    ana = wallets("ana")
    await bench.client("ana", Destination(INVOICE_KEY, ana.invoice_key), minor=1_000_000)
    for _ in range(3):
        await bench.distribute(40_000, 40_000)
        await bench.settle(2)
    assert sorted(await bench.states()) == ["DONE", "DONE", "HELD"]
    assert await balance_sat(ana) == 80_000
    (hold,) = await bench.database.read(holds.still_open)
    assert hold.reason == HoldReason.CEILING_DAY
    await bench.settle(2)
    assert sum("Hold #" in text for text in await bench.letters()) == 1
    await bench.database.transact(lambda tx: _let_go(tx, bench, hold))
    await bench.settle(2)
    assert await balance_sat(ana) == 120_000
    bench.clock.ahead += timedelta(hours=24)
    await bench.distribute(40_000, 40_000)
    await bench.settle(2)
    assert await bench.states() == ["DONE"] * 4
    assert await balance_sat(ana) == 160_000
    await assert_clean(bench)


def _let_go(tx, bench, hold):
    now = bench.clock.now()
    holds.close(tx, hold.kind, hold.ref, outcome="accepted", now=now)
    transitions.retry(tx, payouts.by_id(tx, hold.ref), now=now)


async def test_refusal_of_one_amount_keeps_no_other_amount_back(make_bench, wallets, lnbits):
    bench = await make_bench()
    ben = wallets("ben")
    address = lnbits.lightning_address(ben, f"ben{ben.id[:6]}")
    await bench.client("ben", Destination(ADDRESS, address), minor=10**7)
    real = bench.worker.context.addresses

    class Capped:
        async def limits(self, name):
            return replace(await real.limits(name), max_sat=50_000)

        async def request_invoice(self, *args, **named):
            return await real.request_invoice(*args, **named)

    object.__setattr__(bench.worker.context, "addresses", Capped())
    await bench.distribute(60_000, 48_000)
    for _ in range(3):
        await bench.distribute(10_000, 8_000)
    await bench.settle()
    assert await bench.states() == ["PLANNED", "DONE", "DONE", "DONE"]


async def test_old_destination_that_is_gone_keeps_no_payout_to_the_new_one_back(
    make_bench, wallets, balance_sat
):
    bench = await make_bench()
    new = wallets("new")
    client_id = await bench.client("ana", Destination(ADDRESS, "old@gone.example"), minor=10**7)
    await bench.distribute(10_000, 8_000)
    (old,) = await bench.payouts()
    await bench.database.transact(
        lambda tx: tx.execute(
            "UPDATE payout SET submitted_at = 1, destination = 'old@gone.example',"
            " destination_kind = 'address' WHERE id = ?",
            (old.id,),
        )
    )
    await bench.database.transact(
        lambda tx: set_destination(tx, client_id, Destination(INVOICE_KEY, new.invoice_key))
    )

    async def gone(address):
        raise DestinationUnavailable(Refusal.UNREACHABLE, f"{address} is gone.")

    object.__setattr__(bench.worker.context, "addresses", Servers(gone))
    await bench.distribute(10_000, 8_000)
    await bench.settle()
    assert await bench.states() == ["PLANNED", "DONE"]
    assert await balance_sat(new) == 10_000


async def test_second_shortage_after_the_top_up_was_paid_is_told_too(make_bench, wallets, lnbits):
    bench = await make_bench(source_sat=0, top_up_to_sat=0)
    ana = wallets("ana")
    await bench.client("ana", Destination(INVOICE_KEY, ana.invoice_key), minor=10**8)
    await bench.distribute(20_000, 16_000)
    await bench.settle(2)
    await bench.distribute(50_000, 40_000)
    lnbits.credit(bench.source.id, 20_000)
    await bench.settle(1)
    await bench.distribute(90_000, 80_000)
    await bench.settle(3)
    asked = [text for text in await bench.letters() if "lnbc" in text]
    assert len(asked) >= 2


async def test_wallet_changed_while_the_round_runs_gets_the_later_payouts(
    make_bench, wallets, balance_sat
):
    bench = await make_bench()
    old, new = wallets("old"), wallets("new")
    client_id = await bench.client("ana", Destination(INVOICE_KEY, old.invoice_key), minor=10**7)
    for _ in range(3):
        await bench.distribute(10_000, 8_000)
    due = await bench.database.read(lambda tx: queue.due(tx, bench.clock.now()))
    await bench.database.transact(
        lambda tx: set_destination(tx, client_id, Destination(INVOICE_KEY, new.invoice_key))
    )
    await bench.worker.context.funds.refresh()
    for payout in due:
        await bench.worker._take(payout, Round(paying=True))
    await bench.settle(2)
    assert (await balance_sat(old), await balance_sat(new)) == (0, 30_000)
    await assert_clean(bench)


async def test_old_acceptance_covers_no_later_failed_payment(make_bench, wallets):
    bench = await make_bench()
    ana = wallets("ana")
    await bench.client("ana", Destination(INVOICE_KEY, ana.invoice_key), minor=100_000)
    await bench.distribute(10_000, 8_000)
    (payout,) = await bench.payouts()
    now = bench.clock.now()

    def accepted_long_ago(tx):
        transitions.hold(tx, payout, HoldReason.KNOWN_PAYOUT, now=now)
        holds.close(tx, "payout", payout.id, outcome="accepted", now=now)
        transitions.retry(tx, payouts.by_id(tx, payout.id), now=now)

    await bench.database.transact(accepted_long_ago)
    failed = Payment("aa" * 32, -10_000_000, 0, PaymentStatus.FAILED, None, external_id=payout.id)
    bench.clock.ahead += timedelta(minutes=5)
    notices, later = bench.worker.context.notices, bench.clock.now()
    await bench.database.transact(lambda tx: record_unknown(tx, [failed], notices, now=later))
    assert await bench.states() == ["HELD"]


# The turns of a round


async def test_destination_that_refuses_three_times_is_asked_no_more_in_that_round(make_due):
    bench = await make_due()
    for _ in range(4):
        await bench.distribute(10_000, 8_000)
    await bench.client("ben", Destination(INVOICE_KEY, "ben"), minor=10**9)
    await bench.distribute(10_000, 8_000)
    bench.wallet.change_invoice = lambda invoice: replace(invoice, amount_msat=1)
    await bench.worker.work_once()
    asked = [key for name, key in bench.wallet.calls if name == "request_invoice"]
    assert sorted(asked) == ["ben", "key", "key", "key"]


@pytest.mark.parametrize(
    ("unclear", "asked", "goes_on"),
    [({1, 2}, 5, True), ({1, 2, 4, 5}, 5, True), ({1, 2, 3}, 3, False), ({2, 3, 4}, 4, False)],
)
async def test_round_ends_with_the_third_payout_in_a_row_without_a_clear_answer(
    make_due, unclear, asked, goes_on
):
    bench = await make_due()
    for _ in range(4):
        await bench.distribute(10_000, 8_000)
    bench.wallet.on_pay = lambda invoice: bench.wallet.row(invoice, PaymentStatus.PENDING)
    await bench.worker.work_once()
    bench.clock.ahead = timedelta(minutes=1)
    look, asked_about = bench.wallet.payment, []

    async def answer(payment_hash):
        asked_about.append(payment_hash)
        if len(asked_about) in unclear:
            raise LnbitsUnavailable("No clear answer.", fault=LnbitsFault.UNREACHABLE)
        return await look(payment_hash)

    bench.wallet.payment = answer
    if goes_on:
        await bench.worker.work_once()
    else:
        with pytest.raises(LnbitsUnavailable):
            await bench.worker.work_once()
    assert len(asked_about) == asked
    assert await bench.states() == ["SUBMITTED"] * 5
    assert await bench.letters() == [], "none is late yet"


@pytest.mark.parametrize("refuses", [True, False])
async def test_full_round_is_followed_at_once_if_it_got_anywhere(make_due, monkeypatch, refuses):
    monkeypatch.setattr(worker, "BATCH", 2)
    bench = await make_due()
    bench.wallet.on_pay = lambda invoice: bench.wallet.row(invoice, PaymentStatus.PENDING)
    assert not await bench.worker.work_once(), "not full"
    await bench.distribute(10_000, 8_000)
    await bench.distribute(10_000, 8_000)
    assert await bench.worker.work_once()
    bench.clock.ahead = timedelta(minutes=1)
    if refuses:
        await bench.distribute(10_000, 8_000)
        bench.wallet.change_invoice = lambda invoice: replace(invoice, amount_msat=1)
    assert await bench.worker.work_once() is refuses
    await bench.database.transact(lambda tx: bot_state.put(tx, bot_state.PAUSED, "now"))
    bench.clock.ahead = timedelta(hours=1)
    assert not await bench.worker.work_once()


async def test_fee_of_a_payment_is_off_the_wallet_in_the_same_round(make_due):
    bench = await make_due()
    made = []

    def pay(invoice):
        bench.wallet.succeed(invoice)
        paid = replace(bench.wallet.source[invoice.payment_hash], fee_msat=7_000)
        bench.wallet.source[invoice.payment_hash] = paid
        made.append(invoice)

    bench.wallet.on_pay = pay
    await bench.worker.work_once()
    assert len(made) == 1
    assert bench.worker.context.funds.left_msat == 10**12 - 50_000_000 - 7_000


async def test_invoices_are_forgotten_with_the_hourly_look_at_lnbits_list(make_scripted):
    bench = await make_scripted()
    await bench.distribute(50_000, 40_000)
    await bench.worker.look_once()
    assert await bench.states() == ["DONE"]
    for ahead, bolt11 in ((-timedelta(hours=1), "lnbc"), (timedelta(hours=1), "")):
        bench.clock.ahead = invoices.KEPT + ahead
        await bench.worker.look_once()
        (payout,) = await bench.payouts()
        assert payout.last_attempt.bolt11[:4] == bolt11


async def test_minimum_of_each_address_is_asked_for_once_a_day(make_scripted, monkeypatch):
    bench = await make_scripted()
    ids = {
        name: await bench.client(
            name, Destination(ADDRESS, f"{name}@example.com", 5_000), minor=10**9
        )
        for name in ("ben", "eva")
    }
    terms, asked = bench.addresses.limits, []

    async def limits(address):
        asked.append(address)
        return replace(await terms(address), min_sat=5_000)

    bench.addresses.limits = limits
    bench.worker.minimum_seen_at[ids["ben"]] = bench.clock.now() - timedelta(hours=23)
    planned, plan_all = [], planning.plan_all
    monkeypatch.setattr(planning, "plan_all", lambda tx, now: planned.append(plan_all(tx, now=now)))
    await bench.distribute(4_000, 3_200)
    rounds = [(timedelta(), 1), (timedelta(minutes=59), 1), (timedelta(hours=1), 2)]
    for ahead, count in [*rounds, (timedelta(hours=23, minutes=59), 2), (timedelta(days=1), 3)]:
        bench.clock.ahead = ahead
        await bench.worker.work_once()
        assert (len(asked), len(planned)) == (count, count)
    assert asked == ["eva@example.com", "ben@example.com", "eva@example.com"]


async def test_wallet_at_lnbits_that_takes_an_addresss_place_is_asked_for_no_minimum(make_scripted):
    bench = await make_scripted(Destination(ADDRESS, "ana@example.com", 60_000))
    await bench.distribute(50_000, 40_000)

    async def unexpected(_address):
        raise AssertionError

    bench.addresses.limits = unexpected
    new = Destination(INVOICE_KEY, "key")
    await bench.database.transact(lambda tx: set_destination(tx, 1, new))
    await bench.worker.work_once()
    assert (await bench.states(), await bench.letters()) == (["DONE"], [])


async def test_what_falls_due_while_the_lease_is_taken_leaves_in_the_same_round(make_due):
    bench = await make_due()
    await bench.worker.work_once()
    await bench.reopen()
    await bench.distribute(10_000, 8_000)
    sleep = bench.clock.sleep

    async def sell_and_sleep(delay_s):
        await bench.distribute(20_000, 16_000)
        await sleep(delay_s)

    bench.clock.sleep = sell_and_sleep
    await bench.worker.work_once()
    assert await bench.states() == ["DONE"] * 3


async def test_start_follows_what_was_sent_and_sends_nothing(make_due):
    bench = await make_due()
    bench.wallet.on_pay = lambda _invoice: None
    await bench.worker.work_once()
    await bench.distribute(10_000, 8_000)
    await bench.worker.work_once()
    lost = (await bench.payouts())[0]
    bench.wallet.succeed(bench.wallet.last())
    sent = bench.wallet.sent()
    await bench.reopen()
    await bench.worker.catch_up()
    assert bench.wallet.sent() == sent
    assert await bench.states() == ["SUBMITTED", "DONE"]
    assert (await bench.payouts())[0] == lost


async def test_clock_is_read_into_the_ledger_in_a_round_with_payouts_alone(make_due):
    bench = await make_due()
    for hours, shown in ((1, 1), (2, 1)):
        bench.clock.ahead = timedelta(hours=hours)
        await bench.worker.work_once()
        assert await bench.database.read(clock.shown_at) == NOW + timedelta(hours=shown)


async def test_own_payment_that_failed_and_was_given_up_is_no_unknown_one(make_due):
    bench = await make_due()
    bench.wallet.on_pay = bench.wallet.fail
    await bench.worker.work_once()
    bench.clock.ahead = timedelta(hours=25)
    await bench.worker.work_once()
    (payout,) = await bench.payouts()
    assert payout.state == PayoutState.VOID
    failed = replace(bench.wallet.source[payout.attempt.payment_hash], external_id=payout.id)
    notices, now = bench.worker.context.notices, bench.clock.now()

    def record(status):
        payment = replace(failed, status=status)
        return lambda tx: record_unknown(tx, [payment], notices, now=now)

    assert await bench.database.transact(record(PaymentStatus.FAILED)) == 0
    assert await bench.database.transact(record(PaymentStatus.PENDING)) == 1


# The pace


@pytest.mark.parametrize("try_in_s", [0, 40, 120, 10_000])
async def test_worker_sleeps_until_the_next_payout_is_due(make_due, try_in_s):
    bench = await make_due()
    await bench.worker.look_once()
    assert await bench.worker._pause_s() == REST_S, "all is paid"
    await bench.distribute(10_000, 8_000)
    await bench.database.transact(lambda tx: planning.plan_all(tx, now=bench.clock.now()))
    at = micros(bench.clock.now() + timedelta(seconds=try_in_s))
    await bench.database.transact(
        lambda tx: tx.execute("UPDATE payout SET try_at = ? WHERE state = 'PLANNED'", (at,))
    )
    assert await bench.worker._pause_s() == pytest.approx(min(max(try_in_s, 15), REST_S), abs=1)


async def test_worker_looks_often_while_lnbits_is_out_of_reach_and_seldom_while_paused(make_due):
    bench = await make_due()
    await bench.worker.look_once()
    await bench.distribute(10_000, 8_000)
    await bench.database.transact(lambda tx: bot_state.put(tx, bot_state.PAUSED, "now"))
    assert await bench.worker._pause_s() == REST_S
    bench.worker.signals.note(Part.LNBITS, reachable=False, now=bench.clock.now())
    assert await bench.worker._pause_s() == 15


async def test_full_round_rings_for_the_next_one(make_due, monkeypatch):
    monkeypatch.setattr(worker, "BATCH", 1)
    bench = await make_due()
    bell = bench.worker.signals.payouts
    for is_rung in (True, False):
        await quiet(bell)
        await bench.worker.look_once()
        assert bell._rung.is_set() is is_rung


async def test_sent_payout_is_followed_while_all_is_paused(make_due):
    bench = await make_due()
    bench.wallet.on_pay = lambda invoice: bench.wallet.row(invoice, PaymentStatus.PENDING)
    await bench.worker.look_once()
    assert await bench.states() == ["SUBMITTED"]
    await bench.database.transact(lambda tx: bot_state.put(tx, bot_state.PAUSED, "now"))
    assert await bench.worker._pause_s() < 60


async def test_verifier_is_woken_for_a_pay_request_without_an_answer(make_doubted):
    """A sleeping verifier learns of the new question, though the round has ended early."""
    bench = await make_doubted()

    async def lose(_bolt11, **_rest):
        raise LnbitsUnavailable("The reply was lost.", fault=LnbitsFault.UNREACHABLE)

    await bench.worker.look_once()
    await quiet(bench.worker.signals.verify)
    bench.wallet.pay = lose
    await bench.distribute(10_000, 8_000)
    running = asyncio.create_task(bench.worker.run())
    woken = asyncio.create_task(bench.worker.signals.verify._rung.wait())
    await asyncio.wait({woken}, timeout=5)
    running.cancel()
    assert woken.done()
    assert await bench.database.read(witnesses.next_due_at) is not None


async def test_notices_leave_before_a_long_round_has_ended(make_due):
    bench = await make_due()
    await bench.distribute(10_000, 8_000)
    await bench.worker.look_once()
    await bench.distribute(10_000, 8_000)
    await bench.distribute(10_000, 8_000)
    await quiet(bench.worker.signals.outbox)
    pay, rung = bench.wallet.pay, []

    async def watched(bolt11, **rest):
        rung.append(bench.worker.signals.outbox._rung.is_set())
        return await pay(bolt11, **rest)

    bench.wallet.pay = watched
    await bench.worker.look_once()
    assert rung == [False, True]
