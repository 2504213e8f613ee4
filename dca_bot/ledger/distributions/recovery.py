"""Lost distributions: LNbits has paid them, a restored ledger lacks them, and Lamassu can't bring them back.

Fixed mode's runs and manual cash-outs can be lost. The invariant: a lost distribution is recorded only on
an operator's word, and exactly as LNbits has paid the clients.
"""

from dataclasses import replace
from datetime import datetime

from dca_bot.core.cash_out import Amounts
from dca_bot.core.clients import ClientState
from dca_bot.core.fixed_schedule import PREFIX, day_of
from dca_bot.core.payout import PayoutState
from dca_bot.errors import Changed, StateChanged
from dca_bot.ledger.distributions import cash_outs, distributions, fixed_runs, flow_mode
from dca_bot.ledger.distributions.distributions import FIXED, FLOW, Distribution, Share
from dca_bot.ledger.payouts import booking, payouts, planning, transitions, unknown_payments
from dca_bot.ledger.payouts.unknown_payments import UnknownPayment
from dca_bot.ledger.programme import clients, commission, machine_cash
from dca_bot.ledger.programme.clients import Client
from dca_bot.ledger.programme.machine_cash import CASH_OUT, Flow
from dca_bot.ledger.programme.machines import UNNAMED
from dca_bot.ledger.store.accounts import MACHINE, TREASURY, Cause
from dca_bot.ledger.store.database import Tx


def distribution_ids(tx: Tx) -> list[str]:
    """Return the ids of lost distributions.

    Call this only after Lamassu was read whole: a cash-out that Lamassu still has gets a hold of its own.
    """
    rows = tx.execute(
        "SELECT DISTINCT distribution_id FROM foreign_payment AS one WHERE distribution_id <> ''"
        " AND status = 'success' AND settled_at IS NULL"
        " AND NOT EXISTS (SELECT 1 FROM distribution WHERE id = one.distribution_id)"
        " AND NOT EXISTS (SELECT 1 FROM cash_out WHERE id = replace(one.distribution_id, ?, ''))"
        " AND NOT EXISTS (SELECT 1 FROM attempt WHERE attempt.payment_hash = one.payment_hash)"
        " ORDER BY distribution_id",
        (commission.split_id(""),),
    )
    return [str(row["distribution_id"]) for row in rows]


def payees_of(
    tx: Tx, distribution_id: str, *, now: datetime
) -> list[tuple[Client, UnknownPayment]]:
    """Return the payments of a lost distribution, each with the paid client.

    Raise StateChanged if the distribution is recorded already, if nothing is left to be recorded, if
    another payment of the distribution may still succeed, or if a client is unknown, has no wallet or has
    too small a balance.
    """
    if distributions.by_id(tx, distribution_id) is not None:
        raise StateChanged(Changed.RECORDED)
    paid = unknown_payments.paid_for(tx, distribution_id)
    if not paid:
        raise StateChanged(Changed.NOTHING_LEFT)
    if unknown_payments.still_paying(tx, distribution_id, now=now):
        raise StateChanged(Changed.STILL_PAYING)
    return [(_client(tx, one), one) for one in paid]


def is_recordable(tx: Tx, distribution_id: str) -> bool:
    """Tell whether a lost distribution has one payment for each client, and each covers nothing else.

    A split of commission is never recordable, as the cash-out is missing.
    """
    if distribution_id.startswith(commission.split_id("")):
        return False
    row = tx.execute(
        "SELECT EXISTS (SELECT 1 FROM foreign_payment AS one WHERE distribution_id = ?1"
        " AND status = 'success' AND settled_at IS NULL AND (fiat_minor IS NULL OR EXISTS"
        " (SELECT 1 FROM foreign_payment WHERE payment_hash = one.payment_hash"
        "   AND distribution_id <> ?1) OR EXISTS (SELECT 1 FROM foreign_payment AS other"
        "   WHERE other.distribution_id = ?1 AND other.client_name = one.client_name"
        "   AND other.status = 'success' AND other.payment_hash <> one.payment_hash))) AS no",
        (distribution_id,),
    ).fetchone()
    return not row["no"]


