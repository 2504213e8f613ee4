"""What becomes of a payout that was sent, where LNbits shows what the real one shows only rarely.

The same paths on a real LNbits: test_settle.py, and the last test here.
"""

from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest

from dca_bot.core.payout import Wait
from dca_bot.core.ports import PaymentStatus
from dca_bot.errors import Refusal
from dca_bot.ledger.payouts import queue
from dca_bot.ledger.programme import clients
from dca_bot.ledger.programme.clients import ADDRESS, INVOICE_KEY, Destination
from dca_bot.ledger.store import bot_state

NOW = datetime(2026, 3, 1, 12, tzinfo=UTC)
KEY = Destination(INVOICE_KEY, "key")
PLACE = Destination(ADDRESS, "ana@example.com")
MINUTE, HOUR = timedelta(minutes=1), timedelta(hours=1)
LIFE = {INVOICE_KEY: 24 * HOUR, ADDRESS: HOUR}
PENDING, SUCCESS, FAILED = PaymentStatus.PENDING, PaymentStatus.SUCCESS, PaymentStatus.FAILED


async def at(bench, moment):
    """Let the worker work at a moment, as seen from the start."""
    bench.clock.ahead = moment
    await bench.worker.work_once()


async def the_payout(bench):
    (payout,) = await bench.payouts()
    return payout


def leave_no_trace(_invoice):
    """A pay request that LNbits has never seen."""


async def test_failed_at_the_source_is_in_doubt_and_nothing_is_sent(make_due):
    bench = await make_due(KEY)
    bench.wallet.on_pay = bench.wallet.fail
    life = LIFE[INVOICE_KEY]
    over = life + 10 * MINUTE + timedelta(seconds=1)
    next_looks = {
        timedelta(): 10 * MINUTE,
        MINUTE: 10 * MINUTE,
        life / 2: life / 2 + 10 * MINUTE,
        life + MINUTE: over,
        life + 9 * MINUTE: over,
    }
    for moment, next_look in next_looks.items():
        await at(bench, moment)
        payout = await the_payout(bench)
        assert (payout.state, payout.try_at) == ("IN_DOUBT", NOW + next_look)
    assert bench.wallet.count("pay") == 1
    (letter,) = await bench.letters()
    assert "It is not paid again before" in letter


async def test_dead_on_both_sides_is_tried_anew_three_times_then_the_operator_is_told(make_due):
    bench = await make_due(KEY)
    bench.wallet.on_pay = bench.wallet.fail
    moment, step = timedelta(), LIFE[INVOICE_KEY] + 11 * MINUTE
    for attempt in (1, 2, 3):
        await at(bench, moment)
        assert await bench.states() == ["IN_DOUBT"]
        assert bench.wallet.count("pay") == attempt
        moment += step
        await at(bench, moment)
        assert await bench.states() == ["VOID"]
        if attempt < 3:
            await at(bench, moment)
            assert await bench.states() == ["PLANNED"]
    told = [text for text in await bench.letters() if text.startswith("Proven unpaid: payout ")]
    assert len(told) == 1
    for _ in range(4):
        moment += step
        await at(bench, moment)
    assert await bench.states() == ["VOID"]
    assert bench.wallet.sent() == ["lnbc1", "lnbc2", "lnbc3"]
    assert len([text for text in await bench.letters() if "To try again" in text]) == 1


async def test_second_attempt_that_works_pays_once(make_due):
    bench = await make_due()
    bench.wallet.on_pay = bench.wallet.fail
    await at(bench, timedelta())
    bench.wallet.on_pay = bench.wallet.succeed
    for _ in range(4):
        await at(bench, 24 * HOUR + 11 * MINUTE)
    payout = await the_payout(bench)
    assert (payout.state, payout.attempts) == ("DONE", 2)
    assert bench.wallet.sent() == ["lnbc1", "lnbc2"]


