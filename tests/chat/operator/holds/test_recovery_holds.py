"""What LNbits has paid and an old copy of the ledger lacks: recorded, or settled by hand."""

from dataclasses import replace
from datetime import timedelta

import pytest
from talk import OTHER_KEY, code_in

from dca_bot.core.ports import PaymentStatus
from dca_bot.ledger.audit.payments import audit_payments
from dca_bot.ledger.distributions import recovery
from dca_bot.ledger.payouts import holds, unknown_payments
from dca_bot.ledger.payouts.holds import HoldReason
from dca_bot.ledger.store.instants import micros

RUN = "fixed:2026-11-24T09:00"


@pytest.fixture
async def held(talk):
    """LNbits has paid 12,000 sats to maria for Q100 in a run that the ledger lacks."""
    await talk.add_client("maria", balance="150")
    await lnbits_paid(talk, "maria", minor=10_000)
    await hold(talk)
    return talk


async def lnbits_paid(talk, name, *, minor, hash_="fe" * 32, run=RUN):
    await talk.sql(
        "INSERT INTO foreign_payment VALUES (?, ?, ?, ?, -12000000, 0, 'success', ?, ?, NULL)",
        hash_,
        hash_[:32],
        run,
        name,
        micros(talk.clock.now()),
        minor,
    )


async def hold(talk):
    def work(tx):
        (ref,) = recovery.distribution_ids(tx)
        opened = holds.open_hold(tx, "lost", ref, HoldReason.LOST, now=talk.clock.now())
        talk.notices.hold_opened(tx, opened, talk.clock.now())

    await talk.database.transact(work)


async def test_operator_is_told_what_was_paid_and_records_it(held):
    told = (await held.letters_to("op"))[-1]
    assert "12,000 sats" in told
    assert "maria" in told
    assert "hold accept 1" in told
    asked = await held.tell("op", "hold accept 1")
    assert "maria: Q100.00, 12,000 sats" in asked
    assert "recorded" in await held.do("op", "hold accept 1")
    assert (await held.client("maria")).balance_minor == 5_000
    assert (await held.payout()).state == "DEBITED"
    assert await held.tell("op", "holds") == "Nothing is held."
    assert await held.audit() == ()


async def test_run_that_lapsed_here_and_was_paid_by_another_copy_is_recorded(talk):
    await talk.add_client("maria", balance="150")
    await talk.sql(
        "INSERT INTO fixed_run (id, day, due_at, state, reason, changed_at)"
        " VALUES (?, '2026-11-24', 1, 'lapsed', 'bot_not_at_work', 2)",
        RUN,
    )
    await lnbits_paid(talk, "maria", minor=10_000)
    await hold(talk)
    assert "recorded" in await talk.do("op", "hold accept 1")
    assert await talk.audit() == ()


async def test_operator_settles_it_otherwise(held):
    told = await held.tell("op", "hold ignore 1")
    assert "withdraw" in told
    await held.do("op", "hold ignore 1")
    assert (await held.client("maria")).balance_minor == 15_000
    assert await held.count("payout") == 0
    assert await held.database.read(recovery.distribution_ids) == []


async def test_recording_is_refused_while_the_deposit_is_missing(held):
    await held.do("op", "withdraw maria 100")
    assert "missing deposit" in await held.tell("op", "hold accept 1")
    assert await held.count("share") == 0


@pytest.mark.parametrize(("name", "minor"), [("maria", 5_000), ("juan", None)])
async def test_payments_that_tell_too_little_are_not_recorded(talk, name, minor):
    await talk.add_client("maria", balance="150")
    await talk.add_client("juan", balance="150")
    await lnbits_paid(talk, "maria", minor=10_000)
    await lnbits_paid(talk, name, minor=minor, hash_="fd" * 32)
    await hold(talk)
    assert "hold ignore 1" in await talk.tell("op", "hold accept 1")
    assert await talk.count("share") == 0


