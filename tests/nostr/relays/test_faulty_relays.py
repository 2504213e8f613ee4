"""The bot at relays that each have one fault: what arrives, in which order, and how soon."""

import asyncio
import random
import threading
from contextlib import asynccontextmanager
from datetime import UTC, datetime, timedelta
from urllib.parse import urlsplit

import pytest
from faulty_relays import (
    FAULTS,
    AuthWithoutChallenge,
    ClosesAfterEose,
    HangsUp,
    HidesUntilLogin,
    HoldsGiant,
    LateChallenge,
    LosesOneEvent,
    NoEose,
    OneSubscription,
    OneSubscriptionByNotice,
    OneSubscriptionInSilence,
    PassesNothingOn,
    RefusesDates,
    SaysDuplicate,
    Sound,
    WantsProofOfWork,
    WantsUntoldWork,
    WithholdsOneOk,
)
from websockets.asyncio.client import connect
from websockets.utils import accept_key

from dca_bot.core.delivery import Undelivered
from dca_bot.core.ports import DmProtocol, OutgoingMessage
from dca_bot.core.relay_state import RelayTrouble
from dca_bot.nostr import dm, events, keys
from dca_bot.nostr.people.recipient_relays import RecipientRelays
from dca_bot.nostr.pool import NostrMessenger
from dca_bot.nostr.relays import relay_connection, sealing
from dca_bot.nostr.relays.inbox_subscription import STORED_LIMIT_S
from dca_bot.nostr.relays.relay import Relay
from dca_bot.nostr.relays.relay_habits import RelayHabits
from dca_bot.nostr.relays.relay_rules import RelayRules
from dca_bot.nostr.relays.relay_socket import Endpoint
from dca_bot.nostr.relays.sealing import Sealer

LIMIT_S = 15
FACTOR = 40


class Clock:
    """Time that goes FACTOR times as fast, from the beginning of each test."""

    began_at = datetime.now(UTC)

    def now(self):
        return self.began_at + (datetime.now(UTC) - self.began_at) * FACTOR

    async def sleep(self, delay_s):
        await asyncio.sleep(delay_s / FACTOR)


@pytest.fixture(autouse=True)
def begin_time():
    Clock.began_at = datetime.now(UTC)


@pytest.fixture
def bot():
    return keys.generate()


@pytest.fixture
def alice():
    return keys.generate()


@asynccontextmanager
async def running(bot, url, *, clock=None):
    ours = NostrMessenger(bot, [url], clock or Clock(), random=random.SystemRandom())
    task = asyncio.create_task(ours.run())
    try:
        yield ours
    finally:
        task.cancel()
        await asyncio.wait([task])


async def eventually(is_true):
    async with asyncio.timeout(LIMIT_S):
        while not is_true():  # noqa: ASYNC110 - a relay has no event to wait for
            await asyncio.sleep(0.02)


async def texts(messenger, count):
    stream = messenger.incoming()
    async with asyncio.timeout(LIMIT_S):
        return [(await anext(stream)).text for _ in range(count)]


def mail(sender, bot, text, at=None):
    """Return the event of a message, as a relay stores events."""
    message = OutgoingMessage(bot.public_key, text, at or Clock().now(), DmProtocol.NIP17)
    event = dm.seal_message(message, sender, now=datetime.now(UTC), random=random.SystemRandom())
    return as_stored(event)


def as_stored(event):
    return {
        "id": event.id,
        "pubkey": event.pubkey,
        "created_at": event.created_at,
        "kind": event.kind,
        "tags": [list(tag) for tag in event.tags],
        "content": event.content,
        "sig": event.sig,
    }


def note(key):
    return events.sign(
        key, kind=1, created_at=int(datetime.now(UTC).timestamp()), tags=(), content=""
    )


@pytest.mark.parametrize("fault", FAULTS)
async def test_each_faulty_relay_serves(fault):
    async with FAULTS[fault]().serving() as url, connect(url) as socket:
        await socket.send('["EVENT",{"id":"00","kind":1,"created_at":1,"pubkey":"","tags":[]}]')
        await socket.send('["REQ","a",{"kinds":[1]}]')
        async with asyncio.timeout(5):
            await (await socket.ping())


