"""What should be in each machine, from its moves and counts, whatever becomes known when."""

import random
import sqlite3
from datetime import timedelta

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from ledger.story import Story

from dca_bot.ledger.programme import deposits, machine_cash, machines
from dca_bot.ledger.programme.machine_cash import CASH_IN, CASH_OUT, DEPOSIT, WITHDRAWAL

ONE = {"m1" * 32: "Market"}
M1, M2 = "m1" * 32, "m2" * 32
TWO = {M1: "Market", M2: "Mall"}


@pytest.fixture
def ana(story):
    return story.client("ana")


# Where cash belongs


def test_deposits_cash_ins_cash_outs_and_withdrawals_make_what_should_be_there(story, ana):
    story.names(ONE)
    story.deposit(ana, 50_000)
    story.cash_in("i1", 7_000, machine=M1)
    story.cash_left("o1", 20_000, machine=M1)
    story.withdraw(ana, 1_000)
    story.pending(ana, 99)
    cash = story.machine(M1)
    assert cash.expected_minor == 36_000
    assert cash.since_minor == {
        DEPOSIT: 50_000,
        CASH_IN: 7_000,
        CASH_OUT: -20_000,
        WITHDRAWAL: -1_000,
    }
    assert (cash.last_count, story.unnamed(), story.findings()) == (None, 0, ())


def test_voided_deposit_leaves_its_machine_again(story, ana):
    story.names(TWO)
    kept, voided = (story.deposit(ana, minor, machine="Mall") for minor in (500, 70))
    pending = story.pending(ana, 9)
    for deposit in (voided, pending):
        story.do(deposits.void, deposit, now=story.later(hours=1))
    assert (story.should_be(M2), story.should_be(M1), kept.state) == (500, 0, "confirmed")
    assert story.findings() == ()


def test_cash_without_a_machine_is_in_the_only_one_there_is(story, ana):
    story.deposit(ana, 500)
    story.withdraw(ana, 30)
    assert story.unnamed() == 470
    story.names(ONE)
    assert (story.unnamed(), story.should_be(M1)) == (0, 470)
    story.deposit(ana, 5)
    story.names(TWO)
    story.deposit(ana, 1000)
    story.withdraw(ana, 200)
    assert (story.unnamed(), story.should_be(M1), story.should_be(M2)) == (800, 475, 0)
    assert story.findings() == ()


def test_machine_named_before_any_is_known_is_found_later(story, ana):
    for minor, word in ((500, "mall"), (60, "MARK"), (7, "Ma"), (1, "Airport"), (90, None)):
        story.deposit(ana, minor, machine=word)
    story.names(TWO)
    assert (story.should_be(M2), story.should_be(M1), story.unnamed()) == (500, 60, 98)
    story.names({**TWO, "m3" * 32: "Airport"})
    assert (story.should_be("m3" * 32), story.unnamed()) == (1, 97)
    assert story.findings() == ()


def test_machine_that_is_renamed_keeps_its_cash(story, ana):
    story.names(TWO)
    story.deposit(ana, 500, machine="Mall")
    story.names({M1: "Market", M2: "Zona 10"})
    assert story.known_machines() == ["Market", "Zona 10"]
    assert (story.should_be(M2), story.machine(M2).machine.label) == (500, "Zona 10")


def test_machine_that_is_not_listed_is_called_by_its_id(story):
    story.cash_in("i1", 700, machine="8f1c9a0b5d2e")
    assert story.known_machines() == ["8f1c9a0b"]
    story.names({"8f1c9a0b5d2e": "Zona 10"})
    assert (story.known_machines(), story.should_be("8f1c9a0b5d2e")) == (["Zona 10"], 700)


def test_two_machines_of_one_name_stay_apart(story, ana):
    first, second = "aaaa1111" * 8, "bbbb2222" * 8
    story.names({first: "Market", second: "market"})
    assert story.known_machines() == ["Market (aaaa1111)", "market (bbbb2222)"]
    story.deposit(ana, 500, machine="bbbb")
    story.deposit(ana, 60, machine="market (AAAA1111)")
    story.deposit(ana, 7, machine="market")
    assert (story.should_be(second), story.should_be(first), story.unnamed()) == (500, 60, 7)
    story.record("c1")
    story.sql("UPDATE cash_out SET device_id = ?", second)
    rows = story.sql("SELECT label FROM cash_out JOIN machine_label USING (device_id)")
    assert [row["label"] for row in rows] == ["market (bbbb2222)"]


