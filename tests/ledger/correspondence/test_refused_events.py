import pytest

from dca_bot.ledger.correspondence import refused_events


def digests(*numbers):
    return [number.to_bytes(32, "big") for number in numbers]


@pytest.fixture
def small(monkeypatch):
    monkeypatch.setattr(refused_events, "KEPT", 3)
    monkeypatch.setattr(refused_events, "_SLACK", 1)


def test_event_is_recorded_once_and_the_newest_come_first(story):
    story.do(refused_events.note, digests(1, 2), story.now)
    story.later(minutes=1)
    story.do(refused_events.note, digests(2, 3), story.now)
    assert story.read(refused_events.known)[0] == digests(3)[0]
    assert sorted(story.read(refused_events.known)) == digests(1, 2, 3)


@pytest.mark.usefixtures("small")
def test_oldest_are_forgotten_once_there_are_far_too_many(story):
    for number in range(1, 6):
        story.later(minutes=1)
        story.do(refused_events.note, digests(number), story.now)
        story.do(refused_events.forget_oldest)
        (row,) = story.sql("SELECT count(*) AS n FROM refused_event")
        assert row["n"] == min(number, 4) - (number == 5)
    assert story.read(refused_events.known) == digests(5, 4, 3)