READING = {
    "sound": Sound,
    "no_eose": NoEose,
    "one_subscription": OneSubscription,
    "one_subscription_by_notice": OneSubscriptionByNotice,
    "one_subscription_in_silence": OneSubscriptionInSilence,
    "closes_after_eose": ClosesAfterEose,
    "passes_nothing_on": PassesNothingOn,
    "hangs_up": lambda: HangsUp(lifetime_s=20 / FACTOR),
    "late_challenge": lambda: LateChallenge(after_s=4 / FACTOR),
    "hides_until_login": lambda: HidesUntilLogin(after_s=4 / FACTOR),
    "holds_giant": HoldsGiant,
}


@pytest.mark.parametrize("fault", READING)
async def test_stored_messages_come_in_order_and_a_new_message_after_them(fault, bot, alice):
    relay = READING[fault]()
    relay.page_max = 4
    began_at = Clock().now() - timedelta(minutes=30)
    relay.stored = [
        mail(alice, bot, str(minute), began_at + timedelta(minutes=minute)) for minute in range(15)
    ]
    async with relay.serving() as url, running(bot, url) as ours:
        assert await texts(ours, 15) == [str(minute) for minute in range(15)]
        await relay.take(mail(alice, bot, "new"))
        assert await texts(ours, 1) == ["new"]


@pytest.mark.parametrize("fault", READING)
async def test_relay_that_was_read_is_not_read_from_the_old_time_again(fault, bot, alice):
    relay = READING[fault]()
    # A relay that neither ends the stored events nor sends one may hang.
    await relay.take(mail(alice, bot, "hi"))
    since = Clock().now() - timedelta(days=30)

    def asked_since():
        asked = [frame[2].get("since", 0) for frame in relay.heard if frame[0] == "REQ"]
        return asked[-1] if asked else 0

    async with relay.serving() as url:
        one = Relay(
            url, bot, clock=Clock(), random=random.Random(1), since=since, listener=Listener()
        )
        task = asyncio.create_task(one.run())
        await eventually(lambda: one.state.listening)
        await eventually(lambda: one._heard_at > since + timedelta(days=29))
        await one.leave()
        visits = relay.visits
        await eventually(lambda: relay.visits > visits and asked_since() > 0)
        await eventually(lambda: asked_since() > (since + timedelta(days=20)).timestamp())
        task.cancel()
        await asyncio.wait([task])


@pytest.mark.parametrize(
    "fault", [Sound, OneSubscription, OneSubscriptionByNotice, OneSubscriptionInSilence]
)
async def test_query_is_answered_beside_the_inbox(fault, bot, alice):
    relay = fault()
    tags = (("relay", "wss://alice.example"),)
    stored = events.sign(alice, kind=10_050, created_at=1_784_700_000, tags=tags, content="")
    relay.stored = [as_stored(stored)]
    async with relay.serving() as url:
        one = Relay(url, bot, clock=Clock(), random=random.Random(1), since=Clock().now())
        task = asyncio.create_task(one.run())
        await eventually(lambda: one.state.listening)
        wanted = {"kinds": [10_050], "authors": [alice.public_key], "limit": 1}
        async with asyncio.timeout(LIMIT_S):
            while not await one.query(wanted):
                pass
        assert await one.query(wanted) == (stored,)
        assert one.state.listening
        task.cancel()
        await asyncio.wait([task])


class Listener:
    """A listener that takes everything."""

    async def on_connected(self, relay):
        pass

    async def on_event(self, event, *, is_stored):
        pass

    async def on_stored_begins(self):
        pass

    async def on_stored_read(self):
        pass

    async def on_disconnected(self):
        pass


async def test_relay_that_closes_each_subscription_listens_and_is_said_to_be_in_trouble(bot):
    async with ClosesAfterEose().serving() as url, running(bot, url) as ours:
        await eventually(lambda: ours.relay_states()[0].listening)
        (state,) = ours.relay_states()
        assert state.trouble is RelayTrouble.CLOSED
        assert state.words == "error: subscriptions end with the stored events"


async def test_relay_that_hangs_up_every_20_seconds_is_connected_again_within_seconds(bot):
    relay, delays = HangsUp(lifetime_s=20 / FACTOR), []

    class Noting(Clock):
        async def sleep(self, delay_s):
            delays.append(delay_s)
            await super().sleep(delay_s)

    async with relay.serving() as url, running(bot, url, clock=Noting()):
        await eventually(lambda: relay.visits >= 10)
    # Pings and the bounds of subscriptions have delays of their own.
    assert [delay for delay in delays if 1 < delay < STORED_LIMIT_S] == []


async def publish(key, relay_url, event):
    """Publish one event on a connection of its own; return the answer."""
    one = Relay(relay_url, key, clock=Clock(), random=random.Random(1), since=Clock().now())
    task = asyncio.create_task(one.run())
    try:
        await eventually(lambda: one._connection is not None)
        async with asyncio.timeout(LIMIT_S):
            return await one.publish(event)
    finally:
        task.cancel()
        await asyncio.wait([task])