@pytest.mark.parametrize(
    ("wanted", "found"),
    [
        ("Zona 10", ["Zona 10"]),
        ("ZONA 1", ["Zona 10", "Zona 14"]),
        ("zon", ["Zona 10", "Zona 14", "zona"]),
        ("ZONA", ["zona"]),
        ("an", ["Antigua"]),
        ("ANTIGUA", ["Antigua"]),
        ("d4d4", ["Antigua"]),
        ("d4d", []),
        ("Ñandú", ["ñandú"]),
        ("e5" * 32, ["ñandú"]),
        ("Market", []),
        ("", []),
    ],
)
def test_machine_is_meant_by_its_name_its_id_or_how_one_begins(story, wanted, found):
    names = {"a1": "Zona 10", "b2": "Zona 14", "c3": "zona", "d4": "Antigua", "e5": "ñandú"}
    story.names({id_ * 32: name for id_, name in names.items()})
    assert [machine.label for machine in story.read(machines.meant, wanted)] == found


# Rows that change, and come again and again


def test_row_is_followed_and_never_counted_twice(story):
    story.names(ONE)
    for minor in (0, 30_000, 30_000, 80_000, 80_000, 79_900, 0, 0, 500):
        story.cash_left("o1", minor, machine=M1)
        story.cash_left("o2", 11, machine=M1)
        assert story.should_be(M1) == -minor - 11
    assert story.sql("SELECT count(*) AS n FROM cash_move WHERE ref = 'o1'")[0]["n"] == 5
    assert story.findings() == ()


def test_many_rows_at_once_are_each_counted_once(story):
    flows = [
        machine_cash.Flow(kind, f"{n}", M1, 1, story.now)
        for kind in (CASH_IN, CASH_OUT)
        for n in range(1200)
    ]
    for _ in range(2):
        story.do(machine_cash.follow, [*flows, *flows[:3]], now=story.now)
    assert story.should_be(M1) == 2400


# Counting


def test_first_count_tells_what_is_there_and_no_difference(story, ana):
    story.names(ONE)
    story.deposit(ana, 500)
    story.cash_left("o1", 3_000, machine=M1)
    assert story.should_be(M1) == -2_500
    story.count(M1, 8_000)
    cash = story.machine(M1)
    assert (cash.expected_minor, cash.last_count.counted_minor) == (8_000, 8_000)
    assert cash.last_count.difference_minor is None
    assert set(cash.since_minor.values()) == {0}


@pytest.mark.parametrize(("counted", "difference"), [(7_500, 0), (7_300, -200), (0, -7_500)])
def test_figure_goes_on_from_what_was_counted(story, ana, counted, difference):
    story.names(ONE)
    story.count(M1, 8_000)
    story.later(hours=1)
    story.cash_left("o1", 500, machine=M1)
    story.later(hours=1)
    story.count(M1, counted)
    story.deposit(ana, 40)
    cash = story.machine(M1)
    assert cash.last_count.difference_minor == difference
    assert (cash.expected_minor, cash.since_minor) == (counted + 40, {DEPOSIT: 40, CASH_OUT: 0})
    assert story.findings() == ()


def test_count_of_nothing_where_nothing_was_expected_counts_too(story):
    story.names(ONE)
    story.count(M1, 0)
    story.count(M1, 0)
    assert story.machine(M1).last_count.difference_minor == 0
    assert story.sql("SELECT count(*) AS n FROM cash_move")[0]["n"] == 0