CASH_OUT = "aaaa1111-0000"


@pytest.fixture
async def otherwise(talk):
    """LNbits has paid a cash-out to maria alone; by the old copy's balances juan would have a part."""
    await talk.add_client("maria", balance="100")
    await talk.add_client("juan", balance="300")
    await lnbits_paid(talk, "maria", minor=10_000, run=CASH_OUT)
    await talk.hold_cash_out(CASH_OUT, reason=HoldReason.KNOWN_DISTRIBUTION)
    return talk


async def test_cash_out_that_would_come_out_otherwise_is_recorded_as_lnbits_has_paid_it(otherwise):
    asked = await otherwise.tell("op", "hold accept 1")
    assert "as LNbits has paid it" in asked
    assert "maria: Q100.00, 12,000 sats" in asked
    assert "juan" not in asked
    assert "12,000 sats." in asked, "the rest of 24,000 is the operator's"
    assert "recorded as LNbits had paid it" in await otherwise.do("op", "hold accept 1")
    assert (await otherwise.client("maria")).balance_minor == 0
    assert (await otherwise.client("juan")).balance_minor == 30_000
    assert (await otherwise.payout()).state == "DEBITED"
    assert await otherwise.count("payout") == 1
    assert await otherwise.tell("op", "holds") == "Nothing is held."
    assert await otherwise.audit() == ()


async def test_cash_out_that_lnbits_is_still_paying_waits(otherwise):
    await lnbits_paid(otherwise, "juan", minor=1, hash_="fd" * 32, run=CASH_OUT)
    await otherwise.sql("UPDATE foreign_payment SET status = 'pending' WHERE client_name = 'juan'")
    assert "may still make a payment" in await otherwise.tell("op", "hold accept 1")


async def test_cash_out_that_lnbits_is_still_paying_to_somebody_else_waits(talk):
    """Her deposit isn't recorded again yet, so juan would get what is on its way to maria."""
    await talk.add_client("maria")
    await talk.add_client("juan", balance="300")
    await lnbits_paid(talk, "maria", minor=20_000, run=CASH_OUT)
    await talk.sql("UPDATE foreign_payment SET amount_msat = -24000000")
    await talk.hold_cash_out(CASH_OUT, reason=HoldReason.KNOWN_DISTRIBUTION)
    for status in ("pending", "failed"):
        await talk.sql("UPDATE foreign_payment SET status = ?", status)
        assert "may still make a payment" in await talk.tell("op", "hold accept 1")
    talk.clock.at += timedelta(days=8)
    assert "juan: Q200.00" in await talk.tell("op", "hold accept 1"), "it has failed for good"


async def commission_paid(talk, name, *, msat=-400_000, status="success"):
    await talk.sql(
        "INSERT INTO foreign_payment VALUES ('fc', 'lost', ?, ?, ?, 0, ?, ?, 0, NULL)",
        f"commission:{CASH_OUT}",
        name,
        msat,
        status,
        micros(talk.clock.now()),
    )


@pytest.mark.parametrize("as_paid", [True, False])
async def test_commission_that_was_paid_by_other_terms_is_told_and_not_split(talk, as_paid):
    await talk.add_client("maria", balance="100" if as_paid else "200")
    if as_paid:
        await talk.add_client("juan", balance="300")
    await talk.do("op", f"commission set rosa 40 {OTHER_KEY}")
    await lnbits_paid(talk, "maria", minor=10_000 if as_paid else 20_000, run=CASH_OUT)
    if not as_paid:
        await talk.sql("UPDATE foreign_payment SET amount_msat = -24000000")
    await commission_paid(talk, "luis")
    await talk.hold_cash_out(CASH_OUT, reason=HoldReason.KNOWN_DISTRIBUTION)
    asked = await talk.tell("op", "hold accept 1")
    assert ("as LNbits has paid it" in asked) is as_paid
    assert "The commission is not split: LNbits has paid 400 sats of it by other terms" in asked
    assert "rosa" not in asked
    await talk.tell("op", f"confirm {code_in(asked)}")
    assert await talk.count("payout") == 1
    assert await talk.database.read(recovery.distribution_ids) == []