@pytest.fixture
def short_limits(monkeypatch):
    monkeypatch.setattr(relay_connection, "_AGAIN_AFTER_S", 0.3)
    monkeypatch.setattr(relay_connection, "_ANSWER_LIMIT_S", 0.5)
    monkeypatch.setattr(relay_connection, "_AUTH_LIMIT_S", 2)


@pytest.mark.usefixtures("short_limits")
@pytest.mark.parametrize("fault", [SaysDuplicate, WithholdsOneOk, LosesOneEvent, LateChallenge])
async def test_message_is_accepted(fault, bot):
    relay, event = fault(), note(bot)
    relay.after_s = 4 / FACTOR
    async with relay.serving() as url:
        answer = await publish(bot, url, event)
    assert answer.accepted
    assert [stored["id"] for stored in relay.stored] == [event.id]


@pytest.mark.usefixtures("short_limits")
async def test_relay_without_a_challenge_refuses_in_its_own_words(bot):
    async with AuthWithoutChallenge().serving() as url:
        answer = await publish(bot, url, note(bot))
    assert (answer.accepted, answer.reason) == (False, Undelivered.REFUSED)
    assert (answer.trouble, answer.words) == (RelayTrouble.AUTH, AuthWithoutChallenge.words)


@pytest.mark.usefixtures("short_limits")
async def test_relay_that_says_nothing_gives_no_answer(bot):
    async with LosesOneEvent(count=5).serving() as url:
        answer = await publish(bot, url, note(bot))
    assert (answer.accepted, answer.reason) == (False, Undelivered.NO_ANSWER)


@asynccontextmanager
async def unread():
    """Serve a relay that opens WebSockets and reads nothing more; yield its URL."""

    async def shake_hands(reader, writer):
        request = (await reader.readuntil(b"\r\n\r\n")).decode()
        asked = dict(line.split(": ", 1) for line in request.splitlines() if ": " in line)
        accepted = accept_key(asked["Sec-WebSocket-Key"])
        writer.write(
            b"HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
            b"Sec-WebSocket-Accept: " + accepted.encode() + b"\r\n\r\n"
        )
        writer.transport.pause_reading()
        writers.append(writer)

    writers = []
    server = await asyncio.start_server(shake_hands, "127.0.0.1", 0)
    try:
        yield f"ws://127.0.0.1:{server.sockets[0].getsockname()[1]}"
    finally:
        for writer in writers:
            writer.transport.abort()
        server.close()


@pytest.mark.usefixtures("short_limits")
async def test_relay_that_reads_nothing_holds_no_message_up_and_is_left(bot):
    heavy = events.sign(bot, kind=1, created_at=1_784_700_000, tags=(), content="x" * 1_000_000)
    clock = Clock()
    async with unread() as url:
        one = Relay(url, bot, clock=clock, random=random.Random(1), since=clock.now())
        serving = asyncio.create_task(one.connect_once())
        await eventually(lambda: one._connection is not None)
        async with asyncio.timeout(LIMIT_S):
            answers = await asyncio.gather(*(one.publish(heavy) for _ in range(20)))
            await serving
    assert {answer.reason for answer in answers} <= {
        Undelivered.NO_ANSWER,
        Undelivered.NO_CONNECTION,
    }
    assert one.state.trouble is RelayTrouble.NO_PONG


async def test_host_whose_ok_is_missing_is_visited_for_the_next_message(bot, monkeypatch):
    monkeypatch.setattr(relay_connection, "_AGAIN_AFTER_S", 2)
    monkeypatch.setattr(relay_connection, "_ANSWER_LIMIT_S", 2)
    relay = LosesOneEvent(count=2)

    async def find(url):
        return Endpoint(("127.0.0.1",), urlsplit(url).port)

    async with relay.serving() as url:
        visits = RecipientRelays(bot, Clock(), random.Random(1), find)
        lost = asyncio.create_task(visits.send(note(bot), url, bulk=False))
        await eventually(lambda: relay.lost == 1)
        relay.lost = 0
        async with asyncio.timeout(1):
            assert (await visits.send(note(keys.generate()), url, bulk=False)).accepted
        assert (await lost).accepted


RULES = {
    "proof_of_work": lambda: WantsProofOfWork(bits=10),
    "untold_work": lambda: WantsUntoldWork(bits=10),
    "dates": RefusesDates,
}


