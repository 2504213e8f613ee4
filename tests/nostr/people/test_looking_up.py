"""Where the bot looks for people's relay lists, on real relays."""

import asyncio
import json
from contextlib import asynccontextmanager
from datetime import UTC, datetime, timedelta
from urllib.parse import urlsplit

import nostr_sdk
import pytest
from test_messenger import FastClock, eventually, messenger_of, playing, running
from websockets.asyncio.server import serve

from dca_bot.core.ports import SoughtPerson
from dca_bot.core.relay_lists import RelayListKind
from dca_bot.demo.relay import local_relay
from dca_bot.nostr import events, keys
from dca_bot.nostr.relays.relay_socket import Endpoint

INBOX, WRITE = RelayListKind.INBOX, RelayListKind.WRITE
NOW_S = int(datetime.now(UTC).timestamp())


@pytest.fixture
def bot():
    return keys.generate()


@pytest.fixture
def alice():
    return keys.generate()


async def find_here(url):
    """Find every relay of other people on this computer, as if the address were public."""
    return Endpoint(("127.0.0.1",), urlsplit(url).port)


def named(url, name):
    return url.replace("127.0.0.1", f"{name}.example")


def signed(key, kind, *urls, at=NOW_S):
    tag = "relay" if kind is INBOX else "r"
    tags = tuple((tag, url) for url in urls)
    return events.sign(key, kind=int(kind), created_at=at, tags=tags, content="")


async def publish(url, *signed_events):
    """Publish events as an app does, by code that is not the bot's."""
    client = nostr_sdk.ClientBuilder().build()
    await client.add_relay(nostr_sdk.RelayUrl.parse(url))
    await client.connect()
    for event in signed_events:
        await client.send_event(nostr_sdk.Event.from_json(event.to_json()))
    await client.disconnect()


async def looked_up(messenger, *people):
    """Return each found list's relays by person and kind: the newest, as a ledger keeps them."""
    found = {}

    async def note(listed):
        before = found.get((listed.pubkey, listed.kind))
        if before is None or listed.created_at > before.created_at:
            found[listed.pubkey, listed.kind] = listed

    async with asyncio.timeout(20):
        await messenger.look_up(people, note)
    return {key: listed.relays for key, listed in found.items()}


async def inbox_of(messenger, key, *places):
    found = await looked_up(messenger, SoughtPerson(key.public_key, places))
    return found.get((key.public_key, INBOX))


MAIL = "wss://mail.example"


async def test_list_is_found_on_the_bots_own_relay(bot, alice):
    async with local_relay() as url, running(messenger_of(bot, [url])) as ours:
        assert await inbox_of(ours, alice) is None
        await publish(url, signed(alice, INBOX, MAIL))
        assert await inbox_of(ours, alice) == (MAIL,)


async def test_look_up_at_the_start_waits_for_the_first_connection(bot, alice):
    knocked, open_ = asyncio.Event(), asyncio.Event()

    async def wait(_connection, _request):
        knocked.set()
        await open_.wait()

    async def relay(socket):
        async for frame in socket:
            name = json.loads(frame)[1]
            listed = signed(alice, INBOX, MAIL).to_json()
            await socket.send(f'["EVENT","{name}",{listed}]')
            await socket.send(f'["EOSE","{name}"]')

    async with serve(relay, "127.0.0.1", 0, process_request=wait, close_timeout=1) as server:
        url = f"ws://127.0.0.1:{server.sockets[0].getsockname()[1]}"
        async with running(messenger_of(bot, [url]), listening=0) as ours:
            await knocked.wait()
            asking = asyncio.create_task(inbox_of(ours, alice))
            await asyncio.sleep(0)
            open_.set()
            assert await asking == (MAIL,)


async def test_list_is_found_on_the_relay_of_a_hint(bot, alice):
    async with (
        local_relay() as home,
        local_relay() as hers,
        running(messenger_of(bot, [home], find_endpoint=find_here)) as ours,
    ):
        await publish(hers, signed(alice, INBOX, MAIL))
        assert await inbox_of(ours, alice) is None
        assert await inbox_of(ours, alice, named(hers, "hers")) == (MAIL,)


async def test_list_that_lies_on_write_relays_alone_is_found_by_the_discovery_relays(bot, alice):
    async with (
        local_relay() as home,
        local_relay() as discovery,
        local_relay() as hers,
        running(messenger_of(bot, [home], discovery=[discovery], find_endpoint=find_here)) as ours,
    ):
        await publish(hers, signed(alice, INBOX, MAIL))
        await publish(discovery, signed(alice, WRITE, named(hers, "hers")))
        found = await looked_up(ours, SoughtPerson(alice.public_key))
        assert found == {
            (alice.public_key, WRITE): (named(hers, "hers"),),
            (alice.public_key, INBOX): (MAIL,),
        }


async def test_list_is_found_on_a_relay_that_wants_to_know_who_asks(bot, alice):
    async with (
        local_relay() as home,
        local_relay(auth_dm=True) as hers,
        running(messenger_of(bot, [home], find_endpoint=find_here)) as ours,
    ):
        await publish(hers, signed(alice, INBOX, MAIL))
        assert await inbox_of(ours, alice, named(hers, "hers")) == (MAIL,)


