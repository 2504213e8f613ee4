"""`balance` and `when`: what a client has saved, what comes next, and what keeps it."""

from datetime import timedelta
from fractions import Fraction

from dca_bot.chat.client.cap import left_today
from dca_bot.chat.command import Args, Command, Context
from dca_bot.chat.price import MarketPrice, look_price, market_price
from dca_bot.core.calendar import local_date
from dca_bot.core.clients import Mode
from dca_bot.core.fixed_schedule import Run, amounts, next_run, runs_of
from dca_bot.core.market import value_minor
from dca_bot.ledger.correspondence import tasks
from dca_bot.ledger.distributions import fixed_mode, fixed_runs
from dca_bot.ledger.payouts import owed
from dca_bot.ledger.payouts.owed import Unpaid
from dca_bot.ledger.programme import deposits
from dca_bot.ledger.reports import purchases
from dca_bot.ledger.reports.purchases import Got
from dca_bot.ledger.store import bot_state
from dca_bot.ledger.store.database import Tx
from dca_bot.messages import forecast_text, obstacles
from dca_bot.messages import tasks as tasks_told
from dca_bot.messages.say import NOTHING, Fiat, Moment, Rate, Sat, Say, Word

_LOOK_BACK = timedelta(days=14)


def _balance_answer(tx: Tx, ctx: Context, _args: Args, coin: Fraction | None) -> Say:
    """Tell the sats that have arrived and their worth, the sats that are coming, and the cash to convert."""
    got = purchases.got(tx, ctx.me.id)
    hindered = obstacles.to_client(ctx.me, ctx.programme)
    has_any = got.bought_sat or got.earned_sat
    return Say(
        "lines",
        lines=(
            *(_saved(tx, ctx, got, coin) if has_any else ()),
            *_under_way(tx, ctx),
            *_cash(tx, ctx),
            NOTHING if got.bought_sat else _nothing_yet(tx, ctx, is_hindered=bool(hindered)),
            Say("balance.all_paused") if bot_state.paused(tx) else NOTHING,
            *hindered,
            obstacles.too_small_told(tx, ctx.programme, ctx.me),
        ),
    )


def _when_answer(tx: Tx, ctx: Context, _args: Args, _seen: object) -> Say:
    """Tell the open request for cash, the next purchase, what is under way, and what either waits for."""
    hindered = obstacles.to_client(ctx.me, ctx.programme)
    is_paused = bot_state.paused(tx)
    coming = NOTHING if hindered or is_paused else _next_purchase(tx, ctx)
    return Say(
        "lines",
        lines=(
            tasks_told.requested(tx, ctx.me.id),
            Say("balance.all_paused") if is_paused else NOTHING,
            *hindered,
            coming,
            *(_under_way(tx, ctx) or (Say("when.nothing_under_way"),)),
            obstacles.too_small_told(tx, ctx.programme, ctx.me),
        ),
    )


SAVINGS_COMMANDS = (
    Command(("balance",), look=look_price, answer=_balance_answer),
    Command(("when",), answer=_when_answer),
)


def _saved(tx: Tx, ctx: Context, got: Got, coin: Fraction | None) -> tuple[Say, ...]:
    """Say the sats that have arrived with their worth, and what all sats cost."""
    arrived_sat = got.bought_sat + got.earned_sat - owed.unarrived_sat(tx, ctx.me)
    price = market_price(tx, ctx, coin)
    worth = NOTHING if price is None or not arrived_sat else _worth(arrived_sat, price)
    rate = Rate(got.spent_minor, got.bought_sat)
    return (
        Say("balance.saved", sats=Sat(arrived_sat), worth=worth),
        Say("balance.no_price") if price is None and arrived_sat else NOTHING,
        Say("balance.received", sats=Sat(got.bought_sat), fiat=Fiat(got.spent_minor), rate=rate)
        if got.bought_sat
        else NOTHING,
        Say("balance.earned", sats=Sat(got.earned_sat)) if got.earned_sat else NOTHING,
    )


def _worth(sat: int, price: MarketPrice) -> Say:
    value = Fiat(value_minor(sat, price.coin))
    if price.at is None:
        return Say("balance.worth", value=value)
    return Say("balance.worth_at", value=value, at=Moment(price.at))


def _cash(tx: Tx, ctx: Context) -> tuple[Say, ...]:
    """Say the cash that is still to be converted, and for how long the cash lasts."""
    me = ctx.me
    pending_minor, wanted = deposits.pending_minor(tx, me.id), tasks.requested_cash(tx, me.id)
    count = None
    if not bot_state.paused(tx):
        count = forecast_text.deposit_days(tx, ctx.programme, me, ctx.now)
    lasts = NOTHING if count is None else Say("balance.lasts", days=forecast_text.days(count))
    return (
        Say("balance.balance", balance=Fiat(me.balance_minor), lasts=lasts),
        Say("balance.pending", amount=Fiat(pending_minor)) if pending_minor else NOTHING,
        NOTHING
        if wanted is None or wanted.amount_minor is None
        else Say("balance.requested", amount=Fiat(wanted.amount_minor)),
    )


