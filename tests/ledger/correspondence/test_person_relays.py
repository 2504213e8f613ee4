"""Where people read and whom messages reach, as the ledger remembers both."""

import json

import pytest
from ledger.story import START, hex_of

from dca_bot.core.delivery import Undelivered
from dca_bot.core.relay_lists import RelayList, RelayListKind
from dca_bot.ledger.correspondence import delivery, person_relays
from dca_bot.ledger.correspondence.delivery import Delivery, Loss

ANA, BEN = hex_of("ana"), hex_of("ben")
INBOX, WRITE = RelayListKind.INBOX, RelayListKind.WRITE


def listed(*urls, at=100, pubkey=ANA, kind=INBOX):
    tags = [["relay" if kind is INBOX else "r", url] for url in urls]
    return RelayList(pubkey, kind, at, urls, json.dumps({"tags": tags, "created_at": at}))


def keep(story, found):
    return story.do(person_relays.keep_list, found)


def test_newest_list_wins_whenever_it_comes(story):
    new, old = listed("wss://new.example", at=200), listed("wss://old.example", at=100)
    assert keep(story, new)
    assert not keep(story, old)
    assert not keep(story, listed("wss://other.example", at=200))
    assert story.read(person_relays.list_of, ANA, INBOX) == new
    assert keep(story, listed("wss://newer.example", at=201))


def test_newer_list_of_the_same_relays_is_no_change(story):
    keep(story, listed("wss://a.example", at=100))
    assert not keep(story, listed("wss://a.example", at=200))
    assert story.read(person_relays.list_of, ANA, INBOX).created_at == 200


def test_lists_of_other_people_and_other_kinds_stand_apart(story):
    keep(story, listed("wss://a.example"))
    assert story.read(person_relays.list_of, ANA, WRITE) is None
    assert story.read(person_relays.list_of, BEN, INBOX) is None


def test_lists_are_looked_for_at_hints_first_and_then_where_the_person_publishes(story):
    hints = ["wss://Hint.example/", "nonsense", "wss://b.example"]
    story.do(person_relays.keep_hints, ANA, hints)
    keep(story, listed("wss://inbox.example", "wss://write.example"))
    keep(story, listed("wss://b.example", "wss://write.example", kind=WRITE))
    names = ("hint", "b", "write", "inbox")
    expected = tuple(f"wss://{name}.example" for name in names)
    assert story.read(person_relays.places_of, ANA) == expected


def test_new_hints_take_the_place_of_earlier_hints_and_none_leaves_them(story):
    story.do(person_relays.keep_hints, ANA, [f"wss://{n}.example" for n in range(9)])
    assert len(story.read(person_relays.hints_of, ANA)) == 4
    story.do(person_relays.keep_hints, ANA, ["wss://a.example"])
    story.do(person_relays.keep_hints, ANA, [])
    assert story.read(person_relays.hints_of, ANA) == ("wss://a.example",)


REFUSED, NO_LIST = Undelivered.REFUSED, Undelivered.NO_LIST


def lose(story, reason=REFUSED, detail="blocked", pubkey=ANA):
    story.do(delivery.note_lost, pubkey, reason, detail, now=story.now)


def reach(story, pubkey=ANA):
    return story.do(delivery.note_reached, pubkey, "wss://a.example", now=story.now)


def test_person_is_lost_since_the_first_message_that_did_not_arrive(story):
    assert story.read(delivery.of, ANA) is None
    lose(story)
    story.later(hours=1)
    lose(story, NO_LIST, "")
    assert story.read(delivery.of, ANA) == Delivery(ANA, None, "", Loss(ANA, START, NO_LIST, ""))


def test_message_that_arrives_ends_the_loss_and_tells_that_there_was_one(story):
    assert not reach(story)
    assert not reach(story)
    lose(story)
    now = story.later(minutes=5)
    assert reach(story)
    expected = Delivery(ANA, now, "wss://a.example", None)
    assert story.read(delivery.of, ANA) == expected


def test_everybody_who_is_lost_is_listed_the_longest_first(story):
    lose(story, pubkey=BEN)
    story.later(minutes=1)
    lose(story, pubkey=ANA)
    lose(story, pubkey=hex_of("eve"))
    reach(story, pubkey=hex_of("eve"))
    people = (hex_of("eve"), ANA, BEN)
    found = story.read(delivery.lost_operators, people, before=story.now)
    assert [loss.pubkey for loss in found] == [BEN, ANA]
    found = story.read(delivery.lost_operators, people, before=START)
    assert [loss.pubkey for loss in found] == [BEN]


@pytest.mark.parametrize("reason", Undelivered)
def test_ledger_knows_each_reason(story, reason):
    lose(story, reason)
    assert story.read(delivery.loss_of, ANA).reason is reason
