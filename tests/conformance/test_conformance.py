"""The simulated LNbits answers the whole scenario as real ones do."""

import asyncio
from datetime import timedelta

import pytest
from lnbits_servers import Server, server_on
from simulation.lnbits_client import LnbitsClient
from simulation.virtual_time import VirtualLoop

from conformance import comparison
from conformance.node import Node
from conformance.real import RealStage
from conformance.simulated import SimulatedStage
from conformance.steps import DIFFERENCES, STEPS
from dca_bot.core.ports import Wallet

# On PostgreSQL LNbits takes an invoice's end for later by its time zone's offset: here earlier.
ZONE, OFFSET = "America/Guatemala", timedelta(hours=-6)


def simulated(expiry_shift=timedelta(), stage=SimulatedStage) -> comparison.Answers:
    loop = VirtualLoop()
    return loop.run_until_complete(comparison.play(stage(loop, expiry_shift)))


def real(server, node, other) -> comparison.Answers:
    async def play() -> comparison.Answers:
        async with RealStage(server, node, other).opened() as stage:
            return await comparison.play(stage)

    return asyncio.run(play())


def assert_alike(simulated, real):
    print(comparison.table(simulated, real))  # noqa: T201 - `make conformance` shows the table
    found = comparison.differences(simulated, real)
    assert not found, "\n".join(map(str, found))


@pytest.mark.slow(12)
def test_simulated_lnbits_answers_as_the_real_one_on_sqlite(remote_lnbits, remote_node, lnbits):
    assert_alike(simulated(), real(Server(remote_lnbits), remote_node, lnbits))


@pytest.mark.long
def test_simulated_lnbits_answers_as_the_real_one_on_postgresql(
    postgres, lnbits, price_stub, tmp_path
):
    node = Node(lnbits, "node of the one on PostgreSQL")
    try:
        with server_on(
            ZONE,
            tmp_path,
            price=price_stub,
            postgres=postgres,
            funding=node.funding,
        ) as server:
            assert_alike(simulated(OFFSET), real(server, node, lnbits))
    finally:
        node.close()


def test_difference_is_told_with_its_step_and_both_answers():
    answers = simulated()
    step = "an invoice is paid a second time"
    (found,) = comparison.differences(answers, {**answers, (step, 2): "98000000 msat"})
    assert str(found) == (
        f"{step}: balance\n    simulated  99000000 msat\n    real       98000000 msat"
    )


def test_each_reason_is_of_a_line_of_the_scenario():
    assert set(DIFFERENCES) <= {(step, line) for step, lines in STEPS.items() for line in lines}


def test_scenario_asks_all_that_the_bot_asks_of_lnbits():
    asked = set()

    class Noted(LnbitsClient):
        def __getattribute__(self, name):
            asked.add(name)
            return super().__getattribute__(name)

    class NotedStage(SimulatedStage):
        client = Noted

    simulated(stage=NotedStage)
    assert {name for name in vars(Wallet) if not name.startswith("_")} <= asked
