"""An operator's word about a payment to a Lightning address that LNbits calls failed."""

from datetime import timedelta

import pytest
from talk import code_in

from dca_bot.core.ports import PaymentStatus
from dca_bot.core.witness import Outcome, Witness
from dca_bot.ledger.payouts import holds, payouts, transitions, witnesses
from dca_bot.ledger.payouts.holds import HoldReason

CASH_OUT = "aaaa1111-0000"
EXPIRY, DAY, MINUTE = timedelta(hours=24), timedelta(hours=24), timedelta(minutes=1)


@pytest.fixture
async def doubted(talk):
    """LNbits calls maria's payout of 18,000 sats for Q150 to her address failed."""
    await talk.add_client("maria", balance="150", wallet="maria@pay.example")
    await talk.distribute(CASH_OUT)
    payout = await talk.payout()
    await talk.bring_to(payout.id, "invoice", "submit")
    now = talk.clock.now()

    def doubt(tx):
        sent = payouts.by_id(tx, payout.id)
        transitions.note_seen(tx, sent, PaymentStatus.FAILED)
        transitions.put_in_doubt(tx, sent)
        hold = holds.open_hold(tx, "payout", sent.id, HoldReason.FAILED_TO_ADDRESS, now=now)
        talk.notices.hold_opened(tx, hold, now)

    await talk.database.transact(doubt)
    found = await talk.payout()
    talk.wallet.payments = [talk.paid(found, status=PaymentStatus.FAILED)]
    return found


async def state(talk):
    return (await talk.payout()).state


async def verdict(talk, payout):
    found = await talk.database.read(lambda tx: witnesses.verdict_of(tx, payout))
    return found and (found.outcome, found.witness)


async def test_hold_names_both_outcomes_and_what_to_look_at(talk, doubted):
    told = (await talk.letters_to("op2"))[-1]
    for part in (
        "hold accept 1",
        f"payout retry {doubted.id[:8]}",
        f"payout cancel {doubted.id[:8]}",
        doubted.attempt.payment_hash,
        "maria@pay.example",
        "18,000 sats",
        "twice",
    ):
        assert part in told
    assert await talk.tell("op", "holds") == told.partition("\n")[2]


async def test_what_arrived_is_booked_as_paid_and_the_client_hears_it(talk, doubted):
    asked = await talk.tell("op", "hold accept 1")
    assert "on your word" in asked
    assert "lacks 18,000 sats" in asked
    assert await state(talk) == "IN_DOUBT"
    done = await talk.tell("op", f"confirm {code_in(asked)}")
    assert "Recorded as arrived, on your word" in done
    assert await state(talk) == "DONE"
    assert await verdict(talk, doubted) == ("arrived", "operator")
    assert (await talk.client("maria")).owed_sat == 0
    assert "18,000 sats have arrived" in (await talk.letters_to("maria"))[-1]
    assert "Recorded as arrived" in (await talk.letters_to("op2"))[-1]
    assert await talk.tell("op", "holds") == "Nothing is held."
    assert await talk.audit() == ()


@pytest.mark.parametrize("command", ["payout retry", "payout cancel"])
async def test_word_that_it_did_not_arrive_counts_a_day_after_the_expiry(talk, doubted, command):
    order = f"{command} {doubted.id[:8]}"
    talk.clock.at = doubted.attempt.expires_at + DAY - MINUTE
    assert "it can still arrive" in await talk.tell("op", order)
    assert await state(talk) == "IN_DOUBT"
    talk.clock.at = doubted.attempt.expires_at + DAY
    asked = await talk.tell("op", order)
    assert "Careful" in asked
    assert await state(talk) == "IN_DOUBT"
    await talk.tell("op", f"confirm {code_in(asked)}")
    assert await verdict(talk, doubted) == ("unpaid", "operator")
    assert await talk.tell("op", "holds") == "Nothing is held."
    assert await talk.audit() == ()


async def test_retry_on_the_operators_word_pays_anew(talk, doubted):
    talk.clock.at = doubted.attempt.expires_at + DAY
    asked = await talk.tell("op", f"payout retry {doubted.id[:8]}")
    assert "maria is paid twice" in asked
    await talk.tell("op", f"confirm {code_in(asked)}")
    found = await talk.payout()
    assert (found.state, found.attempts, found.waiting) == ("PLANNED", 1, "")
    assert "payouts" in talk.rung


async def test_cancel_on_the_operators_word_gives_the_fiat_back(talk, doubted):
    talk.clock.at = doubted.attempt.expires_at + DAY
    await talk.do("op", f"payout cancel {doubted.id[:8]}")
    client = await talk.client("maria")
    assert (client.balance_minor, client.owed_sat) == (15_000, 0)
    assert await state(talk) == "CANCELLED"


