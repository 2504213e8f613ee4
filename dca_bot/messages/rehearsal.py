"""The evening report of a rehearsal: what would have been paid to whom, and what would have been held."""

from collections.abc import Sequence
from datetime import datetime

from dca_bot.core.money import sat_ceil
from dca_bot.core.programme import Programme
from dca_bot.ledger.payouts import holds, payout_need, payouts
from dca_bot.ledger.reports import rehearsal
from dca_bot.ledger.reports.rehearsal import Payee, Rehearsed
from dca_bot.ledger.store import accounts, bot_state
from dca_bot.ledger.store.database import Tx
from dca_bot.messages import describe
from dca_bot.messages.daily_summary import shared_out
from dca_bot.messages.owed import need_of, part, source_balance
from dca_bot.messages.say import NOTHING, Fiat, Moment, Sat, Say

_PAYEES_MAX = 25
"""The payees of one message: relays take 4 KB for sure."""
_HELD_MAX = 6


def report(
    tx: Tx, programme: Programme, since: datetime, balance_msat: int | None, now: datetime
) -> tuple[Say, ...]:
    """Say in one message or several what a rehearsal would have done after `since`.

    `balance_msat`: the source wallet's balance, None without an answer of LNbits.
    """
    found = rehearsal.would_have_paid(tx, since, now=now, ceilings=programme.ceilings)
    payees = tuple(map(_payee, found.payees))
    parts = [payees[at : at + _PAYEES_MAX] for at in range(0, len(payees), _PAYEES_MAX)] or [()]
    lines = (
        Say("rehearsal.heading", since=Moment(since)),
        Say("status.paused") if bot_state.paused(tx) else NOTHING,
        *shared_out(tx, since, now),
        *_operators(tx, since, now),
        *_wallet(found, balance_msat),
        _whole(tx),
        _sum(found.payees),
        *parts[0],
    )
    further = (Say("lines", lines=(Say("rehearsal.further"), *some)) for some in parts[1:])
    held = _held(tx, programme, found, now)
    more = (Say("lines", lines=(Say("rehearsal.waiting"), *held)),) if held else ()
    return (Say("lines", lines=lines), *further, *more)


def _payee(payee: Payee) -> Say:
    name, sats = payee.name, Sat(payee.sat)
    if payee.is_commission:
        return Say("rehearsal.payee_commission", name=name, sats=sats)
    return Say("rehearsal.payee", name=name, sats=sats, fiat=Fiat(payee.minor))


def _sum(payees: Sequence[Payee]) -> Say:
    count = sum(payee.count for payee in payees)
    if not count:
        return Say("rehearsal.nobody")
    return Say("rehearsal.paid", n=count, sats=Sat(sum(payee.sat for payee in payees)))


def _operators(tx: Tx, since: datetime, now: datetime) -> tuple[Say, ...]:
    """Say the commission, and what of the cash-outs is the operator's."""
    found = rehearsal.operators_part(tx, since, now=now)
    yours = Sat(found.commission_sat - found.given_sat)
    return (
        Say("rehearsal.commission", sats=Sat(found.commission_sat), yours=yours)
        if found.commission_sat
        else NOTHING,
        Say("rehearsal.rest", sats=Sat(found.rest_sat)) if found.rest_sat else NOTHING,
    )


def _held(tx: Tx, programme: Programme, found: Rehearsed, now: datetime) -> tuple[Say, ...]:
    """Say what a ceiling would have held, what waits for a wallet or for more, and the open holds."""
    above, some = found.held[:_HELD_MAX], holds.still_open(tx, limit=_HELD_MAX)
    unshown = len(found.held) - len(above) + holds.open_count(tx) - len(some)
    lines = (
        *(
            Say(
                "rehearsal.held",
                payout=describe.payout_short(payouts.get(tx, payout_id)),
                why=describe.reason(ceiling),
            )
            for payout_id, ceiling in above
        ),
        part("funds.homeless", need_of(tx, programme, now).homeless),
        part("funds.collecting", payout_need.collecting(tx)),
        *(describe.held(tx, hold) for hold in some),
        Say("rehearsal.more_held", n=unshown) if unshown else NOTHING,
    )
    return tuple(line for line in lines if line != NOTHING)


def _wallet(found: Rehearsed, balance_msat: int | None) -> tuple[Say, ...]:
    """Say what the source wallet would have needed, what it has, and what is missing."""
    needed_msat = found.needed_msat
    missing_msat = 0 if balance_msat is None else needed_msat - balance_msat
    return (
        Say("rehearsal.needed", sats=Sat(sat_ceil(needed_msat))) if needed_msat else NOTHING,
        source_balance(balance_msat),
        Say("rehearsal.short", sats=Sat(sat_ceil(missing_msat))) if missing_msat > 0 else NOTHING,
    )


def _whole(tx: Tx) -> Say:
    totals = accounts.totals(tx)
    return Say("rehearsal.whole", fiat=Fiat(totals["converted"]), sats=Sat(totals.get("owed", 0)))
