"""The operators' command `withdraw`: cash back to a client."""

from dca_bot.chat.command import Args, Command, Context, Counted, Done
from dca_bot.chat.operator.clients import NAME
from dca_bot.chat.operator.deposits import NOTE
from dca_bot.chat.operator.find import (
    Source,
    find_client,
    known_machines,
    read_source,
    refuse_second_command,
)
from dca_bot.chat.params import Param, read_fiat_or_zero
from dca_bot.ledger.correspondence import tasks
from dca_bot.ledger.correspondence.tasks import TaskKind
from dca_bot.ledger.programme import deposits, machines
from dca_bot.ledger.programme.clients import Client
from dca_bot.ledger.store.database import Tx
from dca_bot.messages import describe
from dca_bot.messages.say import NOTHING, Fiat, Moment, Plain, Say, refuse


def _decline_answer(tx: Tx, ctx: Context, args: Args, _seen: object) -> Say:
    """Decline a client's request for cash, with the amount 0, and tell the client."""
    client = find_client(tx, args.text("NAME"))
    closed = tasks.close(tx, client.id, TaskKind.WITHDRAWAL, by=ctx.sender, now=ctx.now)
    if not closed:
        raise refuse("withdraw.nothing_asked", name=client.name)
    amount = Fiat(closed[0].amount_minor)
    ctx.notices.tell_client(tx, client, Say("notice.request_declined", amount=amount), ctx.now)
    done = Say("withdraw.declined", name=client.name, amount=amount)
    ctx.notices.money_command(tx, ctx.sender, done, ctx.now)
    return done


def _plan(tx: Tx, ctx: Context, args: Args, _seen: object) -> Say:
    """Tell the client, the amount and the machine of a withdrawal; refuse more than the balance."""
    client = find_client(tx, args.text("NAME"))
    amount_minor = _amount(tx, client, args)
    if amount_minor > client.balance_minor:
        balance = Fiat(client.balance_minor)
        raise refuse("withdraw.too_much", name=client.name, balance=balance)
    source = _source(tx, ctx, client, args)
    asked = tasks.requested_cash(tx, client.id)
    place = source.machine
    return Say(
        "withdraw.effect",
        name=client.name,
        amount=Fiat(amount_minor),
        machine=Say("withdraw.from_machine", machine=describe.short(place.label))
        if place
        else NOTHING,
        note=Say("deposit.note", note=source.more) if source.more else NOTHING,
        nowhere=NOTHING
        if place or len(machines.everything(tx)) < 2
        else Say("withdraw.no_machine"),
        asked=NOTHING
        if asked is None
        else Say("withdraw.asked", amount=Fiat(asked.amount_minor), at=Moment(asked.asked_at)),
    )


def _apply(tx: Tx, ctx: Context, args: Args, _seen: object) -> Done:
    """Take an amount out of a client's balance, and tell the client."""
    client = find_client(tx, args.text("NAME"))
    amount_minor = _amount(tx, client, args)
    source = _source(tx, ctx, client, args)
    deposits.withdraw(
        tx,
        client.id,
        amount_minor=amount_minor,
        note=source.note,
        machine=source.machine.device_id if source.machine else None,
        now=ctx.now,
        message_id=ctx.message_id,
    )
    tasks.close(tx, client.id, TaskKind.WITHDRAWAL, by=ctx.sender, now=ctx.now)
    left = Fiat(client.balance_minor - amount_minor)
    told = Say("notice.withdrawn", amount=Fiat(amount_minor), balance=left)
    ctx.notices.tell_client(tx, client, told, ctx.now)
    ctx.notices.clients.note_low(tx, [client.id], ctx.now, is_cash_back=True)
    done = Say("withdraw.done", name=client.name, amount=Fiat(amount_minor), balance=left)
    return Done(done, counted=Counted("batch.paid_out", amount_minor))


WITHDRAW = Command(
    ("withdraw",),
    (NAME, Param("AMOUNT", read_fiat_or_zero, optional=True), NOTE),
    answer=_decline_answer,
    plan=_plan,
    apply=_apply,
    code_when=lambda args: not args.has("AMOUNT") or args.number("AMOUNT") > 0,
)


def _amount(tx: Tx, client: Client, args: Args) -> int:
    """Return the amount to pay out: without AMOUNT what the client has asked for.

    Raise CommandRefused if the client has asked for nothing.
    """
    if args.has("AMOUNT"):
        return args.number("AMOUNT")
    asked = tasks.requested_cash(tx, client.id)
    if asked is None:
        raise refuse("withdraw.how_much", name=client.name, balance=Fiat(client.balance_minor))
    return asked.amount_minor


def _source(tx: Tx, ctx: Context, client: Client, args: Args) -> Source:
    """Read the argument NOTE of a withdrawal; refuse a note that may misspell a machine."""
    source = read_source(tx, args.text("NOTE"))
    if source.doubtful:
        raise refuse(
            "withdraw.which",
            name=client.name,
            amount=Plain(Fiat(args.number("AMOUNT"))),
            machine=source.doubtful[0].label,
            machines=known_machines(source.doubtful),
            note=source.note,
        )
    if source.machine is None:
        refuse_second_command(tx, ctx, args.text("NOTE"))
    return source
