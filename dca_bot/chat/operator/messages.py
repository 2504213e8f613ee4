"""The operators' broadcast to all clients, and the log of all commands."""

from functools import partial

from dca_bot.chat.command import Args, Command, Context, Done
from dca_bot.chat.params import PAGE, Param
from dca_bot.core.names import short_id
from dca_bot.ledger.correspondence import command_log
from dca_bot.ledger.correspondence.command_log import LoggedCommand
from dca_bot.ledger.programme import clients
from dca_bot.ledger.store.database import Tx
from dca_bot.messages import describe
from dca_bot.messages.say import Moment, Say, refuse

TEXT_CHARS_MAX = 1500
TEXT_BYTES_MAX = 3500
"""Leaves room in a message for the frame around the text."""
_DONE_CHARS_MAX = 80
"""Cuts a command's answer to one line."""


def _broadcast_plan(tx: Tx, _ctx: Context, args: Args, _seen: object) -> Say:
    """Tell the text and the number of clients."""
    readers = len(clients.everyone(tx))
    if not readers:
        raise refuse("broadcast.nobody")
    return Say("broadcast.effect", n=readers, text=args.text("TEXT"))


def _broadcast_apply(tx: Tx, ctx: Context, args: Args, _seen: object) -> Done:
    """Write to all clients, whichever notices about payouts a client has chosen."""
    sent = ctx.notices.clients.broadcast(tx, args.text("TEXT"), ctx.now)
    return Done(
        reply=Say("broadcast.done", n=sent),
        told_otherwise=Say("broadcast.report", n=sent, text=args.text("TEXT")),
    )


def _log_answer(tx: Tx, ctx: Context, args: Args, _seen: object) -> Say:
    """List the commands that were carried out, newest first."""
    found, line = partial(command_log.recent, tx), partial(_line, ctx)
    return describe.page(Say("log.heading"), args.page, found, line)


def _read_broadcast(text: str, _currency: str) -> str:
    """Read the text of a broadcast, with line breaks."""
    if len(text) > TEXT_CHARS_MAX or len(text.encode()) > TEXT_BYTES_MAX:
        raise refuse("broadcast.long", max=TEXT_CHARS_MAX)
    return text


MESSAGE_COMMANDS = (
    Command(
        ("broadcast",),
        (Param("TEXT", _read_broadcast, verbatim=True),),
        plan=_broadcast_plan,
        apply=_broadcast_apply,
    ),
    Command(("log",), (PAGE,), answer=_log_answer),
)


def _line(ctx: Context, row: LoggedCommand) -> Say:
    done = " ".join(row.done.split())
    cut = done if len(done) <= _DONE_CHARS_MAX else f"{done[: _DONE_CHARS_MAX - 1]}…"
    return Say(
        "log.line",
        at=Moment(row.at),
        who=row.client_name or f"{ctx.services.npub(row.actor)[:12]}…",
        command=row.command,
        done=cut,
        message=short_id(row.message_id),
    )
