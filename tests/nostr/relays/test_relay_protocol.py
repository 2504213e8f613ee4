import json
from dataclasses import asdict, replace

import pytest
from conversation import BOT, MAIL, NOW_S, SINCE_S, URL, Conversation, mail

from dca_bot.nostr import events
from dca_bot.nostr.relays.actions import Answered, Deliver, Drop, Queried, StoredRead, WakeIn
from dca_bot.nostr.relays.inbox_reading import LOOKBACK_S
from dca_bot.nostr.relays.inbox_subscription import STORED_LIMIT_S


def test_start_asks_for_both_kinds_of_mail_since_the_lookback():
    ((verb, name, wanted),) = Conversation().sent
    assert (verb, name) == ("REQ", "inbox")
    assert wanted["kinds"] == [4, 1059]
    assert wanted["#p"] == [BOT.public_key]
    assert wanted["since"] == SINCE_S
    assert wanted["limit"] > 0


def test_relay_that_is_only_written_to_is_asked_for_nothing():
    assert Conversation(inbox_since=None).actions == []


def test_event_is_delivered_while_stored_and_when_live():
    talk = Conversation()
    stored, live = Deliver(MAIL, is_stored=True), Deliver(MAIL, is_stored=False)
    assert talk.relay_says("EVENT", "inbox", asdict(MAIL)).rest == [stored]
    talk.listen()
    assert talk.protocol.listening
    assert talk.relay_says("EVENT", "inbox", asdict(MAIL)).rest == [live]


def test_stored_events_are_paged_back_until_nothing_is_new():
    talk = Conversation()
    talk.relay_says("EVENT", "inbox", mail(1, NOW_S - 10))
    talk.relay_says("EVENT", "inbox", mail(2, NOW_S - 20))
    ((_, page, wanted),) = talk.listen().sent
    assert wanted["until"] == NOW_S - 20
    talk.relay_says("EVENT", page, mail(2, NOW_S - 20))
    talk.relay_says("EVENT", page, mail(3, NOW_S - 30))
    close, (_, page, wanted) = talk.relay_says("EOSE", page).sent
    assert close[0] == "CLOSE"
    assert wanted["until"] == NOW_S - 30
    talk.relay_says("EVENT", page, mail(3, NOW_S - 30))
    _, (_, page, wanted) = talk.relay_says("EOSE", page).sent
    assert wanted["until"] == NOW_S - 31
    assert talk.relay_says("EOSE", page).rest == [StoredRead(complete=True)]
    assert talk.protocol.up_to_date


def test_live_event_during_paging_is_delivered_and_does_not_disturb_it():
    talk = Conversation()
    talk.relay_says("EVENT", "inbox", mail(1, NOW_S - 10))
    ((_, page, _),) = talk.listen().sent
    live = talk.relay_says("EVENT", "inbox", mail(9, NOW_S - LOOKBACK_S))
    assert len(live.rest) == 1
    assert talk.relay_says("EOSE", page).rest == [StoredRead(complete=True)]


@pytest.mark.parametrize("reason", ["error: shutting down idle subscription", "", "restricted: no"])
def test_subscription_is_asked_for_again_after_any_closed(reason):
    talk = Conversation().listen()
    assert talk.relay_says("CLOSED", "inbox", reason).sent == []
    assert not talk.protocol.listening
    ((verb, name, _),) = talk.delay_passes().sent
    assert (verb, name) == ("REQ", "inbox")
    assert talk.listen().protocol.listening


def test_what_came_while_the_subscription_was_closed_is_read_by_its_back_dated_time():
    talk = Conversation(inbox_since=SINCE_S - 1_000_000).listen()
    talk.now_s += 5_000
    closed_at_s = talk.now_s
    talk.relay_says("CLOSED", "inbox", "error: oops")
    ((_, _, wanted),) = talk.delay_passes().sent
    assert wanted["since"] == closed_at_s - LOOKBACK_S
    talk.relay_says("EVENT", "inbox", asdict(MAIL))
    ((verb, _, wanted),) = talk.listen().sent
    assert (verb, wanted["until"]) == ("REQ", MAIL.created_at)


