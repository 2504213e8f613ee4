"""Finds the sender of a message, and the messages that need no answer."""

from collections.abc import Collection
from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import Enum, auto

from dca_bot.core.ports import IncomingMessage
from dca_bot.ledger.correspondence import inbox, knocks
from dca_bot.ledger.programme import clients
from dca_bot.ledger.programme.clients import Client
from dca_bot.ledger.store import bot_state
from dca_bot.ledger.store.database import Tx

SLOW_CLOCK_MAX = timedelta(minutes=2)
"""The allowed lag of the clock of a client's phone, for messages just after the client was added."""


class Role(Enum):
    """The role of a sender."""

    CLIENT = auto()
    OPERATOR = auto()
    STRANGER = auto()


@dataclass(frozen=True, slots=True)
class Sender:
    """The sender of a message; `client` only for a client.

    `is_early`: by its own time the message was sent before the ledger's life began, or before the client was
    added or got this key.
    """

    role: Role
    client: Client | None = None
    is_early: bool = False


def find_sender(
    tx: Tx, message: IncomingMessage, operators: Collection[str], now: datetime
) -> Sender | None:
    """Return the sender; None for a message that needs no answer.

    A handled message needs none. A stored message from before the ledger's life may have been handled on
    another ledger, and this ledger lacks that inbox: only an operator's first such message is answered. A
    stored message from before the client was added, or got a new key, was written by a stranger. A relay that
    passes such a message on as new shows that the clock of the phone is slow. A stranger is answered once an
    hour.
    """
    if inbox.is_received(tx, message):
        return None
    alive_since, is_operator = bot_state.alive_since(tx), message.sender in operators
    is_early = alive_since is not None and message.sent_at < alive_since
    if is_early and message.arrived_at is None:
        is_first = is_operator and inbox.person(tx, message.sender) is None
        return Sender(Role.OPERATOR, is_early=True) if is_first else None
    if is_operator:
        return Sender(Role.OPERATOR, is_early=is_early)
    client = clients.by_pubkey(tx, message.sender)
    if client is not None:
        is_older = message.sent_at < client.key_at - SLOW_CLOCK_MAX
        if is_older and (message.arrived_at is None or message.arrived_at < client.key_at):
            return None
        return Sender(Role.CLIENT, client, is_early=is_early or is_older)
    return Sender(Role.STRANGER) if knocks.may_answer(tx, message.sender, now=now) else None
