"""Asks LNbits before a command's transaction, but never for long: one that hangs keeps nobody waiting.

Balance and price are None where LNbits doesn't tell: an answer can do without them.
"""

import asyncio
from collections.abc import Awaitable
from decimal import Decimal
from fractions import Fraction
from typing import TypeVar

from dca_bot.chat.services import Services
from dca_bot.core.market import COIN_SAT, coin_minor, value_minor
from dca_bot.errors import LnbitsRefused, LnbitsSlow, LnbitsUnavailable
from dca_bot.messages.say import Rate

T = TypeVar("T")


async def in_time(services: Services, answer: Awaitable[T]) -> T:
    """Wait for LNbits' answer; LnbitsSlow if it takes too long."""
    try:
        async with asyncio.timeout(services.answer_limit_s):
            return await answer
    except TimeoutError:
        raise LnbitsSlow("LNbits did not answer in time.") from None


async def ask_balance(services: Services) -> int | None:
    """Return the source wallet's balance in msat."""
    try:
        return await in_time(services, services.wallet.balance_msat())
    except (LnbitsUnavailable, LnbitsRefused):
        return None


async def ask_price(services: Services) -> Decimal | None:
    """Return what one coin costs at LNbits in whole units."""
    try:
        return await in_time(services, services.wallet.price(services.currency))
    except (LnbitsUnavailable, LnbitsRefused):
        return None


async def ask_coin(services: Services) -> Fraction | None:
    """Return the same in minor units, exactly."""
    price = await ask_price(services)
    return None if price is None else coin_minor(price, services.currency)


def coin_rate(coin: Fraction) -> Rate:
    """Return a price of so many minor units for one coin, as it is told."""
    return Rate(value_minor(COIN_SAT, coin), COIN_SAT)
