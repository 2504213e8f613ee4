import sqlite3

import pytest
from ledger.story import ADDRESS, KEY, hex_of

from dca_bot.errors import Changed, StateChanged
from dca_bot.ledger.programme import client_names, clients


@pytest.mark.parametrize("name", ["ana", "ANA", "Ana"])
def test_a_name_is_taken_whatever_the_case(story, name):
    story.client("ana")
    with pytest.raises(sqlite3.IntegrityError, match=r"client.(name|paid_as)"):
        story.client(name, pubkey=hex_of("other"))


def test_renamed_client_keeps_the_name_in_payments_and_nobody_else_gets_it(story):
    ana, ben = story.client("ana"), story.client("ben")
    story.do(clients.rename, story.read(clients.by_id, ana), "anna")
    for taken in ("ana", "ANA", "anna"):
        with pytest.raises(sqlite3.IntegrityError, match=r"client.(name|paid_as)"):
            story.client(taken, pubkey=hex_of("other"))
    with pytest.raises(sqlite3.IntegrityError, match=r"client.name"):
        story.do(clients.rename, story.read(clients.by_id, ben), "anna")
    story.do(clients.rename, story.read(clients.by_id, ana), "Ana")
    renamed = story.read(clients.by_id, ana)
    assert (renamed.name, renamed.paid_as) == ("Ana", "ana")
    with pytest.raises(sqlite3.IntegrityError, match="the same for ever"):
        story.sql("UPDATE client SET paid_as = 'other'")


def test_a_key_belongs_to_one_client(story):
    ana, ben = story.client("ana"), story.client("ben")
    with pytest.raises(sqlite3.IntegrityError, match=r"client\.pubkey"):
        story.client("cam", pubkey=hex_of("ana"))
    with pytest.raises(sqlite3.IntegrityError, match=r"client\.pubkey"):
        story.do(clients.set_pubkey, ben, hex_of("ana"), now=story.now)
    assert story.read(clients.by_pubkey, hex_of("ana")).id == ana


def test_a_closed_client_is_nobody_and_can_be_added_again(story):
    first = story.client("ana")
    story.state(first, "closed")
    assert story.read(clients.by_pubkey, hex_of("ana")) is None
    assert (story.read(client_names.names), story.read(clients.everyone)) == ([], [])
    assert story.read(clients.by_name, "ANA").id == first
    second = story.client("Ana", pubkey=hex_of("ana"))
    assert story.read(clients.by_name, "ana").id == second
    assert story.read(clients.by_pubkey, hex_of("ana")).id == second
    assert story.read(clients.by_id, first).state == "closed"


def test_two_who_move_one_client_at_once_move_it_once(story):
    ana = story.read(clients.by_id, story.client("ana"))
    story.do(clients.set_state, ana, "paused")
    with pytest.raises(StateChanged, match=Changed.CLIENT):
        story.do(clients.set_state, ana, "closed")
    assert story.read(clients.by_id, ana.id).state == "paused"


def test_a_destination_replaces_the_one_before(story):
    ana = story.client("ana", destination=None)
    assert story.read(clients.by_id, ana).destination is None
    for destination in (KEY, ADDRESS):
        story.do(clients.set_destination, ana, destination)
        assert story.read(clients.by_id, ana).destination == destination


# (balance changes, what is told after each), with 200 as low
CROSSINGS = {
    "sinks slowly": [(+500, ""), (-299, ""), (-2, "low"), (-99, ""), (-100, "used up"), (0, "")],
    "sinks at once": [(+500, ""), (-500, "used up"), (0, "")],
    "exactly low is not below": [(+200, "")],
    "rises and sinks again": [
        (+500, ""),
        (-400, "low"),
        (+400, ""),
        (-400, "low"),
        (-100, "used up"),
    ],
    "rises from nothing to low": [(+500, ""), (-500, "used up"), (+100, ""), (-100, "used up")],
}


@pytest.mark.parametrize("crossing", CROSSINGS)
def test_a_low_balance_is_told_once_per_crossing(story, crossing):
    ana = story.client("ana")
    for change, told in CROSSINGS[crossing]:
        if change > 0:
            story.deposit(ana, change)
        elif change < 0:
            story.withdraw(ana, -change)
        assert story.do(clients.cross_low, [ana], 200) == ({ana: told} if told else {})


def test_low_balances_of_many_are_told_in_the_order_asked_for(story):
    ana, ben, eva = (story.client(name, balance=500) for name in ("ana", "ben", "eva"))
    story.withdraw(ana, 400)
    story.withdraw(eva, 500)
    found = story.do(clients.cross_low, [eva, ben, ana], 200)
    assert list(found.items()) == [(eva, "used up"), (ana, "low")]
    assert story.do(clients.cross_low, [ana, ben, eva], 200) == {}


def test_what_keeps_a_client_open_is_the_clients_own(story):
    ana, ben = story.client("ana", balance=1_000), story.client("ben", balance=300)
    story.pending(ana, 70)
    story.cash_out("a", 130, 130)
    assert story.read(clients.open_items, ana) == (900, 1, 1)
    assert story.read(clients.open_items, ben) == (270, 1, 0)


def test_whoever_wants_fixed_mode_is_recorded_alone(story):
    ana, ben = story.client("ana"), story.client("ben")
    story.do(clients.want_fixed, ana, now=story.now)
    rows = story.sql("SELECT id, fixed_wanted_at IS NULL AS is_empty FROM client ORDER BY id")
    assert [tuple(row) for row in rows] == [(ana, False), (ben, True)]
