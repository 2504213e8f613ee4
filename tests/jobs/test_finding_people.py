"""People who share no relay with the bot are reached, on real relays, and read with other code."""

import asyncio
import json
import random
from contextlib import asynccontextmanager
from datetime import UTC, datetime, timedelta
from types import SimpleNamespace
from urllib.parse import urlsplit

import nostr_sdk
import pytest
from payout_bench import programme
from scaffold import open_ledger
from websockets.asyncio.server import serve

from dca_bot.core.delivery import Undelivered
from dca_bot.core.ports import DmProtocol
from dca_bot.core.relay_lists import RelayListKind
from dca_bot.demo.relay import local_relay
from dca_bot.jobs.outbox import Outbox
from dca_bot.jobs.relay_lists import RelayListWatch
from dca_bot.jobs.signals import Signals
from dca_bot.ledger.correspondence import delivery, outbox, person_relays
from dca_bot.ledger.programme import clients
from dca_bot.messages.notices import Notices
from dca_bot.messages.render import load_texts
from dca_bot.nostr import events, keys
from dca_bot.nostr.pool import NostrMessenger
from dca_bot.nostr.relays.relay_socket import Endpoint
from dca_bot.system_clock import SystemClock

INBOX, WRITE = RelayListKind.INBOX, RelayListKind.WRITE
PATIENCE_S = 20


@pytest.fixture
def ana():
    return keys.generate()


async def find_here(url):
    """Find every relay of other people on this computer, as if the address were public."""
    return Endpoint(("127.0.0.1",), urlsplit(url).port)


def named(url, name):
    return url.replace("127.0.0.1", f"{name}.example")


def signed(key, kind, *urls, age_s=0):
    tags = tuple(("relay" if kind is INBOX else "r", url) for url in urls)
    at = int(datetime.now(UTC).timestamp()) - age_s
    return events.sign(key, kind=int(kind), created_at=at, tags=tags, content="")


async def publish(url, event):
    client = nostr_sdk.ClientBuilder().build()
    await client.add_relay(nostr_sdk.RelayUrl.parse(url))
    await client.connect()
    await client.send_event(nostr_sdk.Event.from_json(event.to_json()))
    await client.disconnect()


@asynccontextmanager
async def bot_at(folder, relays, *, discovery=(), find_endpoint=find_here):
    """Run the part of the bot that writes to people, on its ledger in a folder."""
    database = await open_ledger(folder)
    clock, signals = SystemClock(), Signals()
    messenger = NostrMessenger(
        keys.generate(),
        relays,
        clock,
        random=random.SystemRandom(),
        discovery=discovery,
        find_endpoint=find_endpoint,
    )
    shared = database, messenger, programme(), clock, signals
    lists = RelayListWatch(*shared)
    notices = Notices(programme(), load_texts(programme()))
    sender = Outbox(*shared, tuple(relays), lists, notices)
    tasks = [asyncio.create_task(one.run()) for one in (messenger, lists, sender)]
    try:
        async with asyncio.timeout(PATIENCE_S):
            while messenger.connected() < len(relays):  # noqa: ASYNC110 - a relay sets no event
                await asyncio.sleep(0.01)
        yield SimpleNamespace(database=database, signals=signals, lists=lists)
    finally:
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        await database.aclose()


async def add(bot, key, *hints):
    def work(tx):
        person_relays.keep_hints(tx, key.public_key, hints)
        if clients.by_pubkey(tx, key.public_key) is None:
            now = datetime.now(UTC)
            clients.add(tx, name="ana", pubkey=key.public_key, language="en", now=now)

    await bot.database.transact(work)


async def write(bot, key, text, **how):
    now = datetime.now(UTC)
    await bot.database.transact(lambda tx: outbox.write(tx, key.public_key, text, now=now, **how))
    bot.signals.outbox.ring()


async def read_at(url, key):
    """Return the texts of the messages for a key at a relay, as an app reads them, once there is one."""
    client = nostr_sdk.ClientBuilder().build()
    await client.add_relay(nostr_sdk.RelayUrl.parse(url))
    await client.connect()
    owner = nostr_sdk.Keys.parse(key.nsec())
    wanted = nostr_sdk.Filter().kind(nostr_sdk.Kind(1059)).pubkey(owner.public_key())
    target, wraps = nostr_sdk.ReqTarget.auto([wanted]), []
    async with asyncio.timeout(PATIENCE_S):
        while not wraps:
            wraps = list(await client.fetch_events(target, timedelta(seconds=PATIENCE_S)))
    await client.shutdown()
    gifts = [nostr_sdk.UnwrappedGift.from_gift_wrap(owner, wrap) for wrap in wraps]
    return {gift.rumor().content() for gift in gifts}


