"""Describes clients, their destinations and deposits, and the payouts that have arrived."""

from dca_bot.core.clients import ClientState
from dca_bot.core.delivery import Undelivered
from dca_bot.core.lnurl_code import host_of
from dca_bot.core.programme import FixedModeRules, Programme
from dca_bot.ledger.correspondence.delivery import Loss
from dca_bot.ledger.correspondence.payout_notices import Arrivals
from dca_bot.ledger.programme.clients import INVOICE_KEY, LNURL, Client, Destination
from dca_bot.ledger.programme.deposits import Deposit
from dca_bot.messages import obstacles
from dca_bot.messages.describe.layout import short
from dca_bot.messages.describe.relays import said
from dca_bot.messages.say import NOTHING, Fiat, Field, Moment, Percent, Rate, Sat, Say, Word

_WHOLE_MAX = 40
"""The length of the longest code that is always shown in full: a line of a phone."""
_ENDS = 10


def client(one: Client, programme: Programme, loss: Loss | None = None) -> Say:
    """Say a client on a line; for a balance, also why nothing is bought; `loss` for one not reached."""
    why = obstacles.short(one, programme)
    return Say(
        "client.line",
        name=one.name,
        balance=Fiat(one.balance_minor),
        owed=Sat(one.owed_sat),
        state=_client_state(one)
        if why == NOTHING or not one.balance_minor
        else Say("client.buys_nothing", why=why),
        reached=NOTHING if loss is None else Say("unreached.in_line", loss=unreached(loss)),
    )


def unreached(loss: Loss) -> Say:
    """Say since when and why messages don't reach a person, with the relays' own words."""
    why = Word("undelivered", loss.reason)
    # Without a list and without a message from the person, no message can ever have arrived.
    key = "unreached.not_yet" if loss.reason is Undelivered.NO_LIST else "unreached.loss"
    return Say(key, since=Moment(loss.since), why=why, said=said(loss.said))


def destination(where: Destination | None) -> Say:
    """Say a destination; an invoice key is masked, a long code shortened."""
    if where is None:
        return Say("destination.none")
    if where.kind == LNURL and len(where.value) > _WHOLE_MAX:
        first, last = where.value[:_ENDS], where.value[-_ENDS:]
        return Say("destination.lnurl", code=f"{first}…{last}", host=host_of(where.value))
    return destination_whole(where)


def destination_whole(where: Destination) -> Say:
    """Say a destination that somebody is to confirm: a code in full, as its two ends can be imitated."""
    if where.kind == INVOICE_KEY:
        return Say("destination.invoice_key", first=where.value[:4], last=where.value[-4:])
    if where.kind == LNURL:
        return Say("destination.lnurl", code=where.value, host=host_of(where.value))
    return Say("destination.address", address=where.value)


def minimum(where: Destination) -> Say:
    """Say the smallest payment that a destination takes; NOTHING up to one sat."""
    if where.min_sat <= 1:
        return NOTHING
    return Say("destination.minimum", sats=Sat(where.min_sat))


def margin(rules: FixedModeRules) -> Say:
    """Say what the operator keeps of a purchase in fixed mode; NOTHING for nothing."""
    return Say("limit.margin", percent=Percent(rules.margin_bp)) if rules.margin_bp else NOTHING


def deposit(one: Deposit) -> Say:
    """Say a deposit on a line, for operators."""
    note = Say("deposit.note", note=short(one.note)) if one.note else NOTHING
    return Say(
        "deposit.line",
        id=one.id,
        name=one.client_name,
        amount=Fiat(one.amount_minor),
        state=Word("deposit", one.state),
        at=Moment(one.confirmed_at or one.created_at),
        note=note,
    )


def arrived(what: Arrivals, to: Client) -> Say:
    """Say the payouts that have arrived since the last notice to a client."""
    bought = Say(
        "arrived.bought",
        sats=Sat(what.bought_sat),
        fiat=Fiat(what.minor),
        rate=Rate(what.minor, what.bought_sat),
    )
    earned = Say("arrived.earned", sats=Sat(what.earned_sat))
    return Say(
        "lines",
        lines=(
            Say("arrived.count", n=what.count),
            bought if what.bought_sat else NOTHING,
            earned if what.earned_sat else NOTHING,
            Say("arrived.balance", balance=Fiat(to.balance_minor)),
        ),
    )


def _client_state(one: Client) -> Field:
    if one.state is ClientState.ACTIVE and not one.destination:
        return Say("client.no_wallet")
    return Word("client", one.state)