@pytest.mark.parametrize("protocol", DmProtocol)
@pytest.mark.parametrize("rule", RULES)
async def test_message_is_made_anew_for_a_relay_with_a_rule(rule, protocol, bot, alice):
    relay = RULES[rule]()
    began_at = datetime.now(UTC) - timedelta(hours=1)
    async with relay.serving() as url, running(bot, url, clock=RealTime()) as ours:
        await eventually(lambda: ours.connected() == 1)
        for text in ("one", "two"):
            message = OutgoingMessage(alice.public_key, text, began_at, protocol)
            assert await ours.publish(ours.seal(message), [url])
    opened = [opened_by(alice, stored) for stored in relay.stored]
    assert [message.text for message in opened] == ["one", "two"]
    if protocol is DmProtocol.NIP17:
        assert {message.sent_at for message in opened} == {began_at.replace(microsecond=0)}
    if rule != "dates":
        assert {stored["tags"][-1][2] for stored in relay.stored} == {"10"}
    sent = [frame for frame in relay.heard if frame[0] == "EVENT"]
    assert len(sent) == 3, "the rule is remembered after the first refusal"


def opened_by(key, stored):
    return dm.open_message(
        events.event_from(stored), key, now=datetime.now(UTC), relay="wss://x.example"
    )


class RealTime(Clock):
    """The real time, for relays that judge dates; delays go fast."""

    def now(self):
        return datetime.now(UTC)


async def test_own_events_are_mined_too_and_the_same_event_each_time(bot):
    relay = WantsProofOfWork(bits=10)
    sealer = Sealer(bot, RealTime(), random.Random(1))
    rules = RelayRules(sealer)
    event = note(bot)
    async with relay.serving() as url:
        one = Relay(
            url, bot, clock=RealTime(), random=random.Random(1), since=Clock.began_at, rules=rules
        )
        task = asyncio.create_task(one.run())
        await eventually(lambda: one._connection is not None)
        answers = [await one.publish(event) for _ in range(2)]
        task.cancel()
        await asyncio.wait([task])
    assert all(answer.accepted for answer in answers)
    (stored,) = relay.stored
    assert stored["tags"][-1][0] == "nonce"
    assert stored["created_at"] == event.created_at


async def test_relay_that_asks_for_more_work_than_the_bot_does_refuses_in_its_own_words(bot):
    async with WantsProofOfWork(bits=40).serving() as url:
        rules = RelayRules(Sealer(bot, RealTime(), random.Random(1)))
        one = Relay(
            url, bot, clock=RealTime(), random=random.Random(1), since=Clock.began_at, rules=rules
        )
        task = asyncio.create_task(one.run())
        await eventually(lambda: one._connection is not None)
        answer = await one.publish(note(bot))
        task.cancel()
        await asyncio.wait([task])
    assert (answer.reason, answer.trouble) == (Undelivered.REFUSED, RelayTrouble.PROOF_OF_WORK)
    assert "less than 40" in answer.words


async def test_mining_ends_with_the_bot(bot, monkeypatch):
    monkeypatch.setattr(sealing, "BITS_MAX", 200)
    mining = asyncio.create_task(
        Sealer(bot, RealTime(), random.Random(1)).fit(note(bot), RelayHabits(pow_bits=200))
    )
    threads = threading.active_count()
    await eventually(lambda: threading.active_count() > threads or mining.done())
    for task in asyncio.all_tasks() - {asyncio.current_task()}:
        task.cancel()
    async with asyncio.timeout(LIMIT_S):
        await asyncio.get_running_loop().shutdown_default_executor()


async def test_authentication_that_asks_for_work_is_mined(bot):
    relay = WorksForAuth()
    async with relay.serving() as url:
        rules = RelayRules(Sealer(bot, RealTime(), random.Random(1)))
        one = Relay(
            url, bot, clock=RealTime(), random=random.Random(1), since=Clock.began_at, rules=rules
        )
        task = asyncio.create_task(one.run())
        await eventually(lambda: one.state.listening)
        assert (await one.publish(note(bot))).accepted
        task.cancel()
        await asyncio.wait([task])


class WorksForAuth(LateChallenge):
    """Asks for proof of work in the answer to its challenge."""

    def __init__(self):
        super().__init__(after_s=0)

    async def on_auth(self, connection, event):
        if int(event["id"], 16).bit_length() <= 256 - 8:
            await super().on_auth(connection, event)
        else:
            await connection.refuse(event, "pow: 8 bits needed")
