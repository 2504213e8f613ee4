"""The clients' command `cap`: what the sales of a day may turn into bitcoin at most, in flow mode."""

from dca_bot.chat.command import Args, Command, Context
from dca_bot.chat.params import OFF, Param, read_fiat_or_off
from dca_bot.core.clients import Mode
from dca_bot.ledger.distributions import flow_mode
from dca_bot.ledger.programme import clients
from dca_bot.ledger.programme.clients import Client
from dca_bot.ledger.store.database import Tx
from dca_bot.messages import obstacles
from dca_bot.messages.say import NOTHING, CommandRefused, Fiat, Say


def _answer(tx: Tx, ctx: Context, args: Args, _seen: object) -> Say:
    """Set or end the client's cap; without an argument tell the cap and what is left of today's."""
    if not ctx.programme.flow_enabled:
        raise CommandRefused(obstacles.is_off(Mode.FLOW, ctx.programme))
    if not args.has(_CAP.name):
        return _shown(tx, ctx)
    is_off = args.text(_CAP.name) == OFF
    cap_minor = None if is_off else args.number(_CAP.name)
    clients.set_flow_cap(tx, ctx.me.id, cap_minor)
    done = Say("cap.off") if cap_minor is None else Say("cap.done", cap=Fiat(cap_minor))
    return Say("lines", lines=(done, _not_in_use(ctx)))


def cap_told(client: Client) -> Say:
    """Say a client's cap; NOTHING without a cap."""
    if client.flow_cap_minor is None:
        return NOTHING
    return Say("cap.of_mode", cap=Fiat(client.flow_cap_minor))


def left_today(tx: Tx, ctx: Context) -> int | None:
    """Return what the client's cap leaves of today, in minor units; None without a cap."""
    return flow_mode.cap_left(tx, ctx.me, ctx.now, ctx.programme.timezone)


_CAP = Param("AMOUNT", read_fiat_or_off, optional=True)
CAP: Command[None] = Command(("cap",), (_CAP,), answer=_answer)


def _shown(tx: Tx, ctx: Context) -> Say:
    left_minor = left_today(tx, ctx)
    if ctx.me.flow_cap_minor is None or left_minor is None:
        return Say("cap.none")
    shown = Say("cap.shown", cap=Fiat(ctx.me.flow_cap_minor), left=Fiat(left_minor))
    return Say("lines", lines=(shown, _not_in_use(ctx)))


def _not_in_use(ctx: Context) -> Say:
    return Say("cap.in_fixed_mode") if ctx.me.mode is Mode.FIXED else NOTHING
