"""Relays whose operator means harm: what a relay may cost the bot, and other people's messages."""

import asyncio
import random
from datetime import UTC, datetime
from urllib.parse import urlsplit

import pytest
from faulty_relays import Sound

from dca_bot.core.relay_state import RelayTrouble
from dca_bot.nostr import events, keys
from dca_bot.nostr.people import recipient_relays
from dca_bot.nostr.people.recipient_relays import RecipientRelays
from dca_bot.nostr.relays import relay_connection, relay_socket, sealing
from dca_bot.nostr.relays.relay import Relay
from dca_bot.nostr.relays.relay_habits import RelayHabits
from dca_bot.nostr.relays.relay_socket import Endpoint
from dca_bot.nostr.relays.sealing import Sealer

LIMIT_S = 15
MIB = 1024 * 1024


class Clock:
    """The real time."""

    def now(self):
        return datetime.now(UTC)

    async def sleep(self, delay_s):
        await asyncio.sleep(delay_s)


@pytest.fixture
def bot():
    return keys.generate()


def note(key, content=""):
    created_at = int(datetime.now(UTC).timestamp())
    return events.sign(key, kind=1, created_at=created_at, tags=(), content=content)


async def find_here(url):
    return Endpoint(("127.0.0.1",), urlsplit(url).port)


def visits_of(bot, sealer=None):
    return RecipientRelays(bot, Clock(), random.Random(1), find_here, sealer=sealer)


async def eventually(is_true):
    async with asyncio.timeout(LIMIT_S):
        while not is_true():  # noqa: ASYNC110 - nothing tells of the change
            await asyncio.sleep(0.01)


class Floods(Sound):
    """Answers an event with a notice of `bytes_`."""

    def __init__(self, bytes_):
        super().__init__()
        self.bytes_ = bytes_

    async def on_event(self, connection, event):
        await connection.say("NOTICE", "x" * self.bytes_)
        await super().on_event(connection, event)


async def test_relay_of_other_people_gets_no_large_frame_in_however_often_it_is_visited(bot):
    async with Floods(2 * MIB).serving() as url:
        visits = visits_of(bot)
        async with asyncio.timeout(LIMIT_S):
            answers = [await visits.send(note(bot, str(n)), url, bulk=False) for n in range(3)]
    assert [answer.accepted for answer in answers] == [False] * 3