@pytest.mark.parametrize("status", [PaymentStatus.PENDING, PaymentStatus.SUCCESS])
@pytest.mark.parametrize("command", ["hold accept 1", "payout retry {id}", "payout cancel {id}"])
async def test_no_word_counts_where_lnbits_goes_on_with_it(talk, doubted, command, status):
    talk.clock.at = doubted.attempt.expires_at + DAY
    order = command.format(id=doubted.id[:8])
    asked = await talk.tell("op", order)
    talk.wallet.payments = [talk.paid(doubted, status=status)]
    refused = await talk.tell("op", f"confirm {code_in(asked)}")
    assert "does not call it failed any more" in refused
    assert await state(talk) == "IN_DOUBT"
    assert await verdict(talk, doubted) is None


@pytest.mark.parametrize("command", ["payout retry", "payout cancel"])
async def test_no_word_counts_against_a_proof(talk, doubted, command):
    """The payee's server has shown the preimage, and the payout worker hasn't come to it yet."""
    talk.clock.at = doubted.attempt.expires_at + DAY
    asked = await talk.tell("op", f"{command} {doubted.id[:8]}")

    def prove(tx):
        arrived, preimage = Outcome.ARRIVED, "ab" * 32
        now = talk.clock.now()
        witnesses.record_verdict(tx, doubted, arrived, Witness.VERIFY, preimage=preimage, now=now)

    await talk.database.transact(prove)
    assert "nothing is to be decided" in await talk.tell("op", f"confirm {code_in(asked)}")
    assert await state(talk) == "IN_DOUBT"


@pytest.mark.parametrize("command", ["hold accept 1", "payout retry {id}", "payout cancel {id}"])
async def test_no_word_counts_while_lnbits_does_not_answer(talk, doubted, command):
    talk.clock.at = doubted.attempt.expires_at + DAY
    talk.wallet.down = True
    assert "confirm" not in await talk.tell("op", command.format(id=doubted.id[:8]))
    assert await state(talk) == "IN_DOUBT"


async def test_hold_is_not_ignored(talk, doubted):
    assert "cannot be ignored" in await talk.tell("op", "hold ignore 1")
    assert f"payout cancel {doubted.id[:8]}" in (await talk.tell("op", "holds"))
    assert await state(talk) == "IN_DOUBT"


async def test_two_operators_words_make_one_verdict(talk, doubted):
    """One says it came, the other that it did not: the first code counts, the second is refused."""
    talk.clock.at = doubted.attempt.expires_at + DAY
    one = await talk.tell("op", "hold accept 1")
    other = await talk.tell("op2", f"payout retry {doubted.id[:8]}")
    await talk.tell("op", f"confirm {code_in(one)}")
    await talk.tell("op2", f"confirm {code_in(other)}")
    assert await state(talk) == "DONE"
    assert await verdict(talk, doubted) == ("arrived", "operator")


@pytest.fixture
async def paid_before(talk, doubted):
    """The first invoice was given up and paid anew; the second is in doubt, and now the first is paid."""
    talk.clock.at = doubted.attempt.expires_at + DAY
    await talk.do("op", f"payout retry {doubted.id[:8]}")
    await talk.bring_to(doubted.id, "invoice", "submit")
    now = talk.clock.now()

    def doubt(tx):
        sent = payouts.by_id(tx, doubted.id)
        transitions.note_seen(tx, sent, PaymentStatus.FAILED)
        transitions.put_in_doubt(tx, sent)
        holds.open_hold(tx, "payout", sent.id, HoldReason.FAILED_TO_ADDRESS, now=now)

    await talk.database.transact(doubt)
    second = await talk.payout()
    talk.wallet.payments = [
        talk.paid(doubted),
        talk.paid(second, status=PaymentStatus.FAILED),
    ]
    talk.clock.at = second.attempt.expires_at + DAY
    return second


@pytest.mark.usefixtures("paid_before")
async def test_earlier_invoice_that_lnbits_has_paid_settles_the_payout(talk, doubted):
    asked = await talk.tell("op", "hold accept 2")
    assert "LNbits" in asked
    assert "on your word" not in asked
    await talk.tell("op", f"confirm {code_in(asked)}")
    found = await talk.payout()
    assert (found.state, found.attempt.payment_hash) == ("DEBITED", doubted.attempt.payment_hash)
    assert (await talk.client("maria")).owed_sat == 0
    assert await talk.tell("op", "holds") == "Nothing is held."
    assert await talk.audit() == ()


@pytest.mark.parametrize("command", ["payout retry", "payout cancel"])
async def test_what_an_earlier_invoice_has_paid_is_not_undone(talk, paid_before, command):
    refused = await talk.tell("op", f"{command} {paid_before.id[:8]}")
    assert "hold accept 2" in refused
    assert "goes on by itself" not in refused
    assert await state(talk) == "IN_DOUBT"
