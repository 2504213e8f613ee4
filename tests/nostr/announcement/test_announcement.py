"""What the bot says of itself, read back from real relays by a client that isn't ours."""

import asyncio
import json
import logging
import random
import socket
from contextlib import AsyncExitStack, asynccontextmanager, suppress
from datetime import UTC, datetime, timedelta

import nostr_sdk
import pytest
from faulty_relays import FAULTS, Sound
from websockets.asyncio.client import connect
from websockets.asyncio.server import serve
from websockets.exceptions import ConnectionClosed

from dca_bot.core.ports import DmProtocol, OutgoingMessage, PastReading
from dca_bot.core.slash_commands import ArgumentKind, ManifestFormat, SlashArgument, SlashCommand
from dca_bot.demo.relay import local_relay
from dca_bot.nostr import dm, events, keys
from dca_bot.nostr.announcement.presence import Presence
from dca_bot.nostr.pool import NostrMessenger

LIMIT_S = 15
FIRST = {"name": "dca-bot", "about": "Savings"}
LONG_S = 100
KINDS = [0, 10_050, 10_002]


class Clock:
    """The real time and what it is set ahead; delays are shorter, the longest ones most of all."""

    def __init__(self, ahead=timedelta(), retry_s=0.4):
        self.ahead = ahead
        self.retry_s = retry_s

    def now(self):
        return datetime.now(UTC) + self.ahead

    async def sleep(self, delay_s):
        await asyncio.sleep(delay_s / 20 if delay_s < LONG_S else self.retry_s)


class App:
    """Another app that has the bot's key, and reads what relays have of it."""

    def __init__(self, key, url):
        self.key = key
        self.keys = nostr_sdk.Keys.parse(key.nsec())
        self.url = url

    async def __aenter__(self):
        self.client = nostr_sdk.ClientBuilder().build()
        await self.client.add_relay(nostr_sdk.RelayUrl.parse(self.url))
        await self.client.connect()
        return self

    async def __aexit__(self, *_):
        await self.client.shutdown()

    async def newest(self, kind):
        wanted = nostr_sdk.Filter().kind(nostr_sdk.Kind(kind)).author(self.keys.public_key())
        target = nostr_sdk.ReqTarget.auto([wanted])
        found = await self.client.fetch_events(target, timedelta(seconds=LIMIT_S))
        assert len(found) <= 1, "a relay keeps the newest of a replaceable kind"
        return json.loads(found[0].as_json()) if found else None

    async def count(self, kind):
        wanted = nostr_sdk.Filter().kind(nostr_sdk.Kind(kind)).author(self.keys.public_key())
        target = nostr_sdk.ReqTarget.auto([wanted])
        return len(await self.client.fetch_events(target, timedelta(seconds=LIMIT_S)))

    async def profile(self):
        found = await self.newest(0)
        return found and json.loads(found["content"])

    async def listed(self, kind):
        found = await self.newest(kind)
        return found and found["tags"]

    async def publishes(self, kind, *, tags=(), content="", at=None):
        at = datetime.now(UTC) if at is None else at
        event = events.sign(
            self.key,
            kind=kind,
            created_at=int(at.timestamp()),
            tags=tuple(tags),
            content=content if isinstance(content, str) else json.dumps(content),
        )
        await self.client.send_event(nostr_sdk.Event.from_json(event.to_json()))
        return event


@asynccontextmanager
async def announcing(key, relays, *, clock=None, worked=(), heard=(), discovery=(), **presence):
    """Run a bot that announces itself, and yield it.

    `worked`, `heard`: what is known of an earlier run.
    """
    past = PastReading(datetime.now(UTC), dict(heard), frozenset(worked))
    presence.setdefault("first_profile", FIRST)
    messenger = NostrMessenger(
        key,
        relays,
        clock or Clock(),
        past=past,
        discovery=discovery,
        random=random.SystemRandom(),
        presence=Presence(**presence),
    )
    task = asyncio.create_task(messenger.run())
    try:
        yield messenger
    finally:
        task.cancel()
        await asyncio.wait([task])
    assert task.cancelled()


async def eventually(look, expected=True):  # noqa: FBT002 - what is looked for
    """Look again and again until what is seen is the expected."""
    async with asyncio.timeout(LIMIT_S):
        while True:
            found = look()
            if (await found if asyncio.iscoroutine(found) else found) == expected:
                return
            await asyncio.sleep(0.05)