async def test_commission_that_was_paid_by_the_same_terms_is_split(talk):
    await talk.add_client("maria", balance="200")
    await talk.do("op", f"commission set rosa 40 {OTHER_KEY}")
    await commission_paid(talk, "Rosa")
    await talk.hold_cash_out(CASH_OUT, reason=HoldReason.KNOWN_DISTRIBUTION)
    assert "rosa: 400 sats" in await talk.tell("op", "hold accept 1")


async def test_commission_that_one_payment_brought_for_several_cash_outs_is_split(talk):
    """How much of it was for which nothing tells: whoever got it is held, and the others are paid."""
    await talk.add_client("maria", balance="500")
    await talk.do("op", "commission set maria 50")
    await talk.do("op", f"commission set rosa 50 {OTHER_KEY}")
    for number, id_ in enumerate((CASH_OUT, "bbbb2222-0000"), start=1):
        await talk.sql(
            "INSERT INTO foreign_payment VALUES"
            " ('fc', 'lost', ?, 'maria', -1000000, 0, 'success', ?, 0, NULL)",
            f"commission:{id_}",
            micros(talk.clock.now()),
        )
        await talk.hold_cash_out(id_, reason=HoldReason.KNOWN_DISTRIBUTION)
        await talk.do("op", f"hold accept {number}")
    shares = await talk.sql(
        "SELECT name, sat FROM share JOIN client ON client.id = client_id"
        " JOIN distribution ON distribution.id = distribution_id WHERE kind = 'commission'"
    )
    assert {tuple(share) for share in shares} == {("maria", 500), ("rosa", 500)}


async def test_commission_that_is_still_being_paid_by_other_terms_waits(talk):
    await talk.add_client("maria", balance="200")
    await talk.do("op", f"commission set rosa 40 {OTHER_KEY}")
    await commission_paid(talk, "luis", status="pending")
    await talk.hold_cash_out(CASH_OUT, reason=HoldReason.KNOWN_DISTRIBUTION)
    assert "may still make a payment" in await talk.tell("op", "hold accept 1")


async def test_payout_is_not_cancelled_while_another_payment_may_still_bring_its_share(talk):
    await talk.add_client("maria", balance="150")
    await talk.distribute(CASH_OUT)
    payout = await talk.payout()
    for run in (CASH_OUT, "bbbb2222"):
        await lnbits_paid(talk, "maria", minor=25_000, run=run)
    await talk.hold_payout(HoldReason.KNOWN_PAYOUT)
    await talk.sql("UPDATE foreign_payment SET status = 'pending'")
    assert "may still make a payment" in await talk.tell("op", f"payout cancel {payout.id}")
    await talk.sql("UPDATE foreign_payment SET status = 'success'")
    assert "confirm" in await talk.tell("op", f"payout cancel {payout.id}")


async def test_cash_out_that_comes_out_as_it_did_is_shared_out(talk):
    await talk.add_client("maria", balance="150")
    await lnbits_paid(talk, "maria", minor=15_000, run=CASH_OUT)
    await talk.sql("UPDATE foreign_payment SET amount_msat = -18000000")
    await talk.hold_cash_out(CASH_OUT, reason=HoldReason.KNOWN_DISTRIBUTION)
    asked = await talk.tell("op", "hold accept 1")
    assert "Share out cash-out" in asked
    assert "maria: Q150.00, 18,000 sats" in asked


async def test_more_than_there_was_is_not_recorded(otherwise):
    await otherwise.sql("UPDATE foreign_payment SET amount_msat = -24001000")
    assert "more for this cash-out" in await otherwise.do("op", "hold accept 1")
    assert await otherwise.count("share") == 0


