"""What each check on the way of a payout keeps from happening, one test for each.

LNbits is scripted, as every check stands between two of its answers.
"""

import logging
from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest
from doubt_bench import PLACES
from payout_bench import hash_of
from transactions import counted

from dca_bot.core.attempt import FAILED_FOR_GOOD
from dca_bot.core.payout import Wait
from dca_bot.core.ports import ListMark, PayAnswer, Payment, PaymentStatus, PayReply
from dca_bot.core.witness import Witness
from dca_bot.errors import Refusal
from dca_bot.jobs.payouts import reconcile as reconciling
from dca_bot.jobs.payouts.reconcile import reconcile, record_unknown
from dca_bot.ledger.payouts import booking, holds, payouts, transitions, unknown_payments
from dca_bot.ledger.payouts.holds import HoldReason
from dca_bot.ledger.programme import clients
from dca_bot.ledger.programme.clients import INVOICE_KEY, Destination
from dca_bot.ledger.store import bot_state

NOW = datetime(2026, 3, 1, 12, tzinfo=UTC)
KEY = Destination(INVOICE_KEY, "key")
outside = pytest.mark.parametrize("place", PLACES, ids=[place.kind for place in PLACES])
"""Each kind of destination outside LNbits."""
TICK, MINUTE, HOUR = timedelta(microseconds=1), timedelta(minutes=1), timedelta(hours=1)
PENDING, SUCCESS, FAILED = PaymentStatus.PENDING, PaymentStatus.SUCCESS, PaymentStatus.FAILED


async def at(bench, moment):
    """Let the worker work at a moment, as seen from the start."""
    bench.clock.ahead = moment
    await bench.worker.work_once()


def before_the_first_request(bench, work):
    """Have `work` committed after the invoice is recorded, just before the pay request would leave."""

    async def ask(_external_id):
        await bench.database.transact(work)
        return []

    bench.wallet.payments_of = ask


# Between the invoice and the pay request


async def test_pause_between_invoice_and_request_lets_nothing_leave(make_scripted):
    bench = await make_scripted()
    await bench.distribute(50_000, 40_000)
    before_the_first_request(bench, lambda tx: bot_state.put(tx, bot_state.PAUSED, "now"))
    await at(bench, timedelta())
    assert (await bench.states(), bench.wallet.sent()) == (["INVOICED"], [])
    await bench.database.transact(lambda tx: bot_state.drop(tx, bot_state.PAUSED))
    before_the_first_request(bench, lambda _tx: None)
    await at(bench, MINUTE)
    assert (await bench.states(), bench.wallet.sent()) == (["DONE"], ["lnbc1"])


async def test_ceiling_that_another_payment_fills_between_invoice_and_request_holds(make_scripted):
    bench = await make_scripted(day_max_sat=60_000)
    for _ in range(2):
        await bench.distribute(40_000, 40_000)
    first, second = await bench.payouts()
    await bench.database.transact(
        lambda tx: transitions.hold(tx, second, HoldReason.KNOWN_PAYOUT, now=NOW)
    )
    lost = Payment("a" * 64, -40_000_000, 0, SUCCESS, None, external_id=second.id)

    def accept(tx):
        held = payouts.by_id(tx, second.id)
        if held.state == "HELD":
            holds.close(tx, "payout", held.id, outcome="accepted", now=NOW)
            booking.take_over(tx, held, lost, now=NOW)

    before_the_first_request(bench, accept)
    await at(bench, timedelta())
    assert bench.wallet.sent() == []
    await at(bench, MINUTE)
    found = {payout.id: payout for payout in await bench.payouts()}
    assert (found[first.id].state, found[first.id].waiting) == ("HELD", HoldReason.CEILING_DAY)
    assert bench.wallet.sent() == []


@pytest.mark.parametrize(
    ("left", "sent"), [(10 * MINUTE + TICK, "lnbc1"), (10 * MINUTE, "lnbc2"), (-HOUR, "lnbc2")]
)
async def test_invoice_that_got_old_before_it_was_sent_is_never_sent(make_scripted, left, sent):
    bench = await make_scripted()
    await bench.distribute(50_000, 40_000)
    before_the_first_request(bench, lambda tx: bot_state.put(tx, bot_state.PAUSED, "now"))
    await at(bench, timedelta())
    assert await bench.states() == ["INVOICED"]
    await bench.database.transact(lambda tx: bot_state.drop(tx, bot_state.PAUSED))
    before_the_first_request(bench, lambda _tx: None)
    for _ in range(2):
        await at(bench, 24 * HOUR - left)
    assert (await bench.states(), bench.wallet.sent()) == (["DONE"], [sent])


