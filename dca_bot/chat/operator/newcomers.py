"""Looks up the Nostr profile of a newcomer: a name for the operator, and an address for the welcome.

The invariant: the welcome gets nothing of a profile but a Lightning address that can be paid. The address is
an offer: the newcomer sends the address as any other destination, and confirms with a code.
"""

import asyncio
from dataclasses import dataclass
from functools import partial

from dca_bot.chat.command import Args
from dca_bot.chat.destinations import look_destination
from dca_bot.chat.operator.knocks import look_profile
from dca_bot.chat.services import Services
from dca_bot.core import knock
from dca_bot.core.destination_text import Form, read_destination
from dca_bot.core.ports import SoughtPerson
from dca_bot.core.relay_lists import HINTS_MAX, bounded
from dca_bot.errors import DcaBotError
from dca_bot.ledger.correspondence import knocks, person_relays
from dca_bot.ledger.programme import clients
from dca_bot.ledger.store.database import Tx

_LOOK_LIMIT_S = 8


@dataclass(frozen=True, slots=True)
class Newcomer:
    """`profile_name` as shown beside a knock; `address`: a payable Lightning address. Empty: not found."""

    profile_name: str
    address: str


async def look_newcomer(services: Services, args: Args) -> Newcomer:
    """Look up the profile of the person whom NPUB names, a few seconds at most."""
    name, address = await asyncio.gather(
        look_profile(services, args), _payable_address(services, args.text("NPUB"))
    )
    return Newcomer(name, address)


async def _payable_address(services: Services, npub: str) -> str:
    """Return the profile's address if the address can be paid; empty if not, or if no answer came in time."""
    hints = bounded(services.relay_hints(npub), HINTS_MAX)
    pubkey = _pubkey(services, npub)
    try:
        async with asyncio.timeout(_LOOK_LIMIT_S):
            person = await services.database.read(partial(_sought, services, npub, pubkey, hints))
            text = "" if person is None else await services.profile_address(person)
            if read_destination(text).form is not Form.ADDRESS:
                return ""
            return (await look_destination(services, Args({"DESTINATION": text}))).value
    except (TimeoutError, DcaBotError):
        return ""


def _pubkey(services: Services, npub: str) -> str | None:
    """Return the key of an npub or nprofile; None for a knock and for a text that is no key."""
    try:
        return services.parse_npub(npub)
    except (DcaBotError, ValueError):
        return None


def _sought(
    services: Services, typed: str, pubkey: str | None, hints: tuple[str, ...], tx: Tx
) -> SoughtPerson | None:
    """Return the newcomer with the relays that are known; None for a client, and for nobody."""
    if knock.is_knock(typed):
        found = knocks.find(tx, typed, now=services.clock.now())
        pubkey = None if found is None else found.pubkey
    if pubkey is None or clients.by_pubkey(tx, pubkey) is not None:
        return None
    places = dict.fromkeys((*hints, *person_relays.places_of(tx, pubkey)))
    return SoughtPerson(pubkey, tuple(places))
