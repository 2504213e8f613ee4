"""What LNbits has paid and an old copy of the ledger lacks: recorded, or settled by hand."""

import pytest

from dca_bot.ledger import holds, lost
from dca_bot.ledger.holds import LOST
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
