"""Where a message goes, in which order, and when a person counts as reached."""

from dataclasses import replace
from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from dca_bot.core.delivery import RelayAnswer, Undelivered
from dca_bot.core.ports import DmProtocol
from dca_bot.core.relay_lists import INBOX_MAX
from dca_bot.core.routing import (
    WAVE_MAX,
    Outcome,
    PersonRelays,
    Route,
    answer_route,
    judge,
    route,
)

NIP04, NIP17 = DmProtocol
OWN = ("wss://own-1.example", "wss://own-2.example/")
OWN_1, OWN_2 = "wss://own-1.example", "wss://own-2.example"
THERE = "wss://there.example"
A, B, C, D, E = (f"wss://{name}.example" for name in "abcde")


def of(known, protocol=NIP17, **named):
    return route(known, protocol, OWN, **named)


def test_message_goes_to_the_list_and_only_if_the_list_fails_where_the_person_wrote():
    found = of(PersonRelays(inbox=(A, B), wrote_at=THERE))
    assert found == Route(((A, B), (THERE, OWN_1, OWN_2)), frozenset({A, B}))


def test_all_relays_of_a_long_list_are_tried_the_one_that_took_the_last_message_first():
    known = PersonRelays(inbox=(A, B, C, D, E), wrote_at=THERE, accepted_at=E)
    assert of(known).waves == ((E, A, B, C), (D,), (THERE, OWN_1, OWN_2))


def test_the_bots_own_relays_come_before_others_of_the_list():
    assert of(PersonRelays(inbox=(A, OWN_2, B))).waves[0] == (OWN_2, A, B)


def test_while_a_list_fails_the_relay_of_writing_is_tried_at_once():
    known = PersonRelays(inbox=(A, B, C, D, E), wrote_at=THERE, is_lost=True)
    assert of(known).waves == ((A, B, C, D, THERE, OWN_1, OWN_2), (E,))


def test_person_whose_list_fails_and_who_never_wrote_is_tried_at_the_bots_relays():
    assert of(PersonRelays(inbox=(A,))).waves == ((A,), (OWN_1, OWN_2))


@pytest.mark.parametrize(("protocol", "is_sure"), [(NIP17, False), (NIP04, True)])
def test_relay_of_writing_counts_only_once_a_list_was_looked_for_in_vain(protocol, is_sure):
    known = PersonRelays(wrote_at=THERE, is_sought=False)
    taken = [RelayAnswer(THERE, accepted=True)]
    pending = Outcome(beside=THERE, reason=Undelivered.NO_LIST, is_pending=True)
    reached = Outcome(reached_at=THERE)
    assert judge(of(known, protocol), taken) == (reached if is_sure else pending)
    again = of(known, protocol, taken_beside=THERE)
    assert judge(again, ()) == (reached if is_sure else pending), "and nobody is written to twice"
    assert judge(of(replace(known, is_sought=True), protocol, taken_beside=THERE), ()) == reached
    with_list = of(replace(known, inbox=(A,)), protocol)
    assert judge(with_list, [RelayAnswer(A, accepted=True)]) == Outcome(reached_at=A)


def test_without_a_list_the_relay_of_writing_counts_and_the_bots_relays_do_not():
    found = of(PersonRelays(wrote_at=THERE, hints=(A,)))
    assert found == Route(((THERE, OWN_1, OWN_2, A),), frozenset({THERE}))


def test_person_of_whom_nothing_is_known_is_tried_at_the_bots_relays_and_hints():
    assert of(PersonRelays(hints=(A,))) == Route(((OWN_1, OWN_2, A),), frozenset())


def test_kind_4_goes_where_the_person_wrote_and_to_the_list_at_once():
    found = of(PersonRelays(inbox=(A,), wrote_at=THERE), NIP04)
    assert found == Route(((THERE, A, OWN_1, OWN_2),), frozenset({THERE, A}))


def test_message_that_another_relay_has_is_tried_at_the_list_only():
    known = PersonRelays(inbox=(A, B), wrote_at=THERE)
    assert of(known, taken_beside=THERE).waves == ((A, B),)
    assert of(PersonRelays(), taken_beside=OWN_1).waves == ()


