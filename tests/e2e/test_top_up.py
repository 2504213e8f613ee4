"""A payout that lacks one sat waits until the invoice of the message is paid, from elsewhere."""

import re

from test_main_job import add_client

from dca_bot.lnbits.client import LnbitsWallet

INVOICE = re.compile(r"lnbc[0-9a-z]{50,}")


async def test_payout_that_lacks_one_sat_goes_out_once_the_invoice_is_paid(
    make_world, lnbits, wallets
):
    world = await make_world(source_sat=1)
    config = world.folder / "config.toml"
    text = config.read_text(encoding="utf-8")
    config.write_text(text.replace("[lnbits]\n", "[lnbits]\nlow_balance_sat = 0\n"), "utf-8")
    world.start(is_forked=False)
    ana, operator = await world.user("nip17"), world.operator
    wallet = wallets("ana", at=world.lnbits)
    await add_client(world, "ana", ana, wallet.invoice_key, 9000)
    await operator.ask("pause all")
    _, principal_sat = world.export.sell(500)
    world.lnbits.credit(world.source.id, principal_sat - 2)
    await operator.ask("resume all")
    texts = await operator.wait(lambda texts: any("lacks 1 sat;" in text for text in texts))
    told = next(text for text in texts if "lacks 1 sat;" in text)
    assert world.paid_sat("ana") == 0
    payer = wallets("somebody", balance_sat=3_000_000)
    async with LnbitsWallet(lnbits.url, admin_key=payer.admin_key) as elsewhere:
        await elsewhere.pay(INVOICE.search(told)[0], external_id="", extra={})
    await world.until(lambda: world.is_settled(1))
    assert await world.balance_sat(wallet) == principal_sat == world.paid_sat("ana")
    await operator.wait(lambda texts: any("enough again" in text for text in texts))
    assert sum("lnbc" in text for text in await operator.received()) == 1
    assert world.audit()["findings"] == []
    assert world.stop() == 0