def _under_way(tx: Tx, ctx: Context) -> tuple[Say, ...]:
    """Say how many sats have not arrived yet, and the reason of each delay; empty for none."""
    me = ctx.me
    parts = owed.unpaid(tx, me.id)
    if me.destination is None and me.owed_sat:
        sent_sat = owed.unarrived_sat(tx, me) - me.owed_sat
        sent = (Say("balance.owed_checked", sats=Sat(sent_sat)),) if sent_sat else ()
        return (Say("balance.owed_homeless", sats=Sat(me.owed_sat)), *sent)
    return tuple(_part(ctx, why, Sat(sat)) for why, sat in parts.items())


def _part(ctx: Context, why: Unpaid, sats: Sat) -> Say:
    match why:
        case Unpaid.HELD:
            return Say("balance.owed_held", sats=sats)
        case Unpaid.CHECKED:
            return Say("balance.owed_checked", sats=sats)
        case Unpaid.FUNDS:
            return Say("balance.owed_funds", sats=sats)
        case Unpaid.WALLET:
            return Say("balance.owed_wallet", sats=sats)
        case Unpaid.KEPT:
            least = Sat(ctx.me.destination.min_sat if ctx.me.destination else 1)
            return Say("balance.owed_kept", sats=sats, least=least)
        case Unpaid.COMING:
            return Say("balance.owed", sats=sats)


def _nothing_yet(tx: Tx, ctx: Context, *, is_hindered: bool) -> Say:
    """Say that the client has no bitcoin yet, and when the first is bought if nothing hinders that."""
    if is_hindered or bot_state.paused(tx):
        return Say("balance.nothing")
    if not ctx.me.balance_minor:
        return Say("balance.nothing_deposited")
    return Say("balance.nothing_fixed" if ctx.me.mode is Mode.FIXED else "balance.nothing_flow")


def _next_purchase(tx: Tx, ctx: Context) -> Say:
    """Say when the client's cash buys next, if nothing hinders that."""
    me = ctx.me
    if not me.balance_minor:
        is_pending = deposits.pending_minor(tx, me.id) > 0
        return Say("when.deposit_pending" if is_pending else "when.no_cash")
    if me.mode is Mode.FLOW:
        next_sale = _next_sale(tx, ctx)
        return Say("lines", lines=(next_sale, _recent_sales(tx, ctx)))
    return Say("lines", lines=(*_waiting_runs(tx, ctx), _next_run(tx, ctx)))


def _next_sale(tx: Tx, ctx: Context) -> Say:
    """Say how much of the balance the next sales turn into bitcoin, by what the cap leaves of today."""
    balance, left_minor = Fiat(ctx.me.balance_minor), left_today(tx, ctx)
    if left_minor is None or left_minor >= ctx.me.balance_minor:
        return Say("when.next_sale", balance=balance)
    if not left_minor:
        return Say("when.next_sale_tomorrow", balance=balance)
    return Say("when.next_sale_capped", balance=balance, left=Fiat(left_minor))


def _recent_sales(tx: Tx, ctx: Context) -> Say:
    """Say how many sales the last two weeks had, and when the last was."""
    count, last = purchases.sales_since(tx, ctx.now - _LOOK_BACK)
    if last is None:
        return Say("when.no_sales", days=_LOOK_BACK.days)
    return Say("when.sales", n=count, days=_LOOK_BACK.days, at=Moment(last))


def _waiting_runs(tx: Tx, ctx: Context) -> tuple[Say, ...]:
    """Say the runs of today that are late, and what the runs wait for."""
    rules, zone = ctx.programme.fixed, ctx.programme.timezone
    runs = [
        run
        for run in runs_of(local_date(ctx.now, zone), rules.times, zone)
        if run.at <= ctx.now and _given(tx, ctx, run)
    ]
    known = fixed_runs.known(tx, runs)
    return tuple(
        Say("when.run_waits", at=Moment(run.at), why=Word("reason", known[run.id].reason))
        for run in runs
        if run.id in known and known[run.id].state == fixed_runs.WAITING
    )


def _next_run(tx: Tx, ctx: Context) -> Say:
    """Say when fixed mode buys next for the client, and for how much; a used-up day is passed over."""
    at, rules = ctx.now, ctx.programme.fixed
    for _ in range(2 * len(rules.times)):
        run = next_run(at, rules.times, ctx.programme.timezone)
        minor = _given(tx, ctx, run)
        if minor:
            return Say("when.next_run", at=Moment(run.at), amount=Fiat(minor))
        at = run.at
    return Say("when.no_run")


def _given(tx: Tx, ctx: Context, run: Run) -> int:
    """Return the fiat that a run would take of the client now."""
    me = fixed_mode.fixed_clients(tx, run.day, only_id=ctx.me.id)
    given = amounts(run, me, ctx.programme.fixed.daily_limit_max_minor)
    return given.get(ctx.me.id, 0)
