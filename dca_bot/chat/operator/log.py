"""`log`: the commands that were carried out, and whom each command was about."""

from dataclasses import dataclass
from functools import partial
from typing import Any

from dca_bot.chat.command import Args, Command, Context
from dca_bot.chat.operator.find import find_client_or_closed, find_payee
from dca_bot.chat.params import FILTER, PAGE
from dca_bot.core.names import short_id, short_npub
from dca_bot.ledger.correspondence import command_log
from dca_bot.ledger.correspondence.command_log import LoggedCommand
from dca_bot.ledger.payouts import holds, payouts
from dca_bot.ledger.payouts.holds import HoldKind
from dca_bot.ledger.programme import client_names, deposits
from dca_bot.ledger.store.database import Tx
from dca_bot.messages import describe
from dca_bot.messages.say import Moment, Say, Typed

_DONE_CHARS_MAX = 80
"""Cuts a command's answer to one line."""


@dataclass(frozen=True, slots=True)
class Deed:
    """A command that was carried out, by name; `about`: the ids of the clients and recipients concerned."""

    command: str
    report: Say
    about: set[int]


def deed(tx: Tx, command: Command[Any], args: Args, report: Say) -> Deed:
    """Return what the log keeps of a command, right after the effect.

    `client add` names a client who is new, and a later command can give the name away.
    """
    return Deed(command.name, report, _subjects(tx, command.name, args))


def _subjects(tx: Tx, command: str, args: Args) -> set[int]:
    """Return the ids of the clients and recipients whom an operator's command was about."""
    found = {_of_name(tx, args.text(name)) for name in _NAMES if args.has(name)}
    id_ = args.text("ID").removeprefix("#")
    match command.split(maxsplit=1)[0]:
        case "deposit" if id_:
            found.add(_of_deposit(tx, int(id_)) if id_.isdecimal() else _of_name(tx, id_))
        case "hold" if id_.isdecimal():
            found.add(_of_hold(tx, int(id_)))
        case "hold" | "payout" if id_:
            found.add(_of_payout(tx, id_))
    return {one for one in found if one is not None}


def _log_answer(tx: Tx, ctx: Context, args: Args, _seen: object) -> Say:
    """List the commands that were carried out, newest first: all, or those by and about one client."""
    line = partial(_line, ctx)
    if not args.filter:
        everything = partial(command_log.recent, tx)
        return describe.page(Say("log.heading"), args.page, everything, line, again="log")
    payee = find_payee(tx, args.filter) or find_client_or_closed(tx, args.filter)
    found, name = partial(command_log.recent_about, tx, payee.id), payee.name
    return describe.page(
        Say("log.heading_of", name=name),
        args.page,
        found,
        line,
        again=f"log {args.text(FILTER.name)}",
        empty=Say("log.empty", name=name),
    )


LOG = Command(("log",), (FILTER, PAGE), answer=_log_answer)

_NAMES = ("NAME", "NEW_NAME")


def _line(ctx: Context, row: LoggedCommand) -> Say:
    return Say(
        "log.line",
        at=Moment(row.at),
        who=row.client_name or short_npub(ctx.services.npub(row.actor)),
        command=Typed(row.command),
        done=describe.cut(" ".join(row.done.split()), _DONE_CHARS_MAX),
        message=short_id(row.message_id),
    )


def _of_name(tx: Tx, name: str) -> int | None:
    payee = client_names.payee(tx, name) or client_names.closed(tx, name)
    return None if payee is None else payee.id


def _of_deposit(tx: Tx, deposit_id: int) -> int | None:
    deposit = deposits.by_id(tx, deposit_id)
    return None if deposit is None else deposit.client_id


def _of_hold(tx: Tx, hold_id: int) -> int | None:
    hold = holds.any_by_id(tx, hold_id)
    return None if hold is None or hold.kind is not HoldKind.PAYOUT else _of_payout(tx, hold.ref)


def _of_payout(tx: Tx, prefix: str) -> int | None:
    found = payouts.by_prefix(tx, prefix)
    return found[0].client_id if len(found) == 1 else None
