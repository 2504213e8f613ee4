"""What needs an operator, each with the command to type: at the head of `status` and of the daily summary."""

from collections.abc import Iterator, Sequence
from datetime import datetime

from dca_bot.core.freshness import is_stale
from dca_bot.core.funds import Levels, Purse, Trouble, wanted_sat
from dca_bot.core.money import sat_ceil, sat_floor
from dca_bot.core.programme import Programme
from dca_bot.core.reach import Part
from dca_bot.ledger.correspondence import alarms, delivery, tasks
from dca_bot.ledger.correspondence.delivery import SHOWN_AFTER
from dca_bot.ledger.correspondence.tasks import TaskKind
from dca_bot.ledger.distributions import readings
from dca_bot.ledger.payouts import holds, queue, top_ups
from dca_bot.ledger.payouts.holds import HoldKind
from dca_bot.ledger.payouts.payout_need import Need
from dca_bot.ledger.programme import clients, deposits, machine_cash
from dca_bot.ledger.store import bot_state, offsite_states
from dca_bot.ledger.store.database import Tx
from dca_bot.messages.say import Fiat, Moment, Plain, Sat, Say, Word
from dca_bot.messages.surroundings import Surroundings

_IDS_SHOWN_MAX = 3
_NAMES_SHOWN_MAX = 2
_HELD = {
    HoldKind.CASH_OUT: "to_do.cash_out",
    HoldKind.CHANGED: "to_do.changed",
    HoldKind.PAYOUT: "to_do.payout",
    HoldKind.RECOVERY: "to_do.recovery",
}
_ASKED = {TaskKind.CONTACT: "to_do.contact", TaskKind.WITHDRAWAL: "to_do.withdrawal"}


def to_do(
    tx: Tx, programme: Programme, found: Surroundings, need: Need, now: datetime
) -> tuple[Say, ...]:
    """Say each thing that needs an operator on a line, the most urgent first; empty for none.

    `need`: open payouts' need of the source wallet.
    """
    lines = (
        *_out_of_reach(tx, found, now),
        *_funds(tx, programme, found.balance_msat, need),
        *_holds(tx),
        *_stuck(tx, now),
        *_tasks(tx),
        *_deposits(tx),
        *_people(tx, programme, now),
        *_cash(tx),
        *_backups(tx),
    )
    return tuple(Say("to_do.line", text=line) for line in lines)


def needs_you(things: Sequence[Say]) -> tuple[Say, ...]:
    """Say the things to do under a heading, or that nothing needs the operator."""
    return (Say("to_do.heading"), *things) if things else (Say("to_do.nothing"),)


def _out_of_reach(tx: Tx, found: Surroundings, now: datetime) -> Iterator[Say]:
    lost = [part for part in found.parts if not part.reachable]
    for part in lost:
        yield Say("to_do.lost", part=Word("part", part.part), since=Moment(part.since))
    copy = readings.oldest_copy(tx)
    if copy is not None and is_stale(copy, now):
        yield Say("to_do.stale", since=Moment(copy.as_of))
    unread_since = alarms.since(tx, alarms.POLLS)
    if unread_since is not None and all(part.part is not Part.LAMASSU for part in lost):
        yield Say("to_do.not_read", since=Moment(unread_since))
    troubled = sum(not relay.listening or relay.trouble is not None for relay in found.relays)
    if troubled and all(part.part is not Part.RELAYS for part in lost):
        yield Say("to_do.relays", n=troubled)


def _funds(tx: Tx, programme: Programme, balance_msat: int | None, need: Need) -> Iterator[Say]:
    """Say the lack of sats, or that the wallet is low, with the top-up that ends the trouble.

    A rehearsal spends nothing: its report tells what would lack.
    """
    if balance_msat is None or programme.is_rehearsal:
        return
    purse = Purse(balance_msat, need.needed_msat)
    levels = Levels(programme.low_balance_sat, programme.top_up_to_sat)
    told = top_ups.told(tx)
    is_low = told is not None and told.trouble is Trouble.LOW
    top_up = wanted_sat(purse, levels)
    if purse.free_msat < 0:
        yield Say("to_do.short", sats=Sat(sat_ceil(-purse.free_msat)), amount=top_up)
    elif is_low and top_up > 0:
        yield Say("to_do.low", sats=Sat(sat_floor(purse.free_msat)), amount=top_up)


def _holds(tx: Tx) -> Iterator[Say]:
    """Say the open holds, a line for each kind."""
    for kind, ids in holds.open_ids(tx).items():
        shown = ", ".join(f"#{one}" for one in ids[:_IDS_SHOWN_MAX])
        ids_text = f"{shown} …" if len(ids) > _IDS_SHOWN_MAX else shown
        yield Say(_HELD[kind], n=len(ids), ids=ids_text)


def _stuck(tx: Tx, now: datetime) -> Iterator[Say]:
    if count := queue.overdue_count(tx, now):
        yield Say("to_do.stuck", n=count)


def _tasks(tx: Tx) -> Iterator[Say]:
    """Say what clients ask, a line for each kind: the oldest task, and the number of all."""
    waiting = tasks.open_tasks(tx)
    for kind, count in tasks.open_counts(tx).items():
        first = next(task for task in waiting if task.kind is kind)
        amount = Plain(Fiat(first.amount_minor))
        yield Say(_ASKED[kind], n=count, name=first.client_name, amount=amount)


def _deposits(tx: Tx) -> Iterator[Say]:
    count, minor = deposits.pending_totals(tx)
    if count:
        yield Say("to_do.deposits", n=count, amount=Fiat(minor))


def _people(tx: Tx, programme: Programme, now: datetime) -> Iterator[Say]:
    before = now - SHOWN_AFTER
    operators = delivery.lost_operators(tx, programme.operators, before=before)
    lost = delivery.lost_clients(tx, before=before)
    if operators:
        yield Say("to_do.operators", n=len(operators))
    if lost:
        yield Say("to_do.unreached", n=len(lost), names=_names([name for name, _ in lost]))
    homeless = clients.names_without_wallet(tx)
    if homeless:
        yield Say("to_do.no_wallet", n=len(homeless), names=_names(homeless))


def _cash(tx: Tx) -> Iterator[Say]:
    if missing_minor := machine_cash.uncovered_minor(tx):
        yield Say("to_do.uncovered", amount=Fiat(missing_minor))


def _backups(tx: Tx) -> Iterator[Say]:
    failing_since = bot_state.moment(tx, bot_state.BACKUP_FAILING)
    if failing_since is not None:
        yield Say("to_do.backup", since=Moment(failing_since))
    for label, place in offsite_states.states(tx).items():
        if place.failing_since is not None:
            yield Say("to_do.offsite", place=label, since=Moment(place.failing_since))


def _names(some: Sequence[str]) -> str:
    shown = ", ".join(some[:_NAMES_SHOWN_MAX])
    return f"{shown} …" if len(some) > _NAMES_SHOWN_MAX else shown
