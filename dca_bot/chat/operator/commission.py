"""The operators' commands about the commission: recipients and percentages.

The invariant: no share of the commission is set before an operator has confirmed destination and percentage.
"""

from dataclasses import dataclass

from dca_bot.chat.command import Args, Command, Context, Done
from dca_bot.chat.destinations import MAY_HAVE_DESTINATION, look_destination
from dca_bot.chat.operator.clients import NAME
from dca_bot.chat.operator.find import find_payee
from dca_bot.chat.operator.names import refuse_taken_name
from dca_bot.chat.params import Param, read_new_name, read_percent
from dca_bot.chat.services import Services
from dca_bot.core.clients import ClientRole
from dca_bot.ledger.payouts import (
    planning,
)
from dca_bot.ledger.programme import clients, commission
from dca_bot.ledger.programme.clients import Client, Destination
from dca_bot.ledger.programme.commission import CommissionShare, CommissionVersion
from dca_bot.ledger.reports import purchases
from dca_bot.ledger.store.database import Tx
from dca_bot.messages import describe
from dca_bot.messages.say import NOTHING, Percent, Sat, Say, refuse


@dataclass(frozen=True, slots=True)
class _Wanted:
    """The share of the commission that `commission set` asks for.

    `payee`: None for a new recipient. `destination`: None if unchanged. `before`: the share in force.
    """

    payee: Client | None
    name: str
    percent_bp: int
    destination: Destination | None
    version: CommissionVersion
    before: CommissionShare | None


def _list_answer(tx: Tx, _ctx: Context, _args: Args, _seen: object) -> Say:
    """Tell the shares of the commission, and the sats that each payee has got."""
    version = commission.in_force(tx)
    leaving = commission.leaving(tx)
    if not version.shares and not leaving:
        return Say("commission.nobody")
    parts = tuple(_share_line(tx, share) for share in version.shares)
    rest = Say("commission.rest", percent=Percent(version.rest_bp))
    gone = tuple(
        Say("commission.leaving", name=payee.name, sats=Sat(payee.owed_sat)) for payee in leaving
    )
    return Say("lines", lines=(Say("commission.heading"), *parts, rest, *gone))


async def _look_recipient(services: Services, args: Args) -> Destination | None:
    """Check the argument DESTINATION with the destination's server; None without the argument."""
    return await look_destination(services, args) if args.has("DESTINATION") else None


def _set_plan(tx: Tx, ctx: Context, args: Args, seen: Destination | None) -> Say:
    """Tell the new share of the commission, the destination, and the rest of the operator."""
    wanted = _wanted(tx, ctx, args, seen)
    before, payee = wanted.before, wanted.payee
    was_bp = before.percent_bp if before else 0
    where = wanted.destination or (payee.destination if payee else None)
    moves = payee is not None and wanted.destination is not None
    return Say(
        "commission.set_effect",
        name=wanted.name,
        percent=Percent(wanted.percent_bp),
        before=Say("commission.instead_of", percent=Percent(was_bp)) if before else NOTHING,
        wallet=describe.destination_whole(wanted.destination)
        if wanted.destination
        else _wallet(payee, where),
        minimum=describe.minimum(where) if where else NOTHING,
        old=Say("commission.moves", wallet=describe.destination(payee.destination))
        if payee is not None and moves
        else NOTHING,
        rest=Percent(wanted.version.rest_bp + was_bp - wanted.percent_bp),
    )


def _set_apply(tx: Tx, ctx: Context, args: Args, seen: Destination | None) -> Done:
    """Set a share by a new version of the commission, and a new destination."""
    wanted = _wanted(tx, ctx, args, seen)
    payee = wanted.payee
    if payee is None:
        assert wanted.destination is not None
        payee = commission.add_recipient(
            tx,
            name=wanted.name,
            destination=wanted.destination,
            language=ctx.programme.language,
            now=ctx.now,
        )
    elif wanted.destination is not None:
        clients.set_destination(tx, payee.id, wanted.destination)
        planning.plan(tx, [payee.id], now=ctx.now)
    if wanted.before is None or wanted.before.percent_bp != wanted.percent_bp:
        commission.set_share(
            tx, payee.id, wanted.percent_bp, now=ctx.now, message_id=ctx.message_id
        )
    payee = clients.by_id(tx, payee.id)
    done = Say(
        "commission.set_done",
        name=payee.name,
        percent=Percent(wanted.percent_bp),
        wallet=_wallet(payee, payee.destination),
    )
    return Done(done)


