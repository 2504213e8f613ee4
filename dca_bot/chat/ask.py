"""Asks LNbits before a command's transaction, for a bounded time: a hanging LNbits blocks nobody.

Balance and price are None if LNbits gives no answer; replies can do without.
"""

import asyncio
from collections.abc import Awaitable
from dataclasses import replace
from decimal import Decimal
from fractions import Fraction
from typing import TypeVar

from dca_bot.chat.services import Services
from dca_bot.core.market import COIN_SAT, coin_minor, value_minor
from dca_bot.errors import LnbitsRefused, LnbitsSlow, LnbitsUnavailable
from dca_bot.faults import LnbitsFault
from dca_bot.messages.say import Rate

_T = TypeVar("_T")


async def in_time(services: Services, answer: Awaitable[_T]) -> _T:
    """Wait for LNbits' answer; raise LnbitsSlow after `services.answer_limit_s`."""
    try:
        async with asyncio.timeout(services.answer_limit_s):
            return await answer
    except TimeoutError:
        raise LnbitsSlow("LNbits did not answer in time.", fault=LnbitsFault.SLOW) from None


def sharing_time(services: Services, commands: int) -> Services:
    """Return services under which all commands of a message wait for LNbits no longer than one would."""
    return replace(services, answer_limit_s=services.answer_limit_s / max(commands, 1))


async def ask_balance(services: Services) -> int | None:
    """Return the source wallet's balance in msat; None without an answer."""
    try:
        return await in_time(services, services.wallet.balance_msat())
    except (LnbitsUnavailable, LnbitsRefused):
        return None


async def ask_price(services: Services) -> Decimal | None:
    """Return the price of a coin at LNbits, in whole units of the currency; None without an answer."""
    try:
        return await in_time(services, services.wallet.price(services.currency))
    except (LnbitsUnavailable, LnbitsRefused):
        return None


async def ask_coin(services: Services) -> Fraction | None:
    """Return the price of a coin at LNbits, in minor units, exactly; None without an answer."""
    price = await ask_price(services)
    return None if price is None else coin_minor(price, services.currency)


def coin_rate(coin: Fraction) -> Rate:
    """Return the price of a coin, in minor units, as a rate for replies."""
    return Rate(value_minor(COIN_SAT, coin), COIN_SAT)
