"""A payment to a Lightning address that LNbits calls failed is not paid again on LNbits' word alone.

The same on a real LNbits whose node lies: the last tests here.
"""

import asyncio
from datetime import timedelta

import pytest
from doubt_bench import HOUR, MINUTE, UNPAID, at, hours, open_holds, quiet
from payout_bench import hash_of, preimage_of
from scaffold import without_triggers

from dca_bot.core.ports import PayAnswer, PaymentStatus, PayReply, VerifyAnswer
from dca_bot.core.witness import Witness
from dca_bot.ledger.payouts import payouts, queue, transitions, witnesses
from dca_bot.ledger.store import bot_state


async def verdicts(bench):
    rows = await bench.database.read(
        lambda tx: tx.execute("SELECT outcome, witness FROM verdict ORDER BY id").fetchall()
    )
    return [tuple(row) for row in rows]


async def test_failed_payment_to_an_address_is_not_paid_again_without_a_second_witness(
    make_doubted,
):
    bench = await make_doubted(verify_url="")
    await hours(bench, 0, 200)
    assert await bench.states() == ["IN_DOUBT"]
    assert bench.wallet.sent() == ["lnbc1"]
    (hold,) = await open_holds(bench)
    assert hold.reason == "failed_to_address"
    (letter,) = await bench.letters()
    assert "payout retry" in letter
    assert "hold accept" in letter
    assert hash_of(1) in letter


async def test_preimage_of_the_payees_server_books_a_failed_payment_as_paid(make_doubted):
    bench = await make_doubted()
    await at(bench, timedelta())
    assert await bench.states() == ["IN_DOUBT"]
    bench.addresses.answer = VerifyAnswer(is_settled=True, preimage=preimage_of(1))
    await at(bench, 5 * MINUTE)
    assert await bench.states() == ["DONE"]
    await hours(bench, 1, 60)
    assert bench.wallet.sent() == ["lnbc1"]
    assert await verdicts(bench) == [("arrived", "verify")]
    assert await open_holds(bench) == []
    (arrived,) = [text for text in await bench.client_letters("ana") if "have arrived" in text]
    assert "50,000 sats" in arrived


@pytest.mark.parametrize("preimage", ["", preimage_of(2), "no preimage"])
async def test_settled_without_the_preimage_proves_nothing_and_the_operators_decide(
    make_doubted, preimage
):
    bench = await make_doubted()
    bench.addresses.answer = VerifyAnswer(is_settled=True, preimage=preimage)
    await hours(bench, 0, 100)
    assert await bench.states() == ["IN_DOUBT"]
    assert bench.wallet.sent() == ["lnbc1"]
    assert len(await open_holds(bench)) == 1


async def test_two_answers_unpaid_a_day_apart_after_the_expiry_give_the_invoice_up(make_doubted):
    bench = await make_doubted()
    bench.addresses.answer = UNPAID
    await hours(bench, 0, 25)  # the invoice lives for an hour
    assert await bench.states() == ["IN_DOUBT"]
    assert bench.wallet.sent() == ["lnbc1"]
    bench.wallet.on_pay = bench.wallet.succeed
    await hours(bench, 25, 30)
    assert await bench.states() == ["DONE"]
    assert bench.wallet.sent() == ["lnbc1", "lnbc2"]
    assert await verdicts(bench) == [("unpaid", "verify")]


async def test_payees_word_counts_once_until_lnbits_proves_a_payment(make_doubted):
    bench = await make_doubted()
    bench.addresses.answer = UNPAID
    await hours(bench, 0, 200)
    assert bench.wallet.sent() == ["lnbc1", "lnbc2"]
    assert await bench.states() == ["IN_DOUBT"]
    assert len(await open_holds(bench)) == 1
    # LNbits finds the second one after all, with the payee's preimage: the payee's word counts anew.
    bench.wallet.row(bench.wallet.last(), PaymentStatus.SUCCESS, preimage=preimage_of(2))
    await hours(bench, 200, 204)
    assert await bench.states() == ["DONE"]
    assert await verdicts(bench) == [("unpaid", "verify"), ("arrived", "lnbits")]
    assert await open_holds(bench) == []
    await bench.distribute(50_000, 40_000)
    await hours(bench, 204, 240)
    assert await verdicts(bench) == [
        ("unpaid", "verify"),
        ("arrived", "lnbits"),
        ("unpaid", "verify"),
    ]


async def test_two_payouts_of_one_payee_in_doubt_are_for_the_operators(make_doubted):
    bench = await make_doubted()
    bench.addresses.answer = UNPAID
    await bench.distribute(60_000, 50_000)
    await hours(bench, 0, 100)
    assert await bench.states() == ["IN_DOUBT", "IN_DOUBT"]
    assert bench.wallet.sent() == ["lnbc1", "lnbc2"]
    assert len(await open_holds(bench)) == 2


