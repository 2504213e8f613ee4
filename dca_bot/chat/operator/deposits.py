"""The operators' commands about deposits."""

from functools import partial

from dca_bot.chat.command import Args, Command, Context, Done
from dca_bot.chat.operator.clients import NAME
from dca_bot.chat.operator.deposit_confirm import DEPOSIT_CONFIRM, deposit_of, done_carefully
from dca_bot.chat.operator.find import find_client, refuse_second_command
from dca_bot.chat.params import PAGE, Param, read_fiat, read_note, read_number
from dca_bot.ledger.programme import clients, deposits
from dca_bot.ledger.programme.deposits import Deposit, DepositState
from dca_bot.ledger.store.database import Tx
from dca_bot.messages import describe, obstacles
from dca_bot.messages.say import NOTHING, Fiat, Field, Say, refuse

AMOUNT = Param("AMOUNT", read_fiat)
NOTE = Param("NOTE", read_note, optional=True, rest=True)
_ID = Param("ID", read_number)


def _deposit_plan(tx: Tx, ctx: Context, args: Args, _seen: object) -> Say:
    """Tell the client and amount of the new deposit."""
    client = find_client(tx, args.text("NAME"))
    refuse_second_command(tx, ctx, args.text("NOTE"))
    effect = Say(
        "deposit.effect", name=client.name, amount=Fiat(args.number("AMOUNT")), note=_note(args)
    )
    warnings = obstacles.warnings(tx, ctx.programme, client, more_minor=args.number("AMOUNT"))
    return Say("lines", lines=(effect, *warnings))


def _deposit_apply(tx: Tx, ctx: Context, args: Args, _seen: object) -> Done:
    """Record a pending deposit, and tell the client."""
    client = find_client(tx, args.text("NAME"))
    amount_minor = args.number("AMOUNT")
    note = args.text("NOTE")
    deposit = deposits.add(tx, client.id, amount_minor=amount_minor, note=note, now=ctx.now)
    ctx.notices.clients.deposit_pending(tx, client, amount_minor, ctx.now)
    done = Say("deposit.done", id=deposit.id, name=client.name, amount=Fiat(amount_minor))
    return done_carefully(tx, ctx, client, done)


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
    return Done(done)


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
    Command(("deposit", "void"), (_ID,), plan=_void_plan, apply=_void_apply),
    Command(("deposits",), (PAGE,), answer=_list_answer),
    Command(("deposits", "pending"), (PAGE,), answer=_pending_answer),
)


def _note(args: Args) -> Say:
    return Say("deposit.note", note=args.text("NOTE")) if args.has("NOTE") else NOTHING


def _voidable(tx: Tx, args: Args) -> Deposit:
    """Return a deposit that can be voided: pending, or confirmed and covered by the balance."""
    deposit = deposit_of(tx, args.number("ID"))
    if deposit.state is DepositState.VOIDED:
        raise refuse("deposit.voided_already", id=deposit.id)
    balance_minor = clients.by_id(tx, deposit.client_id).balance_minor
    if deposit.state is DepositState.CONFIRMED and balance_minor < deposit.amount_minor:
        raise refuse("deposit.spent", id=deposit.id, balance=Fiat(balance_minor))
    return deposit