async def test_invoice_of_a_wallet_that_was_left_while_it_was_made_is_dropped(make_scripted):
    bench = await make_scripted()
    await bench.distribute(50_000, 40_000)
    make = bench.wallet.request_invoice

    async def leave_and_make(key, **named):
        new = Destination(INVOICE_KEY, "new")
        await bench.database.transact(lambda tx: clients.set_destination(tx, 1, new))
        return await make(key, **named)

    bench.wallet.request_invoice = leave_and_make
    await at(bench, timedelta())
    assert (await bench.states(), bench.wallet.sent()) == (["PLANNED"], [])
    bench.wallet.request_invoice = make
    await at(bench, MINUTE)
    assert (await bench.states(), bench.wallet.sent()) == (["DONE"], ["lnbc2"])


# Ceilings and an address's bounds, to the sat


@pytest.mark.parametrize(
    ("limits", "state"),
    [
        ({"payout_max_sat": 50_000}, "DONE"),
        ({"payout_max_sat": 49_999}, "HELD"),
        ({"day_max_sat": 50_000}, "DONE"),
        ({"day_max_sat": 49_999}, "HELD"),
    ],
)
async def test_ceiling_is_what_may_just_be_paid(make_scripted, limits, state):
    bench = await make_scripted(**limits)
    await bench.distribute(50_000, 40_000)
    await at(bench, timedelta())
    assert await bench.states() == [state]
    assert bench.wallet.count("request_invoice") == (state == "DONE")


@outside
@pytest.mark.parametrize(
    ("bounds", "state"),
    [((50_000, 50_000), "DONE"), ((1, 49_999), "PLANNED"), ((50_001, 10**9), None)],
)
async def test_bounds_of_an_address_are_what_it_just_takes(make_scripted, bounds, state, place):
    bench = await make_scripted(place)
    bench.addresses.min_sat, bench.addresses.max_sat = bounds
    await bench.distribute(50_000, 40_000)
    await at(bench, timedelta())
    assert await bench.states() == ([] if state is None else [state])


@outside
async def test_minimum_above_the_ceiling_adds_nothing_up_that_could_never_be_paid(
    make_scripted, place
):
    bench = await make_scripted(place, payout_max_sat=60_000)
    await bench.distribute(50_000, 40_000)
    bench.addresses.min_sat = 60_000
    await at(bench, timedelta())
    assert await bench.states() == [], "10,000 more can be paid"
    bench.addresses.min_sat = 60_001
    await bench.distribute(10_000, 8_000)
    await at(bench, MINUTE)
    (payout,) = await bench.payouts()
    assert (payout.state, payout.wait) == (
        "PLANNED",
        Wait(Refusal.BELOW_MINIMUM, limit_sat=60_001),
    )


@outside
async def test_payout_that_was_sent_before_is_not_added_to_others_where_the_minimum_rises(
    make_scripted,
    place,
):
    bench = await make_scripted(place)
    bench.wallet.on_pay = lambda _invoice: None  # LNbits never sees the request
    await bench.distribute(50_000, 40_000)
    await at(bench, timedelta())
    await at(bench, 2 * HOUR)
    assert await bench.states() == ["VOID"]
    bench.addresses.min_sat = 60_000
    await at(bench, 3 * HOUR)
    await at(bench, 4 * HOUR)
    (payout,) = await bench.payouts()
    assert (payout.state, payout.wait) == (
        "PLANNED",
        Wait(Refusal.BELOW_MINIMUM, limit_sat=60_000),
    )


@outside
async def test_invoice_that_came_before_is_named_as_the_reason(make_scripted, place):
    bench = await make_scripted(place)
    await bench.distribute(50_000, 40_000)
    await at(bench, timedelta())
    bench.addresses.repeats = "lnbc1"
    await bench.distribute(50_000, 40_000)
    await at(bench, MINUTE)
    second = (await bench.payouts())[1]
    assert (second.state, second.waiting) == ("PLANNED", Refusal.SAME_INVOICE)


# What LNbits answers


