"""In which order relays get an event, and how long each is waited for."""

import asyncio

import pytest

from dca_bot.core.delivery import RelayAnswer, Undelivered
from dca_bot.nostr.people import waves
from dca_bot.nostr.people.waves import publish_in_waves


class Relays:
    """Relays that accept, refuse or keep silent; `tried` has the relays in the order of the visits."""

    def __init__(self, *, accepting=(), silent=()):
        self.accepting, self.silent = accepting, silent
        self.tried = []
        self.left = []

    async def send(self, url):
        self.tried.append(url)
        if url in self.silent:
            try:
                await asyncio.Event().wait()
            finally:
                self.left.append(url)
        if url in self.accepting:
            return RelayAnswer(url, accepted=True)
        return RelayAnswer(url, accepted=False, reason=Undelivered.REFUSED)


@pytest.fixture(autouse=True)
def soon(monkeypatch):
    for name in ("WAVE_S", "BESIDE_S", "GRACE_S"):
        monkeypatch.setattr(waves, name, 0.05)


async def publish(relays, *in_waves, counting):
    async with asyncio.timeout(5), asyncio.TaskGroup() as group:
        answers = await publish_in_waves(in_waves, set(counting), relays.send, group)
    return {answer.relay: answer.accepted for answer in answers}


async def test_no_visit_begins_while_the_bot_is_being_stopped():
    relays = Relays(accepting="b")
    async with asyncio.TaskGroup() as group:
        pass
    async with asyncio.timeout(5):
        assert await publish_in_waves(["a", "b"], {"b"}, relays.send, group) == []
    assert relays.tried == []


async def test_next_wave_waits_for_the_one_before():
    relays = Relays(accepting="a")
    assert await publish(relays, "ab", "cd", counting="abcd") == {"a": True, "b": False}
    assert relays.tried == ["a", "b"]


async def test_wave_that_is_refused_makes_room_at_once_for_the_next(monkeypatch):
    monkeypatch.setattr(waves, "WAVE_S", 60)
    relays = Relays(accepting="e")
    answers = await publish(relays, "abcd", "e", "f", counting="abcde")
    assert answers["e"]
    assert relays.tried == list("abcde")


async def test_silent_relays_hold_the_next_wave_up_for_a_moment_and_are_left_in_the_end():
    relays = Relays(accepting="e", silent="abcd")
    assert await publish(relays, "abcd", "e", counting="abcde") == {"e": True}
    assert sorted(relays.left) == list("abcd")


async def test_acceptance_that_does_not_count_ends_the_waiting_for_those_that_do():
    relays = Relays(accepting="b", silent="a")
    assert await publish(relays, "a", "b", counting="a") == {"b": True}
    assert relays.left == ["a"]


async def test_relay_that_does_not_count_and_accepts_keeps_no_later_wave_from_being_tried():
    relays = Relays(accepting="be")
    answers = await publish(relays, "ab", "e", counting="ae")
    assert answers == {"a": False, "b": True, "e": True}


async def test_without_relays_there_are_no_answers():
    assert await publish(Relays(), counting="a") == {}
