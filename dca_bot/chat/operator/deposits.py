"""The operators' commands about deposits."""

from functools import partial

from dca_bot.chat.command import Args, Command, Context, Counted, Done
from dca_bot.chat.ids import IDS_MAX, numbers_of, read_ids
from dca_bot.chat.operator.clients import NAME
from dca_bot.chat.operator.deposit_confirm import (
    DEPOSIT_CONFIRM,
    confirm,
    deposit_of,
    done_carefully,
)
from dca_bot.chat.operator.deposit_edit import DEPOSIT_EDIT
from dca_bot.chat.operator.find import (
    Source,
    find_client,
    known_machines,
    read_place,
    refuse_second_command,
)
from dca_bot.chat.params import PAGE, Param, read_fiat, read_note
from dca_bot.ledger.programme import clients, deposits
from dca_bot.ledger.programme.clients import Client
from dca_bot.ledger.programme.deposits import Deposit, DepositState
from dca_bot.ledger.store.database import Tx
from dca_bot.messages import describe, obstacles
from dca_bot.messages.say import NOTHING, Fiat, Field, Plain, Say, refuse

AMOUNT = Param("AMOUNT", read_fiat)
NOTE = Param("NOTE", read_note, optional=True, rest=True)
_ID = Param("ID", read_ids)


def _deposit_plan(tx: Tx, ctx: Context, args: Args, _seen: object) -> Say:
    """Tell the client and amount of the new deposit, and the machine if the cash is in one already."""
    client, amount_minor = find_client(tx, args.text("NAME")), args.number("AMOUNT")
    place = _place(tx, ctx, client, args)
    key = "deposit.effect" if place.machine is None else "deposit.effect_in"
    effect = Say(
        key,
        name=client.name,
        amount=Fiat(amount_minor),
        machine="" if place.machine is None else describe.short(place.machine.label),
        note=Say("deposit.note", note=place.more) if place.more else NOTHING,
    )
    warnings = obstacles.warnings(tx, ctx.programme, client, more_minor=amount_minor)
    return Say("lines", lines=(effect, *warnings))


def _deposit_apply(tx: Tx, ctx: Context, args: Args, _seen: object) -> Done:
    """Record a deposit, pending unless the cash is in a machine already, and tell the client."""
    client, amount_minor = find_client(tx, args.text("NAME")), args.number("AMOUNT")
    place = _place(tx, ctx, client, args)
    deposit = deposits.add(tx, client.id, amount_minor=amount_minor, note=place.more, now=ctx.now)
    if place.machine is not None:
        return confirm(tx, ctx, deposit, place.machine.label)
    ctx.notices.clients.deposit_pending(tx, client, amount_minor, ctx.now)
    done = Say("deposit.done", id=deposit.id, name=client.name, amount=Fiat(amount_minor))
    return done_carefully(tx, ctx, client, done, Counted("batch.noted", amount_minor))


def _void_plan(tx: Tx, _ctx: Context, args: Args, _seen: object) -> Say:
    """Tell which deposit would be voided."""
    deposit = _voidable(tx, args)
    fields: dict[str, Field] = {
        "id": deposit.id,
        "name": deposit.client_name,
        "amount": Fiat(deposit.amount_minor),
    }
    if deposit.state is DepositState.PENDING:
        return Say("deposit.void_pending_effect", **fields)
    return Say("deposit.void_confirmed_effect", **fields)


def _void_apply(tx: Tx, ctx: Context, args: Args, _seen: object) -> Done:
    """Void a deposit, and tell the client."""
    deposit = _voidable(tx, args)
    deposits.void(tx, deposit, now=ctx.now, message_id=ctx.message_id)
    client = clients.by_id(tx, deposit.client_id)
    told = Say(
        "notice.deposit_voided",
        amount=Fiat(deposit.amount_minor),
        balance=Fiat(client.balance_minor),
    )
    ctx.notices.tell_client(tx, client, told, ctx.now)
    if deposit.state is DepositState.CONFIRMED:
        ctx.notices.clients.note_low(tx, [client.id], ctx.now, is_cash_back=True)
    done = Say(
        "deposit.voided",
        id=deposit.id,
        name=client.name,
        amount=Fiat(deposit.amount_minor),
        balance=Fiat(client.balance_minor),
    )
    return Done(done, counted=Counted("batch.voided", deposit.amount_minor))


def _void_numbers(tx: Tx, args: Args) -> list[int] | None:
    return numbers_of(args, partial(deposits.standing_between, tx, limit=IDS_MAX + 1))


def _list_answer(tx: Tx, _ctx: Context, args: Args, _seen: object) -> Say:
    """List the newest deposits."""
    found = partial(deposits.recent, tx, pending_only=False)
    heading, line = Say("deposits.heading"), describe.deposit
    return describe.page(heading, args.page, found, line, again="deposits")


def _pending_answer(tx: Tx, _ctx: Context, args: Args, _seen: object) -> Say:
    """List the pending deposits: cash that is not in a machine yet."""
    found = partial(deposits.recent, tx, pending_only=True)
    heading, line = Say("deposits.pending_heading"), describe.deposit
    return describe.page(heading, args.page, found, line, again="deposits pending")


DEPOSIT_COMMANDS = (
    Command(("deposit",), (NAME, AMOUNT, NOTE), plan=_deposit_plan, apply=_deposit_apply),
    DEPOSIT_CONFIRM,
    DEPOSIT_EDIT,
    Command(("deposit", "void"), (_ID,), plan=_void_plan, apply=_void_apply, numbers=_void_numbers),
    Command(("deposits",), (PAGE,), answer=_list_answer),
    Command(("deposits", "pending"), (PAGE,), answer=_pending_answer),
)


def _place(tx: Tx, ctx: Context, client: Client, args: Args) -> Source:
    """Read the machine of `in MACHINE` in the argument NOTE, and the note itself.

    Raise CommandRefused for a name that may be a misspelt machine's.
    """
    note = args.text("NOTE")
    place = read_place(tx, note)
    if place.doubtful:
        raise refuse(
            "deposit.which_machine",
            name=client.name,
            amount=Plain(Fiat(args.number("AMOUNT"))),
            machine=place.doubtful[0].label,
            machines=known_machines(place.doubtful),
            note=note,
        )
    refuse_second_command(tx, ctx, place.more)
    return place


def _voidable(tx: Tx, args: Args) -> Deposit:
    """Return a deposit that can be voided: pending, or confirmed and covered by the balance."""
    deposit = deposit_of(tx, args.number("ID"))
    if deposit.state is DepositState.VOIDED:
        raise refuse("deposit.voided_already", id=deposit.id)
    balance_minor = clients.by_id(tx, deposit.client_id).balance_minor
    if deposit.state is DepositState.CONFIRMED and balance_minor < deposit.amount_minor:
        raise refuse("deposit.spent", id=deposit.id, balance=Fiat(balance_minor))
    return deposit