async def test_newest_list_counts_wherever_an_older_one_lies(bot, alice):
    async with (
        local_relay() as home,
        local_relay() as hers,
        running(messenger_of(bot, [home], find_endpoint=find_here)) as ours,
    ):
        await publish(home, signed(alice, INBOX, "wss://old.example", at=NOW_S - 3600))
        await publish(hers, signed(alice, INBOX, MAIL))
        assert await inbox_of(ours, alice, named(hers, "hers")) == (MAIL,)


async def test_several_people_are_asked_for_at_once_and_never_mixed_up(bot, alice):
    ben = keys.generate()
    async with local_relay() as url, running(messenger_of(bot, [url])) as ours:
        await publish(url, signed(alice, INBOX, MAIL), signed(ben, INBOX, "wss://ben.example"))
        people = [SoughtPerson(key.public_key) for key in (alice, ben, keys.generate())]
        assert await looked_up(ours, *people) == {
            (alice.public_key, INBOX): (MAIL,),
            (ben.public_key, INBOX): ("wss://ben.example",),
        }


def answering(*event_jsons):
    """Play a relay that answers each query with these events."""

    async def relay(socket):
        async for frame in socket:
            name = frame.split('"')[3]
            if name.startswith("query"):
                for event_json in event_jsons:
                    await socket.send(f'["EVENT","{name}",{event_json}]')
            await socket.send(f'["EOSE","{name}"]')

    return playing(relay)


async def test_only_lists_that_the_person_has_signed_count(bot, alice):
    mallory = keys.generate()
    real = signed(alice, INBOX, "wss://alice.example", at=NOW_S - 100)
    other = signed(mallory, INBOX, "wss://mallory.example")
    later = signed(alice, INBOX, "wss://alice.example", at=NOW_S).to_json()
    forged = later.replace("alice.example", "mallory.example")
    huge = signed(alice, INBOX, *(f"wss://{n}.example" for n in range(2_000)))
    answers = (other.to_json(), forged, huge.to_json(), real.to_json())
    async with answering(*answers) as url, running(messenger_of(bot, [url])) as ours:
        found = await looked_up(ours, SoughtPerson(alice.public_key))
    assert found == {(alice.public_key, INBOX): ("wss://alice.example",)}


@asynccontextmanager
async def counted():
    """Serve what takes connections and never answers; yield a port and the list of visits."""
    visits = []

    async def relay(socket):
        visits.append(socket)
        await socket.wait_closed()

    async with playing(relay) as url:
        yield urlsplit(url).port, visits


async def test_number_of_relays_that_one_person_has_visited_is_bounded(bot, alice):
    async with counted() as (port, visits):
        lists = [signed(alice, WRITE, *(f"ws://{n}.example:{port}" for n in range(50)))]
        async with answering(lists[0].to_json()) as home:
            ours = messenger_of(bot, [home], find_endpoint=find_here)
            async with running(ours):
                look = asyncio.create_task(inbox_of(ours, alice))
                await eventually(lambda: len(visits) == 4)
                look.cancel()
                await asyncio.wait([look])
    assert len(visits) == 4


async def test_relay_of_a_person_that_does_not_answer_is_left_alone_for_a_while(
    bot, alice, monkeypatch
):
    monkeypatch.setattr("dca_bot.nostr.people.recipient_relays._ASK_LIMIT_S", 0.3)
    clock = FastClock()
    async with counted() as (port, visits), local_relay() as home:
        ours = messenger_of(bot, [home], clock=clock, find_endpoint=find_here)
        async with running(ours):
            for minutes, expected in ((0, 1), (1, 1), (12, 2)):
                clock.ahead = timedelta(minutes=minutes)
                assert await inbox_of(ours, alice, f"ws://mute.example:{port}") is None
                assert len(visits) == expected


async def test_places_that_others_name_inside_the_network_are_not_visited(bot, alice):
    async with counted() as (port, visits), local_relay() as home:
        places = [f"ws://127.0.0.1:{port}", f"wss://localhost:{port}", f"wss://127.0.0.1:{port}"]
        async with running(messenger_of(bot, [home])) as ours:
            assert await inbox_of(ours, alice, *places) is None
    assert visits == []


async def test_discovery_relay_inside_the_network_is_used_as_configured(bot, alice):
    async with local_relay() as home, local_relay() as discovery:
        await publish(discovery, signed(alice, INBOX, MAIL))
        async with running(messenger_of(bot, [home], discovery=[discovery])) as ours:
            assert await inbox_of(ours, alice) == (MAIL,)


async def test_failing_address_look_up_leaves_the_other_relays_their_answers(bot, alice, caplog):
    async def find(_url):
        raise RuntimeError("a secret text")

    async with local_relay() as home:
        await publish(home, signed(alice, INBOX, MAIL))
        async with running(messenger_of(bot, [home], find_endpoint=find)) as ours:
            assert await inbox_of(ours, alice, "wss://evil.example") == (MAIL,)
    assert "error=RuntimeError" in caplog.text
    assert "a secret text" not in caplog.text


async def test_nothing_is_found_while_not_running(bot, alice):
    assert await inbox_of(messenger_of(bot, ["ws://127.0.0.1:9"]), alice) is None