async def test_nothing_is_void_while_the_payees_row_is_pending(make_due):
    bench = await make_due()
    bench.wallet.on_pay = bench.wallet.fail
    await at(bench, timedelta())
    bench.wallet.payees[bench.wallet.last().payment_hash] = PENDING
    for hours in (25, 26, 48):
        await at(bench, hours * HOUR)
        assert await bench.states() == ["IN_DOUBT"]
        payout = await the_payout(bench)
        assert payout.try_at - bench.clock.now() == 10 * MINUTE
    bench.wallet.payees[bench.wallet.last().payment_hash] = FAILED
    await at(bench, 50 * HOUR)
    assert await bench.states() == ["VOID"]


async def test_payee_who_has_what_the_source_does_not_know_is_an_alert(make_due):
    bench = await make_due()
    bench.wallet.on_pay = leave_no_trace
    await at(bench, timedelta())
    bench.wallet.payees[bench.wallet.last().payment_hash] = SUCCESS
    for hours in (25, 26, 100):
        await at(bench, hours * HOUR)
        assert await bench.states() == ["ALERT"]
    assert set(bench.wallet.sent()) == {"lnbc1"}
    (letter,) = await bench.letters()
    assert bench.wallet.last().payment_hash in letter


async def test_other_amount_at_the_source_is_an_alert(make_due):
    bench = await make_due()
    bench.wallet.on_pay = lambda invoice: bench.wallet.row(invoice, SUCCESS, amount_msat=49_999_000)
    for hours in (0, 2, 30):
        await at(bench, hours * HOUR)
        assert await bench.states() == ["ALERT"]
    assert bench.wallet.count("pay") == 1
    assert len(await bench.letters()) == 1


async def test_words_of_an_earlier_version_stay_while_an_alert_is_looked_at(make_due):
    bench = await make_due()
    bench.wallet.on_pay = lambda invoice: bench.wallet.row(invoice, SUCCESS, amount_msat=49_999_000)
    await at(bench, timedelta())
    words = "UPDATE payout SET waiting = 'said', waiting_said = 'a sentence'"
    await bench.database.transact(lambda tx: tx.execute(words))
    await at(bench, 2 * HOUR)
    (payout,) = await bench.database.read(queue.open_payouts)
    assert payout.wait == Wait("said", "a sentence")


async def test_alert_that_was_mended_by_hand_is_done(make_due):
    bench = await make_due()
    bench.wallet.on_pay = lambda invoice: bench.wallet.row(invoice, SUCCESS, amount_msat=1_000)
    await at(bench, timedelta())
    bench.wallet.succeed(bench.wallet.last())
    for hours in (2, 3):
        await at(bench, hours * HOUR)
    assert await bench.states() == ["DONE"]


async def test_pending_is_looked_at_again_and_again_with_growing_pauses(make_due):
    bench = await make_due()
    bench.wallet.on_pay = lambda invoice: bench.wallet.row(invoice, PENDING)
    await at(bench, timedelta())
    pauses = []
    for _ in range(10):
        payout = await the_payout(bench)
        assert payout.state == "SUBMITTED"
        pauses.append((payout.try_at - bench.clock.now()).total_seconds())
        asked = bench.wallet.count("payment")
        await at(bench, payout.try_at - NOW - timedelta(seconds=1))
        assert bench.wallet.count("payment") == asked
        await at(bench, payout.try_at - NOW)
        assert bench.wallet.count("payment") == asked + 1
    assert pauses == [5, 10, 20, 40, 80, 160, 320, 600, 600, 600]
    bench.wallet.succeed(bench.wallet.last())
    await at(bench, 2 * HOUR)
    assert await bench.states() == ["DONE"]
    assert bench.wallet.count("pay") == 1


async def test_pending_beyond_its_expiry_is_never_void(make_due):
    bench = await make_due(PLACE)
    bench.wallet.on_pay = lambda invoice: bench.wallet.row(invoice, PENDING)
    for hours in (0, 2, 50, 500):
        await at(bench, hours * HOUR)
        assert await bench.states() == ["SUBMITTED"]
    assert bench.wallet.count("pay") == 1


