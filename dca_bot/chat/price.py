"""The market's price, looked up before a command's transaction; a command can do without it."""

from fractions import Fraction

from dca_bot.chat.desk import Desk
from dca_bot.core.market import coin_minor
from dca_bot.errors import LnbitsRefused, LnbitsUnavailable


async def look_price(desk: Desk) -> Fraction | None:
    """Return what one coin costs at LNbits in minor units; None where LNbits doesn't tell."""
    try:
        price = await desk.wallet.price(desk.currency)
    except (LnbitsUnavailable, LnbitsRefused):
        return None
    return None if price is None else coin_minor(price, desk.currency)
