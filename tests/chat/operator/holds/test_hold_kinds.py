"""Each kind of hold has a row in the table of texts and in the table of decisions."""

import sqlite3

import pytest

from dca_bot.chat.operator.holds.commands import HOLD_ACTIONS
from dca_bot.ledger.distributions import imports
from dca_bot.ledger.distributions.imports import SourceKind
from dca_bot.ledger.payouts import holds
from dca_bot.ledger.payouts.holds import HoldKind, HoldReason
from dca_bot.messages.describe.holds.kinds import HOLD_TEXTS

NOT_THERE = "no such thing"


def open_hold(talk, kind):
    def work(tx):
        now = talk.clock.now()
        return holds.open_hold(tx, kind, NOT_THERE, HoldReason.CEILING_PAYOUT, now=now)

    return talk.database.transact(work)


def test_each_kind_of_hold_can_be_described_and_decided():
    assert set(HOLD_TEXTS) == set(HOLD_ACTIONS) == set(HoldKind)


async def test_ledger_takes_each_kind_of_hold_and_no_other(talk):
    for kind in HoldKind:
        hold = await open_hold(talk, kind)
        assert hold.kind is kind
    opened = await talk.database.read(holds.still_open)
    assert [hold.kind for hold in opened] == list(HoldKind)
    with pytest.raises(sqlite3.IntegrityError):
        await open_hold(talk, "loan")


@pytest.mark.parametrize("kind", HoldKind)
async def test_hold_is_told_and_answered_even_if_the_held_thing_is_gone(talk, kind):
    await open_hold(talk, kind)
    assert "#1" in await talk.tell("op", "holds")
    for command in ("hold accept 1", "hold ignore 1"):
        assert "went wrong" not in await talk.tell("op", command)


async def test_only_a_held_cash_out_is_accepted_in_part(talk):
    assert {kind for kind in HoldKind if HOLD_ACTIONS[kind].takes_part} == {HoldKind.CASH_OUT}
    await open_hold(talk, HoldKind.CHANGED)
    assert "amount" in await talk.tell("op", "hold accept 1 100")


async def test_cash_out_that_the_programme_before_has_shared_out_can_only_be_ignored(talk):
    await talk.hold_cash_out("held-one")

    def move_in(tx):
        kind = SourceKind.SATMACHINE
        imports.add(tx, "source", kind, {"held-one"}, now=talk.clock.now())

    await talk.database.transact(move_in)
    for command in ("hold accept 1", "hold accept held-one 100"):
        told = await talk.tell("op", command)
        assert "programme before" in told
        assert "hold ignore 1" in told
    assert "is closed" in await talk.do("op", "hold ignore 1")