async def at_rest(messenger):
    """Wait until every relay has told what it has, and lacks nothing of what is to be published."""
    ours = messenger._announcement
    await eventually(
        lambda: (
            all(place.answered and not ours._lacking(place) for place in ours._relays)
            and ours._events.public.keys() >= {(kind, "") for kind in KINDS}
        )
    )


class Way:
    """A way to a relay that notes the events sent there, refuses some kinds, and can be closed."""

    def __init__(self, to):
        self.to = to
        self.open = True
        self.refused = set()
        self.sent = []
        self._sockets = set()

    async def lead(self, socket):
        if not self.open:
            return
        self._sockets.add(socket)
        async with connect(self.to) as relay, asyncio.TaskGroup() as group:
            returning = group.create_task(self._return(relay, socket))
            async for frame in socket:
                message = json.loads(frame)
                if message[0] == "EVENT":
                    self.sent.append(message[1]["kind"])
                if message[0] == "EVENT" and message[1]["kind"] in self.refused:
                    answer = ["OK", message[1]["id"], False, "blocked: kind not allowed"]
                    await socket.send(json.dumps(answer))
                else:
                    await relay.send(frame)
            returning.cancel()

    async def _return(self, relay, socket):
        with suppress(ConnectionClosed):
            async for frame in relay:
                await socket.send(frame)

    async def cut(self):
        for connection in self._sockets:
            await connection.close()
        self._sockets.clear()


@asynccontextmanager
async def way_to(relay):
    """Yield a way to a relay, and the URL where the way begins."""
    way = Way(relay)
    async with serve(way.lead, "127.0.0.1", 0, close_timeout=1) as server:
        yield way, f"ws://127.0.0.1:{server.sockets[0].getsockname()[1]}"


@pytest.fixture
def bot():
    return keys.generate()


async def test_bot_is_found_on_discovery_relays_that_it_doesnt_read(bot):
    async with (
        local_relay() as own,
        local_relay() as one,
        local_relay() as two,
        announcing(bot, [own], discovery=(one, two)),
    ):
        for url in (own, one, two):
            async with App(bot, url) as app:
                await eventually(app.profile, FIRST | {"bot": True})
                await eventually(lambda app=app: app.listed(10_050), [["relay", own]])
                await eventually(lambda app=app: app.listed(10_002), [["r", own]])


async def test_profile_of_another_app_stays_but_for_the_keys_that_are_given(bot):
    theirs = {"name": "Old", "picture": "https://x.example/p.png", "pronouns": "it", "bot": False}
    theirs |= {"display_name": "Old name", "banner": "https://x.example/b.png", "n": 1.5}
    async with local_relay() as own, App(bot, own) as app:
        await app.publishes(0, content=theirs, tags=[("i", "github:ana", "proof")])
        given = {"name": "Ahorro", "banner": "", "lud16": "tips@x.example"}
        async with announcing(bot, [own], profile=given):
            expected = theirs | {"name": "Ahorro", "display_name": "Ahorro", "bot": True}
            expected |= {"lud16": "tips@x.example"}
            del expected["banner"]
            await eventually(app.profile, expected)
            assert (await app.newest(0))["tags"] == [["i", "github:ana", "proof"]]


async def test_profile_that_lies_on_a_discovery_relay_only_is_found_before_one_is_made(bot):
    theirs = {"name": "Ahorro", "website": "https://x.example", "bot": True}
    async with local_relay() as own, local_relay() as far:
        async with App(bot, far) as app:
            event = await app.publishes(0, content=theirs)
        async with announcing(bot, [own], discovery=(far,)), App(bot, own) as app:
            await eventually(app.profile, theirs)
            # Signed as it was: nothing new is published where nothing is to be said.
            assert (await app.newest(0))["id"] == event.id


async def test_what_is_published_already_isnt_published_again(bot):
    async with local_relay() as relay, way_to(relay) as (way, own):
        for _ in range(3):
            async with announcing(bot, [own]) as messenger:
                await at_rest(messenger)
            assert sorted(way.sent) == sorted(KINDS)
        async with announcing(bot, [own], profile={"name": "Other"}) as messenger:
            await at_rest(messenger)
        assert way.sent[3:] == [0]


