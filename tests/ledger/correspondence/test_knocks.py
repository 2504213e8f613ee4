import random
from datetime import timedelta

from ledger.story import hex_of

from dca_bot.core.ports import DmProtocol, IncomingMessage
from dca_bot.ledger.correspondence import inbox, knocks, outbox
from dca_bot.ledger.store import clock

ANA, BEN = hex_of("ana"), hex_of("ben")
CHANCE = random.Random(5)


def give(story, who=ANA):
    return story.do(knocks.give, who, now=story.now, random=CHANCE)


def answered(story, who):
    message = IncomingMessage(
        hex_of(f"{who}{story.now}"), who, "", story.now, DmProtocol.NIP17, "wss://r"
    )
    story.do(inbox.receive, message, command=knocks.STRANGER, now=story.now)


def test_one_stranger_has_one_code_for_a_day(story):
    first = give(story)
    story.later(hours=23, minutes=59)
    assert give(story) == first
    assert story.read(knocks.find, first.code, now=story.now) == first
    assert (first.pubkey, first.expires_at - first.knocked_at) == (ANA, clock.KNOCK_LIFE)
    story.later(minutes=1)
    assert story.read(knocks.find, first.code, now=story.now) is None
    again = give(story)
    assert again.code != first.code
    assert again.knocked_at == story.now


def test_codes_of_two_strangers_differ_and_are_bound_to_each(story):
    one, two = give(story, ANA), give(story, BEN)
    assert story.read(knocks.find, one.code, now=story.now).pubkey == ANA
    assert story.read(knocks.find, two.code, now=story.now).pubkey == BEN


def test_code_that_is_taken_is_not_given_twice(story):
    seed = random.Random(8)
    first = story.do(knocks.give, ANA, now=story.now, random=seed)
    second = story.do(knocks.give, BEN, now=story.now, random=random.Random(8))
    assert first.code != second.code


def test_used_code_is_no_code_and_its_owner_can_knock_again(story):
    first = give(story)
    story.do(knocks.close, ANA, now=story.now)
    assert story.read(knocks.find, first.code, now=story.now) is None
    assert story.read(knocks.open_knocks, now=story.now, limit=9) == []
    assert give(story).code != first.code


def test_answers_with_a_used_code_leave_no_more(story):
    def write(text, expires_at=None):
        number = story.do(outbox.write, ANA, text, now=story.now, protocol=DmProtocol.NIP17)
        story.do(outbox.expire, number, expires_at)

    def leaving():
        rows = story.sql(
            "SELECT text FROM outbox WHERE sent_at IS NULL AND dropped_at IS NULL ORDER BY id"
        )
        return [row["text"] for row in rows]

    write("sent code", story.now + clock.KNOCK_LIFE)
    (message,) = story.read(outbox.due, story.now, urgency=outbox.Urgency.NOTICE)
    story.do(outbox.mark_sent, message, now=story.now)
    write("code", story.now + clock.KNOCK_LIFE)
    write("welcome")
    story.do(outbox.resend_since, ANA, story.now - timedelta(hours=1), now=story.now)
    assert leaving() == ["sent code", "code", "welcome"]
    story.do(outbox.mark_sent, message, now=story.now)
    story.do(knocks.close, ANA, now=story.now)
    story.do(outbox.resend_since, ANA, story.now - timedelta(hours=1), now=story.now)
    assert leaving() == ["welcome"]


def test_only_so_many_codes_are_open(story):
    for number in range(knocks.OPEN_MAX):
        assert give(story, hex_of(f"stranger {number}")) is not None
        assert story.read(knocks.is_flooded, now=story.now) is (number + 1 == knocks.OPEN_MAX)
    assert give(story, ANA) is None
    assert give(story, hex_of("stranger 0")) is not None, "who has a code keeps it"
    story.later(hours=24)
    assert give(story, ANA) is not None
    assert not story.read(knocks.is_flooded, now=story.now)


def test_old_knocks_are_forgotten(story):
    give(story)
    story.later(hours=47)
    give(story, BEN)
    assert len(story.sql("SELECT * FROM knock")) == 2
    story.later(hours=1)
    give(story, BEN)
    assert [row["pubkey"] for row in story.sql("SELECT * FROM knock")] == [BEN]


def test_open_knocks_are_listed_newest_first_by_pages(story):
    for number in range(5):
        give(story, hex_of(str(number)))
        story.later(minutes=1)
    listed = story.read(knocks.open_knocks, now=story.now, limit=2, offset=1)
    assert [one.pubkey for one in listed] == [hex_of("3"), hex_of("2")]
    assert story.read(knocks.open_count, now=story.now) == 5


def test_who_knocked_since_an_instant_and_is_no_client_yet(story):
    give(story, hex_of("early"))
    start = story.now
    story.later(minutes=1)
    for who in (BEN, ANA):
        give(story, who)
        story.later(minutes=1)
    story.do(knocks.close, ANA, now=story.now)
    assert story.read(knocks.since, start) == [BEN]


def test_strangers_have_their_turn_once_an_hour_and_so_many_together(story):
    assert story.read(knocks.may_answer, ANA, now=story.now)
    answered(story, ANA)
    assert not story.read(knocks.may_answer, ANA, now=story.now)
    for number in range(knocks.ANSWERS_MAX - 2):
        answered(story, hex_of(str(number)))
    assert not story.read(knocks.is_flooded, now=story.now)
    assert story.read(knocks.may_answer, BEN, now=story.now)
    answered(story, hex_of("one more"))
    assert not story.read(knocks.may_answer, BEN, now=story.now)
    assert story.read(knocks.is_flooded, now=story.now)
    story.later(hours=1)
    assert story.read(knocks.may_answer, ANA, now=story.now)


def test_clock_set_back_leaves_a_code_a_day_at_most(story):
    story.later(hours=20)
    found = give(story)
    story.now -= timedelta(hours=20)
    story.do(clock.pull_back, story.now)
    pulled = story.read(knocks.find, found.code, now=story.now)
    assert (pulled.knocked_at, pulled.expires_at) == (story.now, story.now + clock.KNOCK_LIFE)