async def test_unknown_to_lnbits_with_time_left_is_sent_again_as_the_same_invoice(make_due):
    bench = await make_due()
    bench.wallet.on_pay = leave_no_trace
    for minutes in range(0, 60, 10):
        await at(bench, minutes * MINUTE)
    assert set(bench.wallet.sent()) == {"lnbc1"}
    assert bench.wallet.count("pay") >= 3
    assert bench.wallet.count("request_invoice") == 1
    bench.wallet.on_pay = bench.wallet.succeed
    await at(bench, 2 * HOUR)
    assert await bench.states() == ["DONE"]


@pytest.mark.parametrize(
    ("destination", "left"), [(KEY, 10 * MINUTE), (PLACE, timedelta(seconds=60))]
)
async def test_unknown_to_lnbits_near_its_expiry_waits_and_is_never_sent(
    make_due, destination, left
):
    bench = await make_due(destination)
    bench.wallet.on_pay = leave_no_trace
    await at(bench, timedelta())
    life, sent = LIFE[destination.kind], bench.wallet.count("pay")
    for moment in (life - left, life - left / 2, life, life + 10 * MINUTE):
        await at(bench, moment)
        assert await bench.states() == ["SUBMITTED"]
        assert (await the_payout(bench)).try_at >= NOW + life + 10 * MINUTE
    await at(bench, life + 10 * MINUTE + timedelta(seconds=1))
    assert await bench.states() == ["VOID"]
    assert bench.wallet.count("pay") == sent


async def test_in_doubt_that_turns_out_paid_is_done(make_due):
    bench = await make_due()
    bench.wallet.on_pay = bench.wallet.fail
    await at(bench, timedelta())
    bench.wallet.succeed(bench.wallet.last())
    await at(bench, HOUR)
    assert await bench.states() == ["DONE"]
    assert bench.wallet.count("pay") == 1


async def test_in_doubt_that_is_on_its_way_after_all_is_followed(make_due):
    bench = await make_due()
    bench.wallet.on_pay = bench.wallet.fail
    await at(bench, timedelta())
    bench.wallet.row(bench.wallet.last(), PENDING)
    await at(bench, HOUR)
    assert await bench.states() == ["SUBMITTED"]
    bench.wallet.succeed(bench.wallet.last())
    await at(bench, 2 * HOUR)
    assert await bench.states() == ["DONE"]
    assert bench.wallet.count("pay") == 1


async def test_row_that_succeeds_between_the_two_looks_is_not_void(make_due):
    bench = await make_due(KEY)
    bench.wallet.on_pay = bench.wallet.fail
    await at(bench, timedelta())
    looks = [bench.wallet.source[bench.wallet.last().payment_hash]]
    looks.append(replace(looks[0], status=SUCCESS))

    async def look(_payment_hash):
        return looks.pop(0)

    honest, bench.wallet.payment = bench.wallet.payment, look
    over = LIFE[INVOICE_KEY] + 11 * MINUTE
    await at(bench, over)
    assert (await bench.states(), looks) == (["IN_DOUBT"], [])
    bench.wallet.payment = honest
    bench.wallet.succeed(bench.wallet.last())
    await at(bench, over + HOUR)
    assert await bench.states() == ["DONE"]


# What the payee's wallet got


@pytest.mark.parametrize("fee_msat", [50_000_000, 1, 49_999_000, -1])
async def test_credit_that_is_not_what_was_sent_is_an_alert_and_nothing_has_arrived(
    make_due, fee_msat
):
    """A payee's row can say success and bring nothing, as its fee is all of it."""
    bench = await make_due()
    bench.wallet.fee_msat = fee_msat
    await at(bench, timedelta())
    assert await bench.states() == ["ALERT"]
    (letter,) = await bench.letters()
    assert "got another amount" in letter
    assert not [text for text in await bench.client_letters("ana") if "arrived" in text]
    for hours in range(1, 30, 7):
        await at(bench, hours * HOUR)
    assert await bench.states() == ["ALERT"]
    assert bench.wallet.count("pay") == 1
    bench.wallet.fee_msat = 0
    await at(bench, 40 * HOUR)
    assert await bench.states() == ["DONE"]