async def reached(bot, key):
    """Return how messages to a person fare, once one has arrived."""
    async with asyncio.timeout(PATIENCE_S):
        while True:
            fared = await bot.database.read(lambda tx: delivery.of(tx, key.public_key))
            if fared is not None and fared.loss is None:
                return fared
            await asyncio.sleep(0.01)


def seconds_since(began):
    return asyncio.get_running_loop().time() - began


# Where the lists lie


async def test_person_who_shares_no_relay_with_the_bot_gets_the_first_message(tmp_path, ana):
    """Her inbox list lies on the relay where she publishes; a discovery relay knows that relay alone."""
    async with local_relay() as home, local_relay() as discovery, local_relay() as hers:
        await publish(hers, signed(ana, INBOX, named(hers, "inbox")))
        await publish(discovery, signed(ana, WRITE, named(hers, "write")))
        async with bot_at(tmp_path / "data", [home], discovery=[discovery]) as bot:
            await add(bot, ana)
            await write(bot, ana, "Welcome, ana!")
            assert await read_at(hers, ana) == {"Welcome, ana!"}
            assert (await reached(bot, ana)).relay == named(hers, "inbox")


async def test_person_is_found_by_the_relay_of_an_nprofile_alone(tmp_path, ana):
    async with local_relay() as home, local_relay() as hers, local_relay() as mail:
        await publish(hers, signed(ana, INBOX, named(mail, "mail")))
        async with bot_at(tmp_path / "data", [home]) as bot:
            await add(bot, ana, named(hers, "hers"))
            await write(bot, ana, "Welcome, ana!")
            assert await read_at(mail, ana) == {"Welcome, ana!"}


# No answer waits


@asynccontextmanager
async def relay_that_answers_no_query():
    """Serve a relay that takes messages and passes the inbox on, but answers no query."""
    taken = []

    async def relay(socket):
        async for text in socket:
            frame = json.loads(text)
            if frame[0] == "EVENT":
                taken.append(frame[1]["kind"])
                await socket.send(json.dumps(["OK", frame[1]["id"], True, ""]))
            elif frame[0] == "REQ" and frame[1] == "inbox":
                await socket.send(json.dumps(["EOSE", "inbox"]))

    async with serve(relay, "127.0.0.1", 0, close_timeout=1) as server:
        yield f"ws://127.0.0.1:{server.sockets[0].getsockname()[1]}", taken


async def test_answer_leaves_at_once_though_the_only_relay_answers_no_query(tmp_path, ana):
    async with (
        relay_that_answers_no_query() as (home, taken),
        bot_at(tmp_path / "data", [home]) as bot,
    ):
        await add(bot, ana)
        began = asyncio.get_running_loop().time()
        await write(bot, ana, "an answer", protocol=DmProtocol.NIP17, relay=home)
        async with asyncio.timeout(PATIENCE_S):
            while not taken:  # noqa: ASYNC110 - a relay that only notes what it is given
                await asyncio.sleep(0.01)
        assert seconds_since(began) < 8
        assert (await reached(bot, ana)).relay == home
        assert taken == [1059], "once is enough"


async def test_first_message_after_a_restart_goes_to_the_list_without_a_look_up(tmp_path, ana):
    async with local_relay() as home, local_relay() as hers:
        await publish(home, signed(ana, INBOX, named(hers, "hers")))
        async with bot_at(tmp_path / "data", [home]) as bot:
            await add(bot, ana)
            await write(bot, ana, "before")
            await reached(bot, ana)
        async with (
            relay_that_answers_no_query() as (mute, taken),
            bot_at(tmp_path / "data", [mute]) as bot,
        ):
            began = asyncio.get_running_loop().time()
            await write(bot, ana, "after")
            async with asyncio.timeout(PATIENCE_S):
                while "after" not in await read_at(hers, ana):  # noqa: ASYNC110 - a real relay
                    await asyncio.sleep(0.01)
            assert seconds_since(began) < 8
            assert taken == []


