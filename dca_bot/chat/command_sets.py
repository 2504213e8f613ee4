"""The command set of each role."""

from collections.abc import Mapping

from dca_bot.chat.client.account import CLIENT_COMMANDS
from dca_bot.chat.command import CommandSet
from dca_bot.chat.operator.table import OPERATOR_COMMANDS, OPERATOR_GROUPS
from dca_bot.ledger.programme.clients import Client


class CommandSets:
    """The command sets of clients and operators, with the aliases of all languages."""

    def __init__(self, aliases: Mapping[str, str]) -> None:
        self._clients = CommandSet(CLIENT_COMMANDS, aliases)
        self._operators = CommandSet(OPERATOR_COMMANDS, aliases, CLIENT_COMMANDS, OPERATOR_GROUPS)

    def of(self, client: Client | None) -> CommandSet:
        """Return a client's command set; an operator's for None."""
        return self._operators if client is None else self._clients


COMMAND_WORDS = CommandSet(OPERATOR_COMMANDS, of_clients=CLIENT_COMMANDS).words
"""Every word of a command, derived from the tables: no new client gets such a name."""