@pytest.mark.parametrize(
    "known", [PersonRelays(inbox=(A, OWN_2)), PersonRelays(wrote_at="wss://OWN-2.example/")]
)
def test_message_arrived_once_the_person_reads_where_a_relay_has_it(known):
    found = of(known, taken_beside=OWN_2)
    assert found.waves == ()
    assert judge(found, ()) == Outcome(reached_at=OWN_2)


def test_stranger_is_answered_at_one_relay():
    assert answer_route("wss://There.example/") == Route(((THERE,),), frozenset({THERE}))


URLS = st.sampled_from([A, B, C, D, E, OWN_1, OWN_2, THERE, "ws://f.example", "wss://g.onion"])
KNOWN = st.builds(
    PersonRelays,
    inbox=st.none() | st.lists(URLS, min_size=1, max_size=12).map(tuple),
    hints=st.lists(URLS, max_size=4).map(tuple),
    wrote_at=st.just("") | URLS,
    accepted_at=st.just("") | URLS,
    is_lost=st.booleans(),
)
TAKEN = st.just("") | URLS


@given(KNOWN, st.sampled_from(DmProtocol), TAKEN)
def test_each_relay_is_tried_once_and_none_that_has_the_message(known, protocol, taken):
    found = of(known, protocol, taken_beside=taken)
    tried = [url for wave in found.waves for url in wave]
    assert len(tried) == len(set(tried))
    assert taken not in tried
    assert all(found.waves)
    assert max(map(len, found.waves), default=0) <= WAVE_MAX + INBOX_MAX + 1


@given(KNOWN)
def test_each_relay_of_a_list_counts_and_is_tried_in_waves(known):
    known = replace(known, inbox=known.inbox or (A,))
    found = of(known)
    listed = set(list(dict.fromkeys(known.inbox))[:INBOX_MAX])
    assert found.counting == listed <= {url for wave in found.waves for url in wave}
    assert all(len(listed.intersection(wave)) <= WAVE_MAX for wave in found.waves)
    if known.accepted_at in listed:
        assert found.waves[0][0] == known.accepted_at


@given(KNOWN, st.sampled_from(DmProtocol), TAKEN)
def test_list_or_relay_of_writing_counts_and_nothing_else(known, protocol, taken):
    found = of(known, protocol, taken_beside=taken)
    assert found.counting <= {*(known.inbox or ()), known.wrote_at} - {""}
    assert bool(found.counting) == bool(known.wrote_at or (known.inbox and protocol is NIP17))


def answer(relay, reason=None, words=""):
    return RelayAnswer(relay, accepted=reason is None, reason=reason, words=words)


LISTED = Route(((A, B), (THERE,)), frozenset({A, B}))


def test_one_relay_of_the_list_is_enough():
    answers = [answer(A, Undelivered.REFUSED, "no"), answer(B)]
    assert judge(LISTED, answers) == Outcome(reached_at=B)


def test_relay_beside_the_list_does_not_count_and_the_nearest_failure_is_the_reason():
    answers = [
        answer(A, Undelivered.NO_CONNECTION),
        answer(THERE),
        answer(B, Undelivered.REFUSED, "blocked: pay"),
    ]
    expected = Outcome(beside=THERE, reason=Undelivered.REFUSED, words="blocked: pay")
    assert judge(LISTED, answers) == expected


def test_relay_that_was_left_before_it_answered_is_one_without_an_answer():
    assert judge(LISTED, ()) == Outcome(reason=Undelivered.NO_ANSWER)


def test_without_anything_that_counts_no_list_is_the_reason():
    found = Route(((OWN_1,),), frozenset())
    assert judge(found, [answer(OWN_1)]) == Outcome(beside=OWN_1, reason=Undelivered.NO_LIST)
    assert judge(found, ()) == Outcome(reason=Undelivered.NO_LIST)


NEARER = (
    Undelivered.NO_LIST,
    Undelivered.UNUSABLE_LIST,
    Undelivered.NO_CONNECTION,
    Undelivered.NO_ANSWER,
    Undelivered.REFUSED,
)


@pytest.mark.parametrize(("far", "near"), [*pairwise(NEARER)])
def test_reason_is_that_of_the_relay_that_came_nearest(far, near):
    answers = [answer(A, far, "far"), answer(B, near, "near")]
    both = Route(((A, B),), frozenset({A, B}))
    for heard in (answers, answers[::-1]):
        assert judge(both, heard) == Outcome(reason=near, words="near")
