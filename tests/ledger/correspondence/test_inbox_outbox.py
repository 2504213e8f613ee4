from datetime import timedelta

import pytest
from ledger.story import START, hex_of

from dca_bot.core.ports import DmProtocol, IncomingMessage
from dca_bot.ledger.correspondence import inbox, outbox
from dca_bot.ledger.correspondence.outbox import Urgency
from dca_bot.ledger.store.instants import micros

ANA, BEN = hex_of("ana"), hex_of("ben")
NIP04, NIP17 = DmProtocol.NIP04, DmProtocol.NIP17


def message(id_="1", *, sender=ANA, sent_at=START, protocol=NIP17, relay="wss://a.example"):
    return IncomingMessage(hex_of(id_), sender, "balance", sent_at, protocol, relay)


def write(story, text="hello", *, to=ANA, **named):
    story.do(outbox.write, to, text, now=story.now, **named)


def due(story, *, urgency=Urgency.NOTICE, **named):
    return story.read(outbox.due, story.now, urgency=urgency, **named)


def test_a_message_is_received_once_however_often_it_comes(story):
    copies = [message(), message(relay="wss://b.example"), message(protocol=NIP04)]
    assert not story.read(inbox.is_received, copies[0])
    results = [story.do(inbox.receive, copy, command="balance", now=story.now) for copy in copies]
    assert results == [True, False, False]
    assert story.read(inbox.is_received, copies[2])


def test_one_id_from_two_senders_is_two_messages(story):
    for sender in (ANA, BEN):
        assert story.do(inbox.receive, message(sender=sender), command="balance", now=story.now)


def test_the_inbox_keeps_no_text(story):
    story.do(inbox.receive, message(), command="wallet", now=story.now)
    (row,) = story.sql("SELECT * FROM inbox")
    assert set(row.keys()) == {"sender", "message_id", "received_at", "command"}


# (offset of the message's time in seconds, protocol, what is remembered after it)
PERSONS = {
    "the first": [(0, NIP04, NIP04)],
    "a newer one": [(0, NIP04, NIP04), (1, NIP17, NIP17)],
    "an older one": [(0, NIP17, NIP17), (-1, NIP04, NIP17)],
    "a replay": [(0, NIP04, NIP04), (5, NIP17, NIP17), (0, NIP04, NIP17)],
    "the same second": [(0, NIP17, NIP17), (0, NIP04, NIP17)],
}


@pytest.mark.parametrize("case", PERSONS)
def test_the_latest_message_by_its_own_time_tells_how_to_answer(story, case):
    for offset_s, protocol, remembered in PERSONS[case]:
        sent_at = START + timedelta(seconds=offset_s)
        story.later(minutes=1)
        story.do(
            inbox.note_person,
            message(sent_at=sent_at, protocol=protocol, relay=protocol),
            now=story.now + timedelta(days=9),
        )
        assert story.read(inbox.person, ANA) == inbox.Person(remembered, remembered)
    assert story.read(inbox.person, BEN) is None


def test_messages_to_one_person_have_rising_seconds_up_to_a_bound(story):
    story.now = START + timedelta(microseconds=999_999)
    for _ in range(outbox.AHEAD_MAX_S + 3):
        write(story)
    write(story, to=BEN)
    rows = story.sql("SELECT created_at FROM outbox WHERE recipient = ? ORDER BY id", ANA)
    ahead = [row["created_at"] - int(START.timestamp()) for row in rows]
    assert ahead == [*range(outbox.AHEAD_MAX_S + 1), outbox.AHEAD_MAX_S, outbox.AHEAD_MAX_S]
    (outgoing,) = due(story, busy=[ANA])
    assert (outgoing.recipient, outgoing.created_at) == (BEN, START)


def test_the_oldest_message_of_each_person_is_due(story):
    for to, text in ((ANA, "1"), (ANA, "2"), (BEN, "3"), (BEN, "4")):
        write(story, text, to=to)
    assert [outgoing.text for outgoing in due(story)] == ["1", "3"]
    assert [outgoing.text for outgoing in due(story, limit=1)] == ["1"]
    assert [outgoing.text for outgoing in due(story, busy=[ANA])] == ["3"]
    assert due(story, busy=[ANA, BEN]) == []
    story.do(outbox.mark_sent, due(story)[0], now=story.now)
    assert [outgoing.text for outgoing in due(story)] == ["2", "3"]
    assert story.read(outbox.unsent) == 3