@pytest.mark.parametrize("days", [-400, 3], ids=["behind", "found-ahead"])
async def test_new_profile_is_newer_than_the_one_found_though_the_clock_is_behind(bot, days):
    """A relay keeps the event with the later date: another one would be refused, or never seen."""
    at = datetime.now(UTC) + timedelta(days=max(days, 0))
    clock = Clock(ahead=timedelta(days=min(days, 0)))
    async with local_relay() as own, App(bot, own) as app:
        old = await app.publishes(0, content={"name": "Old"}, at=at)
        async with announcing(bot, [own], clock=clock, profile={"name": "New"}):
            await eventually(app.profile, {"name": "New", "bot": True})
            assert (await app.newest(0))["created_at"] == old.created_at + 1


async def test_profile_waits_for_a_relay_that_has_not_answered_yet(bot):
    """The dead relay may have a profile: it is waited for, and then the rest decides."""
    dead = "ws://127.0.0.1:9"
    clock = Clock(retry_s=2)
    async with (
        local_relay() as own,
        App(bot, own) as app,
        announcing(bot, [own], clock=clock, discovery=(dead,)) as messenger,
    ):
        await eventually(lambda: app.listed(10_050), [["relay", own]])
        assert await app.profile() is None
        await eventually(app.profile, FIRST | {"bot": True})
        (state,) = [state for state in messenger._announcement._relays if state.detail]
        assert (state.url, state.own) == (dead, False)
        assert "connect" in state.detail.lower()


@pytest.mark.parametrize("restarts", [False, True], ids=["same-run", "after-a-restart"])
async def test_profile_on_a_relay_that_was_down_replaces_the_one_made_meanwhile(bot, restarts):
    theirs = {"name": "Ahorro", "picture": "https://x.example/a.png", "bot": True}
    at = int(datetime.now(UTC).timestamp()) - 10**6
    event = events.sign(bot, kind=0, created_at=at, tags=(), content=json.dumps(theirs))
    late, fast = Sound(), Clock(retry_s=0.4)
    late.stored.append(json.loads(event.to_json()))
    with socket.create_server(("127.0.0.1", 0)) as nobody:
        port = nobody.getsockname()[1]
    relays = [f"ws://127.0.0.1:{port}"]

    def last_at_late():
        profiles = [one for one in late.stored if one["kind"] == 0]
        return json.loads(max(profiles, key=lambda one: one["created_at"])["content"])

    async with local_relay() as own, App(bot, own) as app, AsyncExitStack() as stack:
        relays.insert(0, own)
        async with announcing(bot, relays, clock=fast):
            await eventually(app.profile, FIRST | {"bot": True})
            if not restarts:
                await stack.enter_async_context(late.serving(port))
                await eventually(app.profile, theirs)
        if restarts:
            await stack.enter_async_context(late.serving(port))
            async with announcing(bot, relays, clock=fast):
                await eventually(app.profile, theirs)
        assert last_at_late() == theirs


async def test_no_profile_is_published_where_none_could_be_read(bot):
    """A relay that answers no query: the inbox list goes there all the same, the profile doesn't."""
    sent, asked = [], []

    async def relay(socket):
        async for frame in socket:
            kind, name, *_ = message = json.loads(frame)
            if kind == "EVENT":
                sent.append(message[1]["kind"])
                await socket.send(json.dumps(["OK", message[1]["id"], True, ""]))
            elif kind == "REQ" and name == "inbox":
                await socket.send(json.dumps(["EOSE", name]))
            elif kind == "REQ":
                asked.append(name)
                await socket.send(json.dumps(["CLOSED", name, "error: no"]))

    async with serve(relay, "127.0.0.1", 0, close_timeout=1) as server:
        url = f"ws://127.0.0.1:{server.sockets[0].getsockname()[1]}"
        async with announcing(bot, [url]) as messenger:
            # Three tries each time, until well after the other relays have had their time.
            await eventually(
                lambda: (
                    messenger._announcement._is_settled and not messenger._announcement._is_patient
                )
            )
            before = len(asked)
            await eventually(lambda: len(asked) >= before + 6)
            assert sent == [10_050]
            (state,) = messenger._announcement._relays
            assert "no answer" in state.detail


