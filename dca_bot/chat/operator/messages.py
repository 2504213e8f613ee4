"""The operators' messages to clients: `reply`, `message`, `broadcast`."""

from collections.abc import Sequence

from dca_bot.chat.command import Args, Command, Context, Done
from dca_bot.chat.operator.clients import NAME
from dca_bot.chat.operator.find import find_client
from dca_bot.chat.params import ALL, LOW, Param
from dca_bot.core.quotes import cleaned
from dca_bot.ledger.correspondence import tasks
from dca_bot.ledger.correspondence.tasks import TaskKind
from dca_bot.ledger.programme import client_lists, clients
from dca_bot.ledger.programme.clients import Client
from dca_bot.ledger.store.database import Tx
from dca_bot.messages import obstacles, reach
from dca_bot.messages import tasks as tasks_told
from dca_bot.messages.say import Say, refuse

TEXT_CHARS_MAX = 1500
TEXT_BYTES_MAX = 3500
"""Leaves room in a message for the frame around the text."""


def _reply_answer(tx: Tx, ctx: Context, args: Args, _seen: object) -> Say:
    """Pass an operator's answer on to a client, and close the client's open messages."""
    client = find_client(tx, args.text("NAME"))
    closed = tasks.close(tx, client.id, TaskKind.CONTACT, by=ctx.sender, now=ctx.now)
    words = _words(args)
    if not closed:
        _write(tx, ctx, client, Say("notice.sent", text=words), words)
        return _on_way(tx, client, Say("reply.unasked", name=client.name))
    _write(tx, ctx, client, Say("notice.answered", text=words), words)
    return _on_way(tx, client, Say("reply.done", name=client.name, n=len(closed)))


def _message_answer(tx: Tx, ctx: Context, args: Args, _seen: object) -> Say:
    """Pass an operator's words on to one client; the client's tasks stay open."""
    client = find_client(tx, args.text("NAME"))
    words = _words(args)
    _write(tx, ctx, client, Say("notice.sent", text=words), words)
    return _on_way(tx, client, Say("message.done", name=client.name))


def _message_plan(tx: Tx, ctx: Context, args: Args, seen: object) -> Say:
    """Tell the text and the readers: all clients, or the clients with a low or used up balance."""
    if _who(args) == ALL:
        return _broadcast_plan(tx, ctx, args, seen)
    readers = _running_low(tx, ctx)
    if not readers:
        raise refuse("message.nobody_low")
    names = obstacles.name_list([one.name for one in readers])
    return Say("message.effect", n=len(readers), names=names, text=args.text("TEXT"))


def _message_apply(tx: Tx, ctx: Context, args: Args, seen: object) -> Done:
    """Write to all clients, or to the clients with a low or used up balance."""
    if _who(args) == ALL:
        return _broadcast_apply(tx, ctx, args, seen)
    return _send(tx, ctx, _running_low(tx, ctx), "message.report", args)


def _broadcast_plan(tx: Tx, _ctx: Context, args: Args, _seen: object) -> Say:
    """Tell the text and the number of clients."""
    readers = len(clients.everyone(tx))
    if not readers:
        raise refuse("broadcast.nobody")
    return Say("broadcast.effect", n=readers, text=args.text("TEXT"))


def _broadcast_apply(tx: Tx, ctx: Context, args: Args, _seen: object) -> Done:
    """Write to all clients, whichever notices about payouts a client has chosen."""
    return _send(tx, ctx, clients.everyone(tx), "broadcast.report", args)


def _read_text(text: str, _currency: str) -> str:
    """Read the text of a message, with line breaks."""
    if len(text) > TEXT_CHARS_MAX or len(text.encode()) > TEXT_BYTES_MAX:
        raise refuse("broadcast.long", max=TEXT_CHARS_MAX)
    return text


_TEXT = Param("TEXT", _read_text, verbatim=True)
MESSAGE_COMMANDS = (
    Command(("reply",), (NAME, _TEXT), answer=_reply_answer, leaves=True),
    Command(
        ("message",),
        (NAME, _TEXT),
        answer=_message_answer,
        plan=_message_plan,
        apply=_message_apply,
        code_when=lambda args: _who(args) in (ALL, LOW),
        leaves=True,
    ),
    Command(("broadcast",), (_TEXT,), plan=_broadcast_plan, apply=_broadcast_apply, leaves=True),
)


def _who(args: Args) -> str:
    return args.text("NAME").lower()


def _running_low(tx: Tx, ctx: Context) -> list[Client]:
    """Return the clients of `clients low`."""
    return client_lists.running_low(tx, ctx.programme.low_deposit_minor)


def _words(args: Args) -> str:
    words = cleaned(args.text("TEXT"))
    if not words:
        raise refuse("message.empty")
    return words


def _write(tx: Tx, ctx: Context, client: Client, told: Say, words: str) -> None:
    """Write to one client, and show the other operators the words; the log keeps no words."""
    ctx.notices.tell_client(tx, client, told, ctx.now)
    report = Say("message.told", name=client.name, text=words)
    ctx.notices.money_command(tx, ctx.sender, report, ctx.now)


def _on_way(tx: Tx, client: Client, done: Say) -> Say:
    """Tell what was done, what the client still waits for, and whether messages don't reach the client."""
    return Say(
        "message.on_way",
        done=done,
        tasks=tasks_told.of_client(tx, client.id),
        reached=reach.of_client(tx, client),
    )


def _send(tx: Tx, ctx: Context, readers: Sequence[Client], report: str, args: Args) -> Done:
    text = args.text("TEXT")
    ctx.notices.clients.broadcast(tx, readers, text, ctx.now)
    return Done(
        reply=Say("broadcast.done", n=len(readers)),
        told_otherwise=Say(report, n=len(readers), text=text),
    )