async def test_sats_are_looked_for_again_and_again_for_ten_minutes(make_due):
    bench = await make_due()
    bench.wallet.on_pay = lambda invoice: bench.wallet.row(invoice, SUCCESS)
    await at(bench, timedelta())
    pauses = []
    while (payout := await the_payout(bench)).state == "DEBITED":
        pauses.append((payout.try_at - bench.clock.now()).total_seconds())
        await at(bench, payout.try_at - NOW)
    assert pauses == [15, 15, 20, 40, 80, 160, 320]
    assert await bench.states() == ["ALERT"]
    assert bench.wallet.count("pay") == 1


async def test_what_is_alerted_is_looked_at_once_an_hour(make_due):
    bench = await make_due()
    bench.wallet.fee_msat = 1
    looks = []
    for minutes in range(0, 181, 20):
        await at(bench, minutes * MINUTE)
        looks.append(bench.wallet.count("credited"))
    assert await bench.states() == ["ALERT"]
    assert looks == [1, 1, 1, 2, 2, 2, 3, 3, 3, 4]


# Invoices that are not taken


@pytest.mark.parametrize(
    "change",
    [
        {"amount_msat": 50_001_000},
        {"amount_msat": 50_000_999},
        {"amount_msat": 0},
        {"expires_at": NOW + 10 * MINUTE},
        {"expires_at": NOW - MINUTE},
        {"expires_at": NOW + timedelta(days=7, seconds=1)},
    ],
)
async def test_invoice_of_wrong_amount_or_life_is_refused_and_keeps_nobody_else_back(
    make_due, change
):
    bench = await make_due()
    await bench.client("ben", Destination(INVOICE_KEY, "ben"), minor=10**9)
    await bench.distribute(20_000, 16_000)
    bench.wallet.change_invoice = lambda invoice: (
        replace(invoice, **change) if invoice.amount_msat == 50_000_000 else invoice
    )
    await at(bench, timedelta())
    states = {payout.client_name: set() for payout in await bench.payouts()}
    for payout in await bench.payouts():
        states[payout.client_name].add(str(payout.state))
    assert states == {"ana": {"PLANNED", "DONE"}, "ben": {"DONE"}}
    assert "lnbc1" not in bench.wallet.sent()
    waiting = next(payout for payout in await bench.payouts() if payout.amount_sat == 50_000)
    assert waiting.waiting in (
        Refusal.OTHER_AMOUNT,
        Refusal.EXPIRES_SOON,
        Refusal.LIVES_LONG,
    )
    assert waiting.try_at - NOW == 10 * MINUTE
    bench.wallet.change_invoice = lambda invoice: invoice
    await at(bench, 11 * MINUTE)
    assert set(await bench.states()) == {"DONE"}


@pytest.mark.parametrize(("life_s", "state"), [(60, "PLANNED"), (61, "DONE")])
async def test_address_invoice_must_live_for_more_than_a_minute(make_due, life_s, state):
    bench = await make_due(PLACE)
    bench.addresses.expiry_s = life_s
    await at(bench, timedelta())
    assert await bench.states() == [state]


async def test_invoice_that_was_handed_out_before_is_not_paid_again(make_due):
    bench = await make_due(PLACE)
    await at(bench, timedelta())
    assert await bench.states() == ["DONE"]
    bench.addresses.repeats = "lnbc1"
    await bench.distribute(50_000, 40_000)
    await at(bench, HOUR / 2)
    assert await bench.states() == ["DONE", "PLANNED"]
    assert bench.wallet.sent() == ["lnbc1"]
    bench.addresses.repeats = ""
    await at(bench, HOUR)
    assert await bench.states() == ["DONE", "DONE"]
    assert bench.wallet.sent() == ["lnbc1", "lnbc2"]


