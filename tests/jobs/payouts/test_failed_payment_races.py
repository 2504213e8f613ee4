"""A doubt about a payment to an address, while operators, the payee's server and LNbits cross each other."""

from datetime import timedelta

import pytest
from doubt_bench import HOUR, MINUTE, URL, at, hours, open_holds
from payout_bench import preimage_of

from dca_bot.core.ports import PaymentStatus, VerifyAnswer
from dca_bot.core.witness import Witness
from dca_bot.ledger.payouts import booking, holds, payouts, queue, transitions

OVER = 70 * MINUTE + timedelta(seconds=1)
"""When nothing can pay an invoice of an hour any more."""


def while_lnbits_is_asked(bench, work):
    """Have `work` done once in the ledger while LNbits looks a payment up."""
    asked, rest = bench.wallet.payment, [work]

    async def payment(payment_hash):
        if rest:
            await bench.database.transact(rest.pop())
        return await asked(payment_hash)

    bench.wallet.payment = payment


@pytest.mark.parametrize("word", ["retry", "cancel"])
async def test_operators_word_during_a_look_up_opens_no_new_hold(make_doubted, word):
    bench = await make_doubted(verify_url="")
    await at(bench, timedelta())
    assert len(await open_holds(bench)) == 1
    letters = len(await bench.letters())

    def decide(tx):
        (payout,) = queue.open_payouts(tx)
        now = bench.clock.now()
        transitions.void_by_verdict(tx, payout, Witness.OPERATOR, now=now, message_id="m")
        holds.close(tx, "payout", payout.id, outcome="ignored", now=now)
        voided = payouts.by_id(tx, payout.id)
        if word == "retry":
            transitions.retry(tx, voided, now=now)
        else:
            booking.cancel(tx, voided, now=now)

    while_lnbits_is_asked(bench, decide)
    bench.clock.ahead = 30 * HOUR
    await bench.worker.work_once()
    assert await open_holds(bench) == []
    assert len(await bench.letters()) == letters
    (payout,) = await bench.payouts()
    assert payout.waiting == ""


@pytest.mark.parametrize("said", [preimage_of(1), ""])
async def test_what_the_payees_server_calls_paid_is_not_paid_again_though_lnbits_knows_nothing(
    make_doubted, said
):
    bench = await make_doubted()
    bench.wallet.on_pay = lambda _invoice: None
    bench.addresses.answer = VerifyAnswer(is_settled=True, preimage=said)
    await hours(bench, 0, 100)
    assert set(bench.wallet.sent()) == {"lnbc1"}
    assert await bench.states() == ["DONE" if said else "IN_DOUBT"]


@pytest.mark.parametrize("verify_url", ["", URL])
async def test_lnbits_that_goes_to_and_fro_is_told_once(make_doubted, verify_url):
    bench = await make_doubted(verify_url=verify_url)
    await at(bench, timedelta())
    for step in range(60):
        status = PaymentStatus.FAILED if step % 2 else PaymentStatus.PENDING
        bench.wallet.row(bench.wallet.last(), status)
        await at(bench, step * 11 * MINUTE)
    assert await bench.states() == ["IN_DOUBT"]
    told = [text for text in await bench.letters() if "does not settle" not in text]
    assert len(told) == 1
    assert [hold.id for hold in await open_holds(bench)] == ([] if verify_url else [1])


@pytest.mark.parametrize(
    ("asked", "pause"),
    [
        (HOUR, 10 * MINUTE),
        (OVER, 10 * MINUTE),
        (OVER + timedelta(microseconds=1), HOUR),
        (2 * HOUR, HOUR),
    ],
)
async def test_doubt_is_looked_at_more_rarely_once_the_invoice_is_over(make_doubted, asked, pause):
    bench = await make_doubted()
    await at(bench, timedelta())
    await at(bench, asked)
    (payout,) = await bench.payouts()
    assert payout.try_at - bench.clock.now() == pause


async def test_question_that_comes_back_after_more_than_a_day_is_asked_anew(make_doubted):
    bench = await make_doubted(verify_url="")
    await at(bench, timedelta())
    bench.wallet.row(bench.wallet.last(), PaymentStatus.PENDING)
    await at(bench, HOUR)
    bench.wallet.fail(bench.wallet.last())
    await at(bench, 27 * HOUR)
    asked = [text for text in await bench.letters() if "waits for your decision" in text]
    assert len(asked) == 2
    assert [hold.id for hold in await open_holds(bench)] == [2]


async def test_alert_takes_the_place_of_the_question_whether_it_arrived(make_doubted):
    bench = await make_doubted(verify_url="")
    await at(bench, timedelta())
    bench.wallet.row(bench.wallet.last(), PaymentStatus.SUCCESS, amount_msat=1000)
    await at(bench, HOUR)
    assert await bench.states() == ["ALERT"]
    (hold,) = await open_holds(bench)
    assert hold.reason == holds.HoldReason.ALERTED


async def test_payment_that_is_gone_in_the_last_look_is_not_given_up(make_doubted):
    bench = await make_doubted()
    bench.addresses.answer = VerifyAnswer(is_settled=False)
    await hours(bench, 0, 25)
    assert await bench.states() == ["IN_DOUBT"]
    look, shown = bench.wallet.payment, [True, False]

    async def payment(payment_hash):
        return await look(payment_hash) if shown.pop(0) else None

    bench.wallet.payment = payment
    await at(bench, 26 * HOUR)
    assert shown == []
    assert await bench.states() == ["IN_DOUBT"]
    bench.wallet.payment = look
    await at(bench, 27 * HOUR)
    assert await bench.states() == ["VOID"]