@pytest.mark.parametrize(
    ("reply", "said", "level"),
    [
        (PayReply(PayAnswer.ANSWERED), "", logging.INFO),
        (PayReply(PayAnswer.ANSWERED, "pending"), "", logging.INFO),
        (PayReply(PayAnswer.REFUSED, "No route."), "No route.", logging.WARNING),
        (PayReply(PayAnswer.NO_ANSWER, "Timed out."), "", logging.WARNING),
    ],
)
async def test_words_of_lnbits_stay_with_the_payout_that_they_refuse(
    make_due, caplog, reply, said, level
):
    bench = await make_due()
    bench.wallet.reply = reply
    bench.wallet.on_pay = lambda invoice: bench.wallet.row(invoice, PENDING)
    with caplog.at_level(logging.INFO, "dca_bot.jobs.payouts.send"):
        await at(bench, timedelta())
    assert [(payout.state, payout.said) for payout in await bench.payouts()] == [
        ("SUBMITTED", said)
    ]
    assert [record.levelno for record in caplog.records] == [level]


# What is debited


@pytest.mark.parametrize(
    ("after", "state"), [(10 * MINUTE, "DEBITED"), (10 * MINUTE + TICK, "ALERT")]
)
async def test_credit_has_ten_minutes_to_arrive(make_scripted, after, state):
    bench = await make_scripted()
    await bench.distribute(50_000, 40_000)

    def debit(invoice):
        bench.wallet.succeed(invoice)
        bench.wallet.payees[invoice.payment_hash] = PENDING

    bench.wallet.on_pay = debit
    await at(bench, timedelta())
    assert await bench.states() == ["DEBITED"]
    await at(bench, after)
    assert await bench.states() == [state]


@outside
@pytest.mark.parametrize(
    ("lacking_msat", "states"), [(0, ["DONE", "DONE"]), (1, ["DONE", "PLANNED"])]
)
async def test_fee_of_a_payout_is_missing_for_the_next_one(
    make_scripted, lacking_msat, states, place
):
    bench = await make_scripted(place)
    for _ in range(2):
        await bench.distribute(50_000, 40_000)
    fee_msat, needed_msat = 300_000, 50_500_000  # the reserve is 1 % of the amount
    left_msat = 50_000_000 + fee_msat + needed_msat - lacking_msat

    def succeed(invoice):
        bench.wallet.succeed(invoice)
        row = bench.wallet.source[invoice.payment_hash]
        bench.wallet.source[invoice.payment_hash] = replace(row, fee_msat=fee_msat)

    async def balance_msat():
        return left_msat

    bench.wallet.on_pay, bench.wallet.balance_msat = succeed, balance_msat
    await at(bench, timedelta())
    assert await bench.states() == states
    assert len(bench.wallet.sent()) == states.count("DONE")


@pytest.mark.parametrize(
    ("row", "state"),
    [({"is_inside": False}, "DONE"), ({"is_inside": True}, "DEBITED"), (None, "DEBITED")],
)
async def test_payment_that_was_taken_over_has_arrived_if_it_left_lnbits(make_due, row, state):
    """Inside LNbits a wallet must show it, and nobody knows which; the ledger has it from a payment."""
    bench = await make_due(PLACES[0])
    (payout,) = await bench.payouts()
    paid = Payment(hash_of(1), -50_000_000, 0, SUCCESS, None, external_id=payout.id)

    def take_over(tx):
        unknown_payments.remember(tx, paid, now=NOW)
        transitions.hold(tx, payout, HoldReason.KNOWN_PAYOUT, now=NOW)
        holds.close(tx, "payout", payout.id, outcome="accepted", now=NOW)
        booking.take_over(tx, payouts.get(tx, payout.id), paid, now=NOW)

    await bench.database.transact(take_over)
    if row is not None:
        bench.wallet.source[paid.payment_hash] = replace(paid, **row)
    await at(bench, timedelta())
    assert await bench.states() == [state]
    assert bench.wallet.sent() == []


# What LNbits knows


