"""Tasks stay open until somebody answers, and one client has one request for cash."""

import sqlite3
from datetime import timedelta

import pytest
from ledger.story import hex_of
from query_plans import plan_of, too_long

from dca_bot.ledger.correspondence import tasks
from dca_bot.ledger.correspondence.tasks import TaskKind

OPERATOR, ANA = hex_of("operator"), hex_of("ana")
CONTACT, WITHDRAWAL = TaskKind.CONTACT, TaskKind.WITHDRAWAL


@pytest.fixture
def people(story):
    return story.client("ana", balance=90_000), story.client("ben")


def say(story, client_id, text):
    story.do(tasks.contact, client_id, text, now=story.later(minutes=1))


def wish(story, client_id, minor):
    now = story.later(minutes=1)
    story.do(tasks.request_cash, client_id, minor, by=ANA, now=now)


def close(story, client_id, *kinds):
    return story.do(tasks.close, client_id, *kinds, by=OPERATOR, now=story.later(minutes=1))


def what(found):
    return [(task.client_name, task.kind, task.text or task.amount_minor) for task in found]


def test_open_tasks_come_oldest_first_whoever_asks(story, people):
    ana, ben = people
    say(story, ben, "Where is my deposit?")
    wish(story, ana, 50_000)
    say(story, ana, "Hello?")
    expected = [
        ("ben", CONTACT, "Where is my deposit?"),
        ("ana", WITHDRAWAL, 50_000),
        ("ana", CONTACT, "Hello?"),
    ]
    assert what(story.read(tasks.open_tasks)) == expected
    assert what(story.read(tasks.open_of, ana)) == expected[1:]
    assert story.read(tasks.open_counts) == {CONTACT: 2, WITHDRAWAL: 1}


def test_only_the_wanted_kinds_are_closed_and_by_whom_is_kept(story, people):
    ana, ben = people
    say(story, ana, "one")
    say(story, ana, "two")
    wish(story, ana, 100)
    say(story, ben, "three")
    assert what(close(story, ana, CONTACT)) == [("ana", CONTACT, "one"), ("ana", CONTACT, "two")]
    assert what(story.read(tasks.open_tasks)) == [
        ("ana", WITHDRAWAL, 100),
        ("ben", CONTACT, "three"),
    ]
    assert close(story, ana, CONTACT) == []
    answered = story.sql("SELECT DISTINCT answered_by FROM task WHERE answered_at IS NOT NULL")
    assert [row["answered_by"] for row in answered] == [OPERATOR]
    close(story, ana, WITHDRAWAL)
    close(story, ben, *TaskKind)
    assert story.read(tasks.open_counts) == {}


def test_newer_request_takes_the_place_of_the_older(story, people):
    ana, _ = people
    wish(story, ana, 50_000)
    wish(story, ana, 30_000)
    assert what(story.read(tasks.open_tasks)) == [("ana", WITHDRAWAL, 30_000)]
    assert story.read(tasks.requested_cash, ana).amount_minor == 30_000
    assert story.balance(ana) == 90_000
    close(story, ana, WITHDRAWAL)
    assert story.read(tasks.requested_cash, ana) is None


def test_schema_keeps_two_requests_of_a_client_from_being_open(story, people):
    ana, _ = people
    wish(story, ana, 50_000)
    with pytest.raises(sqlite3.IntegrityError, match="UNIQUE"):
        story.sql(
            "INSERT INTO task (client_id, kind, amount_minor, asked_at) VALUES (?, 'withdrawal', 5, 0)",
            ana,
        )


def test_crash_leaves_the_old_request_or_the_new_one(story, people):
    ana, _ = people
    wish(story, ana, 50_000)
    story.crash_in(lambda: wish(story, ana, 30_000))
    assert what(story.read(tasks.open_tasks)) == [("ana", WITHDRAWAL, 50_000)]


def test_only_contacts_of_the_span_are_counted(story, people):
    ana, ben = people
    say(story, ana, "long ago")
    story.later(days=1)
    say(story, ana, "today")
    say(story, ben, "today too")
    wish(story, ana, 100)
    since = story.now - timedelta(days=1)
    assert story.read(tasks.asked_since, ana, TaskKind.CONTACT, since) == 1
    close(story, ana, *TaskKind)
    assert story.read(tasks.asked_since, ana, TaskKind.CONTACT, since) == 1


def test_walk_through_all_tasks_is_seen(story):
    sql = "SELECT * FROM task WHERE client_id = 1"
    assert story.read(lambda tx: too_long(tx, {sql: plan_of(tx, sql)}))
