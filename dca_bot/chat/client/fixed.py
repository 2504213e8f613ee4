"""The clients' commands about fixed mode: `mode` and `limit`.

Operators choose for a client by the same functions.
"""

from datetime import time, timedelta

from dca_bot.chat.client.cap import cap_told
from dca_bot.chat.command import Args, Command, Context
from dca_bot.chat.params import Param, choice, read_fiat_or_zero
from dca_bot.core.calendar import local_date
from dca_bot.core.clients import LimitPeriod, Mode
from dca_bot.core.fixed_schedule import days_least, limit_of, nth_part
from dca_bot.core.programme import FixedModeRules, Programme
from dca_bot.ledger.programme import clients
from dca_bot.ledger.programme.clients import Client
from dca_bot.ledger.store.database import Tx
from dca_bot.messages import describe, obstacles
from dca_bot.messages.say import NOTHING, CommandRefused, Fiat, Say, Times, Word, refuse

_WANTED_FOR = timedelta(days=1)
"""After `mode fixed` asked for a limit: how long a limit counts as the answer to that question."""


def _mode_answer(tx: Tx, ctx: Context, args: Args, _seen: object) -> Say:
    """Set the client's mode from now on; without an argument tell the mode."""
    return choose_mode(tx, ctx, ctx.me, args) if args.has(WHICH.name) else _mode(ctx)


def choose_mode(tx: Tx, ctx: Context, client: Client, args: Args) -> Say:
    """Set a client's mode from now on, and say so to the client.

    Fixed mode needs a limit: the given limit, else the limit set before. Without a limit nothing changes, and
    the client is asked for a limit. Raise CommandRefused for a mode that is off, and for a limit that is
    0 or above the ceiling.
    """
    mode = Mode(args.text(WHICH.name))
    is_on = ctx.programme.flow_enabled if mode is Mode.FLOW else ctx.programme.fixed.enabled
    if not is_on:
        raise CommandRefused(obstacles.is_off(mode, ctx.programme))
    if mode is Mode.FLOW:
        if args.has("AMOUNT"):
            raise refuse("mode.flow_without_amount")
        clients.set_mode(tx, client.id, Mode.FLOW)
        cap = cap_told(client)
        return _with_obstacles(tx, ctx, client, Say("mode.flow", cap=cap))
    if args.has("AMOUNT"):
        return _start_fixed(tx, ctx, client, *_limit_given(ctx, args))
    if not client.fixed_limit_minor:
        unchanged = NOTHING if client.mode is Mode.FIXED else Say("mode.stays")
        most = Fiat(ctx.programme.fixed.daily_limit_max_minor)
        clients.want_fixed(tx, client.id, now=ctx.now)
        return Say("mode.needs_limit", most=most, unchanged=unchanged)
    return _start_fixed(tx, ctx, client, client.fixed_limit_minor, client.fixed_period)


def _limit_answer(tx: Tx, ctx: Context, args: Args, _seen: object) -> Say:
    """Set the client's limit in fixed mode; without an argument tell the limit."""
    if args.has("AMOUNT"):
        return choose_limit(tx, ctx, ctx.me, args)
    _refuse_switched_off(ctx)
    return _limit(ctx)


def choose_limit(tx: Tx, ctx: Context, client: Client, args: Args) -> Say:
    """Set a client's limit in fixed mode, and say so to the client; raise CommandRefused as `choose_mode`."""
    _refuse_switched_off(ctx)
    limit_minor, period = _limit_given(ctx, args)
    wanted_at = client.fixed_wanted_at
    if wanted_at is not None and abs(ctx.now - wanted_at) <= _WANTED_FOR:
        return _start_fixed(tx, ctx, client, limit_minor, period)
    clients.set_fixed_limit(tx, client.id, limit_minor, period)
    plan = _plan(ctx, limit_minor, period)
    if client.mode is not Mode.FIXED:
        is_flow = ctx.programme.flow_enabled
        return Say("limit.done_in_flow_mode" if is_flow else "limit.done_without_mode", terms=plan)
    return _with_obstacles(tx, ctx, client, Say("limit.done", terms=plan))


def mode_terms(client: Client, programme: Programme) -> Say:
    """Say the settings of the client's mode, or that the operator has switched the mode off."""
    rules = programme.fixed
    if not (rules.enabled if client.mode is Mode.FIXED else programme.flow_enabled):
        return Say("limit.shown_off")
    if client.mode is not Mode.FIXED:
        return cap_told(client)
    margin = describe.margin(rules)
    if not client.fixed_limit_minor:
        return Say("limit.shown_none", times=Times(rules.times), margin=margin)
    period = client.fixed_period
    limit_minor = min(client.fixed_limit_minor, _most_minor(rules, period))
    limit, per = Fiat(limit_minor), Word("period", period)
    return Say("limit.shown", limit=limit, per=per, times=Times(rules.times), margin=margin)


