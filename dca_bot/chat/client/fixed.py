"""The clients' commands about fixed mode: `mode` and `limit`."""

from datetime import time, timedelta

from dca_bot.chat.command import Args, Command, Context
from dca_bot.chat.params import Param, choice, read_fiat_or_zero
from dca_bot.core.clients import Mode
from dca_bot.core.fixed_schedule import nth_part
from dca_bot.core.programme import FixedModeRules, Programme
from dca_bot.ledger.programme import clients
from dca_bot.ledger.programme.clients import Client
from dca_bot.ledger.store.database import Tx
from dca_bot.messages import obstacles
from dca_bot.messages.say import NOTHING, CommandRefused, Fiat, Say, Times, Word, refuse

_WANTED_FOR = timedelta(days=1)
"""After `mode fixed` asked for a limit: how long a limit counts as the answer to that question."""


def _mode_answer(tx: Tx, ctx: Context, args: Args, _seen: object) -> Say:
    """Set the client's mode from now on; without an argument tell the mode.

    Fixed mode needs a daily limit: the given limit, else the limit set before. Without a limit nothing
    changes, and the client is asked for a limit.
    """
    wanted = args.text(_WHICH.name)
    if not wanted:
        return _mode(ctx)
    mode = Mode(wanted)
    is_on = ctx.programme.flow_enabled if mode is Mode.FLOW else ctx.programme.fixed.enabled
    if not is_on:
        raise CommandRefused(obstacles.is_off(mode, ctx.programme))
    if mode is Mode.FLOW:
        if args.has("AMOUNT"):
            raise refuse("mode.flow_without_amount")
        clients.set_mode(tx, ctx.me.id, Mode.FLOW)
        return _with_obstacles(tx, ctx, Say("mode.flow"))
    limit_minor = _limit_given(ctx, args) if args.has("AMOUNT") else ctx.me.fixed_limit_minor
    if not limit_minor:
        unchanged = NOTHING if ctx.me.mode is Mode.FIXED else Say("mode.stays")
        most = Fiat(ctx.programme.fixed.daily_limit_max_minor)
        clients.want_fixed(tx, ctx.me.id, now=ctx.now)
        return Say("mode.needs_limit", most=most, unchanged=unchanged)
    return _start_fixed(tx, ctx, limit_minor)


def _limit_answer(tx: Tx, ctx: Context, args: Args, _seen: object) -> Say:
    """Set the client's daily limit in fixed mode; without an argument tell the limit."""
    rules = ctx.programme.fixed
    if not rules.enabled:
        raise CommandRefused(obstacles.is_off(Mode.FIXED, ctx.programme))
    if not args.has("AMOUNT"):
        return _limit(ctx)
    limit_minor = _limit_given(ctx, args)
    wanted_at = ctx.me.fixed_wanted_at
    if wanted_at is not None and abs(ctx.now - wanted_at) <= _WANTED_FOR:
        return _start_fixed(tx, ctx, limit_minor)
    clients.set_fixed_limit(tx, ctx.me.id, limit_minor)
    if ctx.me.mode is not Mode.FIXED:
        is_flow = ctx.programme.flow_enabled
        key = "limit.done_in_flow_mode" if is_flow else "limit.done_without_mode"
        return Say(key, terms=_plan(rules, limit_minor))
    return _with_obstacles(tx, ctx, Say("limit.done", terms=_plan(rules, limit_minor)))


def fixed_mode_text(client: Client, programme: Programme) -> Say:
    """Say the client's settings for fixed mode, or that the operator has switched the client's mode off."""
    rules = programme.fixed
    if not (rules.enabled if client.mode is Mode.FIXED else programme.flow_enabled):
        return Say("limit.shown_off")
    if client.mode is not Mode.FIXED:
        return NOTHING
    if not client.fixed_limit_minor:
        return Say("limit.shown_none", times=Times(rules.times))
    limit_minor = min(client.fixed_limit_minor, rules.daily_limit_max_minor)
    return Say("limit.shown", limit=Fiat(limit_minor), times=Times(rules.times))


