"""Messages end to end: each runs once, and nobody commands who may not."""

import asyncio
import json
import re

import nostr_sdk as sdk
import pytest
from people import CODE


async def inbox(world):
    return world.rows("SELECT sender, message_id FROM inbox ORDER BY 1, 2")


async def test_restart_reads_stored_messages_and_executes_none_again(make_world):
    world = await make_world()
    world.start()
    ana, ben = await world.user("nip17"), await world.user("nip04")
    await world.operator.ask(f"client add ana {ana.npub}")
    await world.operator.ask(f"client add ben {ben.npub}")
    for user in (ana, ben):
        await user.ask("pause")
    before = await inbox(world)
    texts = [await user.received() for user in (world.operator, ana, ben)]
    for _ in range(2):
        world.kill()
        world.start()
        listening = world.log().count("detail='listening'")
        await world.until(lambda n=listening: world.log().count("detail='listening'") > n)
    # A later message is answered after the stored ones: so they have been seen by then.
    await ana.ask("settings")
    assert len(await inbox(world)) == len(before) + 1
    assert await ben.received() == texts[2]
    assert await world.operator.received() == texts[0]
    assert world.rows("SELECT state FROM client") == [("paused",), ("paused",)]


async def test_five_relays_delivering_one_command_execute_it_once(make_world):
    world = await make_world(relays=5)
    world.start()
    ana = await world.user("nip17")
    await world.operator.ask(f"client add ana {ana.npub}")
    for text in ("pause", "resume", "settings"):
        await ana.ask(text)
    assert world.rows("SELECT count(*) FROM inbox") == [(4,)]
    assert len(await ana.received()) == 1 + 3, "the welcome and three answers"


async def test_seal_of_another_key_than_the_rumors_is_refused(make_world):
    world = await make_world()
    world.start()
    await world.operator.ask("status")
    mallory = await world.user("nip17")
    public = world.operator.keys.public_key()
    rumor = sdk.EventBuilder(sdk.Kind(14), f"client add evil {mallory.npub}")
    rumor = rumor.tags([sdk.Tag.public_key(mallory.bot)]).finalize_unsigned(public)
    seal = sdk.nip59_make_seal(mallory.keys, mallory.bot, rumor)
    ephemeral = sdk.Keys.generate()
    content = ephemeral.nip44_encrypt(mallory.bot, seal.as_json())
    wrap = sdk.EventBuilder(sdk.Kind(1059), content)
    await mallory.publish(wrap.tags([sdk.Tag.public_key(mallory.bot)]).finalize(ephemeral))
    await world.operator.ask("status")
    assert world.rows("SELECT count(*) FROM client") == [(0,)]
    assert world.rows("SELECT count(*) FROM inbox") == [(2,)]
    assert await mallory.received() == []


async def test_client_who_tries_operator_commands_gets_nothing(make_world):
    world = await make_world()
    world.start()
    ana = await world.user("nip17")
    await world.operator.ask(f"client add ana {ana.npub}")
    unknown = await ana.ask("frobnicate")
    for command in ("deposit ana 500", "clients", "pause all", "confirm ABCD", "withdraw ana 1"):
        answer = await ana.ask(command)
        assert "npub" not in answer
        assert "Balance" not in answer
    assert "frobnicate" in unknown or "help" in unknown
    assert world.rows("SELECT count(*) FROM deposit") == [(0,)]
    assert world.rows("SELECT count(*) FROM fact WHERE name = 'paused'") == [(0,)]


async def test_stranger_gets_one_short_answer_that_reveals_nothing(make_world):
    world = await make_world()
    world.start()
    await world.operator.ask("status")
    for protocol in ("nip17", "nip04"):
        stranger = await world.user(protocol)
        answer = await stranger.ask("help")
        assert len(answer) < 200
        assert "balance" not in answer.lower()
        await stranger.send("status")
        await stranger.send("client add me")
        await world.operator.ask("status")
        await asyncio.sleep(0.5)
        assert await stranger.received() == [answer]
    assert world.rows("SELECT count(*) FROM client") == [(0,)]


@pytest.mark.parametrize("protocol", ["nip17", "nip04"])
async def test_stranger_knocks_and_becomes_a_client_by_the_code(make_world, protocol):
    world = await make_world()
    world.start()
    await world.operator.ask("status")
    ana = await world.user(protocol)
    profile = sdk.EventBuilder(sdk.Kind(0), json.dumps({"name": "Ana \u202e from the shop"}))
    await ana.publish(profile.finalize(ana.keys))
    code = re.search(r"KNOCK-[2-9A-Z]{6}", await ana.ask("pause"))[0]
    listed = await world.operator.ask("knocks")
    assert code in listed
    assert f"nostr:{ana.npub}" in listed
    asked = await world.operator.ask(f"client add ana {code} 1500")
    assert f"nostr:{ana.npub}" in asked
    assert 'Profile: "Ana from the shop"' in asked
    done = await world.operator.ask(f"confirm {CODE.search(asked)[1]}")
    assert "ana is added" in done
    _, welcome, deposit = await ana.wait(lambda texts: len(texts) > 2)
    assert welcome.startswith("Welcome, ana!")
    assert "is noted" in deposit
    assert "Cash still" in await ana.ask("balance")
    assert world.rows("SELECT state FROM client") == [("active",)], "the knock was no command"
    assert "Nobody new has written" in await world.operator.ask("knocks")


async def test_operator_over_nip04_is_told_to_use_nip17(make_world):
    world = await make_world()
    world.start()
    await world.operator.ask("status")
    leaky = type(world.operator)(
        world.relays, world.bot.npub, protocol="nip04", keys=world.operator.keys
    )
    await leaky.join()
    answer = await leaky.ask("pause all")
    assert "NIP-17" in answer
    assert world.rows("SELECT count(*) FROM fact WHERE name = 'paused'") == [(0,)]
    await leaky.leave()


async def test_log_has_no_key_text_invoice_or_preimage(make_world, wallets):
    world = await make_world()
    world.start()
    ana = await world.user("nip17")
    wallet = wallets("ana", at=world.lnbits)
    await world.operator.order(f"client add ana {ana.npub} 1000")
    await ana.order(f"wallet {wallet.invoice_key}")
    await ana.ask("please-find-this-text")
    await world.operator.order("deposit confirm 1")
    world.export.sell(100)
    await world.until(lambda: world.is_settled(1))
    world.stop()
    log = world.log()
    assert "payout done" in log
    (preimage,) = world.rows("SELECT preimage FROM payout")[0]
    (bolt11,) = world.rows("SELECT bolt11 FROM attempt")[0]
    secrets = [wallet.invoice_key, world.source.admin_key, world.bot.nsec(), bolt11]
    secrets += ["please-find-this-text", "lnbc"] + ([preimage] if preimage else [])
    assert [secret for secret in secrets if secret in log] == []
