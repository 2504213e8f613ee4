"""Tells operators of people out of reach: in `status`, in the daily summary and in lists."""

from collections.abc import Callable
from datetime import datetime

from dca_bot.core.names import short_npub
from dca_bot.core.programme import Programme
from dca_bot.ledger.correspondence import delivery, inbox, outbox
from dca_bot.ledger.correspondence.delivery import SHOWN_AFTER, Loss
from dca_bot.ledger.programme.clients import Client
from dca_bot.ledger.store.database import Tx
from dca_bot.messages import describe
from dca_bot.messages.say import NOTHING, Moment, Say, Word

_SHOWN_MAX = 5


def not_reached(
    tx: Tx, programme: Programme, npub: Callable[[str], str], now: datetime
) -> tuple[Say, ...]:
    """Name the operators and clients out of reach for SHOWN_AFTER, operators first."""
    before = now - SHOWN_AFTER
    operators = delivery.lost_operators(tx, programme.operators, before=before)
    clients = delivery.lost_clients(tx, before=before)
    lines = (
        *(operator(npub(loss.pubkey), loss) for loss in operators),
        *(client(name, loss) for name, loss in clients[:_SHOWN_MAX]),
    )
    more = len(clients) - _SHOWN_MAX
    return (*lines, Say("unreached.more", n=more)) if more > 0 else lines


def operator(npub: str, loss: Loss) -> Say:
    """Say on a line that messages don't reach an operator."""
    return Say("unreached.operator", who=short_npub(npub), loss=describe.unreached(loss))


def client(name: str, loss: Loss) -> Say:
    """Say on a line that messages don't reach a client."""
    return Say("unreached.client", name=name, loss=describe.unreached(loss))


def of_client(tx: Tx, one: Client) -> Say:
    """Say that messages don't reach a client, from the first failed message on; else NOTHING."""
    fared = delivery.of(tx, one.pubkey)
    if fared is None or fared.loss is None:
        return NOTHING if inbox.reached(tx, one.pubkey) else Say("client.not_reached")
    beside, last = outbox.taken_beside(tx, one.pubkey), NOTHING
    if fared.reached_at is not None:
        last = Say("unreached.last", at=Moment(fared.reached_at), relay=fared.relay)
    return Say(
        "unreached.card",
        loss=describe.unreached(fared.loss),
        beside=Say("unreached.beside", relay=beside) if beside else NOTHING,
        last=last,
        advice=Say("unreached.advice", advice=Word("advice", fared.loss.reason)),
    )