def test_row_that_a_count_had_seen_changes_the_difference_not_the_figure(story):
    story.names(ONE)
    story.count(M1, 10_000)
    left_at = story.later(hours=1)
    story.later(hours=1)
    story.count(M1, 9_200)
    assert story.machine(M1).last_count.difference_minor == -800
    story.later(minutes=1)
    story.cash_left("late", 800, machine=M1, at=left_at)
    cash = story.machine(M1)
    assert (cash.expected_minor, cash.last_count.difference_minor) == (9_200, 0)
    assert cash.since_minor[CASH_OUT] == 0
    story.cash_left("new", 50, machine=M1)
    cash = story.machine(M1)
    assert (cash.expected_minor, cash.since_minor[CASH_OUT]) == (9_150, -50)
    assert story.findings() == ()


def test_row_from_before_an_older_count_changes_that_ones_difference(story):
    story.names(ONE)
    story.count(M1, 10_000)
    left_at = story.later(hours=1)
    for counted in (9_000, 9_000):
        story.later(hours=1)
        story.count(M1, counted)
    story.cash_left("late", 1_000, machine=M1, at=left_at)
    assert story.machine(M1).last_count.difference_minor == 0
    assert story.should_be(M1) == 9_000
    differences = "SELECT sum(amount_minor) AS minor FROM cash_move WHERE count_id = 2"
    assert story.sql(differences + " AND kind = 'count'")[0]["minor"] == 0
    assert story.findings() == ()


def test_count_after_the_clock_went_back_still_is_the_last(story):
    story.names(ONE)
    story.count(M1, 500)
    story.later(hours=-1)
    story.count(M1, 400)
    assert story.machine(M1).last_count.counted_minor == story.should_be(M1) == 400


def test_unnamed_cash_is_in_the_counts_once_every_machine_was_counted_after_it(story, ana):
    story.names(TWO)
    story.deposit(ana, 500)
    story.later(hours=1)
    story.count(M1, 3_000)
    assert story.unnamed() == 500
    story.later(hours=1)
    story.deposit(ana, 70)
    story.later(hours=1)
    story.count(M2, 4_000)
    assert story.unnamed() == 70, "what came after the first count may be in no count"
    story.later(hours=1)
    story.count(M1, 3_070)
    assert story.unnamed() == 0
    assert (story.should_be(M1), story.should_be(M2)) == (3_070, 4_000)
    assert story.findings() == ()


def test_counted_unnamed_cash_that_finds_its_machine_moves_nothing(story, ana):
    story.deposit(ana, 500, machine="Airport")
    story.names(TWO)
    story.later(hours=1)
    story.count(M1, 3_000)
    story.count(M2, 4_000)
    story.names({**TWO, "m3" * 32: "Airport"})
    assert story.unnamed() == 0
    assert (story.should_be(M1), story.should_be(M2)) == (3_000, 4_000)
    assert story.findings() == ()


@settings(max_examples=60, deadline=None)
@given(st.integers(0, 2**32), st.integers(5, 40))
def test_figure_is_what_is_there_however_late_anything_becomes_known(tmp_path_factory, seed, steps):
    """Cash moves, some of it unrecorded; rows become known later and in any order; counts are true.

    Once all is known, each machine's figure is what is in it but for what went unrecorded since its
    last count, and the differences of the counts are what went unrecorded before it.
    """
    chance = random.Random(seed)
    story = Story(tmp_path_factory.mktemp("cash") / "data")
    there = dict.fromkeys((M1, M2), 5_000)
    lost, lost_before = dict.fromkeys(there, 0), dict.fromkeys(there, 0)
    unknown, counted = [], set()
    story.names(TWO)
    for number in range(steps):
        story.later(minutes=chance.randint(1, 300))
        machine = chance.choice([M1, M2])
        match chance.choice(["row", "row", "loss", "poll", "count"]):
            case "row":
                minor = chance.randint(-900, 900) or 1
                there[machine] += minor
                unknown.append((f"{number}", minor, machine, story.now))
            case "loss" if machine in counted:
                there[machine] -= (loss := chance.randint(1, 100))
                lost[machine] += loss
            case "poll":
                chance.shuffle(unknown)
                learn(story, [unknown.pop() for _ in range(chance.randint(0, len(unknown)))])
            case "count" if there[machine] >= 0:
                story.count(machine, there[machine])
                counted.add(machine)
                lost_before[machine] = lost[machine]
    story.later(minutes=1)
    learn(story, unknown)
    differences = (
        "SELECT coalesce(-sum(amount_minor), 0) AS minor FROM cash_move WHERE kind = 'count'"
        " AND device_id = ? AND count_id > (SELECT min(id) FROM cash_count WHERE device_id = ?)"
    )
    for machine in counted:
        missing = lost[machine] - lost_before[machine]
        assert story.should_be(machine) == there[machine] + missing
        assert story.sql(differences, machine, machine)[0]["minor"] == lost_before[machine]
    assert story.findings() == ()
    story.end()