WHICH = choice(*Mode, wrong=lambda: refuse("wrong.mode"))
PERIOD = choice(*LimitPeriod, wrong=lambda: refuse("wrong.period"))
_LIMIT = Param("AMOUNT", read_fiat_or_zero, optional=True)
FIXED_SAVING = (
    Command(("mode",), (WHICH, _LIMIT, PERIOD), answer=_mode_answer),
    Command(("limit",), (_LIMIT, PERIOD), answer=_limit_answer),
)


def _mode(ctx: Context) -> Say:
    """Say the client's mode, and how to change to a mode that the operator allows."""
    shown = Say(
        "mode.shown", mode=Word("mode", ctx.me.mode), terms=mode_terms(ctx.me, ctx.programme)
    )
    to_flow = Say("mode.to_flow") if ctx.programme.flow_enabled else NOTHING
    to_fixed = Say("mode.to_fixed") if ctx.programme.fixed.enabled else NOTHING
    return Say("lines", lines=(shown, to_flow, to_fixed))


def _limit(ctx: Context) -> Say:
    """Say the client's limit, and how to change the limit."""
    limit_minor, rules = ctx.me.fixed_limit_minor, ctx.programme.fixed
    mode, most = _other_mode(ctx), Fiat(rules.daily_limit_max_minor)
    if limit_minor:
        plan = _plan(ctx, limit_minor, ctx.me.fixed_period)
        return Say("limit.present", terms=plan, mode=mode, most=most)
    return Say("limit.unset", mode=mode, most=most)


def _start_fixed(
    tx: Tx, ctx: Context, client: Client, limit_minor: int, period: LimitPeriod
) -> Say:
    clients.set_fixed_limit(tx, client.id, limit_minor, period)
    clients.set_mode(tx, client.id, Mode.FIXED)
    done = Say("mode.fixed", terms=_plan(ctx, limit_minor, period))
    return _with_obstacles(tx, ctx, client, done)


def _other_mode(ctx: Context) -> Say:
    """Say what a limit means for a client in flow mode; nothing in fixed mode."""
    if ctx.me.mode is Mode.FIXED:
        return NOTHING
    return Say("limit.in_flow_mode" if ctx.programme.flow_enabled else "limit.flow_is_off")


def _refuse_switched_off(ctx: Context) -> None:
    if not ctx.programme.fixed.enabled:
        raise CommandRefused(obstacles.is_off(Mode.FIXED, ctx.programme))


def _limit_given(ctx: Context, args: Args) -> tuple[int, LimitPeriod]:
    """Return the typed limit; without a period, the limit is a day's.

    Raise CommandRefused for 0, or for a limit above what the ceiling of a day lets the period have.
    """
    limit_minor = args.number("AMOUNT")
    period = LimitPeriod(args.text(PERIOD.name) or LimitPeriod.DAILY)
    most_minor = _most_minor(ctx.programme.fixed, period)
    if not limit_minor:
        raise refuse("limit.zero" if ctx.programme.flow_enabled else "limit.zero_flow_off")
    if limit_minor > most_minor:
        raise refuse("limit.too_much", most=Fiat(most_minor), per=Word("period", period))
    return limit_minor, period


def _most_minor(rules: FixedModeRules, period: LimitPeriod) -> int:
    """Return the largest limit whose part of any date keeps to the operator's ceiling."""
    return rules.daily_limit_max_minor * days_least(period)


def _with_obstacles(tx: Tx, ctx: Context, client: Client, done: Say) -> Say:
    """Say `done`, and the obstacles that still keep bitcoin from being bought."""
    changed = clients.by_id(tx, client.id)
    return Say("lines", lines=(done, *obstacles.to_client(changed, ctx.programme)))


def _plan(ctx: Context, limit_minor: int, period: LimitPeriod) -> Say:
    """Say the amount of each run of today under a limit; runs of the same amount share a line.

    The operator's ceiling bounds a limit that was set before the ceiling was lowered.
    """
    rules = ctx.programme.fixed
    today = local_date(ctx.now, ctx.programme.timezone)
    today_minor, left_minor = limit_of(today, limit_minor, period), rules.daily_limit_max_minor
    by_amount: dict[int, list[time]] = {}
    for number, at in enumerate(rules.times, start=1):
        minor = min(nth_part(today_minor, number, len(rules.times)), left_minor)
        left_minor -= minor
        if minor:
            by_amount.setdefault(minor, []).append(at)
    lines = tuple(
        Say("limit.part", amount=Fiat(minor), times=Times(tuple(times)))
        for minor, times in by_amount.items()
    )
    today_shown = NOTHING
    if period is not LimitPeriod.DAILY:
        today_shown = Say("limit.today", amount=Fiat(min(today_minor, rules.daily_limit_max_minor)))
    return Say(
        "limit.plan",
        limit=Fiat(min(limit_minor, _most_minor(rules, period))),
        per=Word("period", period),
        today=today_shown,
        parts=lines,
        margin=describe.margin(rules),
    )
