import sqlite3
from datetime import datetime, timedelta

import pytest
from ledger.story import ADDRESS, KEY, START
from scaffold import FLOW

from dca_bot.core.cash_out import Amounts
from dca_bot.errors import Changed, StateChanged
from dca_bot.ledger.distributions import cash_outs, distributions, flow_mode
from dca_bot.ledger.distributions.manual_cash_outs import cash_out_id
from dca_bot.ledger.programme import clients, deposits, machines
from dca_bot.ledger.store import accounts


def test_two_clients_share_as_the_design_says(story):
    ana, ben = story.client("ana", balance=9000_00), story.client("ben", balance=1000_00)
    story.cash_out("d1", 1_000_000, 2000_00, commission_sat=58_000)
    assert story.shares("d1") == {ana: (1800_00, 900_000), ben: (200_00, 100_000)}
    assert (story.balance(ana), story.balance(ben)) == (7200_00, 800_00)
    assert (story.owed(ana), story.owed(ben)) == (900_000, 100_000)
    assert story.total(accounts.COMMISSION) == 58_000
    assert story.total(accounts.OPERATOR) == 0
    assert story.total(accounts.MACHINE) == -1_058_000
    assert story.total(accounts.CONVERTED) == 2000_00
    assert story.findings() == ()


def test_shares_keep_the_balances_that_they_follow_from(story):
    ana, ben = story.client("ana", balance=1_000_000), story.client("ben", balance=1)
    story.cash_out("d1", 2, 1_000_001)
    story.cash_out("d2", 3_000, 3)
    of = "SELECT client_id, counted_minor FROM share WHERE distribution_id = ? ORDER BY id"
    assert [tuple(row) for row in story.sql(of, "d1")] == [(ana, 1_000_000)]
    assert [tuple(row) for row in story.sql(of, "d2")] == [(ben, 1)]
    assert story.read(distributions.by_id, "d1").counted_minor == 1_000_000
    assert story.read(distributions.by_id, "d2").counted_minor == 1
    assert story.cash_out("d3", 5, 1, flow=False).counted_minor == 0


def test_balances_that_do_not_cover_the_principal_leave_the_rest_to_the_operator(story):
    ana = story.client("ana", balance=50_00)
    done = story.cash_out("d1", 100_001, 200_00)
    assert story.shares("d1") == {ana: (50_00, 25_000)}
    assert (done.unallocated_sat, story.total(accounts.OPERATOR)) == (75_001, 75_001)
    assert story.balance(ana) == 0


def test_nobody_eligible_gives_the_whole_principal_to_the_operator(story):
    ana = story.client("ana")
    done = story.cash_out("d1", 100_000, 200_00, commission_sat=5_500)
    assert (done.shares, done.unallocated_sat) == ((), 100_000)
    assert story.total(accounts.OPERATOR) == 100_000
    story.deposit(ana, 900_00)
    with pytest.raises(StateChanged):
        story.distribute("d1", 100_000, 200_00)
    assert story.balance(ana) == 900_00


def test_flow_disabled_gives_the_whole_principal_to_the_operator(story):
    ana = story.client("ana", balance=900_00)
    done = story.cash_out("d1", 100_000, 200_00, flow=False)
    assert (done.shares, done.unallocated_sat, story.balance(ana)) == ((), 100_000, 900_00)
    assert story.findings() == ()


ELIGIBLE = {
    "active in flow mode": ("", True),
    "paused": ("UPDATE client SET state = 'paused'", False),
    "stopped": ("UPDATE client SET state = 'stopped'", False),
    "fixed mode": ("UPDATE client SET mode = 'fixed'", False),
    "without a destination": (
        "UPDATE client SET destination = NULL, destination_kind = NULL",
        False,
    ),
}


@pytest.mark.parametrize("case", ELIGIBLE)
def test_who_takes_part(story, case):
    ana = story.client("ana", balance=100)
    statement, takes_part = ELIGIBLE[case]
    if statement:
        story.sql(statement)
    assert story.read(flow_mode.eligible, story.now, FLOW.timezone) == (
        {ana: 100} if takes_part else {}
    )


def test_a_closed_client_takes_no_part(story):
    ana = story.client("ana", balance=100)
    story.withdraw(ana, 100)
    story.state(ana, "closed")
    story.deposit(ana, 100)
    assert story.read(flow_mode.eligible, story.now, FLOW.timezone) == {}


def test_an_address_is_a_destination_too(story):
    ana = story.client("ana", balance=100, destination=ADDRESS)
    assert story.read(flow_mode.eligible, story.now, FLOW.timezone) == {ana: 100}


