"""What a client can type about fixed mode, and how its terms are told."""

from collections.abc import Sequence
from datetime import time

from dca_bot.chat.command import Args, Command, Context, Facts, Param, read_fiat_or_zero
from dca_bot.chat.say import NOTHING, Fiat, Say, Word, refuse
from dca_bot.core.programme import FixedTerms
from dca_bot.core.schedule import portion
from dca_bot.ledger import clients
from dca_bot.ledger.clients import Client
from dca_bot.ledger.database import Tx

FLOW = "flow"
FIXED = "fixed"


def read_mode(text: str, _currency: str) -> str:
    """Read `flow` or `fixed`, in any case."""
    mode = text.lower()
    if mode not in (FLOW, FIXED):
        raise refuse("wrong.mode")
    return mode


def mode_answer(tx: Tx, ctx: Context, args: Args, _facts: Facts) -> Say:
    """Let the client buy with each cash-out, or at fixed times, from now on; or tell which it is."""
    mode, is_on = args.text(_WHICH.name), ctx.programme.fixed.enabled
    if not mode:
        now = Word("mode", ctx.me.mode)
        return Say("mode.shown", mode=now, terms=terms_of(ctx.me, ctx.programme.fixed))
    if mode == FIXED and not is_on:
        raise refuse("mode.fixed_is_off")
    if mode == FLOW and not ctx.programme.flow_enabled:
        raise refuse("mode.flow_is_off")
    clients.set_mode(tx, ctx.me.id, mode)
    if mode == FLOW:
        return Say("mode.flow")
    return Say("mode.fixed", terms=_plan(ctx.programme.fixed, ctx.me.fixed_limit_minor))


def limit_answer(tx: Tx, ctx: Context, args: Args, _facts: Facts) -> Say:
    """Set how much the client gives a day in fixed mode, or tell how much it is."""
    terms = ctx.programme.fixed
    if not terms.enabled:
        raise refuse("mode.fixed_is_off")
    if not args.has("AMOUNT"):
        return _limit(ctx)
    limit_minor = args.number("AMOUNT")
    if not limit_minor:
        raise refuse("limit.zero")
    if limit_minor > terms.daily_limit_max_minor:
        raise refuse("limit.too_much", most=Fiat(terms.daily_limit_max_minor))
    clients.set_fixed_limit(tx, ctx.me.id, limit_minor)
    return Say(
        "limit.done",
        terms=_plan(terms, limit_minor),
        mode=_other_mode(ctx.me),
    )


def terms_of(client: Client, terms: FixedTerms) -> Say:
    """Say what a client has chosen for fixed mode; nothing for one who buys with each cash-out."""
    if client.mode != FIXED:
        return NOTHING
    if not terms.enabled:
        return Say("limit.shown_off")
    if not client.fixed_limit_minor:
        return Say("limit.shown_none", times=times_text(terms.times))
    return Say("limit.shown", limit=Fiat(client.fixed_limit_minor), times=times_text(terms.times))


def obstacle(client: Client, terms: FixedTerms) -> Say:
    """Say what keeps fixed mode from buying for a client who has chosen it, if anything does."""
    if client.mode != FIXED:
        return NOTHING
    if not terms.enabled:
        return Say("mode.fixed_is_off")
    if not client.fixed_limit_minor:
        return Say("limit.none", most=Fiat(terms.daily_limit_max_minor))
    return NOTHING


def times_text(times: Sequence[time]) -> str:
    """Write times of the day as people read them."""
    return ", ".join(f"{at:%H:%M}" for at in times)


_WHICH = Param("flow|fixed", read_mode, optional=True)
FIXED_SAVING = (
    Command(("mode",), (_WHICH,), answer=mode_answer),
    Command(("limit",), (Param("AMOUNT", read_fiat_or_zero, optional=True),), answer=limit_answer),
)


def _limit(ctx: Context) -> Say:
    """Say how much a client gives a day, and how to change that."""
    limit_minor, terms = ctx.me.fixed_limit_minor, ctx.programme.fixed
    mode, most = _other_mode(ctx.me), Fiat(terms.daily_limit_max_minor)
    if limit_minor:
        return Say("limit.present", terms=_plan(terms, limit_minor), mode=mode, most=most)
    return Say("limit.unset", mode=mode, most=most)


def _other_mode(client: Client) -> Say:
    return NOTHING if client.mode == FIXED else Say("limit.in_flow_mode")


def _plan(terms: FixedTerms, limit_minor: int) -> Say:
    """Say what each run of a day gives under a limit, runs of the same amount together."""
    if not limit_minor:
        return Say("limit.none", most=Fiat(terms.daily_limit_max_minor))
    by_amount: dict[int, list[time]] = {}
    for number, at in enumerate(terms.times, start=1):
        minor = portion(limit_minor, number, len(terms.times))
        by_amount.setdefault(minor, []).append(at)
    lines = tuple(
        Say("limit.part", amount=Fiat(minor), times=times_text(times))
        for minor, times in by_amount.items()
    )
    return Say("limit.plan", limit=Fiat(limit_minor), parts=lines)
