"""`deposit edit`: a pending deposit was noted with a wrong amount, so a new deposit takes its place."""

from dca_bot.chat.command import Args, Command, Context, Done
from dca_bot.chat.operator.deposit_confirm import pending_deposit
from dca_bot.chat.params import Param, read_fiat, read_number
from dca_bot.ledger.programme import clients, deposits
from dca_bot.ledger.programme.deposits import Deposit
from dca_bot.ledger.store.database import Tx
from dca_bot.messages.say import Fiat, Say, refuse


def _plan(tx: Tx, _ctx: Context, args: Args, _seen: object) -> Say:
    """Tell which deposit would have which amount."""
    deposit = _meant(tx, args)
    return Say(
        "deposit.edit_effect",
        id=deposit.id,
        name=deposit.client_name,
        old=Fiat(deposit.amount_minor),
        new=Fiat(args.number("AMOUNT")),
    )


def _apply(tx: Tx, ctx: Context, args: Args, _seen: object) -> Done:
    """Void the deposit, record a new one in its place, and tell the client once."""
    deposit = _meant(tx, args)
    edited = deposits.edit(
        tx,
        deposit,
        amount_minor=args.number("AMOUNT"),
        now=ctx.now,
        message_id=ctx.message_id,
    )
    client = clients.by_id(tx, deposit.client_id)
    told = Say(
        "notice.deposit_edited", old=Fiat(deposit.amount_minor), new=Fiat(edited.amount_minor)
    )
    ctx.notices.tell_client(tx, client, told, ctx.now)
    done = Say(
        "deposit.edited",
        old_id=deposit.id,
        id=edited.id,
        name=client.name,
        new=Fiat(edited.amount_minor),
    )
    return Done(done)


DEPOSIT_EDIT = Command(
    ("deposit", "edit"),
    (Param("ID", read_number), Param("AMOUNT", read_fiat)),
    plan=_plan,
    apply=_apply,
)


def _meant(tx: Tx, args: Args) -> Deposit:
    """Return the pending deposit; raise CommandRefused if it isn't pending or has the amount already."""
    deposit = pending_deposit(tx, args.number("ID"))
    if deposit.amount_minor == args.number("AMOUNT"):
        raise refuse("deposit.same_amount", id=deposit.id, amount=Fiat(deposit.amount_minor))
    return deposit