# (what is written to ana, in order; in which order it leaves)
TURNS = [
    ("NNN", [0, 1, 2]),
    ("NA", [0, 1]),
    ("BA", [1, 0]),
    ("BNA", [1, 2, 0]),
    ("BNBAN", [1, 3, 4, 0, 2]),
    ("ABAB", [0, 2, 1, 3]),
]


@pytest.mark.parametrize(("written", "leaves"), TURNS)
def test_only_what_goes_to_many_lets_later_messages_pass(story, written, leaves):
    kinds = {urgency.name[0]: urgency for urgency in Urgency}
    for number, kind in enumerate(written):
        write(story, str(number), urgency=kinds[kind])
    left = []
    while story.read(outbox.unsent):
        found = [outgoing for urgency in Urgency for outgoing in due(story, urgency=urgency)]
        assert len({outgoing.id for outgoing in found}) == 1, "the same one, for whom it is urgent"
        left.append(int(found[0].text))
        story.do(outbox.mark_sent, found[0], now=story.now)
    assert left == leaves


def test_messages_after_a_clock_that_was_ahead_have_their_own_time_again(story):
    story.later(hours=20)
    write(story, "ahead")
    story.now -= timedelta(hours=20)
    for text in ("one", "two"):
        write(story, text)
    story.do(outbox.mark_sent, due(story)[0], now=story.now)
    assert [outgoing.created_at for outgoing in due(story)] == [story.now + timedelta(seconds=1)]


def steps(story, work, *args, **named):
    """Return how many steps SQLite takes for a piece of work."""
    count = 0

    def step():
        nonlocal count
        count += 1

    def counted(tx):
        tx.set_progress_handler(step, 1)
        work(tx, *args, **named)
        tx.set_progress_handler(None, 0)

    story.read(counted)
    return count


def test_finding_the_next_message_grows_with_nothing(story):
    """Neither with what was sent, nor with a broadcast that waits for 1,000 people."""

    def fill(tx, count, sent_at):
        for number in range(count):
            for urgency in Urgency:
                person = hex_of(str(number))
                outbox.write(tx, person, "text", now=story.now, urgency=urgency)
        tx.execute("UPDATE outbox SET sent_at = ?", (sent_at,))

    def look(tx):
        for urgency in Urgency:
            outbox.due(tx, story.now, urgency=urgency, limit=4, busy=[ANA])
        outbox.next_try_at(tx)

    def one_broadcast(tx, count):
        for number in range(count):
            person = hex_of(f"{number} of many")
            outbox.write(tx, person, "text", now=story.now, urgency=Urgency.BULK)

    story.do(fill, 10, 1)
    story.do(one_broadcast, 10)
    few = steps(story, look)
    story.do(fill, 1000, 1)
    story.do(one_broadcast, 1000)
    assert story.read(outbox.unsent) == 1000
    assert 0 < steps(story, look) <= few + 50


def test_a_message_that_no_relay_took_is_tried_again_later(story):
    write(story, "hello", protocol=NIP04, relay="wss://a.example")
    (outgoing,) = due(story)
    assert (outgoing.protocol, outgoing.relay, outgoing.event, outgoing.tries) == (
        NIP04,
        "wss://a.example",
        None,
        0,
    )
    assert not story.do(outbox.mark_failed, outgoing, delay_s=60, now=story.now)
    assert due(story) == []
    assert story.read(outbox.next_try_at) == story.now + timedelta(seconds=60)
    story.later(seconds=60)
    (again,) = due(story)
    assert (again.id, again.tries, again.created_at) == (outgoing.id, 1, outgoing.created_at)


def test_a_message_is_given_up_after_seven_days_of_trying(story):
    write(story)
    story.sql("UPDATE outbox SET tries = ?", outbox.TRIES_MIN - 1)
    (outgoing,) = due(story)
    story.later(days=7)
    assert not story.do(outbox.mark_failed, outgoing, delay_s=0, now=story.now)
    story.later(seconds=1)
    assert story.do(outbox.mark_failed, outgoing, delay_s=0, now=story.now)
    assert due(story) == []
    assert (story.read(outbox.unsent), story.read(outbox.next_try_at)) == (0, None)


