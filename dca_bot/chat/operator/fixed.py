"""The operators' commands about the fixed mode: the next run, the last runs, and a run by hand."""

from collections.abc import Sequence
from decimal import Decimal

from dca_bot.chat.ask import ask_price, coin_rate
from dca_bot.chat.command import Args, Command, Context, Done
from dca_bot.chat.services import Services
from dca_bot.core.clients import Mode
from dca_bot.core.fixed_schedule import Run, next_run, run_by_hand
from dca_bot.core.market import bought_sat, coin_minor
from dca_bot.core.programme import FixedModeRules
from dca_bot.core.rate import Quote, RateProblem, choose_rate, round_price
from dca_bot.ledger.distributions import fixed_mode, fixed_runs
from dca_bot.ledger.distributions.distributions import Share
from dca_bot.ledger.programme import clients, tickers
from dca_bot.ledger.store import bot_state
from dca_bot.ledger.store.database import Tx
from dca_bot.messages import describe, obstacles
from dca_bot.messages.say import (
    NOTHING,
    Day,
    Fiat,
    Moment,
    Percent,
    Rate,
    Sat,
    Say,
    Times,
    Word,
    refuse,
)

_RUNS_SHOWN_MAX = 10


async def _look_price(services: Services, _args: Args) -> Decimal | None:
    """Ask LNbits for the price of a coin; None without an answer."""
    return await ask_price(services)


def _plan_answer(tx: Tx, ctx: Context, _args: Args, price: Decimal | None) -> Say:
    """Tell when the fixed mode buys next and for how much, and the last runs."""
    rules = ctx.programme.fixed
    runs = fixed_runs.recent(tx, limit=_RUNS_SHOWN_MAX)
    lines = tuple(describe.fixed_run(run) for run in runs)
    heading = (
        Say("fixed.last_runs", newest=runs[0].id, lines=lines) if runs else Say("fixed.no_runs")
    )
    if not rules.enabled:
        return Say("lines", lines=(Say("fixed.off"), heading))
    return Say(
        "lines",
        lines=(
            Say(
                "fixed.plan",
                times=Times(rules.times),
                most=Fiat(rules.daily_limit_max_minor),
                margin=_margin(rules),
            ),
            Say("status.paused") if bot_state.paused(tx) else NOTHING,
            _expected(tx, ctx, next_run(ctx.now, rules.times, ctx.programme.timezone), price),
            *_idle(tx, ctx),
            heading,
        ),
    )


def _run_plan(tx: Tx, ctx: Context, _args: Args, price: Decimal | None) -> Say:
    """Tell what a run by hand would give now.

    Rate and sats are rounded, so that the effect stays the same while the price moves a little.
    """
    run, quote, parts = _by_hand(tx, ctx, price)
    minor = sum(part.minor for part in parts)
    about = coin_minor(Decimal(round_price(quote.price)), ctx.programme.currency)
    return Say(
        "fixed.run_effect",
        day=Day(run.day),
        n=len(parts),
        fiat=Fiat(minor),
        sats=Sat(round_price(Decimal(bought_sat(minor, about, margin_bp=quote.margin_bp)))),
        rate=coin_rate(about),
    )


def _run_apply(tx: Tx, ctx: Context, _args: Args, price: Decimal | None) -> Done:
    """Give each fixed client the rest of the client's daily limit."""
    run, quote, _ = _by_hand(tx, ctx, price)
    given = fixed_mode.carry_out(
        tx,
        run,
        quote,
        ceiling_minor=ctx.programme.fixed.daily_limit_max_minor,
        currency=ctx.programme.currency,
        now=ctx.now,
        message_id=ctx.message_id,
    )
    assert given is not None, "a run that gives nothing is refused"
    ctx.notices.clients.note_low(tx, given.client_ids, ctx.now)
    ctx.notices.clients.run_missed(tx, ctx.now)
    done = Say(
        "fixed.run_done",
        n=len(given.shares),
        fiat=Fiat(given.principal_minor),
        sats=Sat(given.principal_sat),
        rate=_rate(quote.price, ctx),
    )
    return Done(done)


FIXED_COMMANDS = (
    Command(("fixed",), look=_look_price, answer=_plan_answer),
    Command(("fixed", "run"), look=_look_price, plan=_run_plan, apply=_run_apply),
)


def _by_hand(tx: Tx, ctx: Context, price: Decimal | None) -> tuple[Run, Quote, Sequence[Share]]:
    """Work out a run by hand. Raise CommandRefused if a run is not allowed now, or would give nothing."""
    programme = ctx.programme
    run = run_by_hand(ctx.now, programme.timezone)
    if not programme.fixed.enabled:
        raise refuse("fixed.off")
    if bot_state.paused(tx):
        raise refuse("status.paused")
    if not ctx.services.is_reconciled():
        raise refuse("unavailable")
    if fixed_runs.has_unknown_paid(tx, run.day):
        raise refuse("fixed.no_run", why=Word("reason", fixed_runs.RunReason.UNKNOWN_PAID))
    ceiling_minor = programme.fixed.daily_limit_max_minor
    if not fixed_mode.is_needed(tx, run, ceiling_minor=ceiling_minor):
        raise refuse("fixed.nothing_left")
    quote = _quote(tx, ctx, price)
    if not isinstance(quote, Quote):
        raise refuse("fixed.no_run", why=Word("reason", quote))
    parts = fixed_mode.work_out(
        tx, run, quote, ceiling_minor=ceiling_minor, currency=programme.currency
    )
    if not parts:
        raise refuse("fixed.nothing_left")
    return run, quote, parts


def _expected(tx: Tx, ctx: Context, run: Run, price: Decimal | None) -> Say:
    """Say what the next run would give with the present balances and rate."""
    rules, at = ctx.programme.fixed, Moment(run.at)
    if not fixed_mode.is_needed(tx, run, ceiling_minor=rules.daily_limit_max_minor):
        return Say("fixed.next_nobody", at=at)
    quote = _quote(tx, ctx, price)
    if not isinstance(quote, Quote):
        return Say("fixed.next_no_rate", at=at, why=Word("reason", quote))
    parts = fixed_mode.work_out(
        tx,
        run,
        quote,
        ceiling_minor=rules.daily_limit_max_minor,
        currency=ctx.programme.currency,
    )
    return Say(
        "fixed.next",
        at=at,
        n=len(parts),
        fiat=Fiat(sum(part.minor for part in parts)),
        sats=Sat(sum(part.sat for part in parts)),
        rate=_rate(quote.price, ctx),
        source=Word("rate_source", quote.source),
    )


def _margin(rules: FixedModeRules) -> Say:
    return Say("fixed.margin", percent=Percent(rules.margin_bp)) if rules.margin_bp else NOTHING


def _idle(tx: Tx, ctx: Context) -> tuple[Say, ...]:
    """Name fixed clients with a balance for whom nothing is bought, and the reasons."""
    fixed_clients = [one for one in clients.with_balance(tx) if one.mode is Mode.FIXED]
    return obstacles.idle(ctx.programme, fixed_clients)


def _quote(tx: Tx, ctx: Context, price: Decimal | None) -> Quote | RateProblem:
    return choose_rate(
        price,
        tickers.newest(tx),
        rules=ctx.programme.fixed,
        currency=ctx.programme.currency,
        now=ctx.now,
    )


def _rate(price: Decimal, ctx: Context) -> Rate:
    return coin_rate(coin_minor(price, ctx.programme.currency))
