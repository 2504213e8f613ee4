"""The operators' command `clients unreached`: people out of reach, with time and reason of each loss."""

from datetime import datetime
from functools import partial

from dca_bot.chat.command import Args, Command, Context
from dca_bot.chat.params import PAGE
from dca_bot.ledger.correspondence import delivery
from dca_bot.ledger.correspondence.delivery import SHOWN_AFTER, Loss
from dca_bot.ledger.store.database import Tx
from dca_bot.messages import describe, reach
from dca_bot.messages.say import NOTHING, Say


def losses(tx: Tx, now: datetime) -> dict[str, Loss]:
    """Return by pubkey the losses of clients that have lasted long enough for lists."""
    return {loss.pubkey: loss for _, loss in delivery.lost_clients(tx, before=now - SHOWN_AFTER)}


def _unreached_answer(tx: Tx, ctx: Context, args: Args, _seen: object) -> Say:
    """List the people out of reach at this moment, the longest first; page 1 begins with operators."""
    before = ctx.now
    watched = ctx.programme.operators if args.page == 1 else ()
    lost = delivery.lost_operators(tx, watched, before=before)
    operators = tuple(reach.operator(ctx.services.npub(loss.pubkey), loss) for loss in lost)
    page = describe.page(
        Say("unreached.heading"),
        args.page,
        partial(delivery.lost_clients, tx, before=before),
        lambda found: reach.client(*found),
        again="clients unreached",
        empty=NOTHING if operators else Say("unreached.none"),
    )
    return Say("lines", lines=(*operators, page))


UNREACHED = Command(("clients", "unreached"), (PAGE,), answer=_unreached_answer)