@pytest.mark.parametrize(
    ("way", "news"),
    [("VOID", "was given up as unpaid"), ("CANCELLED", "although it was cancelled")],
)
async def test_late_payment_of_what_was_given_up_is_news(make_scripted, way, news):
    """It was sent, proven unpaid and given up; then LNbits pays the recorded invoice all the same."""
    bench = await make_scripted()
    await bench.distribute(50_000, 40_000)
    bench.wallet.on_pay = bench.wallet.fail
    await at(bench, timedelta())
    await at(bench, 25 * HOUR)
    (payout,) = await bench.payouts()
    assert payout.state == "VOID"
    now = bench.clock.now()
    if way == "CANCELLED":
        await bench.database.transact(lambda tx: booking.cancel(tx, payout, now=now))
    paid = Payment(
        payout.attempt.payment_hash, -50_000_000, 0, SUCCESS, None, external_id=payout.id
    )
    assert not await bench.database.read(lambda tx: unknown_payments.is_recorded(tx, paid))
    notices = bench.worker.context.notices
    for _ in range(2):
        await bench.database.transact(lambda tx: record_unknown(tx, [paid], notices, now=now))
    assert len([text for text in await bench.letters() if news in text]) == 1


@pytest.mark.parametrize(
    ("status", "age", "state"),
    [
        (FAILED, timedelta(), "HELD"),
        (FAILED, FAILED_FOR_GOOD, "HELD"),
        (FAILED, FAILED_FOR_GOOD + TICK, "PLANNED"),
        (PENDING, FAILED_FOR_GOOD + TICK, "HELD"),
        (SUCCESS, FAILED_FOR_GOOD + TICK, "HELD"),
    ],
)
async def test_payment_of_regrouped_shares_holds_them_and_a_failed_one_for_a_week(
    make_scripted, status, age, state
):
    bench = await make_scripted()
    first = await bench.distribute(10_000, 8_000)
    extra = {"distributions": [first, "another"], "client": "ana"}
    known = Payment("aa" * 32, -1, 0, status, None, external_id="both", extra=extra)
    await bench.database.transact(lambda tx: unknown_payments.remember(tx, known, now=NOW))
    later, notices = NOW + age, bench.worker.context.notices
    await bench.database.transact(lambda tx: record_unknown(tx, [known], notices, now=later))
    assert await bench.states() == [state]


@pytest.mark.parametrize(
    ("status", "is_accepted", "state"),
    [(SUCCESS, True, "DEBITED"), (SUCCESS, False, "HELD"), (PENDING, True, "HELD")],
)
async def test_payment_of_a_distribution_that_was_accepted_since_is_taken_over(
    make_scripted, status, is_accepted, state
):
    bench = await make_scripted()
    cash_out_id = await bench.distribute(50_000, 40_000)
    (payout,) = await bench.payouts()
    known = Payment("aa" * 32, -50_000_000, 0, status, None, external_id=payout.id)
    notices = bench.worker.context.notices

    def work(tx):
        unknown_payments.remember(tx, known, now=NOW)
        if is_accepted:
            holds.open_hold(tx, "cash-out", cash_out_id, HoldReason.KNOWN_DISTRIBUTION, now=NOW)
            holds.close(tx, "cash-out", cash_out_id, outcome="accepted", now=NOW)
        record_unknown(tx, [known], notices, now=NOW + MINUTE)

    await bench.database.transact(work)
    assert await bench.states() == [state]
    assert len(await bench.letters()) == (state == "HELD")


async def test_paid_invoice_that_the_ledger_never_sent_is_a_question_and_no_second_news(make_due):
    bench = await make_due()
    before_the_first_request(bench, lambda tx: bot_state.put(tx, bot_state.PAUSED, "now"))
    await at(bench, timedelta())
    (payout,) = await bench.payouts()
    assert payout.state == "INVOICED"
    known = Payment(
        payout.attempt.payment_hash, -50_000_000, 0, SUCCESS, None, external_id=payout.id
    )
    notices = bench.worker.context.notices
    await bench.database.transact(lambda tx: record_unknown(tx, [known], notices, now=NOW))
    assert await bench.states() == ["HELD"]
    (letter,) = await bench.letters()
    assert "waits for your decision" in letter


async def look_through(bench, *payments, since=None):
    """Hold a list of payments against the ledger; return the count of unknown ones, and what was asked for.

    What was asked for: the mark from which on the list was read, and how many payments one by one.
    """
    asked = []

    async def tagged_payments(mark=None):
        asked.append(mark)
        for payment in payments:
            yield payment

    bench.wallet.tagged_payments = tagged_payments
    before = bench.wallet.count("payment")
    done = await reconcile(
        bench.database, bench.wallet, bench.worker.context.notices, now=NOW, since=since
    )
    return done.unknown, asked[0], bench.wallet.count("payment") - before


