"""What LNbits keeps with a payment for the bot: distributions, client and fiat, in the column `extra`.

A restored ledger reads from `extra` what an unknown payment was for. Anybody with the source wallet's key
can write an `extra`, so the readers take nothing for granted.
"""

from typing import Any

from dca_bot.core.money import FIAT_MINOR_MAX
from dca_bot.core.ports import Payment


def payment_extra(
    *, distribution_ids: tuple[str, ...], client_name: str, minor: int, currency: str
) -> dict[str, Any]:
    """Return the `extra` of a payment."""
    return {
        "distributions": list(distribution_ids),
        "client": client_name,
        "fiat_minor": minor,
        "currency": currency,
    }


def distributions_of(payment: Payment) -> list[str]:
    """Return the ids of the distributions that a payment's `extra` names."""
    listed = (payment.extra or {}).get("distributions")
    return [item for item in listed if isinstance(item, str)] if isinstance(listed, list) else []


def client_of(payment: Payment) -> str:
    """Return the client's name in a payment's `extra`, or an empty name."""
    return str((payment.extra or {}).get("client", ""))


def fiat_of(payment: Payment) -> int | None:
    """Return the fiat in a payment's `extra`, in minor units; None without a usable figure."""
    minor = (payment.extra or {}).get("fiat_minor")
    return minor if type(minor) is int and 0 <= minor <= FIAT_MINOR_MAX else None
