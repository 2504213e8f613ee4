"""Checks a destination with the outside world before anything of it is recorded.

The invariant: an admin key is refused and never stored, not even in a refusal or a log.
"""

import re

from dca_bot.chat.ask import in_time
from dca_bot.chat.command import Args, holds_key
from dca_bot.chat.desk import Desk
from dca_bot.chat.say import Word, refuse
from dca_bot.core.ports import KeyKind
from dca_bot.errors import DestinationRefused, DestinationUnavailable, LnbitsRefused
from dca_bot.ledger.clients import ADDRESS, INVOICE_KEY, Destination

_INVOICE_KEY = re.compile(r"[0-9a-f]{32}")
_ADDRESS = re.compile(r"[a-z0-9._+-]{1,64}@[a-z0-9.:\[\]-]{1,190}")


async def look_destination(desk: Desk, args: Args) -> Destination:
    """Turn the argument DESTINATION into a destination that can be paid; CommandRefused if it can't."""
    written = args.text("DESTINATION").lower().removeprefix("lightning:")
    if _INVOICE_KEY.fullmatch(written):
        return await _look_key(desk, written)
    if _ADDRESS.fullmatch(written) and not holds_key(written):
        return await _look_address(desk, written)
    raise refuse("destination.unreadable")


async def _look_key(desk: Desk, key: str) -> Destination:
    try:
        kind = await in_time(desk, desk.wallet.identify(key))
    except (DestinationRefused, LnbitsRefused):
        raise refuse("destination.key_unknown") from None
    if kind is KeyKind.SOURCE:
        raise refuse("destination.source_key")
    if kind is not KeyKind.INVOICE:
        raise refuse("destination.admin_key")
    return Destination(INVOICE_KEY, key)


async def _look_address(desk: Desk, address: str) -> Destination:
    try:
        terms = await desk.addresses.terms(address)
    except DestinationRefused as error:
        raise refuse("destination.address_refused", why=Word("reason", error.why)) from None
    except DestinationUnavailable:
        raise refuse("destination.address_unavailable") from None
    return Destination(ADDRESS, address, max(terms.min_sat, 1))