def learn(story, rows):
    for ref, minor, machine, at in rows:
        story.cash_in(ref, minor, machine=machine, at=at)


# What the schema itself refuses

ATTACKS = {
    "a move is altered": ("UPDATE cash_move SET amount_minor = 1", "never altered"),
    "a move is deleted": ("DELETE FROM cash_move", "never deleted"),
    "a move of nothing": (
        "INSERT INTO cash_move (kind, ref, device_id, amount_minor, at, recorded_at)"
        " VALUES ('cash-in', 'x', 'm', 0, 0, 0)",
        "amount_minor <> 0",
    ),
    "a move that a count has seen is counted on top of it": (
        "INSERT INTO cash_move (kind, ref, device_id, amount_minor, at, recorded_at)"
        f" VALUES ('cash-in', 'x', '{M1}', 5, 0, 0)",
        "the first count after a move has seen it",
    ),
    "a new move passes for a seen one": (
        "INSERT INTO cash_move (kind, ref, device_id, amount_minor, at, recorded_at, count_id)"
        f" SELECT 'cash-in', 'x', '{M1}', 5, counted_at + 1, 0, id FROM cash_count",
        "the first count after a move has seen it",
    ),
    "a difference without a count": (
        "INSERT INTO cash_move (kind, ref, device_id, amount_minor, at, recorded_at)"
        " VALUES ('count', 'x', 'm', 5, 0, 0)",
        "CHECK constraint failed",
    ),
    "a count is altered": ("UPDATE cash_count SET counted_minor = 1", "never altered"),
    "a count is deleted": ("DELETE FROM cash_count", "never deleted"),
    "a count below nothing": (
        "INSERT INTO cash_count (device_id, counted_minor, counted_at, after_move)"
        f" SELECT '{M1}', -1, counted_at, (SELECT max(id) FROM cash_move) FROM cash_count",
        "CHECK constraint failed",
    ),
    "a count before the last": (
        "INSERT INTO cash_count (device_id, counted_minor, counted_at, after_move)"
        f" VALUES ('{M1}', 1, 0, (SELECT max(id) FROM cash_move))",
        "counts follow each other",
    ),
    "a count that passes for an earlier one": (
        "INSERT INTO cash_count (device_id, counted_minor, counted_at, after_move)"
        f" SELECT '{M1}', 1, counted_at, 0 FROM cash_count",
        "counts follow each other",
    ),
}


@pytest.mark.parametrize("attack", ATTACKS)
def test_the_schema_refuses_for_cash(story, attack):
    story.names(ONE)
    story.cash_in("i1", 700, machine=M1)
    story.later(hours=1)
    story.count(M1, 800)
    statement, refusal = ATTACKS[attack]
    with pytest.raises(sqlite3.IntegrityError, match=refusal):
        story.sql(statement)
    assert (story.should_be(M1), story.findings()) == (800, ())


def test_cash_of_cash_outs_that_are_undecided_is_told_apart(story):
    for ref, state in (("w", "waiting"), ("h", "held"), ("i", "ignored"), ("n", "waiting")):
        story.record(ref, state=state)
        if ref != "n":
            story.cash_left(ref, {"w": 100, "h": 20, "i": 3}[ref], machine=M1)
    story.record("d")
    story.cash_left("d", 4_000, machine=M1, at=story.now - timedelta(days=1))
    story.distribute("d", 10, 10)
    assert story.read(machine_cash.undecided_minor) == 120
