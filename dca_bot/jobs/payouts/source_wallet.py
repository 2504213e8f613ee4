"""Refuses to pay from another source wallet than before while payouts of the old wallet are unsettled.

The invariant: no payout is judged by a wallet that did not send the payout. The new wallet knows none of
the old wallet's payment hashes, so a sent payout would look unpaid there.
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

    The pause is for a restored ledger: only the old wallet knows the payments that the ledger lacks.
    Raise LnbitsRefused, and tell the operators once, if payouts of the old wallet are unsettled.
    """
    wallet_id = await context.wallet.wallet_id()
    if not await context.database.transact(lambda tx: _accept(tx, context, wallet_id)):
        raise LnbitsRefused(
            "The source wallet is another one than before, and payouts of the old one are not"
            " settled: put the old wallet's admin key back.",
            fault=LnbitsFault.OTHER_WALLET,
            status=0,
        )


def _accept(tx: Tx, context: PayoutContext, wallet_id: str) -> bool:
    """Record the wallet; False if unsettled payouts forbid the change."""
    now = context.clock.now()
    before = bot_state.get(tx, bot_state.SOURCE_WALLET)
    is_new = before not in (None, wallet_id)
    if is_new and queue.unsettled(tx):
        if bot_state.get(tx, bot_state.SOURCE_REFUSED) != wallet_id:
            bot_state.put(tx, bot_state.SOURCE_REFUSED, wallet_id)
            context.notices.alarms.source_changed(tx, now)
        return False
    if is_new:
        bot_state.put(tx, bot_state.PAUSED, now.isoformat())
        context.notices.tell_operators(tx, Say("notice.source_is_new"), now)
        _log.error("source wallet is another one: paused")
    bot_state.put(tx, bot_state.SOURCE_WALLET, wallet_id)
    bot_state.drop(tx, bot_state.SOURCE_REFUSED)
    return True
