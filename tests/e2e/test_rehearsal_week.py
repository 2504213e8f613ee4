"""A rehearsal end to end: everything is read for real, and nothing leaves but words to the operator."""

import json
import sqlite3
from contextlib import closing
from datetime import UTC, datetime, timedelta

import nostr_sdk as sdk

from dca_bot.lnbits.client import LnbitsWallet
from dca_bot.nostr.keys import parse_npub


async def events_at(url):
    """Return every event that a relay has."""
    client = sdk.ClientBuilder().build()
    await client.add_relay(sdk.RelayUrl.parse(url))
    await client.connect()
    target = sdk.ReqTarget.auto([sdk.Filter()])
    found = await client.fetch_events(target, timedelta(seconds=10))
    await client.shutdown()
    return list(found)


async def rows_at_lnbits(world):
    """Return how many payments and invoices the source wallet has."""
    async with LnbitsWallet(world.lnbits.url, admin_key=world.source.admin_key) as wallet:
        return (await wallet._payments.page({"limit": "1"})).total


def let_a_day_pass(world):
    """Date the last report a day back: the next one is due at once."""
    path, then = world.folder / "data" / "ledger.sqlite3", datetime.now(UTC) - timedelta(days=1)
    with closing(sqlite3.connect(path)) as ledger, ledger:
        ledger.execute("UPDATE fact SET value = ? WHERE name = 'rehearsed_at'", (then.isoformat(),))


async def test_rehearsal_reports_what_it_would_have_paid_and_leaves_no_trace(make_world, wallets):
    world = await make_world()
    config = world.folder / "config.toml"
    text = config.read_text(encoding="utf-8")
    config.write_text(f"[bot]\nrehearsal = true\n{text}", encoding="utf-8")
    asked = []
    world.gateway.lose = lambda method, path, _body: asked.append((method, path))
    before = await rows_at_lnbits(world)
    world.start()
    ana, wallet = await world.user("nip17"), wallets("ana", at=world.lnbits)
    await world.operator.order(f"client add ana {ana.npub} 1000")
    await world.operator.order(f"client wallet ana {wallet.invoice_key}")
    await world.operator.order("deposit confirm 1")
    await ana.send("balance")
    assert "nothing leaves it" in await world.operator.ask("topup 5000")
    principal = world.export.sell(500)[1]
    await world.until(lambda: world.rows("SELECT count(*) FROM payout") == [(1,)])
    assert (await world.operator.ask("status")).startswith("REHEARSAL: nothing is paid")
    assert world.stop() == 0
    let_a_day_pass(world)
    world.start()
    texts = await world.operator.wait(lambda texts: any("REHEARSAL, the rep" in t for t in texts))
    (report,) = [told for told in texts if told.startswith("REHEARSAL, the report since")]
    assert f"ana: {principal:,} sats for Q500.00" in report
    assert world.stop() == 0

    assert {method for method, _ in asked} == {"GET"}
    assert await rows_at_lnbits(world) == before
    assert await world.balance_sat(wallet) == 0
    found = await events_at(world.relays[0])
    bot = sdk.PublicKey.parse(world.bot.npub)
    assert [event for event in found if event.author() == bot] == []
    tags = [tag for event in found for tag in json.loads(event.as_json())["tags"]]
    readers = {parse_npub(user.npub) for user in (world.bot, world.operator)}
    assert {value for name, value, *_ in tags if name == "p"} == readers
    assert await ana.received() == []
    assert world.audit()["findings"] == []
