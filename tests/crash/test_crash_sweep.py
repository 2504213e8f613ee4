"""A piece of the crash sweep on real parts, and what the sweep's own parts notice."""

import asyncio
import doctest
from collections import Counter
from types import SimpleNamespace

import pytest
from crash import power, sweep
from crash.checker import Outcome, compare_payments, compare_texts
from crash.parts import joined
from crash.power import LOSSES, mixture
from crash.scenarios import SCENARIOS
from crash.world import Strike
from lnbits_servers import Server

ANA = "ana's wallet"


@pytest.mark.slow(60)
async def test_payout_outlasts_kills_around_its_pay_request_and_a_power_cut(
    lnbits, remote_lnbits, tmp_path
):
    scenario = SCENARIOS["address"]
    with joined(Server(remote_lnbits), lnbits, tmp_path) as shared:
        reference, points = await sweep.run_world(shared, scenario, [])
        assert reference.is_clean, reference.faults
        paid = [name for name in points if name.startswith("request POST /api/v1/payments #")]
        strikes = [Strike(paid[-1], side) for side in ("before", "sent", "after")]
        recorded = [name for name in points if name.startswith("commit payout #")]
        strikes.append(Strike(recorded[-1], "after", power="scattered"))
        found = await asyncio.gather(
            *(sweep.judged(shared, scenario, [strike], reference) for strike in strikes)
        )
    assert [(one.kills, one.is_clean) for one in found] == [(1, True)] * 4, found
    assert reference.texts["ana"].total() == 1


def world_of(payouts, source, credited):
    """A world that has ended: payouts (id, sats, state), the source's and ana's rows at LNbits in sats."""
    rows = {
        "source": [("source", -1000 * sat, status, id_) for id_, sat, status in source],
        ANA: [(ANA, 1000 * sat, "success", "") for sat in credited],
    }
    return SimpleNamespace(
        parts=SimpleNamespace(payments=rows.get),
        source=SimpleNamespace(id="source"),
        people={"ana": SimpleNamespace(homes=[SimpleNamespace(id=ANA)], abroad=[])},
        rows=lambda _query: [(id_, "ana", sat, state) for id_, sat, state in payouts],
        sold=[("sale", sum(sat for _, sat, _ in payouts))],
        has_other=False,
    )


def judge(*about):
    outcome = Outcome()
    compare_payments(world_of(*about), outcome)
    return (outcome.lost_sat, outcome.doubled_sat, outcome.open_sat, len(outcome.faults))


@pytest.mark.parametrize(
    ("payouts", "source", "credited", "found"),
    [
        ([("p", 70, "DONE")], [("p", 70, "success")], [70], (0, 0, 0, 0)),
        ([("p", 70, "DONE")], [("p", 70, "success")] * 2, [70, 70], (0, 70, 0, 0)),
        ([("p", 70, "DONE")], [("p", 70, "success")] * 2, [70], (0, 70, 0, 0)),
        ([("p", 70, "DONE")], [("p", 70, "success")], [], (70, 0, 0, 0)),
        ([("p", 70, "DONE")], [("p", 70, "failed")], [], (70, 0, 0, 1)),
        ([("p", 70, "ALERT")], [("p", 70, "success")], [], (0, 0, 70, 0)),
        ([("p", 70, "DONE")], [("p", 70, "success"), ("q", 9, "success")], [70, 9], (0, 9, 0, 1)),
    ],
)
def test_checker_notices_what_was_lost_or_doubled(payouts, source, credited, found):
    assert judge(payouts, source, credited) == found


def test_checker_notices_who_was_told_twice_or_never():
    outcome = Outcome(texts={"ana": Counter(["paid", "paid"]), "operator": Counter()})
    reference = Outcome(texts={"ana": Counter(["paid"]), "operator": Counter(["held"])})
    compare_texts(outcome, reference)
    assert (outcome.told_twice, outcome.untold, outcome.is_clean) == (1, 1, False)


@pytest.mark.parametrize("way", sweep.WAYS)
def test_every_way_strikes_each_of_its_points(way):
    copied, paid = "fsync ledger-….sqlite3.part #1", "request POST /api/v1/payments #1"
    points = ["commit payout #1", copied, paid, "fsync ledger.lock #1"]
    struck = {strike[0].at for _, strike in sweep.strikes_of(points, way)}
    of_way = {"kill": points, "twice": points, "power": points[:2], "lnbits": [paid]}
    assert struck == set(of_way[way])


@pytest.mark.parametrize("how", LOSSES)
def test_power_cut_leaves_old_and_new_sectors_only(how):
    old, new = b"o" * 1024 + b"same" * 128, b"n" * 1024 + b"same" * 128 + b"m" * 700
    left = mixture(old, new, how)
    assert left != new
    assert (left == old) == (how == "dropped")
    for at in range(0, len(left), 512):
        sector = left[at : at + 512]
        assert sector in (old[at : at + 512], new[at : at + 512], bytes(len(sector)))


@pytest.mark.parametrize("module", [power, sweep])
def test_examples_are_true(module):
    assert doctest.testmod(module).failed == 0