def test_a_leap_of_the_clock_gives_no_message_up(story):
    write(story)
    story.later(days=400)
    for _ in range(9):
        (outgoing,) = due(story)
        assert not story.do(outbox.mark_failed, outgoing, delay_s=0, now=story.now)
    assert story.read(outbox.unsent) == 1


def test_a_message_withdrawn_on_its_way_is_not_tried_again(story):
    write(story, "alarm", alarm="LNbits")
    (outgoing,) = due(story)
    assert story.read(outbox.open_of, "LNbits") == [outgoing.id]
    assert story.do(outbox.withdraw, "LNbits", now=story.now) == {ANA}
    assert story.read(outbox.open_of, "LNbits") == []
    assert not story.do(outbox.mark_failed, outgoing, delay_s=0, now=story.now)
    story.later(minutes=1)
    assert due(story) == []


def test_a_message_is_the_same_at_every_try(story):
    write(story)
    (outgoing,) = due(story)
    story.do(outbox.fix_protocol, outgoing, NIP04, '{"kind": 4}')
    (again,) = due(story)
    assert (again.protocol, again.event) == (NIP04, '{"kind": 4}')


def test_a_person_counts_as_reached_when_a_relay_took_a_message_or_after_writing(story):
    write(story)
    assert not story.read(inbox.reached, ANA)
    story.do(outbox.mark_sent, due(story)[0], now=story.now)
    assert story.read(inbox.reached, ANA)
    story.do(inbox.note_person, message(sender=BEN), now=story.now)
    assert story.read(inbox.reached, BEN)


def test_messages_since_a_time_leave_once_more_but_not_those_of_no_use_any_more(story):
    write(story, "long ago", protocol=NIP17)
    story.later(hours=1)
    since = story.now
    write(story, "news", protocol=NIP17)
    write(story, "over kind 4", protocol=NIP04)
    write(story, "a code", protocol=NIP17)
    story.sql("UPDATE outbox SET expires_at = ? WHERE text = 'a code'", micros(story.now))
    write(story, "to ben", to=BEN, protocol=NIP17)
    while found := due(story):
        for one in found:
            story.do(outbox.mark_sent, one, now=story.now)
        story.later(seconds=1)
    story.later(minutes=10)
    story.do(outbox.resend_since, ANA, since, now=story.now)
    assert [one.text for one in due(story)] == ["news"]


def texts(story):
    return {row["text"] for row in story.sql("SELECT text FROM outbox")}


def send(story, text):
    """Write a message to ana that leaves 10 seconds later."""
    write(story, text)
    (outgoing,) = due(story, busy=[BEN])
    story.later(seconds=10)
    story.do(outbox.mark_sent, outgoing, now=story.now)


def test_message_is_forgotten_90_days_after_it_left_or_was_dropped_when_the_next_one_leaves(story):
    send(story, "first")
    write(story, "withdrawn", alarm="lnbits")
    story.do(outbox.withdraw, "lnbits", now=story.now)
    send(story, "second")
    write(story, "to ben", to=BEN)
    story.now += timedelta(days=90, seconds=-25)
    send(story, "third")
    assert texts(story) == {"first", "withdrawn", "second", "to ben", "third"}
    send(story, "fourth")
    assert texts(story) == {"second", "to ben", "third", "fourth"}
    story.now += timedelta(days=90)
    assert story.do(outbox.forget, ANA, now=story.now) == 3
    assert texts(story) == {"to ben"}, "a message that waits stays"


def test_message_that_leaves_after_months_stays_and_the_person_counts_as_reached(story):
    write(story)
    story.now += timedelta(days=400)
    story.do(outbox.mark_sent, due(story)[0], now=story.now)
    assert texts(story) == {"hello"}
    assert story.read(inbox.reached, ANA)


def test_messages_are_forgotten_a_few_at_a_time_oldest_first(story, monkeypatch):
    monkeypatch.setattr(outbox, "_FORGOTTEN_AT_ONCE", 2)
    for n in range(5):
        send(story, str(n))
    story.now += timedelta(days=90)
    send(story, "new")
    assert texts(story) == {"2", "3", "4", "new"}
