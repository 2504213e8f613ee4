"""The operators' broadcast to all clients."""

from dca_bot.chat.command import Args, Command, Context, Done
from dca_bot.chat.params import Param
from dca_bot.ledger.programme import clients
from dca_bot.ledger.store.database import Tx
from dca_bot.messages.say import Say, refuse

TEXT_CHARS_MAX = 1500
TEXT_BYTES_MAX = 3500
"""Leaves room in a message for the frame around the text."""


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
)
