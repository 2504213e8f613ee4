"""What may pass is waited for shortly; what repeats is a refusal, and waited for longer."""

from datetime import UTC, datetime, timedelta

import pytest

from dca_bot.core.payout import PASSING_TRIES, Waiting
from dca_bot.errors import DestinationRefused, Refusal
from dca_bot.ledger.programme.clients import (
    ADDRESS,
    INVOICE_KEY,
    Destination,
    by_name,
    set_minimum,
)

NOW = datetime(2026, 3, 1, 12, tzinfo=UTC)
KEY = Destination(INVOICE_KEY, "key")
PLACE = Destination(ADDRESS, "ana@example.com")
SECOND, MINUTE = timedelta(seconds=1), timedelta(minutes=1)


@pytest.fixture
def make_faulty(make_due):
    """Make a bench whose destination answers with `bench.faults` before it does as it should."""

    async def make(destination, *faults):
        bench = await make_due(destination)
        bench.faults = list(faults)
        part, name = (
            (bench.wallet, "request_invoice") if destination is KEY else (bench.addresses, "limits")
        )
        ask = getattr(part, name)

        async def answer(*args, **named):
            if bench.faults:
                raise bench.faults.pop(0)
            return await ask(*args, **named)

        setattr(part, name, answer)
        return bench

    return make


async def look(bench):
    """Let the worker look when the payout is due; return for how long it waited, and why now."""
    (payout,) = await bench.payouts()
    waited = max(payout.try_at - bench.clock.now(), timedelta())
    bench.clock.ahead += waited
    await bench.worker.work_once()
    (payout,) = await bench.payouts()
    return waited, payout.waiting


PASSING = [
    (KEY, DestinationRefused(Refusal.KEY, may_pass=True)),
    (PLACE, DestinationRefused(Refusal.NO_SERVICE, may_pass=True)),
    (PLACE, DestinationRefused(Refusal.UNKNOWN, may_pass=True)),
]


@pytest.mark.parametrize(("destination", "fault"), PASSING)
async def test_answer_that_was_garbled_once_costs_seconds(make_faulty, destination, fault):
    bench = await make_faulty(destination, fault)
    assert (await look(bench))[1] == Waiting.NO_USABLE_ANSWER
    waited, _ = await look(bench)
    assert (waited, await bench.states()) == (5 * SECOND, ["DONE"])


@pytest.mark.parametrize(("destination", "fault"), PASSING)
async def test_answer_that_repeats_is_a_refusal_and_waited_for_longer(
    make_faulty, destination, fault
):
    bench = await make_faulty(destination, *[fault] * (PASSING_TRIES + 2))
    looks = [await look(bench) for _ in range(PASSING_TRIES + 2)]
    assert [why for _, why in looks[:PASSING_TRIES]] == [Waiting.NO_USABLE_ANSWER] * PASSING_TRIES
    assert [why for _, why in looks[PASSING_TRIES:]] == [fault.why] * 2
    pauses = [waited // SECOND for waited, _ in looks]
    assert pauses == [0, 5, 10, 20, 40, 80, 160, 600]
    await look(bench)
    assert await bench.states() == ["DONE"]


async def test_words_of_a_server_are_shown_from_the_first_time_on(make_faulty):
    bench = await make_faulty(
        PLACE, DestinationRefused(Refusal.SAID, said="node offline", may_pass=True)
    )
    assert (await look(bench))[1] == Refusal.SAID
    assert [payout.waiting_said for payout in await bench.payouts()] == ["node offline"]
    waited, _ = await look(bench)
    assert waited == 5 * SECOND


async def test_what_cannot_pass_is_a_refusal_at_once(make_faulty):
    bench = await make_faulty(PLACE, DestinationRefused(Refusal.NO_PAYMENTS))
    assert (await look(bench))[1] == Refusal.NO_PAYMENTS
    waited, _ = await look(bench)
    assert waited == 10 * MINUTE


async def test_destination_that_has_refused_three_payouts_is_asked_for_no_fourth_in_that_round(
    make_faulty,
):
    bench = await make_faulty(PLACE, *[DestinationRefused(Refusal.NO_PAYMENTS)] * 4)
    for _ in range(3):
        await bench.distribute(50_000, 40_000)
    await bench.worker.work_once()
    assert len(bench.faults) == 1
    assert [payout.waiting for payout in await bench.payouts()].count(Refusal.NO_PAYMENTS) == 3


async def test_minimum_is_asked_for_again_and_what_reaches_it_meanwhile_is_paid(make_scripted):
    bench = await make_scripted(PLACE)
    await bench.database.transact(lambda tx: set_minimum(tx, by_name(tx, "ana").id, PLACE, 60_000))
    await bench.distribute(50_000, 40_000)
    assert await bench.states() == []
    await bench.settle()
    assert await bench.states() == ["DONE"]