async def test_relay_that_never_worked_is_announced_once_it_works(bot):
    async with (
        local_relay() as own,
        local_relay() as relay,
        way_to(relay) as (way, late),
        App(bot, own) as app,
    ):
        way.open = False
        async with announcing(bot, [late, own]):
            await eventually(lambda: app.listed(10_050), [["relay", own]])
            way.open = True
            await eventually(lambda: app.listed(10_050), [["relay", late], ["relay", own]])
            await eventually(lambda: app.listed(10_002), [["r", late], ["r", own]])


async def test_relay_that_worked_in_an_earlier_run_stays_announced_while_it_is_down(bot):
    async with (
        local_relay() as own,
        way_to(own) as (way, down),
        App(bot, own) as app,
    ):
        way.open = False
        await app.publishes(10_050, tags=[("relay", own)])
        async with announcing(bot, [down, own], worked=(down,)):
            await eventually(lambda: app.listed(10_050), [["relay", down], ["relay", own]])


async def test_relay_that_is_configured_no_more_gets_the_new_lists_for_a_month(bot):
    """Whoever looks there for where the bot reads would find the old list, and write in vain."""
    now = datetime.now(UTC)
    async with local_relay() as own, local_relay() as left, local_relay() as forgotten:
        async with announcing(bot, [left]) as messenger, App(bot, left) as app:
            await at_rest(messenger)
            assert await app.listed(10_050) == [["relay", left]]
        heard = {own: now, left: now - timedelta(days=29), forgotten: now - timedelta(days=31)}
        async with announcing(bot, [own], heard=heard) as messenger:
            await at_rest(messenger)
        async with App(bot, left) as app:
            assert await app.listed(10_050) == [["relay", own]]
            assert await app.listed(10_002) == [["r", own]]
        async with App(bot, forgotten) as app:
            assert await app.newest(10_050) is None


async def test_at_most_three_relays_are_announced_as_the_inbox(bot):
    async with (
        local_relay() as one,
        local_relay() as two,
        local_relay() as three,
        local_relay() as four,
        App(bot, four) as app,
        announcing(bot, [one, two, three, four]),
    ):
        await eventually(lambda: app.listed(10_050), [["relay", url] for url in (one, two, three)])
        await eventually(
            lambda: app.listed(10_002), [["r", url] for url in (one, two, three, four)]
        )


async def test_lists_that_an_app_has_published_are_put_right(bot):
    """An app that was given the bot's key lists the app's own relays; the bot reads none of those."""
    theirs = "wss://theirs.example"
    async with local_relay() as own, App(bot, own) as app:
        await app.publishes(10_050, tags=[("relay", theirs)])
        kept = ("r", "wss://archive.example", "write")
        read, both = ("r", "wss://read.example", "read"), ("r", theirs)
        await app.publishes(10_002, tags=[both, read, kept, ("r", own, "write")])
        async with announcing(bot, [own]):
            await eventually(lambda: app.listed(10_050), [["relay", own]])
            await eventually(lambda: app.listed(10_002), [["r", own], list(kept)])


async def test_discovery_relay_that_refuses_is_named_and_tried_again_without_a_flood(bot, caplog):
    caplog.set_level(logging.INFO, "dca_bot")
    async with (
        local_relay() as own,
        local_relay() as relay,
        way_to(relay) as (way, far),
        App(bot, relay) as app,
    ):
        way.refused = {0}
        async with announcing(bot, [own], discovery=(far,)) as messenger:
            await eventually(lambda: app.listed(10_002), [["r", own]])
            await eventually(lambda: way.sent.count(0) > 2)
            assert way.sent.count(10_050) == way.sent.count(10_002) == 1
            (state,) = [state for state in messenger._announcement._relays if state.detail]
            assert (state.url, state.own) == (far, False)
            assert state.detail == "kind 0 not accepted: blocked: kind not allowed"
            way.refused = set()
            await eventually(app.profile, FIRST | {"bot": True})
            await at_rest(messenger)
            assert not any(state.detail for state in messenger._announcement._relays)
    lines = [line.getMessage() for line in caplog.records if "announcement" in line.getMessage()]
    kinds = [line.split(" ")[0] for line in lines]
    assert kinds == ["announcement_refused", "announcement_accepted"]


async def test_relays_that_ask_for_work_get_it_once(bot):
    """What was mined for a relay is found there later, and is no news."""
    async with local_relay(min_pow=8) as own, local_relay(min_pow=10) as far:
        found = []
        for _ in range(2):
            async with announcing(bot, [own], discovery=(far,)) as messenger:
                await at_rest(messenger)
            for url in (own, far):
                async with App(bot, url) as app:
                    found.append([await app.newest(kind) for kind in KINDS])
                    assert await app.profile() == FIRST | {"bot": True}
        assert found[:2] == found[2:]