def test_subscription_closed_before_all_was_read_starts_from_the_old_time():
    talk = Conversation()
    talk.relay_says("EVENT", "inbox", asdict(MAIL))
    assert talk.relay_says("CLOSED", "inbox", "error: oops").rest == [StoredRead(complete=False)]
    ((_, _, wanted),) = talk.delay_passes().sent
    assert wanted["since"] == SINCE_S
    assert not talk.protocol.up_to_date


def test_pages_go_on_though_the_relay_closes_the_inbox_with_the_stored_events():
    talk = Conversation(inbox_since=SINCE_S - 1_000_000)
    talk.relay_says("EVENT", "inbox", asdict(MAIL))
    ((_, page, _),) = talk.listen().sent
    assert talk.relay_says("CLOSED", "inbox", "error: oops").sent == []
    closed, talk.actions = talk.actions, []
    talk.relay_says("EVENT", page, asdict(MAIL))
    _, (_, page, _) = talk.relay_says("EOSE", page).sent
    assert talk.relay_says("EOSE", page).rest == [StoredRead(complete=True)]
    talk.now_s, talk.actions = talk.now_s + 1_000, closed
    ((_, _, wanted),) = talk.delay_passes().sent
    assert wanted["since"] == SINCE_S, "from the time of the closing"


def test_delay_grows_while_a_relay_keeps_closing_and_stays_bounded():
    talk, delays = Conversation(), []
    for _ in range(15):
        talk.listen().relay_says("CLOSED", "inbox", "rate-limited: slow down")
        delays += talk.delays
        talk.delay_passes()
    assert delays[0] < 3
    assert delays[5] > 20
    assert 100 < max(delays) <= 300


def test_delay_starts_small_again_after_a_steady_subscription():
    talk = Conversation()
    for _ in range(8):
        talk.relay_says("CLOSED", "inbox", "error: oops").delay_passes()
    talk.listen()
    talk.now_s += 3_600
    assert talk.relay_says("CLOSED", "inbox", "error: oops").delays[0] <= 2


def test_late_wake_up_changes_nothing():
    talk = Conversation()
    (due,) = [action for action in talk.actions if isinstance(action, WakeIn)]
    assert due.delay_s == STORED_LIMIT_S
    talk.listen()
    assert talk.protocol.wake(due.subscription, due.turn, NOW_S + STORED_LIMIT_S) == []
    assert talk.protocol.wake("unknown", 1, NOW_S) == []


def test_stored_events_are_taken_as_sent_after_a_silence_if_the_relay_never_ends_them():
    talk = Conversation()
    talk.relay_says("EVENT", "inbox", asdict(MAIL))
    talk.actions = [WakeIn(STORED_LIMIT_S, "inbox", 1)]
    assert talk.delay_passes().rest == [], "the relay was sending"
    ((_, page, _),) = talk.delay_passes().sent
    assert talk.protocol.listening
    silence = [WakeIn(STORED_LIMIT_S, page, 1)]
    for _ in range(3):
        talk.actions = silence
        talk.delay_passes()
        if talk.rest:
            break
    assert talk.rest == [StoredRead(complete=True)]
    assert talk.protocol.up_to_date


def test_page_that_keeps_failing_is_given_up_but_what_comes_is_heard():
    talk = Conversation()
    talk.relay_says("EVENT", "inbox", asdict(MAIL))
    ((_, page, _),) = talk.listen().sent
    for _ in range(2):
        assert talk.relay_says("CLOSED", page, "unsupported: until").rest == []
        talk.delay_passes()
    talk.relay_says("CLOSED", page, "unsupported: until")
    for _ in range(2):
        # The inbox's own subscription asks for the page, before the page is given up.
        (wanted, new) = talk.sent[-1][2:]
        assert (talk.sent[-1][:2], "until" in wanted, "until" in new) == (
            ["REQ", "inbox"],
            True,
            False,
        )
        talk.relay_says("CLOSED", "inbox", "unsupported: until").delay_passes()
        talk.relay_says("EVENT", "inbox", asdict(MAIL)).listen()
    assert talk.rest == [StoredRead(complete=False)]
    assert talk.protocol.listening
    assert not talk.protocol.up_to_date