def unknown(count, status):
    """Make payments that no ledger knows."""
    rows = ((f"{number:064x}", f"lost{number}") for number in range(count))
    return [Payment(hash_, -1_000, 0, status, None, external_id=id_) for hash_, id_ in rows]


async def test_long_list_is_recorded_in_batches_and_counted_whole(make_scripted, monkeypatch):
    monkeypatch.setattr(reconciling, "_BATCH", 2)
    bench = await make_scripted()
    with counted(bench.database) as begun:
        assert (await look_through(bench, *unknown(5, SUCCESS)))[0] == 5
    assert len(begun) == 3


MARK = ListMark(7, frozenset({7}))


@pytest.mark.parametrize(("count", "asked"), [(2, (MARK, 2)), (3, (None, 0))])
async def test_whole_list_is_read_once_more_payments_may_change_than_are_asked_for(
    make_scripted, monkeypatch, count, asked
):
    monkeypatch.setattr(reconciling, "_RENEWED_MAX", 2)
    bench = await make_scripted()
    assert (await look_through(bench, *unknown(count, PENDING)))[0] == count
    assert (await look_through(bench, since=MARK))[1:] == asked


@pytest.mark.parametrize(("count", "asked"), [(2, (MARK, 2)), (3, (None, 0))])
async def test_invoices_that_were_given_up_on_somebodys_word_are_asked_for_too(
    make_due, monkeypatch, count, asked
):
    monkeypatch.setattr(reconciling, "_RENEWED_MAX", 2)
    bench = await make_due(PLACES[0])
    bench.wallet.on_pay = bench.wallet.fail
    for _ in range(count - 1):
        await bench.distribute(50_000, 40_000)
    await at(bench, timedelta())
    told = {"now": NOW, "message_id": "m"}
    for payout in await bench.payouts():
        await bench.database.transact(
            lambda tx, payout=payout: transitions.void_by_verdict(
                tx, payout, Witness.OPERATOR, **told
            )
        )
    assert (await look_through(bench, since=MARK))[1:] == asked


@pytest.mark.parametrize(
    ("status", "state"), [(FAILED, "PLANNED"), (PENDING, "HELD"), (SUCCESS, "HELD")]
)
async def test_accepted_payout_goes_on_beside_a_payment_that_stays_failed(make_due, status, state):
    bench = await make_due()
    (payout,) = await bench.payouts()
    failed = Payment("aa" * 32, -50_000_000, 0, FAILED, None, external_id=payout.id)

    async def look(payment):
        notices = bench.worker.context.notices
        await bench.database.transact(lambda tx: record_unknown(tx, [payment], notices, now=NOW))
        return await bench.states()

    def accept(tx):
        holds.close(tx, "payout", payout.id, outcome="accepted", now=NOW)
        transitions.retry(tx, payouts.get(tx, payout.id), now=NOW)

    assert await look(failed) == ["HELD"]
    await bench.database.transact(accept)
    assert await look(replace(failed, status=status)) == [state]


@pytest.mark.parametrize("status", [SUCCESS, PENDING, FAILED])
async def test_payout_that_lnbits_has_paid_under_its_id_is_held_before_the_request(
    make_due, status
):
    bench = await make_due()
    (payout,) = await bench.payouts()
    known = Payment("aa" * 32, -50_000_000, 0, status, None, external_id=payout.id)

    async def payments_of(external_id):
        return [known] if external_id == payout.id else []

    bench.wallet.payments_of = payments_of
    await at(bench, timedelta())
    assert await bench.states() == ["HELD"]
    assert bench.wallet.count("pay") == 0


async def test_payouts_that_wait_for_a_wallet_or_meet_a_fault_are_tried_in_ten_minutes(make_due):
    bench = await make_due()

    async def broken(_external_id):
        raise ValueError

    bench.wallet.payments_of = broken
    await bench.client("ben", None, minor=10**9)
    await bench.recipient("ben", 10_000)
    await bench.distribute(1_000, 800, 100)
    await at(bench, timedelta())
    found = {payout.waiting: payout.try_at - NOW for payout in await bench.payouts()}
    assert found == {"no_destination": 10 * MINUTE, "unexpected_error": 10 * MINUTE}