async def test_raised_minimum_adds_shares_up_until_they_reach_it(make_due):
    bench = await make_due(PLACE)
    bench.addresses.min_sat = 60_000
    await at(bench, timedelta())
    assert await bench.states() == []
    await at(bench, HOUR)
    await bench.distribute(10_000, 8_000)
    await at(bench, 2 * HOUR)
    payout = await the_payout(bench)
    assert (payout.amount_sat, payout.state) == (60_000, "DONE")
    assert len(bench.wallet.sent()) == 1


async def test_payout_above_the_maximum_waits_until_it_is_raised(make_due):
    bench = await make_due(PLACE)
    bench.addresses.max_sat = 49_999
    await at(bench, timedelta())
    payout = await the_payout(bench)
    assert (payout.state, payout.wait) == (
        "PLANNED",
        Wait(Refusal.ABOVE_MAXIMUM, limit_sat=49_999),
    )
    bench.addresses.max_sat = 50_000
    await at(bench, HOUR)
    assert await bench.states() == ["DONE"]


async def test_new_attempt_goes_where_the_first_one_went(make_due):
    bench = await make_due()
    bench.wallet.on_pay = bench.wallet.fail
    await at(bench, timedelta())
    client = await bench.database.read(lambda tx: clients.by_name(tx, "ana"))
    await bench.database.transact(
        lambda tx: clients.set_destination(tx, client.id, Destination(INVOICE_KEY, "new"))
    )
    bench.wallet.on_pay = bench.wallet.succeed
    for _ in range(4):
        await at(bench, 25 * HOUR)
    assert await bench.states() == ["DONE"]
    assert [key for name, key in bench.wallet.calls if name == "request_invoice"] == ["key", "key"]


async def test_pause_in_the_middle_of_a_round_stops_what_would_be_sent_again(make_due):
    bench = await make_due()
    bench.wallet.on_pay = leave_no_trace
    await at(bench, timedelta())
    look = bench.wallet.payment

    async def pause_and_look(payment_hash):
        await bench.database.transact(lambda tx: bot_state.put(tx, bot_state.PAUSED, "now"))
        return await look(payment_hash)

    bench.wallet.payment = pause_and_look
    await at(bench, HOUR)
    assert bench.wallet.count("pay") == 1
    await bench.database.transact(lambda tx: bot_state.drop(tx, bot_state.PAUSED))
    bench.wallet.payment, bench.wallet.on_pay = look, bench.wallet.succeed
    await at(bench, 2 * HOUR)
    assert await bench.states() == ["DONE"]
    assert set(bench.wallet.sent()) == {"lnbc1"}


async def test_attempt_that_is_void_does_not_count_for_the_days_ceiling(make_due):
    bench = await make_due(PLACE, day_max_sat=60_000)
    bench.wallet.on_pay = leave_no_trace
    await at(bench, timedelta())
    bench.wallet.on_pay = bench.wallet.succeed
    for hours in (2, 3, 4):
        await at(bench, hours * HOUR)
    assert await bench.states() == ["DONE"]
    assert {*bench.wallet.sent()} == {"lnbc1", "lnbc2"}


# The real thing


async def test_wallet_deleted_before_the_payment_is_never_paid_twice(make_bench, wallets, lnbits):
    """LNbits answers `failed` and debits the source all the same; only the operator can mend it."""
    bench = await make_bench()
    ana = wallets("ana")
    await bench.client("ana", Destination(INVOICE_KEY, ana.invoice_key), minor=100_000)
    await bench.distribute(50_000, 40_000)

    def delete(name, _number):
        if name == "pay":
            bench.wallet.before = lambda _name, _number: None
            lnbits.delete_wallet(ana)

    bench.wallet.before = delete
    await bench.settle(3)
    bench.clock.ahead += 25 * HOUR
    await bench.settle(5)
    assert await bench.states() == ["ALERT"]
    assert bench.wallet.calls.count("pay") == 1
    assert bench.wallet.calls.count("request_invoice") == 1
    (letter,) = await bench.letters()
    assert "check by hand" in letter
