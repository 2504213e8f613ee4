"""What the bot shows of itself, as another app reads and changes it, over restarts of the program."""

import asyncio
import contextlib
import json
from datetime import timedelta

import nostr_sdk as sdk

PROFILE = """
[nostr.profile]
name = "Ahorro"
picture = "https://example.com/bot.png"
lud16 = "tips@example.com"
"""


async def of_bot(world, kind):
    """Return the bot's newest event of a kind, read from the world's last relay."""
    client = sdk.ClientBuilder().build()
    await client.add_relay(sdk.RelayUrl.parse(world.relays[-1]))
    await client.connect()
    author = sdk.PublicKey.parse(world.bot.npub)
    wanted = sdk.ReqTarget.auto([sdk.Filter().kind(sdk.Kind(kind)).author(author)])
    found = await client.fetch_events(wanted, timedelta(seconds=10))
    await client.shutdown()
    return json.loads(found[0].as_json()) if found else None


async def until_profile(world, **expected):
    """Wait until an app that isn't ours reads the profile with these values."""
    metadata = None
    with contextlib.suppress(TimeoutError):
        async with asyncio.timeout(60):
            while True:
                event = await of_bot(world, 0)
                metadata = event and sdk.Metadata.from_json(event["content"]).as_record()
                if metadata and all(getattr(metadata, key) == expected[key] for key in expected):
                    return json.loads(event["content"])
                await asyncio.sleep(0.2)
    raise AssertionError(f"the profile stays {metadata}; the log ends: {world.log()[-2000:]}")


async def test_profile_is_the_operators_and_what_an_app_adds_stays(make_world):
    world = await make_world(relays=2)
    world.start(is_forked=False)
    first = await until_profile(world, name="dca-bot")
    assert first["bot"] is True
    assert world.stop() == 0
    # An app that was given the bot's key sets what the configuration says nothing of.
    theirs = first | {"name": "Theirs", "about": "Ahorra en bitcoin", "pronouns": "it"}
    keys = sdk.Keys.parse(world.bot.nsec())
    builder = sdk.EventBuilder(sdk.Kind(0), json.dumps(theirs))
    # Of two events of one second relays keep the one with the lower id.
    later = sdk.Timestamp.now().add_duration(timedelta(seconds=2))
    await world.operator.publish(builder.custom_created_at(later).finalize(keys))
    config = world.folder / "config.toml"
    text = config.read_text(encoding="utf-8")
    config.write_text(text.replace("\n[lamassu]", f"{PROFILE}\n[lamassu]"), encoding="utf-8")
    world.start()
    found = await until_profile(world, name="Ahorro", picture="https://example.com/bot.png")
    assert found["lud16"] == "tips@example.com"
    assert (found["about"], found["pronouns"], found["bot"]) == ("Ahorra en bitcoin", "it", True)
    await world.operator.ask("status")
    assert [tag[1] for tag in (await of_bot(world, 10_050))["tags"]] == world.relays
    assert [tag[1] for tag in (await of_bot(world, 10_002))["tags"]] == world.relays
    published = await of_bot(world, 0)
    world.kill()
    world.start()
    await world.operator.ask("status")
    assert await of_bot(world, 0) == published, "nothing has changed"