_WHICH = choice(*Mode, wrong=lambda: refuse("wrong.mode"))
FIXED_SAVING = (
    Command(
        ("mode",),
        (_WHICH, Param("AMOUNT", read_fiat_or_zero, optional=True)),
        answer=_mode_answer,
    ),
    Command(("limit",), (Param("AMOUNT", read_fiat_or_zero, optional=True),), answer=_limit_answer),
)


def _mode(ctx: Context) -> Say:
    """Say the client's mode, and how to change to a mode that the operator allows."""
    shown = Say(
        "mode.shown", mode=Word("mode", ctx.me.mode), terms=fixed_mode_text(ctx.me, ctx.programme)
    )
    to_flow = Say("mode.to_flow") if ctx.programme.flow_enabled else NOTHING
    to_fixed = Say("mode.to_fixed") if ctx.programme.fixed.enabled else NOTHING
    return Say("lines", lines=(shown, to_flow, to_fixed))


def _limit(ctx: Context) -> Say:
    """Say the client's daily limit, and how to change the limit."""
    limit_minor, rules = ctx.me.fixed_limit_minor, ctx.programme.fixed
    mode, most = _other_mode(ctx), Fiat(rules.daily_limit_max_minor)
    if limit_minor:
        return Say("limit.present", terms=_plan(rules, limit_minor), mode=mode, most=most)
    return Say("limit.unset", mode=mode, most=most)


def _start_fixed(tx: Tx, ctx: Context, limit_minor: int) -> Say:
    clients.set_fixed_limit(tx, ctx.me.id, limit_minor)
    clients.set_mode(tx, ctx.me.id, Mode.FIXED)
    done = Say("mode.fixed", terms=_plan(ctx.programme.fixed, limit_minor))
    return _with_obstacles(tx, ctx, done)


def _other_mode(ctx: Context) -> Say:
    """Say what a limit means for a client in flow mode; nothing in fixed mode."""
    if ctx.me.mode is Mode.FIXED:
        return NOTHING
    return Say("limit.in_flow_mode" if ctx.programme.flow_enabled else "limit.flow_is_off")


def _limit_given(ctx: Context, args: Args) -> int:
    """Return the typed daily limit; raise CommandRefused for 0 or a limit above the ceiling."""
    limit_minor, most_minor = args.number("AMOUNT"), ctx.programme.fixed.daily_limit_max_minor
    if not limit_minor:
        raise refuse("limit.zero" if ctx.programme.flow_enabled else "limit.zero_flow_off")
    if limit_minor > most_minor:
        raise refuse("limit.too_much", most=Fiat(most_minor))
    return limit_minor


def _with_obstacles(tx: Tx, ctx: Context, done: Say) -> Say:
    """Say `done`, and the obstacles that still keep bitcoin from being bought."""
    client = clients.by_id(tx, ctx.me.id)
    return Say("lines", lines=(done, *obstacles.to_client(client, ctx.programme)))


def _plan(rules: FixedModeRules, limit_minor: int) -> Say:
    """Say the amount of each run of a day under a limit; runs of the same amount share a line.

    The operator's ceiling bounds a limit that was set before the ceiling was lowered.
    """
    by_amount: dict[int, list[time]] = {}
    left_minor = rules.daily_limit_max_minor
    for number, at in enumerate(rules.times, start=1):
        minor = min(nth_part(limit_minor, number, len(rules.times)), left_minor)
        left_minor -= minor
        if minor:
            by_amount.setdefault(minor, []).append(at)
    lines = tuple(
        Say("limit.part", amount=Fiat(minor), times=Times(tuple(times)))
        for minor, times in by_amount.items()
    )
    limit = Fiat(min(limit_minor, rules.daily_limit_max_minor))
    return Say("limit.plan", limit=limit, parts=lines)
