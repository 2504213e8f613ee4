"""Names that people can confuse: new names are refused, old names are told to the operators.

Clients whose npub the configuration has made an operator's are told too.

The invariant: no name is changed; a name from before a rule stays.
"""

import json
from collections.abc import Collection
from datetime import datetime

from dca_bot.core.clients import ClientRole
from dca_bot.core.names import folded, shape
from dca_bot.ledger.programme import client_names, commission
from dca_bot.ledger.programme.clients import Client
from dca_bot.ledger.store import bot_state
from dca_bot.ledger.store.database import Tx
from dca_bot.messages.lexicon import whole_commands
from dca_bot.messages.notices import Notices
from dca_bot.messages.say import Say, refuse


def refuse_taken_name(tx: Tx, name: str, *, of: Client | None = None) -> str:
    """Return a new name. Raise CommandRefused if the name is taken, or looks like a taken name or a command.

    The name of a recipient whose commission has ended and is paid out is free. The former name of a renamed
    client isn't: LNbits' payments have that name. `of`: the client who gets the name, and may keep the look.
    """
    if folded(name) in whole_commands():
        raise refuse("wrong.name_taken_by_command")
    own = None if of is None else of.id
    for renamed in client_names.paid_alike(tx, name):
        if renamed.id != own:
            raise refuse("client.name_was", was=renamed.paid_as, name=renamed.name)
    alike = [one for one in client_names.alike(tx, name) if one.id != own]
    for taken in alike:
        if not commission.is_spent(tx, taken):
            if not client_names.exact([taken], name):
                raise refuse("client.name_alike", name=taken.name)
            key = (
                "client.name_of_recipient"
                if taken.role is ClientRole.RECIPIENT
                else "client.name_taken"
            )
            raise refuse(key, name=taken.name)
    others = set(client_names.all_names(tx)) - {one.name for one in alike}
    others -= set() if of is None else {of.name}
    same_shape = sorted(one for one in others if shape(one) == shape(name))
    if same_shape:
        raise refuse("client.name_alike", name=same_shape[0])
    return name


def unclear_names(tx: Tx, command_words: Collection[str]) -> tuple[Say, ...]:
    """Say which names look alike, and which names read like a command's word; empty for none."""
    alike = tuple(
        Say("clients.alike", names=", ".join(names)) for names in client_names.lookalikes(tx)
    )
    commanding = client_names.named_like(tx, command_words)
    like_commands = Say("clients.like_commands", names=", ".join(commanding))
    return (*alike, like_commands) if commanding else alike


def tell_of_unclear_names(
    tx: Tx, notices: Notices, command_words: Collection[str], now: datetime
) -> None:
    """Tell the operators once of names that look alike or like a command's word, and of further names."""
    unclear = [
        *client_names.lookalikes(tx),
        *([one] for one in client_names.named_like(tx, command_words)),
    ]
    told = json.loads(bot_state.get(tx, bot_state.UNCLEAR_NAMES) or "[]")
    if any(names not in told for names in unclear):
        notices.tell_operators(
            tx, Say("notice.unclear_names", names=unclear_names(tx, command_words)), now
        )
        bot_state.put(tx, bot_state.UNCLEAR_NAMES, json.dumps(unclear))


def tell_of_client_operators(
    tx: Tx, notices: Notices, operators: Collection[str], now: datetime
) -> None:
    """Tell the operators once of clients with an operator's npub: an operator has no client commands."""
    names = client_names.names_of(tx, operators)
    told = json.loads(bot_state.get(tx, bot_state.CLIENT_OPERATORS) or "[]")
    if set(names) - set(told):
        notices.tell_operators(tx, Say("notice.client_operators", names=", ".join(names)), now)
    if names != told:
        bot_state.put(tx, bot_state.CLIENT_OPERATORS, json.dumps(names))
