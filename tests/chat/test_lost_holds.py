"""What LNbits has paid and an old copy of the ledger lacks: recorded, or settled by hand."""

import pytest

from dca_bot.ledger import holds, lost
from dca_bot.ledger.holds import KNOWN_DISTRIBUTION, LOST
from dca_bot.ledger.instant import micros

RUN = "fixed:2026-11-24T09:00"


@pytest.fixture
async def held(talk):
    """LNbits has paid 12,000 sats to maria for 100 GTQ in a run that the ledger lacks."""
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
        (ref,) = lost.distribution_ids(tx)
        opened = holds.open_hold(tx, "lost", ref, LOST, now=talk.clock.now())
        talk.herald.hold_opened(tx, opened, talk.clock.now())

    await talk.database.transact(work)


async def test_operator_is_told_what_was_paid_and_records_it(held):
    told = (await held.letters_to("op"))[-1]
    assert "12,000 sats" in told
    assert "maria" in told
    assert "hold accept 1" in told
    asked = await held.tell("op", "hold accept 1")
    assert "maria: 100.00 GTQ, 12,000 sats" in asked
    assert "recorded" in await held.do("op", "hold accept 1")
    assert (await held.client("maria")).balance_minor == 5_000
    assert (await held.payout()).state == "DEBITED"
    assert await held.tell("op", "holds") == "Nothing is held."
    assert await held.audit() == ()


async def test_operator_settles_it_otherwise(held):
    told = await held.tell("op", "hold ignore 1")
    assert "withdraw" in told
    await held.do("op", "hold ignore 1")
    assert (await held.client("maria")).balance_minor == 15_000
    assert await held.count("payout") == 0
    assert await held.database.read(lost.distribution_ids) == []


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
    await talk.hold_cash_out(CASH_OUT, reason=KNOWN_DISTRIBUTION)
    return talk


async def test_cash_out_that_would_come_out_otherwise_is_recorded_as_lnbits_has_paid_it(otherwise):
    asked = await otherwise.tell("op", "hold accept 1")
    assert "as LNbits has paid it" in asked
    assert "maria: 100.00 GTQ, 12,000 sats" in asked
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
    assert "still paying" in await otherwise.tell("op", "hold accept 1")


async def test_cash_out_that_comes_out_as_it_did_is_shared_out(talk):
    await talk.add_client("maria", balance="150")
    await lnbits_paid(talk, "maria", minor=15_000, run=CASH_OUT)
    await talk.sql("UPDATE foreign_payment SET amount_msat = -18000000")
    await talk.hold_cash_out(CASH_OUT, reason=KNOWN_DISTRIBUTION)
    asked = await talk.tell("op", "hold accept 1")
    assert "Share out cash-out" in asked
    assert "maria: 150.00 GTQ, 18,000 sats" in asked


async def test_more_than_there_was_is_not_recorded(otherwise):
    await otherwise.sql("UPDATE foreign_payment SET amount_msat = -24001000")
    assert "more for this cash-out" in await otherwise.do("op", "hold accept 1")
    assert await otherwise.count("share") == 0
