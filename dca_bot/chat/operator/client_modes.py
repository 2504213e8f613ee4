"""`client mode` and `client limit`: an operator sets how a client buys, and the client is told."""

from dataclasses import replace

from dca_bot.chat.client.fixed import PERIOD, WHICH, choose_limit, choose_mode, mode_terms
from dca_bot.chat.command import Args, Command, Context
from dca_bot.chat.operator.find import find_client
from dca_bot.chat.params import Param, read_fiat, read_name
from dca_bot.core.clients import Mode
from dca_bot.ledger.programme import clients
from dca_bot.ledger.programme.clients import Client
from dca_bot.ledger.store.database import Tx
from dca_bot.messages import obstacles
from dca_bot.messages.say import CommandRefused, Say, Word, refuse

_NAME = Param("NAME", read_name)
_AMOUNT = Param("AMOUNT", read_fiat)


def _mode_answer(tx: Tx, ctx: Context, args: Args, _seen: object) -> Say:
    """Set a client's mode; fixed mode needs an amount, or the limit that the client has."""
    client = find_client(tx, args.text("NAME"))
    is_fixed = args.text(WHICH.name) == Mode.FIXED
    if is_fixed and not (args.has("AMOUNT") or client.fixed_limit_minor):
        raise refuse("client.needs_limit", name=client.name)
    _refuse_mode_off(ctx, Mode(args.text(WHICH.name)))
    return _told(tx, ctx, client, choose_mode(tx, ctx, client, args))


def _limit_answer(tx: Tx, ctx: Context, args: Args, _seen: object) -> Say:
    """Set a client's limit of fixed mode, whatever the client's mode."""
    client = find_client(tx, args.text("NAME"))
    _refuse_mode_off(ctx, Mode.FIXED)
    return _told(tx, ctx, client, choose_limit(tx, ctx, client, args))


CLIENT_MODES = (
    Command(
        ("client", "mode"),
        (_NAME, replace(WHICH, optional=False), replace(_AMOUNT, optional=True), PERIOD),
        answer=_mode_answer,
    ),
    Command(("client", "limit"), (_NAME, _AMOUNT, PERIOD), answer=_limit_answer),
)


def _refuse_mode_off(ctx: Context, mode: Mode) -> None:
    is_on = ctx.programme.flow_enabled if mode is Mode.FLOW else ctx.programme.fixed.enabled
    if not is_on:
        raise CommandRefused(Say("client.mode_off", mode=Word("mode", mode)))


def _told(tx: Tx, ctx: Context, client: Client, chosen: Say) -> Say:
    """Tell the client what was chosen for them, and say the client's settings to the operator."""
    ctx.notices.tell_client(tx, client, Say("notice.chosen", what=chosen), ctx.now)
    changed = clients.by_id(tx, client.id)
    done = Say(
        "client.mode_set",
        name=client.name,
        mode=Word("mode", changed.mode),
        terms=mode_terms(changed, ctx.programme),
    )
    return Say("lines", lines=(done, *obstacles.warnings(tx, ctx.programme, changed)))