async def test_server_that_never_answers_leaves_it_to_the_operators(make_doubted):
    bench = await make_doubted()
    await hours(bench, 0, 72)
    assert await open_holds(bench) == []
    await hours(bench, 72, 80)
    assert len(await open_holds(bench)) == 1
    assert bench.wallet.sent() == ["lnbc1"]
    assert 60 < bench.addresses.asked < 90


async def test_row_that_lnbits_showed_and_shows_no_more_is_for_the_operators(make_doubted):
    """LNbits' database was put back from an old copy: 404 says nothing about what has left."""
    bench = await make_doubted()
    bench.addresses.answer = UNPAID
    bench.wallet.on_pay = lambda invoice: bench.wallet.row(invoice, PaymentStatus.PENDING)
    await at(bench, timedelta())
    assert await bench.states() == ["SUBMITTED"]
    bench.wallet.source.clear()
    await hours(bench, 1, 100)
    assert await bench.states() == ["IN_DOUBT"]
    assert bench.wallet.sent() == ["lnbc1"]
    assert len(await open_holds(bench)) == 1
    assert "shows it no more" in (await bench.payouts_text())


async def test_failed_payment_that_goes_on_after_all_closes_the_hold_by_itself(make_doubted):
    bench = await make_doubted(verify_url="")
    await at(bench, timedelta())
    assert len(await open_holds(bench)) == 1
    bench.wallet.row(bench.wallet.last(), PaymentStatus.PENDING)
    await at(bench, HOUR)
    assert (await bench.states(), await open_holds(bench)) == (["SUBMITTED"], [])
    bench.wallet.row(bench.wallet.last(), PaymentStatus.SUCCESS)
    await at(bench, 2 * HOUR)
    assert await bench.states() == ["DONE"]


async def test_payee_is_asked_for_the_proof_of_what_lnbits_calls_paid(make_doubted):
    bench = await make_doubted()
    bench.wallet.on_pay = bench.wallet.succeed
    bench.addresses.answer = UNPAID
    await at(bench, timedelta())
    assert await bench.states() == ["DONE"]
    assert await bench.database.read(witnesses.unproven_count) == 1
    await at(bench, 2 * MINUTE)
    bench.addresses.answer = VerifyAnswer(is_settled=True, preimage=preimage_of(1))
    await at(bench, 20 * MINUTE)
    assert await verdicts(bench) == [("arrived", "verify")]
    assert await bench.database.read(witnesses.unproven_count) == 0
    asked = bench.addresses.asked
    await hours(bench, 1, 50)
    assert bench.addresses.asked == asked


async def test_preimage_of_lnbits_proves_and_nobody_is_asked(make_doubted):
    bench = await make_doubted()
    bench.wallet.on_pay = lambda invoice: bench.wallet.row(
        invoice, PaymentStatus.SUCCESS, preimage=preimage_of(1)
    )
    await hours(bench, 0, 30)
    assert await verdicts(bench) == [("arrived", "lnbits")]
    assert bench.addresses.asked == 0
    assert await bench.database.read(witnesses.unproven_count) == 0


async def test_restart_in_the_middle_of_a_doubt_changes_nothing(make_doubted):
    bench = await make_doubted()
    bench.addresses.answer = UNPAID
    for hour in range(30):
        await at(bench, hour * HOUR)
        if hour == 20:
            await bench.reopen()
            await bench.worker.catch_up()
    assert bench.wallet.sent() == ["lnbc1", "lnbc2"]
    assert await verdicts(bench) == [("unpaid", "verify")]


async def test_void_payout_of_before_second_witnesses_is_not_paid_by_itself(make_doubted):
    """An upgrade finds an invoice to an address that was given up on LNbits' word alone."""
    bench = await make_doubted()
    await at(bench, timedelta())

    def as_before(tx):
        payout = queue.open_payouts(tx)[0]
        with without_triggers(tx, "void_needs_two_witnesses"):
            transitions.void(tx, payout, now=bench.clock.now())

    await bench.database.transact(as_before)
    await hours(bench, 1, 30)
    assert await bench.states() == ["VOID"]
    assert bench.wallet.sent() == ["lnbc1"]


async def test_invoice_that_was_given_up_and_is_paid_after_all_is_told(make_doubted):
    """The payee's server said unpaid twice, a second invoice was paid, and then the first one too."""
    bench = await make_doubted()
    bench.addresses.answer = UNPAID
    await bench.worker.look_once()
    await hours(bench, 0, 27)
    bench.wallet.on_pay = bench.wallet.succeed
    await hours(bench, 27, 30)
    assert await bench.states() == ["DONE"]
    first = bench.wallet.invoices["lnbc1"]
    bench.wallet.row(first, PaymentStatus.SUCCESS)
    bench.clock.ahead = 32 * HOUR
    await bench.worker.look_once()
    await bench.worker.look_once()
    told = [text for text in await bench.letters() if "may have it twice" in text]
    assert len(told) == 1
    assert first.payment_hash in told[0]


