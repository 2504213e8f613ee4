"""Yesterday's backup is put back beside today's LNbits: nothing is paid twice, all is explained."""

import os

import forked
import pytest
from test_main_job import add_client

LATER = '\n[fixed]\ntimes = ["23:59"]\n'


def backup(world, name):
    """Make a copy while the bot runs, as an operator does."""
    words = ["backup", name, "--config", "config.toml"]
    done = forked.run(words, folder=world.folder, environment=dict(os.environ))
    assert done.returncode == 0, done


def put_back(world, name):
    """Put a copy back, as docs/recovery.md says."""
    data, old = world.folder / "data", world.folder / "old"
    old.mkdir(mode=0o700)
    for path in data.glob("ledger.sqlite3*"):
        path.rename(old / path.name)
    (world.folder / name).rename(data / "ledger.sqlite3")


def balances_of(world):
    query = "SELECT name, balance FROM account JOIN client ON client.id = client_id WHERE kind = 'balance'"
    return dict(world.rows(query))


def cash_of(world):
    return world.rows("SELECT sum(total_minor) FROM cash_sum")[0][0]


async def arrivals_told(person):
    return sum("have arrived" in text for text in await person.received())


def open_holds(world):
    return dict(world.rows("SELECT ref, kind FROM hold WHERE closed_at IS NULL"))


@pytest.mark.slow(105)
async def test_yesterdays_backup_pays_nothing_twice_and_comes_out_clean(make_world, wallets):
    world = await make_world()
    config = world.folder / "config.toml"
    config.write_text(config.read_text(encoding="utf-8") + LATER, encoding="utf-8")
    world.start()
    operator = world.operator
    ana, carla, ben = [await world.user("nip17") for _ in range(3)]
    keys = {name: wallets(name, at=world.lnbits) for name in ("ana", "carla", "ben", "partner")}
    await add_client(world, "ana", ana, keys["ana"].invoice_key, 9000)
    await add_client(world, "carla", carla, keys["carla"].invoice_key, 1000)
    await carla.ask("mode fixed 400")
    await operator.order(f"commission set partner 50 {keys['partner'].invoice_key}")
    world.export.sell(100)
    await world.until(lambda: world.is_settled(2))
    backup(world, "yesterday.sqlite3")

    await add_client(world, "ben", ben, keys["ben"].invoice_key, 1000)
    sold = [world.export.sell(fiat)[0] for fiat in (200, 300)]
    await world.until(lambda: world.is_settled(6))
    assert world.paid_sat("ben") > 0
    await operator.order("fixed run")
    await operator.order("tx add m1 50 6000 settled by hand")
    await operator.order("deposit ana 500")
    await operator.order("deposit confirm 4")
    await world.until(lambda: world.is_settled(8))
    paid = {name: await world.balance_sat(wallet) for name, wallet in keys.items()}
    balances, cash = balances_of(world), cash_of(world)
    told = [await arrivals_told(person) for person in (ana, carla, ben)]
    asked = world.rows("SELECT count(*) FROM inbox")[0][0]
    assert world.audit()["findings"] == []
    assert world.stop() == 0

    put_back(world, "yesterday.sqlite3")
    world.start()
    await world.until(lambda: len(open_holds(world)) == 4)
    held = open_holds(world)
    (run,) = (ref for ref in held if ref.startswith("fixed:"))
    (added,) = (ref for ref in held if ref.endswith("-added"))
    expected = {sold[0]: "cash-out", sold[1]: "cash-out", run: "lost", added: "lost"}
    assert held == expected
    explained = (
        "This ledger was restored",
        "LNbits has paid for this already",
        "has no record of it",
    )
    await operator.wait(lambda texts: all(any(why in text for text in texts) for why in explained))
    assert world.rows("SELECT count(*) FROM inbox")[0][0] < asked, "nothing is carried out again"
    refused = await operator.ask("fixed run")
    assert "has paid fixed runs of this day" in refused, "the day is not bought twice"
    fresh, _ = world.export.sell(100)
    await world.until(lambda: world.is_settled(4))
    after = {name: await world.balance_sat(wallet) for name, wallet in keys.items()}
    (fresh_sat,) = world.rows("SELECT sat FROM share WHERE distribution_id = ?", fresh)[0]
    assert after == {**paid, "ana": paid["ana"] + fresh_sat, "partner": after["partner"]}
    assert world.audit()["findings"] != []

    # What was recorded since the copy is recorded again; ben was added since.
    await add_client(world, "ben", ben, keys["ben"].invoice_key, 1000)
    await operator.order("deposit ana 500")
    await operator.order("deposit confirm 4")
    for (number,) in world.rows("SELECT id FROM hold WHERE closed_at IS NULL ORDER BY id"):
        answer = await operator.order(f"hold accept {number}")
        assert "shared out" in answer or "recorded" in answer
    await world.until(lambda: world.is_settled(10))
    for name, wallet in keys.items():
        assert await world.balance_sat(wallet) == after[name] == world.paid_sat(name)
    assert balances_of(world) == {**balances, "ana": balances["ana"] - 10_000}
    assert cash_of(world) == cash - 10_000
    assert [await arrivals_told(person) for person in (ana, carla, ben)] == [told[0] + 1, *told[1:]]
    assert world.rows("SELECT 1 FROM hold WHERE closed_at IS NULL") == []
    assert world.audit()["findings"] == []
    assert world.stop() == 0
