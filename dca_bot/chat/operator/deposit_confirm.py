"""`deposit confirm`: a client's cash is in a machine, so the deposit counts from now on."""

from functools import partial

from dca_bot.chat.amounts import is_amount_like, take_amount
from dca_bot.chat.command import Args, Command, Context, Counted, Done
from dca_bot.chat.ids import IDS_MAX, numbers_of, read_ids_or_name
from dca_bot.chat.operator.find import find_client, find_machine, read_place
from dca_bot.chat.params import Param, read_fiat, read_note
from dca_bot.ledger.programme import clients, deposits, machines
from dca_bot.ledger.programme.clients import Client
from dca_bot.ledger.programme.deposits import Deposit, DepositState
from dca_bot.ledger.store.database import Tx
from dca_bot.messages import describe, obstacles
from dca_bot.messages.say import NOTHING, CommandRefused, Fiat, Moment, Say, Typed, refuse

_SHOWN_MAX = 5


def _plan(tx: Tx, ctx: Context, args: Args, _seen: object) -> Say:
    """Tell which pending deposit would count, and in which machine the cash is."""
    deposit, label = _meant(tx, ctx, args)
    machine = describe.short(label)
    nowhere = Say("deposit.no_machine", id=deposit.id) if machines.everything(tx) else NOTHING
    effect = Say(
        "deposit.confirm_effect",
        id=deposit.id,
        name=deposit.client_name,
        amount=Fiat(deposit.amount_minor),
        machine=Say("deposit.in_machine", machine=machine) if machine else nowhere,
    )
    client = clients.by_id(tx, deposit.client_id)
    return Say("lines", lines=(effect, *obstacles.warnings(tx, ctx.programme, client)))


def _apply(tx: Tx, ctx: Context, args: Args, _seen: object) -> Done:
    """Add a pending deposit to the client's balance, and tell the client."""
    return confirm(tx, ctx, *_meant(tx, ctx, args))


def confirm(tx: Tx, ctx: Context, deposit: Deposit, label: str) -> Done:
    """Confirm a pending deposit, in the machine of a label, empty for none; tell the client."""
    deposits.confirm(tx, deposit, machine=label or None, now=ctx.now, message_id=ctx.message_id)
    clients.cross_low(tx, [deposit.client_id], ctx.programme.low_deposit_minor)
    client = clients.by_id(tx, deposit.client_id)
    ctx.notices.clients.deposit_confirmed(tx, client, deposit, ctx.now)
    done = Say(
        "deposit.confirmed",
        id=deposit.id,
        name=client.name,
        amount=Fiat(deposit.amount_minor),
        balance=Fiat(client.balance_minor),
    )
    what = "batch.in_machine" if label else "batch.counts"
    counted = Counted(what, deposit.amount_minor, describe.short(label))
    return done_carefully(tx, ctx, client, done, counted)


def _numbers(tx: Tx, args: Args) -> list[int] | None:
    return numbers_of(args, partial(deposits.pending_between, tx, limit=IDS_MAX + 1))


DEPOSIT_CONFIRM = Command(
    ("deposit", "confirm"),
    (Param("ID", read_ids_or_name), Param("MACHINE", read_note, optional=True, rest=True)),
    plan=_plan,
    apply=_apply,
    numbers=_numbers,
)


def done_carefully(tx: Tx, ctx: Context, client: Client, done: Say, counted: Counted) -> Done:
    """Add the warnings to the report for the other operators; the plan has warned the sender."""
    warnings = obstacles.warnings(tx, ctx.programme, client)
    return Done(done, Say("lines", lines=(done, *warnings)), counted)


def deposit_of(tx: Tx, deposit_id: int) -> Deposit:
    """Return a deposit; raise CommandRefused for an unknown number."""
    deposit = deposits.by_id(tx, deposit_id)
    if deposit is None:
        raise refuse("deposit.unknown")
    return deposit


def _meant(tx: Tx, ctx: Context, args: Args) -> tuple[Deposit, str]:
    """Return the pending deposit that is meant, and the label of the machine, empty for no machine.

    `deposit confirm maria 500 Market`: behind a client's name an amount may stand. Raise CommandRefused for
    a deposit that isn't pending, and for a client of whom none or several deposits can be meant.
    """
    wanted = args.text("MACHINE")
    if not isinstance(args.values["ID"], str):
        return pending_deposit(tx, args.number("ID")), _machine(tx, wanted)
    client = find_client(tx, args.text("ID"))
    amount_minor, words = _amount(tx, wanted, ctx.programme.currency)
    return _only_pending(tx, client, amount_minor, words), _machine(tx, words)


def _amount(tx: Tx, wanted: str, currency: str) -> tuple[int | None, str]:
    """Split words into an amount, None without one, and the words for a machine."""
    words = wanted.split()
    if not words or machines.complete(machines.everything(tx), words)[1]:
        return None, wanted
    first, used = take_amount(words, currency, has_note=True)
    try:
        return read_fiat(first, currency), " ".join(words[used:])
    except CommandRefused:
        if is_amount_like(first):
            raise
        return None, wanted


def pending_deposit(tx: Tx, deposit_id: int) -> Deposit:
    """Return a pending deposit; raise CommandRefused for any other number."""
    deposit = deposit_of(tx, deposit_id)
    if deposit.state is not DepositState.PENDING:
        raise refuse("deposit.not_pending", deposit=describe.deposit(deposit))
    return deposit


def _only_pending(tx: Tx, client: Client, amount_minor: int | None, machine: str) -> Deposit:
    """Return a client's only pending deposit, or the only one of an amount; refuse and name several."""
    every = deposits.pending_of(tx, client.id)
    if not every:
        raise refuse("deposit.none_pending", name=client.name)
    found = [one for one in every if amount_minor in (None, one.amount_minor)]
    if len(found) == 1:
        return found[0]
    lines = tuple(_choice(one, machine) for one in (found or every)[:_SHOWN_MAX])
    if found:
        raise refuse("deposit.which", name=client.name, lines=lines)
    raise refuse(
        "deposit.other_amount", name=client.name, amount=Fiat(amount_minor or 0), lines=lines
    )


def _choice(one: Deposit, machine: str) -> Say:
    return Say(
        "deposit.which_line",
        typed=Typed(f"deposit confirm {one.id} {machine}".rstrip()),
        amount=Fiat(one.amount_minor),
        at=Moment(one.created_at),
    )


def _machine(tx: Tx, wanted: str) -> str:
    """Return the label of the machine that words name, or of the only machine; empty if ambiguous.

    `in Market` means Market. While the ledger knows no machine, any word passes.
    """
    known, place = machines.everything(tx), read_place(tx, wanted)
    if place.machine is not None and not place.more:
        return place.machine.label
    if wanted and known:
        return find_machine(tx, wanted).label
    return known[0].label if len(known) == 1 else wanted