# What happens before and after noon (the cash-out's time), and the balance that takes part.
AS_OF = {
    "confirmed before": ([("deposit", 70)], [], 70),
    "confirmed at the very time": ([("deposit", 70)], None, 70),
    "confirmed after": ([], [("deposit", 70)], 0),
    "handed in before, confirmed after": ([("pending", 70)], [("confirm", 0)], 0),
    "some before, some after": ([("deposit", 70)], [("deposit", 30)], 70),
    "voided after": ([("deposit", 70), ("deposit", 20)], [("void", 1)], 70),
    "came and went after": ([("deposit", 70)], [("deposit", 30), ("void", 1)], 70),
    "withdrawn before": ([("deposit", 70), ("withdraw", 20)], [], 50),
    "withdrawn after": ([("deposit", 70)], [("withdraw", 20)], 50),
    "withdrawn after from what came after": (
        [("deposit", 70)],
        [("deposit", 30), ("withdraw", 30)],
        40,
    ),
    "withdrawn after beyond what was there": (
        [("deposit", 70)],
        [("deposit", 30), ("withdraw", 90)],
        0,
    ),
    "all withdrawn after": ([("deposit", 70)], [("withdraw", 70)], 0),
    "nothing ever": ([], [], 0),
}


@pytest.mark.parametrize("case", AS_OF)
def test_balances_count_as_of_the_cash_outs_time(story, case):
    before, after, then_minor = AS_OF[case]
    ana, made = story.client("ana"), []

    def play(steps):
        for what, number in steps:
            match what:
                case "deposit":
                    made.append(story.deposit(ana, number))
                case "pending":
                    made.append(story.pending(ana, number))
                case "confirm":
                    story.confirm(made[number])
                case "void":
                    story.do(deposits.void, made[number], now=story.now)
                case "withdraw":
                    story.withdraw(ana, number)

    story.now = START - timedelta(hours=1)
    play(before[:-1] if after is None else before)
    story.now = START
    if after is None:
        play(before[-1:])
    story.later(microseconds=1)
    play(after or [])
    story.later(days=3)
    expected = {ana: then_minor} if then_minor else {}
    assert story.read(flow_mode.eligible, START, FLOW.timezone) == expected
    story.cash_out("d1", 1_000_000, 100, at=START)
    assert story.shares("d1") == {ana: (minor, minor * 10_000) for ana, minor in expected.items()}
    assert story.findings() == ()


CAPS = {
    "the cap of another date": ("2026-03-01T05:59", "2026-03-01T06:00", [80, 80]),
    "the cap of one date": ("2026-03-01T06:00", "2026-03-02T05:59", [80, 20]),
    "an older cash-out of the same date": ("2026-03-01T12:00", "2026-03-01T11:00", [80, 20]),
}


@pytest.mark.parametrize("case", CAPS)
def test_cap_is_for_the_local_date_of_the_cash_outs_time(story, case):
    *times, expected = CAPS[case]
    story.now = START - timedelta(days=1)
    ana = story.client("ana", balance=1_000)
    story.do(clients.set_flow_cap, ana, 100)
    for id_, at in enumerate(times):
        story.cash_out(f"d{id_}", 8_000, 80, at=datetime.fromisoformat(f"{at}+00:00"))
    assert [story.shares(f"d{id_}")[ana][0] for id_ in range(2)] == expected
    assert story.findings() == ()


def test_cap_counts_what_the_same_person_had_as_a_closed_client_and_no_cancelled_share(story):
    ana = story.client("ana", balance=100)
    story.cash_out("d1", 1_000, 70)
    story.withdraw(ana, 30)
    for payout in story.payouts(ana):
        story.bring(payout.id, "DONE")
    story.state(ana, "closed")
    again = story.client("ana", balance=1_000)
    story.do(clients.set_flow_cap, again, 100)
    story.cash_out("d2", 1_000, 80)
    assert story.shares("d2") == {again: (30, 375)}
    (payout,) = story.payouts(again)
    story.bring(payout.id, "CANCELLED")
    story.cash_out("d3", 1_000, 20)
    assert story.shares("d3") == {again: (20, 1_000)}
    client = story.read(clients.by_id, again)
    assert story.read(flow_mode.cap_left, client, story.now, FLOW.timezone) == 10


def test_shares_of_the_commission_leave_the_cap_alone(story):
    ana = story.client("ana", balance=1_000)
    story.percent(ana, 10_000)
    story.do(clients.set_flow_cap, ana, 100)
    story.cash_out("d1", 1_000, 60, commission_sat=500)
    story.cash_out("d2", 1_000, 60)
    assert story.shares("d2") == {ana: (40, 666)}


def test_a_late_deposit_takes_part_in_later_cash_outs_only(story):
    ana = story.client("ana", balance=100)
    ben = story.client("ben")
    cash_left_at = story.later(hours=1)
    story.later(hours=1)
    story.deposit(ben, 100)
    story.cash_out("old", 1000, 50, at=cash_left_at)
    story.cash_out("new", 1000, 50)
    assert set(story.shares("old")) == {ana}
    assert set(story.shares("new")) == {ana, ben}


def test_fiat_that_one_cash_out_used_is_not_there_for_an_older_one(story):
    ana = story.client("ana", balance=100)
    early, late = story.later(hours=1), story.later(hours=1)
    story.cash_out("late", 800, 80, at=late)
    story.cash_out("early", 800, 80, at=early)
    assert (story.shares("late"), story.shares("early")) == ({ana: (80, 800)}, {ana: (20, 200)})
    assert story.balance(ana) == 0


