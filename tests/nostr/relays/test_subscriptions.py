"""Subscriptions at relays that refuse, forget or interrupt them, frame by frame."""

from dataclasses import asdict

import pytest
from conversation import BOT, MAIL, NOW_S, SINCE_S, Conversation, mail

from dca_bot.nostr.relays.actions import Deliver, Queried, StoredRead, WakeIn
from dca_bot.nostr.relays.inbox_reading import LOOKBACK_S
from dca_bot.nostr.relays.inbox_subscription import RENEW_S, STORED_LIMIT_S
from dca_bot.nostr.relays.relay_habits import RelayHabits, is_about_dates

CROWDED = [
    "ERROR: too many concurrent REQs",
    "rate-limited: too many REQs",
    "error: Maximum concurrent subscription count reached",
    "Subscription rejected: Too many subscriptions",
]
LIST = {"kinds": [10_050], "limit": 1}


def with_two_pages():
    """Return a conversation in which the second page is asked for, and the page's name."""
    talk = Conversation()
    talk.relay_says("EVENT", "inbox", asdict(MAIL))
    ((_, page, _),) = talk.listen().sent
    return talk, page


@pytest.mark.parametrize("words", CROWDED)
@pytest.mark.parametrize("how", ["CLOSED", "NOTICE"])
def test_page_is_asked_for_in_the_inbox_where_a_second_subscription_is_refused(how, words):
    talk, page = with_two_pages()
    talk.relay_says(*(["CLOSED", page, words] if how == "CLOSED" else ["NOTICE", words]))
    *_, (verb, name, older, new) = talk.sent
    assert (verb, name, older["until"]) == ("REQ", "inbox", MAIL.created_at)
    assert (new["#p"], new["limit"], "until" in new) == ([BOT.public_key], 1, False)
    assert talk.protocol.listening, "the inbox stays live meanwhile"
    talk.relay_says("EVENT", "inbox", mail(5, NOW_S - 50))
    ((_, name, older, _),) = talk.listen().sent
    assert (name, older["until"]) == ("inbox", NOW_S - 50)
    talk.listen()
    assert talk.rest == [StoredRead(complete=True)]
    assert talk.protocol.up_to_date


def test_crowded_relay_is_known_on_the_next_connection():
    talk = Conversation(habits=RelayHabits(one_subscription=True)).listen()
    name, talk.actions = talk.protocol.query(LIST)
    ((verb, inbox, wanted, _),) = talk.sent
    assert (verb, inbox, wanted) == ("REQ", "inbox", LIST)
    other, talk.actions = talk.protocol.query({"kinds": [0]})
    assert talk.sent == [], "one after the other"
    assert talk.relay_says("EVENT", "inbox", asdict(MAIL)).rest != [], "a message isn't an answer"
    talk.listen()
    assert talk.rest == [Queried(name, (), complete=True)]
    assert talk.sent[0][2] == {"kinds": [0]}
    assert talk.listen().rest == [Queried(other, (), complete=True)]


def test_query_that_was_given_up_before_its_turn_is_not_asked():
    talk = Conversation(habits=RelayHabits(one_subscription=True))
    name, talk.actions = talk.protocol.query(LIST)
    talk.protocol.abandon(name)
    assert talk.listen().sent == []


def test_inbox_closed_while_its_page_finds_no_room_is_opened_again():
    talk, page = with_two_pages()
    talk.relay_says("CLOSED", "inbox", "error: oops")
    closed = talk.actions
    talk.relay_says("CLOSED", page, "error: too many subscriptions")
    assert talk.sent == [], "it waits for the inbox"
    talk.actions = closed
    ((verb, name, wanted),) = talk.delay_passes().sent
    assert (verb, name, wanted["since"]) == ("REQ", "inbox", SINCE_S)


def test_reading_that_begins_anew_ends_the_pages_of_the_reading_before():
    talk = Conversation()
    ((_, answer),) = talk.relay_says("AUTH", "abc").sent
    talk.relay_says("EVENT", "inbox", asdict(MAIL))
    ((_, page, _),) = talk.listen().sent
    talk.relay_says("CLOSED", "inbox", "auth-required: late")
    close, (verb, name, _) = talk.relay_takes(answer["id"]).sent
    assert (close, verb, name) == (["CLOSE", page], "REQ", "inbox")
    assert talk.relay_says("EOSE", page).actions == []
    assert not talk.protocol.up_to_date


