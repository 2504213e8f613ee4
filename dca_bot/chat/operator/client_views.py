"""What an operator's `client NAME VIEW` lists: a client's purchases, deposits or payouts, newest first."""

from functools import partial

from dca_bot.chat.params import Param, choice, read_who
from dca_bot.core.payout import COLLECTING
from dca_bot.ledger.distributions.distributions import COMMISSION_SPLIT
from dca_bot.ledger.payouts import payouts
from dca_bot.ledger.programme import deposits
from dca_bot.ledger.programme.clients import Client
from dca_bot.ledger.reports import purchases
from dca_bot.ledger.reports.purchases import HistoryLine
from dca_bot.ledger.store.database import Tx
from dca_bot.messages import describe
from dca_bot.messages.say import Fiat, Field, Moment, Sat, Say, Word, refuse

WHO = Param("NAME", read_who)
_HISTORY, _DEPOSITS, _PAYOUTS = "history", "deposits", "payouts"
VIEW = choice(_HISTORY, _DEPOSITS, _PAYOUTS, wrong=lambda: refuse("client_view.unknown"))


def view(tx: Tx, client: Client, wanted: str, number: int) -> Say:
    """List the shares, deposits or payouts of a client, with the client's balance above the list."""
    named: dict[str, Field] = {"name": client.name, "balance": Fiat(client.balance_minor)}
    listed = partial(
        describe.page,
        number=number,
        empty=Say("client_view.nothing", name=client.name),
        again=f"client {client.name} {wanted}",
    )
    if wanted == _HISTORY:
        bought = partial(purchases.history, tx, client.id)
        return listed(Say("client_view.history", **named), find=bought, line=_share)
    if wanted == _DEPOSITS:
        brought = partial(deposits.recent_of, tx, client.id)
        return listed(Say("client_view.deposits", **named), find=brought, line=describe.deposit)
    paid = partial(payouts.newest_of, tx, client.id)
    return listed(Say("client_view.payouts", **named), find=paid, line=describe.payout)


def _share(line: HistoryLine) -> Say:
    key = "client_view.commission" if line.kind == COMMISSION_SPLIT else "client_view.share"
    fiat = {} if line.kind == COMMISSION_SPLIT else {"fiat": Fiat(line.minor)}
    state = Word("payout", line.payout_state or COLLECTING)
    return Say(key, at=Moment(line.at), sats=Sat(line.sat), state=state, **fiat)