async def test_held_run_is_found_by_its_id(held):
    assert "Record" in await held.tell("op", f"hold accept {RUN}")


async def test_nothing_is_shared_out_while_paused_or_before_lnbits_was_asked(talk):
    await talk.add_client("maria", balance="150")
    await talk.hold_cash_out(CASH_OUT)
    asked = await talk.tell("op", "hold accept 1")
    await talk.tell("op", "pause all")
    assert "Everything is paused" in await talk.tell("op", f"confirm {code_in(asked)}")
    assert "PAUSED" in await talk.tell("op", "poll")
    await talk.tell("op", "resume all")
    talk.reconciled = False
    assert "LNbits does not answer" in await talk.tell("op", "hold accept 1")
    assert "LNbits does not answer" in await talk.tell("op", "poll")
    assert await talk.count("share") == 0


async def test_nothing_is_recorded_while_lnbits_may_still_pay_a_part(held):
    """A part that succeeds later would be bought again, as the run would be known by then."""
    await held.add_client("juan", balance="300")
    await lnbits_paid(held, "juan", minor=10_000, hash_="fd" * 32)
    for status in ("pending", "failed"):
        await held.sql("UPDATE foreign_payment SET status = ? WHERE client_name = 'juan'", status)
        assert "may still make a payment" in await held.tell("op", "hold accept 1")
    await held.sql("UPDATE foreign_payment SET status = 'success'")
    asked = await held.tell("op", "hold accept 1")
    assert "juan: Q100.00" in asked
    await held.tell("op", f"confirm {code_in(asked)}")
    assert await held.count("payout") == 2


async def test_cancelled_payout_settles_nothing_else_that_the_payment_brought(talk):
    await talk.add_client("maria", balance="500")
    await talk.distribute(CASH_OUT)
    for run in (CASH_OUT, RUN):
        await lnbits_paid(talk, "maria", minor=30_000, run=run)
    payout = await talk.payout()
    await talk.hold_payout(HoldReason.KNOWN_PAYOUT)
    await talk.do("op", f"payout cancel {payout.id}")
    assert await talk.database.read(recovery.distribution_ids) == [RUN]
    assert await talk.database.read(unknown_payments.settled_hashes) == set()
    await hold(talk)
    await talk.do("op", "hold ignore 2")
    assert await talk.database.read(recovery.distribution_ids) == []
    assert await talk.database.read(unknown_payments.settled_hashes) == {"fe" * 32}


async def test_payment_that_succeeds_after_its_payout_was_cancelled_is_found(talk):
    await talk.add_client("maria", balance="500")
    await talk.distribute(CASH_OUT)
    payout = await talk.payout()
    await talk.bring_to(payout.id, "invoice", "submit")
    failed = talk.paid(await talk.payout(), status=PaymentStatus.FAILED)
    talk.wallet.payments = [failed]
    await talk.bring_to(payout.id, "VOID")
    talk.clock.at += timedelta(days=2)
    await talk.do("op", f"payout cancel {payout.id[:8]}")
    talk.wallet.payments = [replace(failed, status=PaymentStatus.SUCCESS)]
    findings = (await audit_payments(talk.database, talk.wallet)).findings
    assert len(findings) == 1


async def test_hold_of_an_old_copy_says_with_which_part_to_accept_what_lnbits_has_paid(talk):
    await talk.add_client("maria", balance="150")
    await talk.hold_cash_out(CASH_OUT)
    assert "what the machine reported: hold accept 1 Q100.00" in await talk.tell("op", "holds")
    await lnbits_paid(talk, "maria", minor=10_000, run=CASH_OUT)
    told = await talk.tell("op", "holds")
    assert "LNbits has paid 12,000 sats of it already, for Q100.00." in told
    assert "hold accept 1 Q100.00" in told
    await talk.do("op", "hold accept 1 Q100.00")
    assert (await talk.client("maria")).balance_minor == 5_000
    assert await talk.count("payout") == 1