@pytest.mark.parametrize("when", ["before", "after"])
def test_inbox_is_read_again_once_authenticated_though_the_relay_closed_nothing(when):
    talk = Conversation()
    ((_, answer),) = talk.relay_says("AUTH", "abc").sent
    if when == "before":
        talk.relay_takes(answer["id"])
        assert talk.sent == [], "the end of the first request is still to come"
        talk.listen()
    else:
        talk.listen().relay_takes(answer["id"])
    ((verb, name, wanted),) = talk.sent
    assert (verb, name, wanted["since"]) == ("REQ", "inbox", SINCE_S)
    assert talk.listen().rest == [StoredRead(complete=True)]


def test_query_in_the_inboxs_subscription_is_answered_before_the_inbox_is_read_again():
    talk = Conversation(habits=RelayHabits(one_subscription=True)).listen()
    ((_, answer),) = talk.relay_says("AUTH", "abc").sent
    name, talk.actions = talk.protocol.query(LIST)
    talk.relay_takes(answer["id"])
    talk.listen()
    assert talk.rest[0] == Queried(name, (), complete=True)
    ((verb, inbox, wanted),) = talk.sent
    assert (verb, inbox, wanted["since"]) == ("REQ", "inbox", SINCE_S)


def test_end_of_stored_events_that_comes_late_has_all_read_again():
    talk = Conversation()
    assert talk.delay_passes().rest == [StoredRead(complete=True)], "taken as sent"
    ((verb, name, _),) = talk.listen().sent
    assert (verb, name) == ("REQ", "inbox")
    assert talk.delays[0] > STORED_LIMIT_S, "the relay is given more time"
    assert talk.habits.slow
    assert talk.listen().sent == []


def stored(talk):
    """Return of each message that was handed on whether the relay had stored the message."""
    return [action.is_stored for action in talk.actions if isinstance(action, Deliver)]


def test_message_of_a_page_is_stored_though_the_page_was_given_up():
    talk = Conversation()
    ((_, answer),) = talk.relay_says("AUTH", "abc").sent
    talk.relay_says("EVENT", "inbox", asdict(MAIL))
    ((_, page, _),) = talk.listen().sent
    close, *_ = talk.relay_takes(answer["id"]).sent
    assert close == ["CLOSE", page]
    assert stored(talk.relay_says("EVENT", page, mail(5, NOW_S - 50))) == [True]


def test_message_that_comes_soon_after_a_silence_is_taken_as_stored():
    talk = Conversation().delay_passes()
    assert talk.protocol.listening
    assert stored(talk.relay_says("EVENT", "inbox", mail(2, NOW_S - 20))) == [True]
    talk.now_s += 59
    assert stored(talk.relay_says("EVENT", "inbox", mail(3, NOW_S - 30))) == [True]
    talk.now_s += 1
    assert stored(talk.relay_says("EVENT", "inbox", mail(4, NOW_S))) == [False]


def test_message_after_the_end_of_stored_messages_is_new():
    talk = Conversation().listen()
    assert stored(talk.relay_says("EVENT", "inbox", mail(1, NOW_S))) == [False]


def test_relay_that_does_not_end_its_stored_events_is_waited_for_less_on_the_next_connection():
    talk = Conversation(habits=RelayHabits(no_eose=True))
    assert talk.delays == [3]
    assert Conversation(habits=RelayHabits(no_eose=True)).listen().habits.no_eose is False


def test_silence_alone_is_no_sign_that_all_was_heard():
    talk = Conversation().listen()
    assert talk.protocol.up_to_date
    talk.delay_passes()
    talk.delay_passes()
    assert talk.protocol.listening
    assert not talk.protocol.up_to_date, "the relay may hang, and take messages all the same"
    hung_since = talk.now_s
    ((_, _, wanted),) = talk.delay_passes().sent
    assert talk.now_s - hung_since > RENEW_S / 2
    assert wanted["since"] < hung_since - LOOKBACK_S, "asked for from before the silence"
    talk.relay_says("EVENT", "inbox", mail(1, NOW_S))
    assert talk.protocol.up_to_date


def test_relay_that_never_falls_silent_is_not_waited_for_without_end():
    talk = Conversation()
    for number in range(20):
        due = [action for action in talk.actions if isinstance(action, WakeIn)]
        talk.relay_says("EVENT", "inbox", mail(number, NOW_S))
        talk.actions = due
        if talk.delay_passes().sent:
            break
    assert talk.protocol.listening
    assert number < 10


