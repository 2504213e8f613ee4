"""An LNbits that hangs keeps nobody waiting: what an answer can do without is left out."""

import pytest
from talk import OTHER_KEY, code_in

SILENT = {"balance", "price", "invoice", "key"}


@pytest.fixture
async def saver(talk):
    """Maria saves Q100.00 a day, and LNbits is given hardly any time."""
    await talk.add_client("maria", balance="1500")
    await talk.tell("maria", "mode fixed 100")
    await talk.tell("maria", "limit 100")
    talk.be_impatient()
    return talk


@pytest.mark.parametrize("hanging", [{"invoice"}, {"balance"}])
async def test_top_up_while_lnbits_hangs_blames_no_amount(saver, hanging):
    saver.wallet.hanging = hanging
    assert "does not answer right now" in await saver.tell("op", "topup 9999999999")


@pytest.mark.parametrize(
    ("who", "text", "told"),
    [
        ("op", "status", "Source wallet: LNbits does not tell"),
        ("op", "funds", "Source wallet: LNbits does not tell"),
        ("op", "topup 1000", "LNbits does not answer right now"),
        ("op", "fixed", "no usable rate at present: LNbits tells no price"),
        ("op", "fixed run", "This cannot be done now: LNbits tells no price"),
        ("maria", "stats", "You bought nothing"),
        ("maria", f"wallet {OTHER_KEY}", "LNbits does not answer right now"),
    ],
)
async def test_command_is_answered_while_lnbits_hangs(saver, who, text, told):
    saver.wallet.hanging = SILENT
    assert told in await saver.tell(who, text)


async def test_balance_is_told_while_only_the_price_hangs(saver):
    saver.wallet.hanging = {"price"}
    told = await saver.tell("op", "funds")
    assert "Source wallet: 5,000,000 sats (0.05000000 BTC)" in told
    assert "LNbits tells no price" in told


async def test_code_stays_good_where_lnbits_hangs_at_confirmation(saver):
    code = code_in(await saver.tell("op", "fixed run"))
    saver.wallet.hanging = {"price"}
    assert "LNbits tells no price" in await saver.tell("op", f"confirm {code}")
    saver.wallet.hanging = set()
    assert "Bought for one client" in await saver.tell("op", f"confirm {code}")
