"""Fixed mode end to end: chosen over messages, run by hand and by the clock, and paid."""

from decimal import Decimal

import pytest

from dca_bot.core.market import bought_sat, coin_minor
from dca_bot.demo.price_stub import GTQ_PER_BTC


def bought(minor: int) -> int:
    return bought_sat(minor, coin_minor(Decimal(GTQ_PER_BTC), "GTQ"))


@pytest.mark.slow(45)
async def test_client_saves_a_fixed_amount_a_day(make_world, wallets):
    world = await make_world()
    config = world.folder / "config.toml"
    text = config.read_text(encoding="utf-8")
    config.write_text(f'{text}\n[fixed]\ntimes = ["23:59"]\n', encoding="utf-8")
    world.start()
    ana, wallet = await world.user("nip17"), wallets("ana", at=world.lnbits)
    await world.operator.order(f"client add ana {ana.npub} 1000")
    await ana.order(f"wallet {wallet.invoice_key}")
    await world.operator.order("deposit confirm 1")
    assert "mode fixed AMOUNT" in await ana.ask("mode fixed")
    assert "Q100.00 at 23:59" in await ana.ask("mode fixed 100")
    assert "Bought for one client in fixed mode: Q100.00" in await world.operator.order("fixed run")
    await world.until(lambda: world.is_settled(1))
    await ana.ask("limit 150")
    assert world.stop() == 0
    # A time that has passed today: the run is made up, within what the day has left.
    config.write_text(f'{text}\n[fixed]\ntimes = ["00:00"]\n', encoding="utf-8")
    world.start()
    await world.until(lambda: world.is_settled(2))
    assert await world.balance_sat(wallet) == bought(10_000) + bought(5_000)
    assert world.paid_sat("ana") == await world.balance_sat(wallet)
    assert any("was done late: one client, Q50.00" in t for t in await world.operator.received())
    assert "Nothing to buy in fixed mode today" in await world.operator.ask("fixed run")
    assert "Q100.00" in await ana.ask("history")
    world.stop()
    assert world.audit()["findings"] == []
