"""The market's price, looked up before a command's transaction; a command can do without it."""

from decimal import Decimal
from fractions import Fraction

from dca_bot.chat.desk import Desk
from dca_bot.core.market import coin_minor
from dca_bot.errors import LnbitsRefused, LnbitsUnavailable


async def ask_price(desk: Desk) -> Decimal | None:
    """Return what one coin costs at LNbits in whole units; None where LNbits doesn't tell."""
    try:
        return await desk.wallet.price(desk.currency)
    except (LnbitsUnavailable, LnbitsRefused):
        return None


async def ask_coin(desk: Desk) -> Fraction | None:
    """Return the same in minor units, exactly."""
    price = await ask_price(desk)
    return None if price is None else coin_minor(price, desk.currency)
