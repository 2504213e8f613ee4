"""Checks a destination with the outside world, before anything is recorded.

The invariant: an admin key is refused and never stored, not even in a refusal or a log.
"""

from dataclasses import replace

from dca_bot.chat.ask import in_time
from dca_bot.chat.command import Args
from dca_bot.chat.params import Param, read_word
from dca_bot.chat.services import Services
from dca_bot.core.destination_text import Form, read_destination
from dca_bot.core.ports import KeyKind
from dca_bot.core.secrets import hex_keys
from dca_bot.errors import DestinationRefused, DestinationUnavailable, LnbitsRefused, Refusal
from dca_bot.ledger.programme.clients import ADDRESS, INVOICE_KEY, Destination
from dca_bot.messages.say import NOTHING, Field, Say, Word, refuse


def _is_invoice_key(text: str) -> bool:
    """Tell whether a text is a single key, in the form of an invoice key."""
    return len(hex_keys(text)) == 1 and read_destination(text).form is Form.INVOICE_KEY


DESTINATION = Param("DESTINATION", read_word, rest=True, takes_key=_is_invoice_key)
"""All remaining words, as some people write `ana @ example.com`; the check names a wrong form."""
MAY_HAVE_DESTINATION = replace(DESTINATION, optional=True)
_PROVIDERS_FAULT = (
    Refusal.ASTRAY,
    Refusal.LIMITS,
    Refusal.NOT_PUBLIC,
    Refusal.PAYER_DATA,
)
"""Refusals that the owner of an address cannot mend, except by another wallet."""


async def look_destination(services: Services, args: Args) -> Destination:
    """Return the argument DESTINATION as a payable destination; raise CommandRefused otherwise."""
    found = read_destination(args.text("DESTINATION"))
    if found.form is Form.INVOICE_KEY:
        return await _look_key(services, found.value)
    if found.form is Form.ADDRESS:
        return await _look_address(services, found.value)
    if found.form in (Form.ADDRESS, Form.UNKNOWN):
        raise refuse("destination.unreadable")
    raise refuse("destination.other_form", what=Word("form", found.form))


async def _look_key(services: Services, key: str) -> Destination:
    try:
        kind = await in_time(services, services.wallet.identify(key))
    except (DestinationRefused, LnbitsRefused):
        raise refuse("destination.key_unknown") from None
    if kind is KeyKind.SOURCE:
        raise refuse("destination.source_key")
    if kind is not KeyKind.INVOICE:
        raise refuse("destination.admin_key")
    return Destination(INVOICE_KEY, key)


async def _look_address(services: Services, address: str) -> Destination:
    try:
        limits = await services.addresses.limits(address)
    except DestinationRefused as error:
        advice = Say("destination.providers_fault") if error.why in _PROVIDERS_FAULT else NOTHING
        why: Field = error.said or Word("reason", error.why)
        raise refuse("destination.address_refused", why=why, advice=advice) from None
    except DestinationUnavailable:
        raise refuse("destination.address_unavailable") from None
    return Destination(ADDRESS, address, max(limits.min_sat, 1))