# Lists that don't work


@asynccontextmanager
async def relay_that(refuses):
    """Serve what is no good relay: `refuses` answers the HTTP request."""

    def answer(connection, _request):
        return refuses(connection)

    async with serve(None, "127.0.0.1", 0, process_request=answer) as server:
        yield f"ws://127.0.0.1:{server.sockets[0].getsockname()[1]}"


def redirects(connection):
    response = connection.respond(302, "")
    response.headers["Location"] = "ws://127.0.0.1:1/"
    return response


async def find_but_private(url):
    """Find relays of other people on this computer, but those that only their owners reach."""
    private = (".onion", "192.168.")
    return None if any(part in url for part in private) else await find_here(url)


async def test_fifth_of_five_relays_is_the_good_one(tmp_path, ana):
    async with (
        local_relay() as home,
        relay_that(redirects) as redirecting,
        relay_that(lambda connection: connection.respond(403, "members only")) as refusing,
        local_relay() as hers,
    ):
        listed = (
            "ws://abcdefghijklmnop.onion",
            "ws://dead.example:9",
            named(redirecting, "redirecting"),
            named(refusing, "refusing"),
            named(hers, "good"),
        )
        await publish(home, signed(ana, INBOX, *listed))
        async with bot_at(tmp_path / "data", [home], find_endpoint=find_but_private) as bot:
            await add(bot, ana)
            await write(bot, ana, "news")
            assert await read_at(hers, ana) == {"news"}
            assert (await reached(bot, ana)).relay == named(hers, "good")


async def test_list_without_a_relay_that_works_leaves_the_relay_of_writing(tmp_path, ana):
    listed = ("ws://abcdefghijklmnop.onion", "ws://192.168.0.7", "ws://dead.example:9")
    async with local_relay() as home, local_relay() as hers:
        await publish(home, signed(ana, INBOX, *listed))
        async with bot_at(tmp_path / "data", [home], find_endpoint=find_but_private) as bot:
            await add(bot, ana)
            there = named(hers, "there")
            await write(bot, ana, "one", protocol=DmProtocol.NIP17, relay=there)
            assert await read_at(hers, ana) == {"one"}
            await write(bot, ana, "two", protocol=DmProtocol.NIP17, relay=there)
            async with asyncio.timeout(PATIENCE_S):
                while await read_at(hers, ana) != {"one", "two"}:  # noqa: ASYNC110 - a real relay
                    await asyncio.sleep(0.01)
            loss = await is_lost(bot, ana)
            assert loss.reason is Undelivered.NO_CONNECTION


async def test_list_that_changed_while_a_message_was_on_its_way_is_tried_at_once(tmp_path, ana):
    async with local_relay() as home, local_relay() as hers, mute_host() as mute:
        await publish(home, signed(ana, INBOX, named(mute, "mute"), age_s=100))
        async with bot_at(tmp_path / "data", [home]) as bot:
            await add(bot, ana)
            await write(bot, ana, "one")
            await is_lost(bot, ana)
            await publish(home, signed(ana, INBOX, named(hers, "hers")))
            bot.lists._looked_at.clear()
            began = asyncio.get_running_loop().time()
            await write(bot, ana, "two")
            assert (await reached(bot, ana)).relay == named(hers, "hers")
            async with asyncio.timeout(PATIENCE_S):
                while await read_at(hers, ana) != {"one", "two"}:  # noqa: ASYNC110 - a real relay
                    await asyncio.sleep(0.01)
            assert seconds_since(began) < 12, "the try at the mute relay keeps nothing back"


@asynccontextmanager
async def mute_host():
    """Serve what takes connections and says nothing."""

    async def relay(socket):
        await socket.wait_closed()

    async with serve(relay, "127.0.0.1", 0, close_timeout=1) as server:
        yield f"ws://127.0.0.1:{server.sockets[0].getsockname()[1]}"


async def is_lost(bot, key):
    async with asyncio.timeout(PATIENCE_S):
        while True:
            fared = await bot.database.read(lambda tx: delivery.of(tx, key.public_key))
            if fared is not None and fared.loss is not None:
                return fared.loss
            await asyncio.sleep(0.01)
