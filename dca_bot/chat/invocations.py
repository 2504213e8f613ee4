"""Finds the command of a message: by its words, or by the code of an earlier command."""

from dataclasses import replace

from dca_bot.chat.command import CommandSet
from dca_bot.chat.command_sets import COMMAND_WORDS
from dca_bot.chat.general import CONFIRM
from dca_bot.chat.parsing import Invocation, parse, stray_word
from dca_bot.chat.services import Services
from dca_bot.core.names import skeleton
from dca_bot.core.ports import IncomingMessage
from dca_bot.ledger.correspondence import confirmations
from dca_bot.ledger.correspondence.confirmations import Confirmation
from dca_bot.ledger.programme import client_names
from dca_bot.ledger.store.database import Tx
from dca_bot.messages.say import Code, refuse


async def read_invocation(
    message: IncomingMessage, command_set: CommandSet, services: Services
) -> Invocation:
    """Read a message; raise CommandRefused for a message without a command.

    `confirm CODE`, or the code alone, gives the command to which the code is bound. While a code is open,
    another word of at most the code's length is taken for a mistyped answer.
    """
    now, currency = services.clock.now(), services.currency

    def known(tx: Tx) -> tuple[frozenset[str], Confirmation | None]:
        # Only operators write names.
        named = client_names.named_like(tx, COMMAND_WORDS) if command_set.of_clients else []
        code = confirmations.still_open(tx, message.sender, now=now)
        return frozenset(skeleton(name) for name in named), code

    names, code = await services.database.read(known)
    stray = stray_word(message.text, command_set)
    typed = stray.upper()
    if not stray or code is None or len(stray) > len(code.code):
        invocation = parse(message.text, command_set, currency, names)
        if invocation.command is not CONFIRM:
            return invocation
        typed = invocation.args.text("CODE").upper()
    elif typed != code.code:
        raise refuse("confirm.how", code=Code(code.code, code.expires_at))
    if code is None or typed != code.code:
        raise refuse("confirm.unknown")
    return replace(parse(code.command, command_set, currency, names), code=code)