def record(tx: Tx, distribution_id: str, *, now: datetime, message_id: str) -> Distribution[Share]:
    """Record a lost distribution and the distribution's payouts, as LNbits has paid.

    Raise StateChanged as `payees_of`, or if Lamassu has the cash-out again.
    """
    paid = payees_of(tx, distribution_id, now=now)
    kind = _kind(distribution_id)
    given = Distribution(
        id=distribution_id,
        kind=kind,
        at=min(one.seen_at for _, one in paid),
        principal_sat=sum(one.sat for _, one in paid),
        principal_minor=sum(one.minor for _, one in paid),
        shares=tuple(Share(client.id, minor=one.minor, sat=one.sat) for client, one in paid),
    )
    if kind == FLOW:
        if distribution_id in cash_outs.states(tx, [distribution_id]):
            raise StateChanged(Changed.CASH_OUT_IS_BACK)
        amounts = Amounts(given.principal_sat, given.principal_minor, commission_sat=0)
        cash_outs.record_recovered(tx, given.id, amounts, at=given.at, now=now)
        # The cash has left a machine that nobody can name.
        cash = Flow(CASH_OUT, given.id, UNNAMED, -given.principal_minor, given.at)
        machine_cash.follow(tx, [cash], now=now)
    if kind == FIXED:
        fixed_runs.record_recovered(tx, given, clients=len(paid), now=now)
    distributions.record(
        tx,
        given,
        source=TREASURY if kind == FIXED else MACHINE,
        day=day_of(distribution_id) if kind == FIXED else None,
        cause=Cause(distribution_id=distribution_id, message_id=message_id),
        now=now,
    )
    for client, one in paid:
        _take_over(tx, client, one, distribution_id, now)
    return given


def record_cash_out(
    tx: Tx, cash_out_id: str, amounts: Amounts, *, at: datetime, now: datetime, message_id: str
) -> Distribution[Share]:
    """Record a held cash-out as LNbits has paid the clients, and split the commission.

    The unpaid rest is the operator's. Raise StateChanged as `payees_of`, or if LNbits has paid more than
    the cash-out's principal.
    """
    paid = payees_of(tx, cash_out_id, now=now)
    too_much = sum(one.sat for _, one in paid) > amounts.principal_sat
    if too_much or sum(one.minor for _, one in paid) > amounts.principal_minor:
        raise StateChanged(Changed.PAID_TOO_MUCH)
    cash_outs.note_distributed(tx, cash_out_id, amounts, at=at, now=now)
    given = flow_mode.record(
        tx,
        cash_out_id,
        amounts,
        [Share(client.id, minor=one.minor, sat=one.sat) for client, one in paid],
        at=at,
        cause=Cause(distribution_id=cash_out_id, message_id=message_id),
        now=now,
    )
    for client, one in paid:
        _take_over(tx, client, one, cash_out_id, now)
    flow_mode.give_commission(tx, given, now=now, message_id=message_id)
    return given


def _kind(distribution_id: str) -> str:
    if distribution_id.startswith(PREFIX):
        return FIXED
    return FLOW


def _client(tx: Tx, one: UnknownPayment) -> Client:
    client = clients.paid_as(tx, one.client_name)
    if client is None or client.state is ClientState.CLOSED:
        raise StateChanged(Changed.NO_CLIENT, name=one.client_name)
    if client.destination is None:
        raise StateChanged(Changed.NO_WALLET, name=client.name)
    if client.balance_minor < one.minor:
        raise StateChanged(Changed.BALANCE, name=client.name)
    return client


def _take_over(
    tx: Tx, client: Client, one: UnknownPayment, distribution_id: str, now: datetime
) -> None:
    planning.adopt(tx, one.external_id, client.id, distribution_id, now=now)
    payout = payouts.get(tx, one.external_id)
    transitions.move(tx, payout, PayoutState.HELD)
    booking.take_over(tx, replace(payout, state=PayoutState.HELD), one.payment, now=now)
