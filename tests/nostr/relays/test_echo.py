"""The bot hears itself over each relay, or knows that the relay is deaf."""

import asyncio
import random
from contextlib import asynccontextmanager
from datetime import UTC, datetime

import pytest
from faulty_relays import Deaf, PassesNothingOn, RefusesDates, Sound, WantsProofOfWork

from dca_bot.core.ports import DmProtocol, OutgoingMessage
from dca_bot.core.relay_state import RelayTrouble
from dca_bot.nostr import dm, keys
from dca_bot.nostr.pool import NostrMessenger
from dca_bot.nostr.relays.echo import BACK_WITHIN_S

FACTOR = 300
EVERY_S = 120
LIMIT_S = 15


class Clock:
    """The real time at the beginning, going FACTOR times as fast."""

    def __init__(self):
        self.began_at = datetime.now(UTC)

    def now(self):
        return self.began_at + (datetime.now(UTC) - self.began_at) * FACTOR

    async def sleep(self, delay_s):
        await asyncio.sleep(delay_s / FACTOR)


class SlowDate(Clock):
    """Delays go fast and dates do not, for relays that judge dates."""

    def now(self):
        return datetime.now(UTC)


class Blocks(Sound):
    """Accepts no event."""

    async def on_event(self, connection, event):
        await connection.refuse(event, "blocked: members only")


@pytest.fixture
def bot():
    return keys.generate()


@asynccontextmanager
async def hearing(bot, relay, *, clock=None, every_s=EVERY_S):
    """Run a messenger that measures its hearing over one relay."""
    async with relay.serving() as url:
        ours = NostrMessenger(bot, [url], clock or Clock(), random=random.SystemRandom())
        ours.measure_hearing(every_s=every_s)
        task = asyncio.create_task(ours.run())
        try:
            await eventually(lambda: ours.connected() == 1)
            yield ours
        finally:
            task.cancel()
            await asyncio.wait([task])


async def eventually(is_true):
    async with asyncio.timeout(LIMIT_S):
        while not is_true():  # noqa: ASYNC110 - a relay has no event to wait for
            await asyncio.sleep(0.01)


def written(relay):
    return [frame[1] for frame in relay.heard if frame[0] == "EVENT"]


async def test_bot_hears_itself_and_nobody_is_brought_the_message(bot):
    relay = Sound()
    async with hearing(bot, relay) as ours:
        await eventually(lambda: len(written(relay)) >= 3)
        assert ours.connected() == 1
        assert ours._queue.empty()
        assert not ours.take_refused(10)
    for event in written(relay):
        tags = dict(event["tags"])
        assert event["kind"] == 1059
        assert event["pubkey"] != bot.public_key
        assert set(tags) == {"p", "expiration"}
        assert tags["p"] == bot.public_key


async def test_deaf_relay_is_known_within_three_minutes_and_heard_again_later(bot):
    relay, clock = Deaf(), Clock()
    async with hearing(bot, relay, clock=clock) as ours:
        began_at = clock.now()
        await eventually(lambda: ours.connected() == 0)
        took_s = (clock.now() - began_at).total_seconds()
        assert EVERY_S - 5 < took_s < EVERY_S + BACK_WITHIN_S + 30
        (state,) = ours.relay_states()
        assert (state.listening, state.trouble) == (False, RelayTrouble.DEAF)
        relay.is_deaf = False
        await eventually(lambda: ours.connected() == 1)
        assert ours.relay_states()[0].trouble is None


class Invents(Deaf):
    """Passes nothing on, and sends events of its own making, without a right signature."""

    async def invent(self, bot):
        for number in range(10_000):
            fields = {"id": f"{number:064x}", "pubkey": "a" * 64, "sig": "b" * 128, "content": "x"}
            event = fields | {"created_at": 0, "kind": 1059, "tags": [["p", bot.public_key]]}
            for connection in self.connections:
                for name in list(connection.subscriptions):
                    await connection.say("EVENT", name, event)
            await asyncio.sleep(60 / FACTOR)


async def test_relay_that_passes_on_forged_events_alone_is_deaf(bot):
    relay = Invents()
    inventing = asyncio.create_task(relay.invent(bot))
    async with hearing(bot, relay) as ours:
        await eventually(lambda: ours.connected() == 0)
    assert ours.relay_states()[0].trouble is RelayTrouble.DEAF
    inventing.cancel()


async def test_relay_stays_deaf_over_a_new_connection(bot):
    relay = Deaf()
    async with hearing(bot, relay) as ours:
        await eventually(lambda: ours.connected() == 0)
        for connection in relay.connections:
            await connection.socket.close()
        await eventually(lambda: relay.visits == 2 and relay.connections[0].subscriptions)
        await asyncio.sleep(0.05)
        assert ours.connected() == 0


async def test_relay_that_shows_messages_when_asked_is_not_deaf_for_good(bot):
    relay = PassesNothingOn()
    async with hearing(bot, relay) as ours:
        await eventually(lambda: len(written(relay)) >= 4)
        await eventually(lambda: ours.connected() == 1)
        count = len(written(relay))
        while len(written(relay)) < count + 2:
            assert ours.connected() == 1
            await asyncio.sleep(0.01)


async def test_relay_with_traffic_is_not_written_to(bot):
    alice, relay = keys.generate(), Sound()
    async with hearing(bot, relay) as ours:
        for number in range(8):
            await asyncio.sleep(EVERY_S / FACTOR / 2)
            at = datetime.now(UTC)
            message = OutgoingMessage(bot.public_key, f"hello {number}", at, DmProtocol.NIP17)
            event = dm.seal_message(message, alice, now=at, random=random.SystemRandom())
            await relay.take({**vars_of(event)})
        assert written(relay) == []
        assert ours.connected() == 1


def vars_of(event):
    names = ("id", "pubkey", "created_at", "kind", "content", "sig")
    return {name: getattr(event, name) for name in names} | {"tags": [list(t) for t in event.tags]}


async def test_relay_that_refuses_the_bot_is_not_deaf_and_is_asked_ever_less(bot):
    relay = Blocks()
    async with hearing(bot, relay) as ours:
        # Times 1, 3 and 7, counted in EVERY_S.
        await eventually(lambda: len(written(relay)) >= 3)
        assert ours.connected() == 1
        await asyncio.sleep(EVERY_S / FACTOR * 4)
        assert len(written(relay)) == 3


@pytest.mark.parametrize("rule", [lambda: WantsProofOfWork(bits=8), RefusesDates])
async def test_message_that_is_made_anew_for_a_relay_with_a_rule_counts(bot, rule):
    relay = rule()
    async with hearing(bot, relay, clock=SlowDate(), every_s=1) as ours:
        await eventually(lambda: len(relay.stored) >= 3)
        assert ours.connected() == 1


async def test_own_messages_that_a_relay_keeps_are_opened_once(bot, monkeypatch):
    opened = []
    real = dm.open_message

    def counted(event, *rest, **how):
        opened.append(event.id)
        return real(event, *rest, **how)

    monkeypatch.setattr("dca_bot.nostr.receiver.open_message", counted)
    relay = Sound()
    async with hearing(bot, relay):
        await eventually(lambda: len(written(relay)) >= 2)
        for connection in relay.connections:
            await connection.socket.close()
        await eventually(lambda: relay.visits == 2 and len(set(opened)) >= 3)
    assert len(opened) == len(set(opened))
