"""The operators' command `clients`: all clients, or the clients that a word selects."""

from dataclasses import dataclass
from functools import partial

from dca_bot.chat.command import Args, Command, Context
from dca_bot.chat.operator.names import unclear_names
from dca_bot.chat.operator.unreached import losses
from dca_bot.chat.params import FILTER, LOW, PAGE
from dca_bot.ledger.programme import client_lists
from dca_bot.ledger.programme.client_lists import EVERYONE, PAUSED, WITHOUT_WALLET, Selection
from dca_bot.ledger.programme.clients import Client
from dca_bot.ledger.store.database import Tx
from dca_bot.messages import describe
from dca_bot.messages.say import Fiat, Field, Say

_WALLET, _PAUSED = "wallet", "paused"


@dataclass(frozen=True, slots=True)
class _List:
    """A list of clients. `key`: of the heading's text. `empty`: says that the list has no rows."""

    key: str
    empty: Say
    selection: Selection


def _list_answer(tx: Tx, ctx: Context, args: Args, _seen: object) -> Say:
    """List the clients that FILTER selects, with totals; the first page of all names unclear names too."""
    wanted = args.filter
    listed = _list_of(wanted, ctx)
    lost = losses(tx, ctx.now)

    def line(client: Client) -> Say:
        return describe.client(client, ctx.programme, lost.get(client.pubkey))

    page = describe.page(
        _heading(tx, listed),
        args.page,
        partial(client_lists.select, tx, listed.selection),
        line,
        empty=listed.empty,
        again=f"clients {args.text(FILTER.name)}" if wanted else "clients",
    )
    is_first_of_all = args.page == 1 and not wanted
    unclear = unclear_names(tx, ctx.command_set.words) if is_first_of_all else ()
    return Say("lines", lines=(page, *unclear))


CLIENT_LIST = Command(("clients",), (FILTER, PAGE), answer=_list_answer)


def _list_of(wanted: str, ctx: Context) -> _List:
    """Return the list that a filter selects."""
    if not wanted:
        return _List("clients.heading", Say("page.empty"), EVERYONE)
    if wanted.lower() == LOW:
        poor = client_lists.low(ctx.programme.low_deposit_minor)
        return _List("clients.low", Say("clients.low_none"), poor)
    if wanted.lower() == _WALLET:
        return _List("clients.no_wallet", Say("clients.no_wallet_none"), WITHOUT_WALLET)
    if wanted.lower() == _PAUSED:
        return _List("clients.paused", Say("clients.paused_none"), PAUSED)
    return _List("clients.named", Say("clients.named_none"), client_lists.named(wanted))


def _heading(tx: Tx, listed: _List) -> Say:
    totals = client_lists.totals(tx, listed.selection)
    named: dict[str, Field] = {"n": totals.count, "balance": Fiat(totals.balance_minor)}
    if listed.selection is EVERYONE:
        named |= {"active": totals.active, "paused": totals.paused}
    return Say(listed.key, **named)
