"""Nobody is lost unnoticed, end to end: a client without a relay that works, and a relay that is gone."""

import json
import subprocess
import sys
from pathlib import Path

import nostr_sdk as sdk
from dead_hosts import REFUSING

DEAD = f"ws://{REFUSING}:9"
ROOT = Path(__file__).parents[2]


def status(world):
    """Run `dca-bot status --json` beside the bot."""
    done = subprocess.run(
        [sys.executable, "-m", "dca_bot", "status", "--json", "--config", "config.toml"],
        cwd=world.folder,
        env={"PYTHONPATH": str(ROOT), "PATH": ""},
        capture_output=True,
        timeout=60,
        check=True,
    )
    return json.loads(done.stdout)


async def test_client_and_relay_out_of_reach_are_named_with_the_reason(make_world):
    world = await make_world()
    config = world.folder / "config.toml"
    text = config.read_text(encoding="utf-8")
    relays = json.dumps(world.relays)
    config.write_text(
        text.replace(f"relays = {relays}", f"relays = {json.dumps([*world.relays, DEAD])}", 1),
        encoding="utf-8",
    )
    ana = await world.user("nip04")
    tag = sdk.Tag.parse(["relay", "wss://abcdefghij.onion"])
    await ana.publish(sdk.EventBuilder(sdk.Kind(10050), "").tags([tag]).finalize(ana.keys))
    world.start()
    await world.operator.ask(f"client add ana {ana.npub}")
    await world.until(
        lambda: (
            world.rows("SELECT reason FROM delivery WHERE lost_at IS NOT NULL")
            == [("unusable_list",)]
        )
    )
    shown = await world.operator.ask("client ana")
    assert "NOT REACHED since " in shown
    assert "the inbox list (kind 10050) has no relay that can be used" in shown
    told = await world.operator.ask("status all")
    assert f"Relay {DEAD}: OUT OF REACH since " in told
    assert world.relays[0] not in told
    await world.until(lambda: len(status(world)["relays"]) == 2)
    (dead,) = [relay for relay in status(world)["relays"] if relay["url"] == DEAD]
    assert (dead["listening"], dead["trouble"]) == (False, "connection_refused")
    assert f"relay_listening=False relay={DEAD}" in world.log()
