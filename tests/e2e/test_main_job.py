"""The main job end to end: relay, two LNbits, SSH, the bot as a process, people with other code."""

import random
import shutil

import pytest


async def add_client(world, name, user, destination, quetzales):
    """The operator adds a client; the client says where the sats go; the deposit is confirmed."""
    answer = await world.operator.order(f"client add {name} {user.npub} {quetzales}")
    assert f"{name} is added" in answer
    (deposit_id,) = world.rows("SELECT max(id) FROM deposit")[0]
    await user.order(f"wallet {destination}")
    await user.ask("notify each")
    await world.operator.order(f"deposit confirm {deposit_id}")


async def test_cash_outs_fill_wallets_inside_and_outside_of_lnbits(make_world, lnbits, wallets):
    world = await make_world()
    world.start()
    ana, ben = await world.user("nip17"), await world.user("nip04")
    at_home = wallets("ana", at=world.lnbits)
    abroad = wallets("ben")
    name = lnbits.lightning_address(abroad, f"ben{abroad.id[:6]}").split("@")[0]
    world.gateway.abroad.add(name)
    await add_client(world, "ana", ana, at_home.invoice_key, 9000)
    await add_client(world, "ben", ben, f"{name}@{world.gateway.netloc}", 1000)
    principals = [world.export.sell(500)[1] for _ in range(3)]
    await world.until(lambda: world.is_settled(3))
    principals += [world.export.sell(fiat)[1] for fiat in (100, 2000, 750)]
    await world.until(lambda: world.is_settled(6))

    assert await world.balance_sat(at_home) == world.paid_sat("ana")
    assert await world.balance_sat(abroad, at=lnbits) == world.paid_sat("ben")
    assert world.paid_sat("ana") + world.paid_sat("ben") == sum(principals)
    assert "sats have arrived" in (await ana.received())[-1]
    assert "6 sats" not in await ben.ask("balance")
    assert (await ana.ask("history")).count("paid") == 6
    assert world.rows("SELECT sum(fee_msat) FROM payout")[0][0] >= 0
    audit = world.audit()
    assert (audit["findings"], audit["payments"]) == ([], 12)
    assert world.stop() == 0


@pytest.mark.slow(100)
async def test_lost_replies_of_lnbits_pay_nothing_twice(make_world, wallets):
    world = await make_world()
    chance = random.Random(5)
    world.gateway.lose = lambda method, path, _body: (
        method == "POST" and path == "/api/v1/payments" and chance.random() < 0.4
    )
    world.start()
    ana = await world.user("nip17")
    wallet = wallets("ana", at=world.lnbits)
    await add_client(world, "ana", ana, wallet.invoice_key, 9000)
    principals = [world.export.sell(100)[1] for _ in range(6)]
    await world.until(lambda: world.is_settled(6), limit_s=120)
    assert world.gateway.lost >= 3
    assert await world.balance_sat(wallet) == sum(principals) == world.paid_sat("ana")
    assert world.audit()["findings"] == []


@pytest.mark.slow(100)
@pytest.mark.parametrize(("seed", "kills"), [(1, 4), pytest.param(2, 10, marks=pytest.mark.long)])
async def test_bot_killed_again_and_again_pays_every_share_once(
    make_world, lnbits, wallets, seed, kills
):
    world = await make_world()
    world.start()
    ana, ben = await world.user("nip17"), await world.user("nip04")
    at_home, abroad = wallets("ana", at=world.lnbits), wallets("ben")
    name = lnbits.lightning_address(abroad, f"ben{abroad.id[:6]}").split("@")[0]
    world.gateway.abroad.add(name)
    await add_client(world, "ana", ana, at_home.invoice_key, 20000)
    await add_client(world, "ben", ben, f"{name}@{world.gateway.netloc}", 10000)
    chance = random.Random(seed)
    principals = []
    for _ in range(kills):
        principals += [world.export.sell(100)[1] for _ in range(3)]
        submitted = world.rows("SELECT count(*) FROM payout WHERE submitted_at IS NOT NULL")[0][0]
        wanted = submitted + chance.randint(0, 4)

        def has_come_so_far(wanted=wanted):
            query = "SELECT count(*) FROM payout WHERE submitted_at IS NOT NULL"
            return world.rows(query)[0][0] >= wanted

        await world.until(has_come_so_far)
        world.kill()
        world.start()
    await world.until(lambda: world.is_settled(3 * kills), limit_s=120)
    assert await world.balance_sat(at_home) == world.paid_sat("ana")
    assert await world.balance_sat(abroad, at=lnbits) == world.paid_sat("ben")
    assert world.paid_sat("ana") + world.paid_sat("ben") == sum(principals)
    audit = world.audit()
    assert (audit["findings"], audit["payments"]) == ([], 6 * kills)


@pytest.mark.long
@pytest.mark.slow(110)
async def test_old_copy_of_the_ledger_is_held_and_settled_by_the_operator(make_world, wallets):
    world = await make_world()
    world.start()
    ana = await world.user("nip17")
    wallet = wallets("ana", at=world.lnbits)
    await add_client(world, "ana", ana, wallet.invoice_key, 9000)
    first = world.export.sell(100)[1]
    await world.until(lambda: world.is_settled(1))
    assert world.stop() == 0
    shutil.copytree(world.folder / "data", world.folder / "copy")
    world.start()
    lost = [world.export.sell(100)[1] for _ in range(3)]
    await world.until(lambda: world.is_settled(4))
    paid = first + sum(lost)
    assert await world.balance_sat(wallet) == paid
    world.kill()
    shutil.rmtree(world.folder / "data")
    (world.folder / "copy").rename(world.folder / "data")

    world.start()
    await world.until(
        lambda: world.rows("SELECT count(*) FROM hold WHERE closed_at IS NULL") == [(3,)]
    )
    after = world.export.sell(100)[1]
    # With the folder went what tells that the bot which has paid meanwhile has ended.
    await world.until(lambda: world.rows("SELECT reason FROM lease_dispute") == [("newer-start",)])
    assert await world.balance_sat(wallet) == paid
    assert "take over" in await world.operator.order("resume all")
    await world.until(lambda: world.is_settled(2))
    assert await world.balance_sat(wallet) == paid + after
    assert len(world.audit()["findings"]) == 3
    for (hold_id,) in world.rows("SELECT id FROM hold WHERE closed_at IS NULL ORDER BY id"):
        await world.operator.order(f"hold accept {hold_id}")
    await world.until(lambda: world.is_settled(5))
    assert await world.balance_sat(wallet) == paid + after == world.paid_sat("ana")
    assert world.audit()["findings"] == []