async def test_pending_for_ever_is_booked_on_the_payees_preimage(make_doubted):
    bench = await make_doubted()
    bench.wallet.on_pay = lambda invoice: bench.wallet.row(invoice, PaymentStatus.PENDING)
    bench.addresses.answer = VerifyAnswer(is_settled=True, preimage=preimage_of(1))
    for minutes in (0, 5, 29, 30):
        await at(bench, minutes * MINUTE)
        assert await bench.states() == ["SUBMITTED"]
    await hours(bench, 1, 3)
    assert await bench.states() == ["DONE"]
    assert await verdicts(bench) == [("arrived", "verify")]
    assert bench.wallet.sent() == ["lnbc1"]


async def test_running_verifier_asks_when_an_invoice_is_due_and_goes_on(make_doubted):
    bench = await make_doubted()
    await bench.worker.work_once()
    slept = []

    async def sleep(delay_s):
        slept.append(delay_s)
        if len(slept) == 4:
            running.cancel()
        bench.clock.ahead += timedelta(seconds=delay_s)
        await asyncio.sleep(0)

    bench.clock.sleep = sleep
    running = asyncio.create_task(bench.verifier.run())
    with pytest.raises(asyncio.CancelledError):
        await running
    assert bench.addresses.asked == 3
    assert slept == [60, 120, 240, 480]


async def test_proof_that_comes_after_a_word_holds_what_would_be_paid_again(make_doubted):
    """An operator had it paid anew, all is paused, and then the payee's server shows the preimage."""
    bench = await make_doubted()
    bench.addresses.answer = UNPAID
    await hours(bench, 0, 2)
    now = bench.clock.now()

    def pay_anew(tx):
        (payout,) = queue.open_payouts(tx)
        told = {"now": now, "message_id": "m"}
        transitions.void_by_verdict(tx, payout, Witness.OPERATOR, **told)
        transitions.retry(tx, payouts.by_id(tx, payout.id), now=now)
        bot_state.put(tx, bot_state.PAUSED, now.isoformat())

    await bench.database.transact(pay_anew)
    bench.addresses.answer = VerifyAnswer(is_settled=True, preimage=preimage_of(1))
    await hours(bench, 3, 5)
    await bench.database.transact(lambda tx: bot_state.drop(tx, bot_state.PAUSED))
    await hours(bench, 5, 9)
    assert await bench.states() == ["HELD"]
    assert bench.wallet.sent() == ["lnbc1"]
    (hold,) = await open_holds(bench)
    assert hold.reason == "arrived_after_all"
    asked = [text for text in await bench.letters() if "waits for your decision" in text]
    assert len(asked) == 1
    assert f"payout cancel {hold.ref[:8]}" in asked[0]


async def test_proof_of_an_invoice_that_was_given_up_is_told_once(make_doubted):
    """The payee's server said unpaid twice, a second invoice was paid, and then the first has arrived."""
    bench = await make_doubted()
    bench.addresses.answer = UNPAID
    await hours(bench, 0, 27)
    bench.wallet.on_pay = bench.wallet.succeed
    await hours(bench, 27, 30)
    assert await bench.states() == ["DONE"]
    bench.addresses.answer = VerifyAnswer(is_settled=True, preimage=preimage_of(1))
    bench.clock.ahead = 60 * HOUR
    await quiet(bench.verifier.signals.outbox)
    await bench.verifier.look_once()
    assert bench.verifier.signals.outbox._rung.is_set(), "the notice leaves at once"
    await hours(bench, 60, 90)
    told = [text for text in await bench.letters() if "may have it twice" in text]
    assert len(told) == 1
    assert hash_of(1) in told[0]


# What does not settle is told


@pytest.mark.parametrize("answer", [PayAnswer.ANSWERED, PayAnswer.NO_ANSWER])
async def test_payout_that_lnbits_refuses_each_time_is_told_with_its_words(make_doubted, answer):
    bench = await make_doubted()
    bench.wallet.on_pay = lambda _invoice: None
    bench.wallet.reply = PayReply(answer, "Payment amount 50000 is too high. Max is 1000")
    for minutes in range(0, 55, 5):
        await at(bench, minutes * MINUTE)
    (letter,) = await bench.letters()
    assert "does not settle" in letter
    for text in (letter, await bench.payouts_text()):
        assert ("Max is 1000" in text) == (answer is PayAnswer.ANSWERED)


async def test_payout_that_stays_pending_is_told_once(make_doubted):
    bench = await make_doubted()
    bench.wallet.on_pay = lambda invoice: bench.wallet.row(invoice, PaymentStatus.PENDING)
    for minutes in range(0, 29, 5):
        await at(bench, minutes * MINUTE)
    assert await bench.letters() == []
    await hours(bench, 1, 60)
    (letter,) = await bench.letters()
    assert "does not settle: on its way" in letter