def test_inbox_that_passes_nothing_on_is_asked_for_again_and_stays_live():
    talk = Conversation().listen()
    assert talk.delays[0] >= 0.8 * RENEW_S
    talk.delay_passes()
    ((verb, name, wanted),) = talk.sent
    assert (verb, name, wanted["since"]) == ("REQ", "inbox", talk.now_s - LOOKBACK_S)
    assert talk.protocol.listening
    assert talk.protocol.up_to_date
    assert not talk.habits.deaf
    assert talk.listen().delays[0] >= 0.8 * RENEW_S, "nothing was missed"


def test_inbox_where_a_message_was_missed_is_asked_for_more_often_until_one_is_passed_on():
    talk = Conversation().listen().delay_passes()
    talk.relay_says("EVENT", "inbox", asdict(MAIL))
    ((_, page, _),) = talk.listen().sent
    assert talk.relay_says("EOSE", page).rest == [StoredRead(complete=True)]
    assert talk.habits.deaf
    talk.relay_says("EVENT", "inbox", mail(7, NOW_S))
    assert not talk.habits.deaf


def test_inbox_that_passes_messages_on_is_not_asked_for_again():
    talk = Conversation().listen()
    due = talk.actions
    talk.relay_says("EVENT", "inbox", asdict(MAIL))
    talk.actions = due
    assert talk.delay_passes().sent == []
    assert talk.delay_passes().sent != [], "but after a quiet while"


def test_relay_that_closes_each_subscription_is_asked_at_least_twice_a_minute_and_listens():
    talk, delays = Conversation(), []
    for _ in range(12):
        talk.listen().relay_says("CLOSED", "inbox", "error: bye")
        delays += talk.delays
        talk.delay_passes()
    assert max(delays) <= 30
    assert talk.protocol.listening
    assert talk.protocol.complaint == "error: bye"


def test_subscription_name_that_is_taken_is_closed_first():
    talk = Conversation().listen().delay_passes()
    talk.relay_says("CLOSED", "inbox", "duplicate: inbox already opened")
    assert [frame[:2] for frame in talk.sent] == [["CLOSE", "inbox"], ["REQ", "inbox"]]
    assert talk.listen().protocol.listening


def test_notice_is_no_complaint_of_a_relay_that_listens_but_ends_a_request_without_an_answer():
    talk = Conversation().relay_says("NOTICE", "restricted: members only")
    talk.actions = [WakeIn(STORED_LIMIT_S, "inbox", 1)]
    talk.delay_passes()
    talk.delay_passes()
    assert talk.protocol.complaint == "restricted: members only"
    assert not talk.protocol.listening
    talk.delay_passes()
    talk.listen().relay_says("NOTICE", "welcome")
    assert talk.protocol.listening
    assert talk.protocol.complaint == ""


@pytest.mark.parametrize(
    "words",
    [
        "invalid: created_at too early",
        "invalid: created_at too late",
        "invalid: event creation date is too far off from the current time",
        "invalid: the event created_at field is out of the acceptable range (-24hours, +10min)",
        "rejected: created_at is more than 3600 seconds in the past",
        "invalid: event timestamp too far from server time",
        "event too old",
        "blocked: event too much in the future",
    ],
)
def test_refusal_for_the_date_is_understood_in_many_words(words):
    habits = RelayHabits()
    assert is_about_dates(words)
    assert habits.learn(words)
    assert habits.dates_now
    assert not habits.learn(words), "once is enough"


@pytest.mark.parametrize(
    ("words", "bits"),
    [
        ("pow: difficulty 12 is less than 20", 20),
        ("pow: required a difficulty >= 18", 18),
        ("pow: 16 bits needed. (2)", 16),
        ("pow: difficulty 5<21", 21),
        ("pow: do some work", 16),
    ],
)
def test_bits_of_work_are_learned_from_a_refusal(words, bits):
    habits = RelayHabits()
    assert habits.learn(words)
    assert habits.pow_bits == bits


def test_work_beyond_the_bound_is_not_learned():
    habits = RelayHabits()
    assert not habits.learn("pow: difficulty 3 is less than 40")
    assert habits.pow_bits == 0


def test_work_of_a_relay_that_names_no_bits_grows_to_the_bound():
    habits = RelayHabits()
    assert [habits.learn("pow: more") for _ in range(3)] == [True, True, False]
    assert habits.pow_bits == 20