def test_challenge_is_answered_with_the_bots_key_and_the_relays_url():
    ((verb, answer),) = Conversation().relay_says("AUTH", "abc").sent
    event = events.event_from(answer)
    events.verify(event)
    assert (verb, event.kind, event.pubkey) == ("AUTH", 22_242, BOT.public_key)
    assert event.tags == (("relay", URL), ("challenge", "abc"))
    assert event.created_at == NOW_S


def test_closed_for_authentication_is_asked_for_again_once_authenticated():
    talk = Conversation()
    ((_, answer),) = talk.relay_says("AUTH", "abc").sent
    assert talk.relay_says("CLOSED", "inbox", "auth-required: who are you").sent == []
    ((verb, name, _),) = talk.relay_takes(answer["id"]).sent
    assert (verb, name) == ("REQ", "inbox")


@pytest.mark.parametrize(
    "challenge",
    ["\ud800", "x\udfffy", "ñ", "😀", "a\nb", "a\x00", "\x7f", "c" * 201, "c" * 100_000],
)
def test_challenge_that_cannot_be_signed_is_ignored_and_the_connection_goes_on(challenge):
    talk = Conversation()
    assert talk.relay_says("AUTH", challenge).actions == []
    ((verb, _),) = talk.relay_says("AUTH", "c" * 200).sent
    assert verb == "AUTH"


@pytest.mark.parametrize("verb", ["EVENT", "EOSE", "CLOSED", "OK", "NOTICE"])
def test_frame_with_a_lone_surrogate_changes_nothing(verb):
    rest = {
        "EVENT": ["inbox", asdict(replace(MAIL, content="\ud800"))],
        "EOSE": ["inbox", "\ud800"],
        "CLOSED": ["inbox", "error: \ud800"],
        "OK": [MAIL.id, False, "\ud800"],
        "NOTICE": ["\ud800"],
    }[verb]
    talk = Conversation()
    talk.publish(MAIL)
    assert talk.relay_says(verb, *rest).actions == []


def test_challenge_after_closed_is_answered_before_asking_again():
    talk = Conversation().relay_says("CLOSED", "inbox", "auth-required: who are you")
    ((verb, answer),) = talk.relay_says("AUTH", "abc").sent
    assert verb == "AUTH"
    assert talk.relay_takes(answer["id"]).sent[0][0] == "REQ"


def test_challenge_is_used_once_and_the_next_one_again():
    talk = Conversation()
    ((_, first),) = talk.relay_says("AUTH", "abc").sent
    assert talk.relay_says("AUTH", "abc").sent == []
    talk.relay_takes(first["id"])
    assert talk.relay_says("AUTH", "abc").sent == []
    ((_, second),) = talk.relay_says("AUTH", "def").sent
    assert ["challenge", "def"] in second["tags"]


def test_relay_that_keeps_asking_for_authentication_is_left_for_a_new_connection():
    talk = Conversation()
    for _ in range(10):
        talk.relay_says("CLOSED", "inbox", "auth-required: who are you")
        if talk.rest:
            break
        talk.delay_passes()
    (drop,) = talk.rest
    assert isinstance(drop, Drop)


def test_refused_authentication_does_not_end_the_attempts():
    talk = Conversation()
    ((_, answer),) = talk.relay_says("AUTH", "abc").sent
    talk.relay_says("CLOSED", "inbox", "auth-required: who are you")
    closed = talk.actions
    assert talk.relay_refuses(answer["id"], "invalid: clock").sent == []
    talk.actions = closed
    assert talk.delay_passes().sent[0][0] == "REQ"


def test_publication_is_answered():
    talk = Conversation().publish(MAIL)
    assert talk.sent == [["EVENT", json.loads(MAIL.to_json())]]
    assert talk.relay_takes(MAIL.id).rest == [Answered(MAIL.id, accepted=True, reason="")]
    assert talk.relay_takes(MAIL.id).rest == []


