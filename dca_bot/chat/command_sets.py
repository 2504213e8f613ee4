"""The command set of each role."""

from dca_bot.chat.client.account import CLIENT_COMMANDS
from dca_bot.chat.command import CommandSet
from dca_bot.chat.operator.table import OPERATOR_COMMANDS, OPERATOR_GROUPS
from dca_bot.ledger.programme.clients import Client

_OF_CLIENTS = CommandSet(CLIENT_COMMANDS)
_OF_OPERATORS = CommandSet(OPERATOR_COMMANDS, CLIENT_COMMANDS, OPERATOR_GROUPS)
COMMAND_WORDS = _OF_OPERATORS.words
"""Every word of a command, derived from the tables: no new client gets such a name."""


def command_set_of(client: Client | None) -> CommandSet:
    """Return a client's command set; an operator's for None."""
    return _OF_OPERATORS if client is None else _OF_CLIENTS
