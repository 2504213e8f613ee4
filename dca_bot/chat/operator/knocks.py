"""The operators' command `knocks`, and how `client add` reads a knock in place of an npub.

Anybody can choose any name for a profile: a name is shown beside the npub, never in place of the npub.
"""

import asyncio
from collections.abc import Mapping, Sequence
from functools import partial

from dca_bot.chat.command import Args, Command, Context
from dca_bot.chat.params import PAGE
from dca_bot.chat.services import Services
from dca_bot.core import knock
from dca_bot.core.names import on_one_line
from dca_bot.ledger.correspondence import knocks
from dca_bot.ledger.correspondence.knocks import Knock
from dca_bot.ledger.store.database import Tx
from dca_bot.messages import describe
from dca_bot.messages.say import NOTHING, Moment, Npub, Say, refuse

_NAME_LENGTH_MAX = 30
_LOOK_LIMIT_S = 5
_WITHOUT_QUOTES = str.maketrans(dict.fromkeys('"\u201c\u201d\u201e\u00ab\u00bb', "'"))
"""Names are shown in quotes: text after a quote within a name would look like the bot's words."""


def read_npub_or_knock(text: str, _currency: str) -> str:
    """Read an npub, checked later, or a knock; raise CommandRefused for a mistyped knock."""
    if not knock.is_knock(text):
        return text
    code = knock.read(text)
    if code is None:
        raise refuse("knock.mistyped")
    return code


def find_knock(tx: Tx, ctx: Context, args: Args) -> Knock | None:
    """Return the knock that NPUB names; None for an npub.

    Raise CommandRefused for a knock that is unknown, used or too old.
    """
    code = args.text("NPUB")
    if not knock.is_knock(code):
        return None
    found = knocks.find(tx, code, now=ctx.now)
    if found is None:
        raise refuse("knock.unknown")
    return found


async def look_profile(services: Services, args: Args) -> str:
    """Return the name in the new client's profile; empty for an npub, or if no relay tells a name in time."""
    code, now = args.text("NPUB"), services.clock.now()
    found = await services.database.read(lambda tx: knocks.find(tx, code, now=now))
    if found is None or found.profile_name:
        return ""
    return (await _profile_names(services, [found])).get(found.pubkey, "")


def described(tx: Tx, found: Knock, profile_name: str) -> Say:
    """Say when a knock came and from which profile; a name is kept: `confirm` must find the same words."""
    if profile_name and not found.profile_name:
        knocks.note_profile(tx, found, profile_name)
    name = _called(found.profile_name or profile_name)
    return Say("knock.told", at=Moment(found.knocked_at), called=name)


async def _look_knocks(services: Services, args: Args) -> Mapping[str, str]:
    """Return the names in the profiles of a page of knocks, as far as the ledger lacks the names."""
    now, offset = services.clock.now(), (args.page - 1) * describe.PAGE_ROWS
    read = partial(knocks.open_knocks, now=now, limit=describe.PAGE_ROWS, offset=offset)
    found = await services.database.read(read)
    return await _profile_names(services, [one for one in found if not one.profile_name])


def _knocks_answer(tx: Tx, ctx: Context, args: Args, seen: Mapping[str, str]) -> Say:
    """List the open knocks, newest first; say when nobody gets a code."""

    def line(found: Knock) -> Say:
        return Say(
            "knock.line",
            code=found.code,
            at=Moment(found.knocked_at),
            called=_called(found.profile_name or seen.get(found.pubkey, "")),
            npub=Npub(ctx.services.npub(found.pubkey)),
        )

    find = partial(knocks.open_knocks, tx, now=ctx.now)
    heading, empty = Say("knock.heading"), Say("knock.nobody")
    page = describe.page(heading, args.page, find, line, again="knocks", empty=empty)
    is_flooded = knocks.is_flooded(tx, now=ctx.now)
    return Say("lines", lines=(Say("knock.flooded") if is_flooded else NOTHING, page))


KNOCKS = Command(("knocks",), (PAGE,), look=_look_knocks, answer=_knocks_answer)


async def _profile_names(services: Services, wanted: Sequence[Knock]) -> Mapping[str, str]:
    if not wanted:
        return {}
    try:
        async with asyncio.timeout(_LOOK_LIMIT_S):
            found = await services.profile_names([one.pubkey for one in wanted])
    except TimeoutError:
        return {}
    return {
        pubkey: on_one_line(name.translate(_WITHOUT_QUOTES), _NAME_LENGTH_MAX)
        for pubkey, name in found.items()
    }


def _called(name: str) -> Say:
    return Say("knock.called", name=name) if name else Say("knock.nameless")