def test_publication_refused_for_another_reason_is_not_repeated():
    talk = Conversation().publish(MAIL)
    refused = talk.relay_refuses(MAIL.id, "invalid: too old")
    assert refused.rest == [Answered(MAIL.id, accepted=False, reason="invalid: too old")]
    assert refused.sent == []


def test_publication_is_repeated_once_after_authentication():
    talk = Conversation().publish(MAIL)
    talk.relay_refuses(MAIL.id, "auth-required: who are you")
    assert talk.actions == []
    ((_, answer),) = talk.relay_says("AUTH", "abc").sent
    assert talk.relay_takes(answer["id"]).sent[0][0] == "EVENT"
    again = talk.relay_refuses(MAIL.id, "auth-required: who are you")
    assert again.rest == [Answered(MAIL.id, accepted=False, reason="auth-required: who are you")]


def test_publication_refused_just_before_authentication_passed_is_repeated_at_once():
    talk = Conversation()
    ((_, answer),) = talk.relay_says("AUTH", "abc").sent
    talk.publish(MAIL).relay_takes(answer["id"])
    refused = talk.relay_refuses(MAIL.id, "auth-required: who are you")
    assert refused.sent[0][0] == "EVENT"


def test_publication_waiting_for_a_refused_authentication_has_failed():
    talk = Conversation().publish(MAIL)
    talk.relay_refuses(MAIL.id, "auth-required: who are you")
    ((_, answer),) = talk.relay_says("AUTH", "abc").sent
    (failed,) = talk.relay_refuses(answer["id"], "restricted: no").rest
    assert (failed.event_id, failed.accepted) == (MAIL.id, False)


def test_forgotten_publication_is_not_answered():
    talk = Conversation().publish(MAIL)
    talk.protocol.forget(MAIL.id)
    assert talk.relay_takes(MAIL.id).rest == []


def test_query_collects_a_bounded_number_of_events_and_is_closed():
    talk = Conversation()
    name, talk.actions = talk.protocol.query({"kinds": [10_050]})
    assert talk.sent == [["REQ", name, {"kinds": [10_050]}]]
    for number in range(50):
        assert talk.relay_says("EVENT", name, mail(number, NOW_S)).rest == []
    (queried,) = talk.relay_says("EOSE", name).rest
    assert (queried.query, queried.complete, len(queried.events)) == (name, True, 20)
    assert talk.sent == [["CLOSE", name]]


def test_query_that_stays_closed_ends_without_an_answer():
    talk = Conversation()
    name, talk.actions = talk.protocol.query({"kinds": [10_050]})
    for _ in range(2):
        talk.relay_says("CLOSED", name, "error: oops").delay_passes()
    talk.relay_says("CLOSED", name, "error: oops")
    assert talk.rest == [Queried(name, (), complete=False)]


@pytest.mark.parametrize(
    "text",
    [
        "",
        "null",
        "{}",
        "[]",
        '["EVENT"]',
        '["EVENT","inbox"]',
        '["EVENT","inbox",null]',
        '["EVENT","inbox",{"id":1}]',
        '["EVENT",7,{}]',
        '["OK","x","true",""]',
        '["OK","x",1,""]',
        '["CLOSED"]',
        '["CLOSED",["inbox"],""]',
        '["AUTH",null]',
        '["AUTH",{}]',
        '["WHAT","x"]',
        '["EOSE"]',
        '["EOSE","unknown"]',
        '["CLOSED","unknown","error: oops"]',
        '["OK","unknown",false,"auth-required: who"]',
        '["NOTICE","' + "x" * 10_000 + '"]',
        '["NOTICE","' + "x" * 1_000_000 + '"]',
        "[" * 100_000,
        '["EVENT","unknown",' + MAIL.to_json() + "]",
    ],
)
def test_malformed_or_unasked_frame_changes_nothing(text):
    talk = Conversation()
    assert talk.protocol.receive(text, NOW_S) == []
    assert talk.listen().protocol.listening


def test_reason_in_a_relays_answer_is_shortened():
    talk = Conversation().publish(MAIL)
    (answer,) = talk.relay_refuses(MAIL.id, "x" * 100_000).rest
    assert len(answer.reason) == 200
