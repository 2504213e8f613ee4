"""The operator's commands about cash-outs and what is held."""

from datetime import timedelta
from fractions import Fraction

from dca_bot.chat.client.account import PAGE
from dca_bot.chat.command import (
    Args,
    Command,
    Context,
    Done,
    Param,
    read_fiat,
    read_word,
)
from dca_bot.chat.operator import sharing
from dca_bot.chat.operator.manual_cash_outs import ADD
from dca_bot.chat.operator.payouts import look_payments, release_apply, release_plan
from dca_bot.chat.operator.recovery import (
    as_paid_apply,
    as_paid_plan,
    is_paid_otherwise,
    lost_apply,
    lost_plan,
    refuse_while_paying,
    settle_by_hand,
)
from dca_bot.chat.services import Services
from dca_bot.core.cash_out import Amounts, fee_minor, scale
from dca_bot.core.change import read_terms
from dca_bot.core.exact import exact
from dca_bot.core.money import minor_digits, sat_floor
from dca_bot.core.ports import Payment
from dca_bot.errors import DcaBotError
from dca_bot.ledger.distributions import cash_outs, distributions, fixed_runs, missed
from dca_bot.ledger.distributions.cash_outs import RecordedCashOut
from dca_bot.ledger.distributions.fixed_runs import RecordedRun
from dca_bot.ledger.payouts import holds, unknown_payments
from dca_bot.ledger.payouts.holds import Hold
from dca_bot.ledger.store.database import Tx
from dca_bot.messages import describe
from dca_bot.messages.say import NOTHING, Fiat, Moment, Sat, Say, Word, refuse

ID_LENGTH_MIN = 4
PRICE_AGE_MAX = timedelta(days=7)
"""An older price of Lamassu says nothing about what is added now."""
_ID = Param("ID", read_word)


def txs_answer(tx: Tx, _ctx: Context, args: Args, _seen: object) -> Say:
    """List the newest cash-outs, ignored ones too."""
    offset = (args.page - 1) * describe.PAGE_ROWS
    rows = cash_outs.recent(tx, limit=describe.PAGE_ROWS + 1, offset=offset)
    return describe.page(Say("txs.heading"), rows, args.page, describe.cash_out)


def tx_answer(tx: Tx, ctx: Context, args: Args, _seen: object) -> Say:
    """Show one cash-out, or one run of fixed mode, with whatever it gave to whom."""
    wanted = args.text("ID")
    if len(wanted) < ID_LENGTH_MIN:
        raise refuse("tx.id_short", min=ID_LENGTH_MIN)
    runs = fixed_runs.by_prefix(tx, wanted)
    found = cash_outs.by_prefix(tx, wanted)
    if len(runs) + len(found) != 1:
        raise refuse("tx.ambiguous" if runs or found else "tx.unknown")
    currency = ctx.programme.currency
    return _run(tx, runs[0]) if runs else _cash_out(tx, found[0], currency)


def holds_answer(tx: Tx, _ctx: Context, _args: Args, _seen: object) -> Say:
    """Show what waits for the operator, oldest first."""
    rows = holds.still_open(tx, limit=6)
    if not rows:
        return Say("holds.nothing")
    first, *others = (describe.hold(tx, row) for row in rows[:5])
    lines = (first, *(Say("holds.next", hold=hold) for hold in others))
    more = Say("holds.more", n=holds.open_count(tx) - 5) if len(rows) > 5 else NOTHING
    return Say("lines", lines=(*lines, more))


async def look_hold(services: Services, args: Args) -> tuple[Payment, ...]:
    """Ask LNbits for the payments of a held payout; nothing is asked for another hold."""
    hold = await services.database.read(lambda tx: _hold(tx, args))
    return await look_payments(services, hold.ref) if hold.kind == "payout" else ()


def accept_plan(tx: Tx, ctx: Context, args: Args, seen: tuple[Payment, ...]) -> Say:
    """Tell what letting the held thing go would do."""
    hold = _hold(tx, args)
    if hold.kind == "cash-out":
        return _share_out_plan(tx, ctx, hold, args)
    if args.has("FIAT"):
        raise refuse("hold.no_fiat_here")
    if hold.kind == "payout":
        return release_plan(tx, ctx, hold, seen)
    if hold.kind == "lost":
        return lost_plan(tx, ctx, hold)
    return Say("hold.seen_effect", hold=describe.held(tx, hold))


def accept_apply(tx: Tx, ctx: Context, args: Args, seen: tuple[Payment, ...]) -> Done:
    """Let the held thing go."""
    hold = _hold(tx, args)
    if hold.kind == "cash-out":
        return _share_out(tx, ctx, hold, args)
    if hold.kind == "payout":
        return release_apply(tx, ctx, hold, seen)
    if hold.kind == "lost":
        return lost_apply(tx, ctx, hold)
    holds.close(tx, hold.kind, hold.ref, outcome="accepted", now=ctx.now)
    done = Say("hold.seen_done", id=hold.id)
    return Done(done)


def ignore_plan(tx: Tx, _ctx: Context, args: Args, _seen: object) -> Say:
    """Tell what will not be distributed."""
    hold = _hold(tx, args)
    if hold.kind == "payout":
        raise refuse("hold.payout_not_ignorable", id=hold.id, payout=hold.ref[: describe.ID_LENGTH])
    if hold.kind == "lost":
        return Say("hold.lost_ignore_effect", hold=describe.held(tx, hold))
    key = "hold.ignore_effect" if hold.kind == "cash-out" else "hold.seen_effect"
    return Say(key, hold=describe.held(tx, hold))


