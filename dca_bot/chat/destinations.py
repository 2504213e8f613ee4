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
from dca_bot.ledger.programme.clients import ADDRESS, INVOICE_KEY, LNURL, Destination
from dca_bot.messages.say import NOTHING, CommandRefused, Field, Say, Word, refuse


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
_REFUSED = {ADDRESS: "destination.address_refused", LNURL: "destination.code_refused"}
_UNAVAILABLE = {ADDRESS: "destination.address_unavailable", LNURL: "destination.code_unavailable"}


async def look_destination(services: Services, args: Args) -> Destination:
    """Return the argument DESTINATION as a payable destination; raise CommandRefused otherwise."""
    found = read_destination(args.text("DESTINATION"))
    match found.form:
        case Form.INVOICE_KEY:
            return await _look_key(services, found.value)
        case Form.ADDRESS:
            return await _look_outside(services, Destination(ADDRESS, found.value))
        case Form.LNURL:
            return await _look_outside(services, Destination(LNURL, found.value))
        case Form.UNKNOWN:
            raise refuse("destination.unreadable")
    raise _other_form(found.form)


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


async def _look_outside(services: Services, where: Destination) -> Destination:
    """Ask the server of an address or code for the smallest payment."""
    try:
        limits = await services.addresses.limits(where.value)
    except DestinationRefused as error:
        raise _refusal(where, error) from None
    except DestinationUnavailable:
        raise refuse(_UNAVAILABLE[where.kind]) from None
    return replace(where, min_sat=max(limits.min_sat, 1))


def _refusal(where: Destination, error: DestinationRefused) -> CommandRefused:
    if error.why is Refusal.WITHDRAW_CODE:
        return _other_form(Form.LNURL_WITHDRAW)
    advice = Say("destination.providers_fault") if error.why in _PROVIDERS_FAULT else NOTHING
    why: Field = error.said or Word("reason", error.why)
    return refuse(_REFUSED[where.kind], why=why, advice=advice)


def _other_form(form: Form) -> CommandRefused:
    return refuse("destination.other_form", what=Word("form", form))
