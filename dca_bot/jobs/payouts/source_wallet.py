"""Refuses to pay from another source wallet than before while payouts of the old wallet are unsettled.

The invariant: no payout is judged by a wallet that did not send the payout. The new wallet knows none of
the old wallet's payment hashes, so a sent payout would look unpaid there; and so would all that the old
wallet has paid since the copy, where a ledger was put back.
"""

import logging

from dca_bot.errors import LnbitsRefused
from dca_bot.faults import LnbitsFault
from dca_bot.jobs.payouts.context import PayoutContext
from dca_bot.ledger.payouts import queue
from dca_bot.ledger.store import bot_state
from dca_bot.ledger.store.database import Tx
from dca_bot.messages.say import Say

_log = logging.getLogger(__name__)


async def check_source_wallet(context: PayoutContext) -> None:
    """Record the source wallet's id; pause everything if the wallet is a new one.

    The pause is for a ledger that was put back unseen, with its disk for example: only the old wallet knows
    the payments that the ledger lacks. Raise LnbitsRefused, and tell the operators once, if payouts of the
    old wallet are unsettled, or its payments unread since the ledger was put back.
    """
    wallet_id = await context.wallet.wallet_id()
    if not await context.database.transact(lambda tx: _accept(tx, context, wallet_id)):
        raise LnbitsRefused(
            "The source wallet is another one than before, and not all is known of what the old one has"
            " paid: put the old wallet's admin key back.",
            fault=LnbitsFault.OTHER_WALLET,
            status=0,
        )


def _accept(tx: Tx, context: PayoutContext, wallet_id: str) -> bool:
    """Record the wallet; False if what the old one has paid forbids the change."""
    now = context.clock.now()
    before = bot_state.get(tx, bot_state.SOURCE_WALLET)
    is_new = before not in (None, wallet_id)
    is_unread = bot_state.get(tx, bot_state.UNRECONCILED) is not None
    if is_new and (is_unread or queue.unsettled(tx)):
        if bot_state.get(tx, bot_state.SOURCE_REFUSED) != wallet_id:
            bot_state.put(tx, bot_state.SOURCE_REFUSED, wallet_id)
            context.notices.alarms.source_changed(tx, now, is_copy=is_unread)
        return False
    if is_new:
        bot_state.put(tx, bot_state.PAUSED, now.isoformat())
        context.notices.tell_operators(tx, Say("notice.source_is_new"), now)
        _log.error("source wallet is another one: paused")
    bot_state.put(tx, bot_state.SOURCE_WALLET, wallet_id)
    bot_state.drop(tx, bot_state.SOURCE_REFUSED)
    return True
