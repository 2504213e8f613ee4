"""Names in people's profiles, looked up over real relays and at relays that lie."""

import asyncio
import json
import random
from dataclasses import replace
from datetime import UTC, datetime, timedelta

import nostr_sdk as sdk
import pytest
from test_messenger import messenger_of, running

from dca_bot.demo.relay import local_relay
from dca_bot.nostr import events, keys
from dca_bot.nostr.people import profiles
from dca_bot.nostr.people.profiles import profile_address, profile_names

SOURCE = random.Random(11)
NOW = datetime(2026, 3, 1, 12, tzinfo=UTC)
ANA, BEN, MALLORY = (keys.generate(SOURCE) for _ in range(3))


def profile(key, content, *, at=1000, kind=0):
    text = content if isinstance(content, str) else json.dumps(content)
    return events.sign(key, kind=kind, created_at=at, tags=(), content=text)


def relay(*stored):
    async def ask(wanted):
        assert wanted["kinds"] == [0]
        return stored

    return ask


async def silent(_wanted):
    await asyncio.Event().wait()


async def mute(_wanted):
    return None


async def broken(_wanted):
    raise OSError("lost")


async def name_of(*relays, key=ANA):
    return (await profile_names([key.public_key], relays)).get(key.public_key)


async def address_of(*relays):
    return await profile_address(ANA.public_key, relays, NOW)


async def test_names_are_read_from_a_real_relay_where_an_independent_client_published_them():
    ana, ben = sdk.Keys.generate(), sdk.Keys.generate()
    async with local_relay() as url, running(messenger_of(keys.generate(), [url])) as ours:
        client = sdk.ClientBuilder().build()
        await client.add_relay(sdk.RelayUrl.parse(url))
        await client.connect()
        for who, name in ((ana, "ana"), (ben, "Ben B.")):
            event = sdk.EventBuilder(sdk.Kind(0), json.dumps({"name": name})).finalize(who)
            await client.send_event(event)
        people = [who.public_key().to_hex() for who in (ana, ben, sdk.Keys.generate())]
        assert await ours.profile_names(people) == dict(
            zip(people, ["ana", "Ben B."], strict=False)
        )
        await client.shutdown()


async def test_name_that_only_a_discovery_relay_knows_is_found():
    ana = sdk.Keys.generate()
    async with (
        local_relay() as own,
        local_relay() as elsewhere,
        running(messenger_of(keys.generate(), [own], discovery=[elsewhere, own])) as ours,
    ):
        client = sdk.ClientBuilder().build()
        await client.add_relay(sdk.RelayUrl.parse(elsewhere))
        await client.connect()
        event = sdk.EventBuilder(sdk.Kind(0), json.dumps({"name": "ana"})).finalize(ana)
        await client.send_event(event)
        pubkey = ana.public_key().to_hex()
        assert await ours.profile_names([pubkey]) == {pubkey: "ana"}
        await client.shutdown()


async def test_newest_genuine_profile_counts_whichever_relay_has_it():
    old, new = profile(ANA, {"name": "old"}), profile(ANA, {"name": "new"}, at=2000)
    forged = replace(profile(ANA, {"name": "forged"}, at=3000), sig=new.sig)
    stolen = replace(profile(MALLORY, {"name": "stolen"}, at=3000), pubkey=ANA.public_key)
    other = profile(MALLORY, {"name": "other"}, at=3000)
    note = profile(ANA, {"name": "note"}, at=3000, kind=1)
    assert await name_of(relay(forged, stolen, other, note), relay(new), relay(old)) == "new"
    assert await name_of(relay(new, old), broken, mute) == "new"


@pytest.mark.parametrize(
    ("content", "name"),
    [
        ({"name": "ana", "display_name": "Ana María"}, "Ana María"),
        ({"name": "ana", "display_name": " ", "displayName": 7}, "ana"),
        ({"name": ["ana"]}, None),
        ({}, None),
        ([], None),
        ("not JSON", None),
        ('{"name": "\\ud800"}', None),
        ({"name": "ana", "about": "x" * 20_000}, None),
    ],
)
async def test_name_is_read_as_apps_show_it_or_not_at_all(content, name):
    assert await name_of(relay(profile(ANA, content))) == name


async def test_address_is_that_of_the_newest_genuine_profile():
    old, new = profile(ANA, {"lud16": "old@x.example"}), profile(ANA, {"lud16": "new"}, at=2000)
    forged = replace(profile(ANA, {"lud16": "forged"}, at=3000), sig=new.sig)
    altered = replace(new, content=old.content, created_at=3000)
    stolen = replace(profile(MALLORY, {"lud16": "stolen"}, at=3000), pubkey=ANA.public_key)
    other = profile(MALLORY, {"lud16": "other"}, at=3000)
    lies = relay(forged, altered, stolen, other, *[forged] * 20)
    assert await address_of(lies, relay(new), relay(old), broken, mute) == "new"
    assert await address_of(lies, relay(old)) == "old@x.example"
    assert await address_of(lies) == ""


@pytest.mark.parametrize(
    "content",
    [
        {"lud06": "lnurl1", "nip05": "ana@x.example", "about": "ana@x.example"},
        {"lud16": ["ana@x.example"]},
        {"lud16": "ana@x.example", "about": "x" * 20_000},
        [],
        "not JSON",
    ],
)
async def test_no_other_key_of_a_profile_is_an_address(content):
    assert await address_of(relay(profile(ANA, content, at=2000))) == ""
    older = profile(ANA, {"lud16": "ana@x.example"})
    assert await address_of(relay(profile(ANA, content, at=2000), older)) == ""


@pytest.mark.parametrize(
    ("ahead", "found"),
    [
        (timedelta(minutes=15), "ahead"),
        (timedelta(minutes=15, seconds=1), ""),
        (timedelta(3650), ""),
    ],
)
async def test_profile_from_the_future_hides_the_address_and_older_profiles(ahead, found):
    at = int((NOW + ahead).timestamp())
    older = profile(ANA, {"lud16": "older"}, at=int(NOW.timestamp()))
    assert await address_of(relay(older), relay(profile(ANA, {"lud16": "ahead"}, at=at))) == found


async def test_silent_relay_is_not_waited_for(monkeypatch):
    monkeypatch.setattr(profiles, "_LIMIT_S", 0.05)
    assert await name_of(silent, relay(profile(ANA, {"name": "ana"}))) == "ana"
    assert await name_of(silent, broken) is None
    assert await name_of() is None


async def test_cancelled_look_up_leaves_no_question_behind():
    task = asyncio.create_task(name_of(silent, silent))
    await asyncio.sleep(0)
    task.cancel()
    await asyncio.wait([task])
    assert len(asyncio.all_tasks()) == 1
