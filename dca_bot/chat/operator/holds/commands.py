"""The operator's commands about holds: `holds`, `hold accept`, `hold ignore`, and the table of kinds."""

from collections.abc import Mapping
from functools import partial

from dca_bot.chat.command import Args, Command, Context, Done
from dca_bot.chat.ids import IDS_MAX, numbers_of, read_ids_or_beginning
from dca_bot.chat.operator.find import ID_LENGTH_MIN
from dca_bot.chat.operator.holds.actions import HoldActions, Ruling
from dca_bot.chat.operator.holds.cash_out import CASH_OUT_ACTIONS
from dca_bot.chat.operator.holds.changed import CHANGED_ACTIONS
from dca_bot.chat.operator.holds.payout import PAYOUT_ACTIONS
from dca_bot.chat.operator.holds.recovery import RECOVERY_ACTIONS
from dca_bot.chat.params import PAGE, Param, read_fiat
from dca_bot.chat.services import Services
from dca_bot.core.ports import Payment
from dca_bot.ledger.payouts import holds
from dca_bot.ledger.payouts.holds import Hold, HoldKind, HoldOutcome
from dca_bot.ledger.store.database import Tx
from dca_bot.messages import describe
from dca_bot.messages.say import Say, Word, refuse

HOLD_ACTIONS: Mapping[HoldKind, HoldActions] = {
    HoldKind.CASH_OUT: CASH_OUT_ACTIONS,
    HoldKind.CHANGED: CHANGED_ACTIONS,
    HoldKind.PAYOUT: PAYOUT_ACTIONS,
    HoldKind.RECOVERY: RECOVERY_ACTIONS,
}
"""An operator's decisions, by the kind of hold."""
_PAGE_HOLDS = 5
"""Holds have several lines each."""
_ID = Param("ID", read_ids_or_beginning)


def _list_answer(tx: Tx, _ctx: Context, args: Args, _seen: object) -> Say:
    """List the open holds, oldest first, each with the commands to type."""
    count = holds.open_count(tx)
    if count == args.page == 1:
        return describe.hold(tx, holds.still_open(tx, limit=1)[0])
    return describe.page(
        Say("holds.heading", count=count),
        args.page,
        partial(holds.still_open, tx),
        lambda hold: Say("holds.next", hold=describe.hold(tx, hold)),
        empty=Say("holds.nothing"),
        again="holds",
        size=_PAGE_HOLDS,
    )


async def _look(services: Services, args: Args) -> tuple[Payment, ...]:
    """Ask LNbits by the `look` of the hold's kind."""
    hold = await services.database.read(lambda tx: _find(tx, args))
    return await HOLD_ACTIONS[hold.kind].look(services, hold)


def _accept_plan(tx: Tx, ctx: Context, args: Args, seen: tuple[Payment, ...]) -> Say:
    """Tell what accepting the hold would do."""
    ruling = _ruling(tx, args, seen)
    return HOLD_ACTIONS[ruling.hold.kind].accept.plan(tx, ctx, ruling)


def _accept_apply(tx: Tx, ctx: Context, args: Args, seen: tuple[Payment, ...]) -> Done:
    """Accept the hold and close it."""
    ruling = _ruling(tx, args, seen)
    done = HOLD_ACTIONS[ruling.hold.kind].accept.apply(tx, ctx, ruling)
    holds.close(tx, ruling.hold.kind, ruling.hold.ref, outcome=HoldOutcome.ACCEPTED, now=ctx.now)
    return done


def _ignore_plan(tx: Tx, ctx: Context, args: Args, _seen: object) -> Say:
    """Tell what ignoring the hold would do."""
    ruling = _ruling(tx, args)
    return HOLD_ACTIONS[ruling.hold.kind].ignore.plan(tx, ctx, ruling)


def _ignore_apply(tx: Tx, ctx: Context, args: Args, _seen: object) -> Done:
    """Ignore the hold and close it."""
    ruling = _ruling(tx, args)
    done = HOLD_ACTIONS[ruling.hold.kind].ignore.apply(tx, ctx, ruling)
    holds.close(tx, ruling.hold.kind, ruling.hold.ref, outcome=HoldOutcome.IGNORED, now=ctx.now)
    return done


def _numbers(tx: Tx, args: Args) -> list[int] | None:
    """Return the numbers of several holds, all of one kind and without FIAT; None for a single hold."""
    typed = args.text("ID")
    if len(typed) >= ID_LENGTH_MIN and holds.by_ref(tx, typed) is not None:
        return None  # The beginning of an id can look like a range.
    found = numbers_of(args, partial(holds.open_between, tx, limit=IDS_MAX + 1))
    if found is None:
        return None
    if args.has("FIAT"):
        raise refuse("hold.one_part")
    opened = [hold for number in found if (hold := holds.by_id(tx, number)) is not None]
    kinds = {kind: [one.id for one in opened if one.kind is kind] for kind in HoldKind}
    if sum(map(bool, kinds.values())) > 1:
        lines = tuple(
            Say("hold.of_kind", kind=Word("hold", kind), ids=", ".join(f"#{one}" for one in ids))
            for kind, ids in kinds.items()
            if ids
        )
        raise refuse("hold.several_kinds", lines=lines)
    return found


HOLD_COMMANDS = (
    Command(("holds",), (PAGE,), answer=_list_answer),
    Command(
        ("hold", "accept"),
        (_ID, Param("FIAT", read_fiat, optional=True)),
        look=_look,
        plan=_accept_plan,
        apply=_accept_apply,
        numbers=_numbers,
    ),
    Command(("hold", "ignore"), (_ID,), plan=_ignore_plan, apply=_ignore_apply, numbers=_numbers),
)


def _ruling(tx: Tx, args: Args, payments: tuple[Payment, ...] = ()) -> Ruling:
    hold = _find(tx, args)
    has_part = args.has("FIAT")
    if has_part and not HOLD_ACTIONS[hold.kind].takes_part:
        raise refuse("hold.no_fiat_here")
    return Ruling(hold, args.number("FIAT") if has_part else None, payments)


def _find(tx: Tx, args: Args) -> Hold:
    """Find an open hold by the hold's number, or by the beginning of the held thing's id."""
    wanted = args.text("ID").removeprefix("#")
    hold = None
    if wanted.isascii() and wanted.isdigit() and len(wanted) < 10:
        hold = holds.by_id(tx, int(wanted))
    if hold is None and len(wanted) >= ID_LENGTH_MIN:
        hold = holds.by_ref(tx, wanted)
    if hold is None:
        raise refuse("hold.not_found")
    return hold