@pytest.mark.parametrize(
    "fault",
    [
        "no_eose",
        "one_subscription",
        "one_subscription_by_notice",
        "one_subscription_in_silence",
        "closes_after_eose",
        "hangs_up",
        "loses_one_event",
        "says_duplicate",
        "refuses_dates",
    ],
)
async def test_relay_with_a_fault_gets_the_announcement_all_the_same(bot, fault):
    relay = FAULTS[fault]()
    async with (
        relay.serving() as own,
        local_relay() as far,
        announcing(bot, [own], discovery=(far,)),
    ):
        await eventually(lambda: {*KINDS} <= {event["kind"] for event in relay.stored})
        (inbox,) = [event["tags"] for event in relay.stored if event["kind"] == 10_050]
        assert inbox == [["relay", own]]


async def test_relay_that_has_lost_everything_gets_it_again(bot):
    async with (
        local_relay() as full,
        local_relay() as empty,
        way_to(full) as (way, own),
        announcing(bot, [own]) as messenger,
        App(bot, empty) as app,
    ):
        await at_rest(messenger)
        way.to = empty
        await way.cut()
        await eventually(app.profile, FIRST | {"bot": True})
        await eventually(lambda: app.listed(10_050), [["relay", own]])


async def test_relay_that_keeps_cutting_connections_is_not_flooded(bot):
    async with local_relay() as relay, way_to(relay) as (way, own):
        way.refused = set(KINDS)
        async with announcing(bot, [own], clock=Clock(retry_s=LIMIT_S)) as messenger:
            await eventually(lambda: len(way.sent) == len(KINDS))
            for _ in range(3):
                await eventually(lambda: messenger.connected() == 1)
                await way.cut()
                await eventually(lambda: messenger.connected() == 0)
            assert len(way.sent) <= 2 * len(KINDS)


COMMANDS = (
    SlashCommand("balance", "your balance"),
    SlashCommand("wallet", "w", (SlashArgument(ArgumentKind.TEXT, "WHERE", required=False),)),
)


@pytest.mark.parametrize("manifest", [ManifestFormat.NIP_CD, ManifestFormat.KIND_33304])
async def test_commands_are_told_to_the_own_relays_and_withdrawn_when_switched_off(bot, manifest):
    kind = 31_992 if manifest is ManifestFormat.NIP_CD else 33_304
    told = {"manifest": manifest, "commands": COMMANDS}
    count = 2 if kind == 31_992 else 1
    async with local_relay() as own, local_relay() as relay, App(bot, own) as app:
        async with way_to(relay) as (way, far):
            for _ in range(2):
                async with announcing(bot, [own], discovery=(far,), **told) as messenger:
                    await eventually(lambda: app.count(kind), count)
                    await at_rest(messenger)
            assert sorted(way.sent) == sorted(KINDS)
        async with announcing(bot, [own]):
            await eventually(lambda: app.count(kind), 0)
            assert await app.profile() == FIRST | {"bot": True}
        async with announcing(bot, [own], clock=Clock(ahead=timedelta(seconds=5)), **told):
            await eventually(lambda: app.count(kind), count)


@pytest.mark.parametrize("protocol", DmProtocol)
async def test_completed_command_with_the_bots_address_is_read_without_it(bot, protocol):
    person, other = keys.generate(), keys.generate()
    typed = {
        f"/balance@{bot.npub}": "/balance",
        f"/wallet@nostr:{bot.npub} ana@example.com": "/wallet ana@example.com",
        f"/balance@{other.npub}": f"/balance@{other.npub}",
        f"balance@{bot.npub}": f"balance@{bot.npub}",
        f"/balance@{bot.npub[:-1]}": f"/balance@{bot.npub[:-1]}",
        f"/contact write to /x@{bot.npub}": f"/contact write to /x@{bot.npub}",
    }
    for text, read in typed.items():
        message = OutgoingMessage(bot.public_key, text, datetime.now(UTC), protocol)
        now = datetime.now(UTC)
        event = dm.seal_message(message, person, now=now, random=random.SystemRandom())
        assert dm.open_message(event, bot, now=now, relay="wss://r").text == read