def _remove_plan(tx: Tx, _ctx: Context, args: Args, _seen: object) -> Say:
    """Tell whose share ends, and the sats that are still paid out."""
    payee, share = _payee_with_share(tx, args)
    owed = payee.owed_sat if payee.role is ClientRole.RECIPIENT else 0
    return Say(
        "commission.remove_effect",
        name=payee.name,
        percent=Percent(share.percent_bp),
        owed=Say("commission.still_owed", sats=Sat(owed)) if owed else NOTHING,
    )


def _remove_apply(tx: Tx, ctx: Context, args: Args, _seen: object) -> Done:
    """End a payee's share of the commission; sats from earlier cash-outs are still paid out."""
    payee, _ = _payee_with_share(tx, args)
    commission.remove_share(tx, payee.id, now=ctx.now, message_id=ctx.message_id)
    commission.close_spent(tx, payee)
    done = Say("commission.removed", name=payee.name)
    return Done(done)


COMMISSION_COMMANDS = (
    Command(("commission",), answer=_list_answer),
    Command(
        ("commission", "set"),
        (
            NAME,
            Param("PERCENT", read_percent),
            MAY_HAVE_DESTINATION,
        ),
        look=_look_recipient,
        plan=_set_plan,
        apply=_set_apply,
    ),
    Command(("commission", "remove"), (NAME,), plan=_remove_plan, apply=_remove_apply),
)


def _wanted(tx: Tx, ctx: Context, args: Args, seen: Destination | None) -> _Wanted:
    """Read the wanted share; raise CommandRefused if the share cannot be set."""
    payee, version = find_payee(tx, args.text("NAME")), commission.in_force(tx)
    if payee is not None:
        name = payee.name
    else:
        new_name = read_new_name(args.text("NAME"), ctx.command_set.words)
        name = refuse_taken_name(tx, new_name)
    if payee is None and seen is None:
        raise refuse("commission.needs_destination", name=name)
    if payee is not None and payee.role is not ClientRole.RECIPIENT and seen is not None:
        raise refuse("commission.client_has_wallet", name=name)
    before = version.share_of(payee.id) if payee else None
    percent_bp = args.number("PERCENT")
    left_bp = version.rest_bp + (before.percent_bp if before else 0)
    if percent_bp > left_bp:
        key = "commission.too_much" if left_bp else "commission.nothing_left"
        raise refuse(key, name=name, left=Percent(left_bp))
    is_same_place = seen is None or (payee is not None and payee.destination == seen)
    if before is not None and before.percent_bp == percent_bp and is_same_place:
        raise refuse("commission.unchanged", name=name, percent=Percent(percent_bp))
    return _Wanted(payee, name, percent_bp, None if is_same_place else seen, version, before)


def _payee_with_share(tx: Tx, args: Args) -> tuple[Client, CommissionShare]:
    payee = find_payee(tx, args.text("NAME"))
    share = commission.in_force(tx).share_of(payee.id) if payee else None
    if payee is None or share is None:
        raise refuse("commission.not_set")
    return payee, share


def _share_line(tx: Tx, share: CommissionShare) -> Say:
    payee = clients.by_id(tx, share.client_id)
    return Say(
        "commission.line",
        name=share.name,
        percent=Percent(share.percent_bp),
        sats=Sat(purchases.got(tx, payee.id).earned_sat),
        wallet=_wallet(payee, payee.destination),
    )


def _wallet(payee: Client | None, where: Destination | None) -> Say:
    """Say the destination of commission; a client's commission goes to the client's own destination."""
    if payee is None or payee.role is ClientRole.RECIPIENT:
        return describe.destination(where)
    if where is None:
        return Say("commission.homeless")
    return Say("commission.own_wallet", wallet=describe.destination(where))
