"""Shares a cash-out out on an operator's word: the plan, then the distribution."""

from collections.abc import Sequence
from datetime import datetime

from dca_bot.chat.command import Context, Done
from dca_bot.core.allotment import Allotment
from dca_bot.core.cash_out import Amounts
from dca_bot.core.names import short_id
from dca_bot.core.payout import COLLECTING
from dca_bot.ledger.distributions import distributions, flow_mode, missed
from dca_bot.ledger.distributions.distributions import RecordedShare
from dca_bot.ledger.payouts import unknown_payments
from dca_bot.ledger.programme import clients, commission
from dca_bot.ledger.store import bot_state
from dca_bot.ledger.store.database import Tx
from dca_bot.messages import obstacles
from dca_bot.messages.say import NOTHING, Fiat, Field, Sat, Say, Word, refuse

_SHARES_SHOWN_MAX = 12


def planned(
    tx: Tx, ctx: Context, cash_out_id: str, amounts: Amounts, at: datetime
) -> dict[str, Field]:
    """Work out a distribution as of now; return the fields of the text about the effect.

    Raise CommandRefused while the bot is paused, or before LNbits' payments were compared with the ledger.
    """
    refuse_for_now(tx, ctx)
    allotment = flow_mode.work_out(tx, amounts, at=at, rules=ctx.programme.flow)
    return {
        "fiat": Fiat(amounts.principal_minor),
        "sats": Sat(amounts.principal_sat),
        "shares": _planned_shares(tx, ctx, allotment, at),
        "unallocated": Sat(allotment.unallocated_sat),
        "commission": Sat(amounts.commission_sat),
        "split": planned_split(tx, ctx, cash_out_id, amounts.commission_sat),
    }


def refuse_for_now(tx: Tx, ctx: Context) -> None:
    """Raise CommandRefused while the bot is paused, or before LNbits was compared with the ledger."""
    if bot_state.paused(tx):
        raise refuse("hold.paused")
    if not ctx.services.is_reconciled():
        raise refuse("unavailable")


def planned_shares(
    tx: Tx, ctx: Context, amounts: Amounts, at: datetime
) -> dict[str, tuple[int, int]]:
    """Work out the shares as of now: (fiat in minor units, sats) by the case-folded name at LNbits."""
    allotment = flow_mode.work_out(tx, amounts, at=at, rules=ctx.programme.flow)
    return {
        clients.by_id(tx, one.id).paid_as.casefold(): (one.minor, one.sat)
        for one in allotment.shares
    }


def share_out(tx: Tx, ctx: Context, cash_out_id: str, amounts: Amounts, at: datetime) -> Done:
    """Distribute a recorded cash-out, and ask clients with a low balance for the next deposit.

    Raise CommandRefused while the bot is paused, or before LNbits' payments were compared with the ledger.
    """
    refuse_for_now(tx, ctx)
    given = flow_mode.distribute(
        tx,
        cash_out_id,
        amounts,
        at=at,
        now=ctx.now,
        rules=ctx.programme.flow,
        message_id=ctx.message_id,
    )
    ctx.notices.clients.note_low(tx, given.client_ids, ctx.now)
    ctx.notices.clients.sale_missed(tx, cash_out_id, ctx.now)
    done = Say(
        "hold.accepted",
        id=short_id(cash_out_id),
        fiat=Fiat(amounts.principal_minor),
        sats=Sat(amounts.principal_sat),
        n=len(given.shares),
        unallocated=Sat(given.unallocated_sat),
    )
    return Done(done)


def shares_given(shares: Sequence[RecordedShare]) -> tuple[Say, ...]:
    """Say the shares of a distribution, each on a line with the state of its payout."""
    return tuple(
        Say(
            "tx.share",
            name=share.client_name,
            fiat=Fiat(share.minor),
            sats=Sat(share.sat),
            state=Word("payout", share.payout_state or COLLECTING),
            payout=short_id(share.payout_id or ""),
        )
        for share in shares
    )


def split_given(tx: Tx, cash_out_id: str) -> tuple[Say, ...]:
    """Say the shares of a cash-out's commission, each on a line; empty without a split."""
    split = distributions.by_id(tx, commission.split_id(cash_out_id))
    if split is None:
        return ()
    lines = tuple(
        Say(
            "tx.commission_share",
            name=share.client_name,
            sats=Sat(share.sat),
            state=Word("payout", share.payout_state or COLLECTING),
            payout=short_id(share.payout_id or ""),
        )
        for share in split.shares
    )
    rest = Say("tx.commission_rest", sats=Sat(split.unallocated_sat))
    return (Say("tx.commission_heading"), *lines, rest)


def planned_split(tx: Tx, ctx: Context, cash_out_id: str, commission_sat: int) -> Say:
    """Say how a cash-out's commission would be split as of now; NOTHING without recipients."""
    split = flow_mode.work_out_split(tx, cash_out_id, commission_sat, now=ctx.now)
    if split is None:
        known = unknown_payments.paid_for(tx, commission.split_id(cash_out_id))
        paid_sat = sum(one.sat for one in known)
        return Say("tx.no_split", sats=Sat(paid_sat)) if known else NOTHING
    lines = tuple(
        Say("tx.planned_commission", name=name, sats=Sat(sat)) for name, sat in split.sats.items()
    )
    rest = Say("tx.commission_rest", sats=Sat(split.rest_sat))
    return Say("tx.planned_split", lines=(*lines[:_SHARES_SHOWN_MAX], _more(lines), rest))


def _planned_shares(tx: Tx, ctx: Context, allotment: Allotment[int], at: datetime) -> Field:
    shares = tuple(
        Say(
            "tx.planned_share",
            name=clients.by_id(tx, share.id).name,
            fiat=Fiat(share.minor),
            sats=Sat(share.sat),
        )
        for share in allotment.shares[:_SHARES_SHOWN_MAX]
    )
    passed_by = missed.would_miss(tx, at) if ctx.programme.flow_enabled else []
    given = (*shares, _more(allotment.shares)) if shares else (Say("hold.nobody"),)
    return (*given, passed_by_line([one.name for one in passed_by]))


def passed_by_line(names: Sequence[str]) -> Say:
    """Name clients with a balance whom a cash-out passes by for want of a wallet."""
    return Say("tx.passed_by", names=obstacles.name_list(names)) if names else NOTHING


def _more(rows: Sequence[object]) -> Say:
    """Say the number of rows beyond the shown ones."""
    left = len(rows) - _SHARES_SHOWN_MAX
    return Say("tx.more_shares", n=left) if left > 0 else NOTHING
