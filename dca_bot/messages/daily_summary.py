"""The daily summary to operators: the day's figures, and the proof that the bot runs and reads Lamassu."""

from collections.abc import Callable, Sequence
from datetime import datetime, timedelta

from dca_bot.core.money import sat_ceil
from dca_bot.core.names import short_npub
from dca_bot.core.programme import Programme
from dca_bot.ledger.correspondence import knocks, outbox
from dca_bot.ledger.distributions import missed
from dca_bot.ledger.distributions.distributions import FIXED, FLOW
from dca_bot.ledger.payouts import holds, queue
from dca_bot.ledger.programme import client_lists, clients
from dca_bot.ledger.programme.clients import Client
from dca_bot.ledger.reports import summary
from dca_bot.ledger.store import bot_state
from dca_bot.ledger.store.database import Tx
from dca_bot.messages import describe, obstacles
from dca_bot.messages.lamassu_state import age_lines, lost_parts
from dca_bot.messages.owed import need_of, not_counted, rehearsed, source_balance, to_be_paid
from dca_bot.messages.reach import not_reached
from dca_bot.messages.say import NOTHING, Fiat, Moment, Sat, Say
from dca_bot.messages.surroundings import Surroundings
from dca_bot.messages.to_do import needs_you, to_do

_DAY = timedelta(days=1)
_LOOKBACK_MAX = 7 * _DAY
"""The longest time that one summary covers."""


def daily_summary(
    tx: Tx,
    programme: Programme,
    found: Surroundings,
    now: datetime,
    *,
    npub: Callable[[str], str] = str,
) -> Say:
    """Say the figures since the last summary, and the open matters; `npub` encodes a pubkey."""
    since = _since(tx, now)
    need = need_of(tx, programme, now)
    stuck = queue.stuck_count(tx)
    return Say(
        "lines",
        lines=(
            rehearsed(programme),
            Say("summary.heading", since=Moment(since)),
            Say("status.paused") if bot_state.paused(tx) else NOTHING,
            *needs_you(to_do(tx, programme, found, need, now)),
            _polls(tx),
            *age_lines(tx, now),
            *shared_out(tx, since, now),
            NOTHING if programme.is_rehearsal else _paid(tx, since),
            to_be_paid(programme, need),
            *not_counted(tx, need),
            Say("summary.stuck", n=stuck) if stuck else NOTHING,
            Say("status.holds", n=holds.open_count(tx)),
            source_balance(found.balance_msat),
            _low(client_lists.running_low(tx, programme.low_deposit_minor)),
            *obstacles.idle(programme, clients.with_balance(tx)),
            Say("status.unsent", n=outbox.unsent(tx)),
            *not_reached(tx, programme, npub, now),
            _knocks(tx, since, npub),
            *lost_parts(found.parts),
            *map(describe.relay, found.relays),
        ),
    )


def _since(tx: Tx, now: datetime) -> datetime:
    """Return the beginning of the summary; a last summary in the future was dated by a wrong clock."""
    last = bot_state.moment(tx, bot_state.SUMMARY_AT) or now
    return max(last, now - _LOOKBACK_MAX) if last < now else now - _DAY


def _polls(tx: Tx) -> Say:
    at, count = bot_state.last_poll_at(tx), bot_state.polls(tx)
    if at is None:
        return Say("status.no_poll")
    if not count:
        return Say("summary.no_poll", at=Moment(at))
    return Say("summary.polls", n=count, at=Moment(at))


def shared_out(tx: Tx, since: datetime, now: datetime) -> Sequence[Say]:
    """Say what was shared out since an instant, and whom it passed by for want of a wallet."""
    flow, fixed = (summary.shared_out(tx, kind, since, now=now) for kind in (FLOW, FIXED))
    return (
        Say("summary.flow", n=flow.count, fiat=Fiat(flow.minor), sats=Sat(flow.sat)),
        Say("summary.fixed", n=fixed.count, fiat=Fiat(fixed.minor), sats=Sat(fixed.sat))
        if fixed.count
        else NOTHING,
        _missed(tx, since),
    )


def _paid(tx: Tx, since: datetime) -> Say:
    paid = summary.paid(tx, since)
    # Rounded up: fees are the operator's loss.
    fees = Sat(sat_ceil(paid.fee_msat))
    return Say("summary.paid", n=paid.count, sats=Sat(paid.sat), fees=fees)


def _low(people: Sequence[Client]) -> Say:
    if not people:
        return NOTHING
    return Say("summary.low", names=obstacles.name_list([one.name for one in people]))


def _knocks(tx: Tx, since: datetime, npub: Callable[[str], str]) -> Say:
    """Say in one line who has knocked and is no client yet."""
    who = [short_npub(npub(pubkey)) for pubkey in knocks.since(tx, since)]
    return Say("summary.knocks", n=len(who), who=obstacles.name_list(who)) if who else NOTHING


def _missed(tx: Tx, since: datetime) -> Say:
    """Say how many cash-outs passed clients by for want of a wallet."""
    found = missed.since(tx, since)
    names = obstacles.name_list(found.names)
    return Say("summary.missed", n=found.count, names=names) if found.count else NOTHING