def ignore_apply(tx: Tx, ctx: Context, args: Args, _seen: object) -> Done:
    """Give a held cash-out to nobody, for good."""
    hold = _hold(tx, args)
    if hold.kind == "cash-out":
        cash_outs.ignore(tx, hold.ref, now=ctx.now)
    if hold.kind in ("cash-out", "lost"):
        settle_by_hand(tx, ctx, hold)
    holds.close(tx, hold.kind, hold.ref, outcome="ignored", now=ctx.now)
    done = Say("hold.ignored" if hold.kind == "cash-out" else "hold.seen_done", id=hold.id)
    return Done(done)


CASH_OUT_COMMANDS = (
    Command(("txs",), (PAGE,), answer=txs_answer),
    Command(("tx",), (_ID,), answer=tx_answer),
    ADD,
    Command(("holds",), answer=holds_answer),
    Command(
        ("hold", "accept"),
        (_ID, Param("FIAT", read_fiat, optional=True)),
        look=look_hold,
        plan=accept_plan,
        apply=accept_apply,
    ),
    Command(("hold", "ignore"), (_ID,), plan=ignore_plan, apply=ignore_apply),
)


def _run(tx: Tx, run: RecordedRun) -> Say:
    done = distributions.by_id(tx, run.id)
    shares = sharing.shares_given(done.shares) if done else ()
    return Say("lines", lines=(describe.fixed_run(run), *shares))


def _cash_out(tx: Tx, cash_out: RecordedCashOut, currency: str) -> Say:
    head = Say("tx.head", id=cash_out.id, line=describe.cash_out(cash_out))
    reported = (
        NOTHING
        if cash_out.reported_minor is None
        else Say("tx.reported", reported=Fiat(cash_out.reported_minor))
    )
    given = distributions.by_id(tx, cash_out.id)
    if given is None:
        return Say("lines", lines=(head, reported))
    note = Say("tx.note", note=Word("note", cash_out.note)) if cash_out.note else NOTHING
    sums = Say(
        "tx.sums",
        at=Moment(given.at),
        principal=Sat(given.principal_sat),
        fiat=Fiat(given.principal_minor),
        commission=Sat(given.commission_sat),
        unallocated=Sat(given.unallocated_sat),
    )
    fee = _fee(cash_out, given.principal_minor, currency)
    shares = sharing.shares_given(given.shares)
    names = [one.name for one in missed.of_distribution(tx, cash_out.id)]
    split = sharing.split_given(tx, cash_out.id)
    passed_by = sharing.passed_by_line(names)
    lines = (head, note, reported, sums, fee, *shares, passed_by, *split)
    return Say("lines", lines=lines)


def _fee(cash_out: RecordedCashOut, given_minor: int, currency: str) -> Say:
    """Say which fixed fee is within the commission: of an accepted part, that part of it."""
    if cash_out.fixed_fee is None or cash_out.terms is None:
        return NOTHING
    whole = exact(read_terms(cash_out.terms).fiat) * 10 ** minor_digits(currency)
    part = Fraction(given_minor) / whole
    return Say("tx.fee", fee=Fiat(fee_minor(cash_out.fixed_fee, part=part, currency=currency)))


def _hold(tx: Tx, args: Args) -> Hold:
    """Find an open hold by its number, or by the beginning of what it holds."""
    wanted = args.text("ID").removeprefix("#")
    hold = None
    if wanted.isascii() and wanted.isdigit() and len(wanted) < 10:
        hold = holds.by_id(tx, int(wanted))
    if hold is None and len(wanted) >= ID_LENGTH_MIN:
        hold = holds.by_ref(tx, wanted)
    if hold is None:
        raise refuse("hold.not_found")
    return hold


def _held(tx: Tx, hold: Hold, args: Args) -> tuple[RecordedCashOut, Amounts]:
    """Return a held cash-out and what of it is to be distributed."""
    found = cash_outs.by_id(tx, hold.ref)
    if found is None or found.state != "held":
        raise refuse("hold.not_held", id=hold.id)
    amounts = found.amounts
    if amounts is None:
        raise refuse("hold.no_amounts", id=hold.id)
    if not args.has("FIAT"):
        return found, amounts
    try:
        return found, scale(amounts, args.number("FIAT"))
    except DcaBotError:
        raise refuse("hold.fiat_too_much", fiat=Fiat(amounts.principal_minor)) from None


def _share_out_plan(tx: Tx, ctx: Context, hold: Hold, args: Args) -> Say:
    """Work out the shares as they would be now."""
    cash_out, amounts = _held(tx, hold, args)
    refuse_while_paying(tx, ctx, cash_out, amounts)
    if is_paid_otherwise(tx, ctx, cash_out, amounts):
        return as_paid_plan(tx, ctx, cash_out, amounts)
    known = unknown_payments.of_cash_out(tx, hold.ref)
    paid_sat = sat_floor(sum(-row.amount_msat for row in known if row.status == "success"))
    return Say(
        "hold.accept_effect",
        id=cash_out.id[: describe.ID_LENGTH],
        machine=describe.short(cash_out.machine),
        **sharing.planned(tx, ctx, cash_out.id, amounts, cash_out.at),
        warning=Say("hold.known_warning", sats=Sat(paid_sat)) if known else NOTHING,
    )


def _share_out(tx: Tx, ctx: Context, hold: Hold, args: Args) -> Done:
    cash_out, amounts = _held(tx, hold, args)
    refuse_while_paying(tx, ctx, cash_out, amounts)
    if is_paid_otherwise(tx, ctx, cash_out, amounts):
        done = as_paid_apply(tx, ctx, cash_out, amounts)
    else:
        done = sharing.share_out(tx, ctx, cash_out.id, amounts, cash_out.at)
    holds.close(tx, hold.kind, hold.ref, outcome="accepted", now=ctx.now)
    return done
