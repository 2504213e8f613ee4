"""The start of a bot on its ledger: checks the ledger against the configuration, and tells operators."""

import logging
from datetime import datetime

from dca_bot.chat.command_sets import COMMAND_WORDS
from dca_bot.chat.operator.greeting import greet_operators
from dca_bot.chat.operator.names import tell_of_client_operators, tell_of_unclear_names
from dca_bot.config import Config
from dca_bot.core.periods import month_due
from dca_bot.core.ports import Uptime
from dca_bot.core.programme import Programme
from dca_bot.errors import LedgerError
from dca_bot.jobs.clock import look_at_clock
from dca_bot.ledger.correspondence import (
    confirmations,
    knocks,
    person_relays,
    questions,
    statements,
)
from dca_bot.ledger.programme import client_names, start
from dca_bot.ledger.store import bot_state
from dca_bot.ledger.store.clock import begin_copy
from dca_bot.ledger.store.database import Tx
from dca_bot.messages.notices import Notices
from dca_bot.operators import operator_hints

_log = logging.getLogger(__name__)


def begin(
    tx: Tx, config: Config, programme: Programme, notices: Notices, *, now: datetime, uptime: Uptime
) -> datetime:
    """Check the ledger against the configuration, greet new operators, and tell what is to be decided.

    Return the start: earlier cash-outs are never touched. Raise LedgerError if the ledger's currency or kind
    isn't the configured one.
    """
    bot_state.keep_kind(tx, rehearsal=config.bot.rehearsal, now=now)
    if config.bot.rehearsal:
        _refuse_client_operators(tx, programme)
    bot_state.keep_currency(tx, config.bot.currency)
    look_at_clock(tx, notices, now, uptime=uptime)
    if bot_state.drop(tx, bot_state.COPIED):
        begin_copy(tx, now)
        bot_state.put(tx, bot_state.UNRECONCILED, "yes")
        for kind in (confirmations, questions, knocks):
            kind.void_all(tx)
        due = month_due(now, programme.digest_time, programme.timezone)
        statements.leave_untold(tx, due.month)
        notices.alarms.restored(tx, bot_state.last_poll_at(tx), now)
    tell_of_unclear_names(tx, notices, COMMAND_WORDS, now)
    tell_of_client_operators(tx, notices, programme.operators, now)
    for pubkey, urls in operator_hints(config.nostr.operators).items():
        person_relays.keep_hints(tx, pubkey, urls)
    greet_operators(tx, notices, programme, now, is_first_start=not start.has_begun(tx))
    begun = start.begin(tx, config.start_at, now)
    if begun.asks:
        notices.alarms.start_moved_back(tx, begun, now)
        _log.warning("start_at moved back, paused start_at=%s", begun.at.isoformat())
    if begun.at > now:
        _log.warning("nothing is shared out yet start_at=%s", begun.at.isoformat())
    return begun.at


def _refuse_client_operators(tx: Tx, programme: Programme) -> None:
    """Raise LedgerError for an operator who is a client, too: a rehearsal writes to no client."""
    if names := client_names.names_of(tx, programme.operators):
        raise LedgerError(
            f"In this rehearsal's ledger {', '.join(names)} stands among the clients with the npub of an"
            " operator, and a rehearsal writes to no client. Take the npub out of nostr.operators, or begin"
            " anew with another bot.data_dir."
        )