def test_a_cash_out_is_distributed_once(story):
    ana = story.client("ana", balance=100)
    story.cash_out("d1", 1000, 10)
    before = story.sql("SELECT count(*) FROM entry")[0][0]
    for sat in (1000, 999):
        with pytest.raises(StateChanged, match=Changed.CASH_OUT):
            story.distribute("d1", sat, 10)
    assert (story.balance(ana), story.owed(ana)) == (90, 1000)
    assert story.sql("SELECT count(*) FROM entry")[0][0] == before


def test_a_cash_out_that_was_never_recorded_is_not_distributed(story):
    story.client("ana", balance=100)
    with pytest.raises(StateChanged):
        story.distribute("d1", 1000, 10)
    assert story.findings() == ()


def test_what_fails_halfway_leaves_the_cash_out_as_it_was(story):
    story.client("ana", balance=100)
    story.record("d1")
    with pytest.raises(sqlite3.IntegrityError):
        story.distribute("d1", 1000, 10, commission_sat=-1)
    assert story.read(cash_outs.states, ["d1"]) == {"d1": ("waiting", "")}
    assert story.read(distributions.by_id, "d1") is None
    story.distribute("d1", 1000, 10)
    assert story.findings() == ()


def test_a_distributed_cash_out_is_never_recorded_as_anything_else(story):
    story.client("ana", balance=100)
    story.cash_out("d1", 1000, 10, commission_sat=3)
    story.record("d1", state="held", reason="contradiction", amounts=Amounts(1, 1, 1))
    story.do(cash_outs.ignore, "d1", now=story.now)
    (found,) = story.read(cash_outs.by_prefix, "d1")
    assert (found.state, found.reason, found.amounts) == ("distributed", "", Amounts(1000, 10, 3))
    assert story.findings() == ()


def test_what_waits_learns_its_amounts_when_it_is_held(story):
    story.record("d1")
    story.record("d1", state="held", reason="dispense_not_complete", amounts=Amounts(5, 2, 1))
    (found,) = story.read(cash_outs.by_prefix, "D1")
    assert (found.state, found.amounts) == ("held", Amounts(5, 2, 1))


@pytest.mark.parametrize(("state", "ignored"), [("held", True), ("waiting", False)])
def test_the_operator_ignores_only_what_is_held(story, state, ignored):
    story.record("d1", state=state)
    story.do(cash_outs.ignore, "d1", now=story.now)
    (found,) = story.read(cash_outs.recent, limit=5)
    assert (found.state == "ignored") is ignored


def test_states_of_more_ids_than_one_statement_takes(story):
    for number in (3, 499, 500, 1203):
        story.record(f"d{number}", state="ignored", reason="no_coins")
    found = story.read(cash_outs.states, [f"d{number}" for number in range(1204)])
    assert found == {f"d{number}": ("ignored", "no_coins") for number in (3, 499, 500, 1203)}


def test_machines_keep_their_names_when_they_are_gone(story):
    device = "d" * 64
    story.record("d1")
    assert story.read(cash_outs.recent, limit=1)[0].machine == "d" * 8
    for name in ("Zona 10", "Zona 14"):
        story.do(machines.record, {device: name})
    story.do(machines.record, {})
    assert story.read(cash_outs.recent, limit=1)[0].machine == "Zona 14"


def test_a_share_too_small_for_a_satoshi_costs_nothing(story):
    ana, ben = story.client("ana", balance=1_000_000), story.client("ben", balance=1)
    story.cash_out("d1", 2, 1_000_001)
    assert story.shares("d1") == {ana: (1_000_000, 1)}
    assert (story.balance(ben), story.total(accounts.OPERATOR)) == (1, 1)


def test_cash_outs_are_listed_newest_first_and_found_by_their_beginning(story):
    for number, id_ in enumerate(["aa1", "ab2", "b"]):
        story.record(id_, at=START + timedelta(hours=number))

    def ids(work, *args, **named):
        return [found.id for found in story.read(work, *args, **named)]

    assert ids(cash_outs.recent, limit=2) == ["b", "ab2"]
    assert ids(cash_outs.recent, limit=2, offset=2) == ["aa1"]
    assert ids(cash_outs.by_prefix, "a") == ["aa1", "ab2"]
    assert ids(cash_outs.by_prefix, "aa") == ["aa1"]
    assert ids(cash_outs.by_prefix, "c") == []


def test_a_client_with_another_destination_keeps_the_balance(story):
    ana = story.client("ana", balance=100, destination=None)
    story.cash_out("d1", 1000, 10)
    story.do(clients.set_destination, ana, KEY)
    story.cash_out("d2", 1000, 10)
    assert (story.shares("d1"), story.shares("d2")) == ({}, {ana: (10, 1000)})


def test_ids_of_cash_outs_that_were_added_by_hand_are_those_of_before():
    """LNbits keeps the ids of their payouts for good: another derivation would pay them again."""
    assert cash_out_id("a" * 64, "message") == "f637186bc810faf7-added"
    assert cash_out_id("a" * 64, "message", 1) == "12aea605493e6141-added"
