"""Machines that report something else than what Lamassu has as given out: told once, shared out as ever."""

from decimal import Decimal

import pytest
from ingest_bench import DAY, HOUR, NOW, cash_out

from dca_bot.core.cash_out import Action

PARTLY = (Action(1, "dispense", NOW - 3 * DAY, ((100, 3),)),)


@pytest.mark.parametrize(
    ("reports", "told"),
    [
        # A retry after a part: the last report is the whole state.
        ([("dispense", ((100, 3),)), ("dispense", ((100, 8),))], None),
        ([("dispenseError", ((100, 8),)), ("dispense", ((100, 8),))], None),
        # No notes, or none that can be read, contradict nothing.
        ([("dispense", ())], None),
        ([("dispense", None)], None),
        ([("dispense", ((10**9, 10**9),))], None),
        # Zero notes do.
        ([("dispense", ((100, 0), (50, 0)))], 0),
        ([("dispense", ((100, 8),)), ("dispense", ((100, 7),))], 70_000),
        ([("dispense", ((100, 8),))] * 3, 240_000),
    ],
)
async def test_reports_that_contradict_a_sale_are_told_with_it(make_ingest, reports, told):
    bench = await make_ingest()
    actions = tuple(
        Action(number, action, NOW - HOUR, notes) for number, (action, notes) in enumerate(reports)
    )
    bench.server.put(cash_out("a", NOW - HOUR, actions=actions))
    await bench.poll(3)
    assert await bench.distributed() == ["a"]
    assert await bench.rows("SELECT reported_minor FROM cash_out") == [(told,)]
    assert len(await bench.letters()) == (told is not None)


async def test_contradiction_of_a_held_sale_is_told_with_its_hold_alone(make_ingest):
    bench = await make_ingest()
    short = {"received_crypto_atoms": Decimal(100)}
    bench.server.put(cash_out("a", NOW - HOUR, actions=PARTLY, **short))
    await bench.poll(2)
    (letter,) = await bench.letters()
    assert "Hold #1" in letter
    assert "Q800.00 as given out, the machine reported Q300.00" in letter
    bench.server.put(cash_out("a", NOW - HOUR, actions=PARTLY))
    await bench.poll(2)
    assert await bench.distributed() == ["a"]
    assert len(await bench.letters()) == 1