async def test_limit_of_a_frame_at_a_visited_relay_is_below_that_of_an_own_relay(bot):
    async with Floods(MIB // 2).serving() as url:
        assert (await visits_of(bot).send(note(bot), url, bulk=False)).accepted
    assert relay_socket._GUEST_FRAME_BYTES_MAX == MIB


class AsksForEverMoreLogins(Sound):
    """Gives challenge after challenge, and asks for proof of work in the answer to each."""

    def __init__(self, count=50, bits=22):
        super().__init__()
        self.left, self.bits = count, bits

    async def on_connected(self, connection):
        await connection.say("AUTH", "challenge-0")

    async def on_auth(self, connection, event):
        await connection.refuse(event, f"pow: {self.bits} bits needed")
        if self.left:
            self.left -= 1
            await connection.say("AUTH", f"challenge-{self.left}")

    async def on_event(self, connection, event):
        """Give no answer."""


async def test_logins_that_ask_for_work_again_and_again_keep_no_other_work_waiting(
    bot, monkeypatch
):
    mined = []

    def mine(event, _bits, _is_over):
        mined.append(event.kind)

    monkeypatch.setattr(sealing, "mine", mine)
    monkeypatch.setattr(relay_connection, "_AGAIN_AFTER_S", 0.2)
    relay, sealer = AsksForEverMoreLogins(), Sealer(bot, Clock(), random.Random(1))
    async with relay.serving() as url:
        visit = asyncio.create_task(visits_of(bot, sealer).send(note(bot), url, bulk=False))
        await eventually(lambda: relay.left == 0)
        await eventually(lambda: not sealer._mining.locked())
        visit.cancel()
        await asyncio.wait([visit])
    assert len(mined) <= 3


async def test_work_that_nobody_waits_for_any_more_is_not_begun(bot, monkeypatch):
    mined, go_on = [], asyncio.Event()
    loop = asyncio.get_running_loop()

    def mine(event, _bits, _is_over):
        mined.append(event.content)
        asyncio.run_coroutine_threadsafe(go_on.wait(), loop).result(LIMIT_S)

    monkeypatch.setattr(sealing, "mine", mine)
    sealer, habits = Sealer(bot, Clock(), random.Random(1)), RelayHabits(pow_bits=200)
    monkeypatch.setattr(sealing, "BITS_MAX", 200)
    first = asyncio.create_task(sealer.fit(note(bot, "first"), habits))
    await eventually(lambda: mined)
    given_up = [asyncio.create_task(sealer.fit(note(bot, str(n)), habits)) for n in range(30)]
    last = asyncio.create_task(sealer.fit(note(bot, "last"), habits))
    await asyncio.sleep(0)
    for task in given_up:
        task.cancel()
    await asyncio.wait(given_up)
    go_on.set()
    async with asyncio.timeout(LIMIT_S):
        await asyncio.gather(first, last)
    assert mined == ["first", "last"]


async def test_many_messages_that_want_work_end_no_other_work(bot, monkeypatch):
    go_on = asyncio.Event()
    loop = asyncio.get_running_loop()

    def mine(event, _bits, _is_over):
        asyncio.run_coroutine_threadsafe(go_on.wait(), loop).result(LIMIT_S)
        return event

    monkeypatch.setattr(sealing, "mine", mine)
    monkeypatch.setattr(sealing, "BITS_MAX", 200)
    sealer, habits = Sealer(bot, Clock(), random.Random(1)), RelayHabits(pow_bits=200)
    fits = [asyncio.create_task(sealer.fit(note(bot, str(n)), habits)) for n in range(100)]
    await eventually(sealer._mining.locked)
    go_on.set()
    async with asyncio.timeout(LIMIT_S):
        made = await asyncio.gather(*fits)
    assert made[0] is not None
    assert made[1] is not None


async def test_visit_to_a_relay_that_asks_for_ever_more_work_ends(bot, monkeypatch):
    async def fit(*_):
        await asyncio.Event().wait()

    monkeypatch.setattr(recipient_relays, "_VISIT_LIMIT_S", 0.2)
    sealer = Sealer(bot, Clock(), random.Random(1))
    monkeypatch.setattr(sealer, "fit", fit)
    async with Sound().serving() as url, asyncio.timeout(LIMIT_S):
        answer = await visits_of(bot, sealer).send(note(bot), url, bulk=False)
    assert answer.trouble is RelayTrouble.NO_ANSWER


class Greets(Sound):
    """Gives each client a challenge, and refuses nothing."""

    async def on_connected(self, connection):
        await connection.say("AUTH", "who are you?")


class Members(Greets):
    """Takes an event, and answers a request, once the client has logged in; refuses in `words`."""

    def __init__(self, words):
        super().__init__()
        self.words = words

    async def on_event(self, connection, event):
        if connection.authenticated:
            await super().on_event(connection, event)
        elif self.words:
            await connection.refuse(event, self.words)

    async def on_request(self, connection, name, *filters):
        if connection.authenticated:
            await super().on_request(connection, name, *filters)
        else:
            await connection.say("CLOSED", name, self.words)


WANTED = {"kinds": [10_050], "authors": ["0" * 64], "limit": 1}


async def test_relay_of_other_people_that_refuses_nothing_does_not_learn_who_the_bot_is(bot):
    relay = Greets()
    async with relay.serving() as url, asyncio.timeout(LIMIT_S):
        visits = visits_of(bot)
        assert (await visits.send(note(keys.generate()), url, bulk=False)).accepted
        assert await visits.ask(url, WANTED) == ()
    assert bot.public_key not in str(relay.heard)


@pytest.mark.parametrize("words", ["auth-required: log in", "restricted: members only", ""])
async def test_relay_of_other_people_that_refuses_gets_a_login(bot, words, monkeypatch):
    monkeypatch.setattr(relay_connection, "_AGAIN_AFTER_S", 0.2)
    relay, event = Members(words), note(keys.generate())
    async with relay.serving() as url, asyncio.timeout(LIMIT_S):
        assert (await visits_of(bot).send(event, url, bulk=False)).accepted
    assert [stored["id"] for stored in relay.stored] == [event.id]


async def test_question_that_is_refused_is_asked_again_with_a_login(bot):
    async with Members("auth-required: log in").serving() as url, asyncio.timeout(LIMIT_S):
        assert await visits_of(bot).ask(url, WANTED) == ()


async def test_login_that_is_refused_leaves_the_relays_own_words(bot):
    class Nobody(Members):
        async def on_auth(self, connection, event):
            await connection.refuse(event, "restricted: unknown key")

    async with Nobody("blocked: members only").serving() as url, asyncio.timeout(LIMIT_S):
        answer = await visits_of(bot).send(note(bot), url, bulk=False)
    assert answer.words == "blocked: members only"


class LogsInAgainAndAgain(Sound):
    """Gives the next challenge as soon as the last is answered, `count` times."""

    def __init__(self, count=500):
        super().__init__()
        self.left = count

    async def on_connected(self, connection):
        await connection.say("AUTH", "challenge")

    async def on_auth(self, connection, event):
        await super().on_auth(connection, event)
        if self.left:
            self.left -= 1
            await connection.say("AUTH", f"challenge-{self.left}")


async def test_own_relay_that_has_the_bot_log_in_for_ever_makes_no_heap_of_tasks(bot):
    relay = LogsInAgainAndAgain()
    async with relay.serving() as url:
        one = Relay(url, bot, clock=Clock(), random=random.Random(1), since=Clock().now())
        task = asyncio.create_task(one.run())
        before = len(asyncio.all_tasks())
        await eventually(lambda: relay.left == 0 and one.state.listening)
        assert len(asyncio.all_tasks()) - before < 20
        task.cancel()
        await asyncio.wait([task])
