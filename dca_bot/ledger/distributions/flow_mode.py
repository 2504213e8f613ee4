"""Flow mode: the distribution of a cash-out, and the split of the commission.

The invariant: a cash-out is distributed at most once, ever, by id; state, shares, entries and payouts are
recorded in the same transaction or not at all.
"""

import json
from collections.abc import Sequence
from datetime import datetime
from itertools import starmap
from zoneinfo import ZoneInfo

from dca_bot.core.allotment import Allotment, allot
from dca_bot.core.calendar import local_date
from dca_bot.core.cash_out import Amounts
from dca_bot.core.commission import Split, split_commission
from dca_bot.core.periods import Period
from dca_bot.core.programme import FlowModeRules
from dca_bot.ledger.distributions import cash_outs, distributions, missed
from dca_bot.ledger.distributions.distributions import (
    COMMISSION_SPLIT,
    FLOW,
    Distribution,
    Share,
)
from dca_bot.ledger.payouts import unknown_payments
from dca_bot.ledger.programme import commission
from dca_bot.ledger.programme.clients import Client
from dca_bot.ledger.programme.commission import CommissionVersion
from dca_bot.ledger.store.accounts import COMMISSION, MACHINE, OPERATOR, Cause, Move
from dca_bot.ledger.store.database import Tx
from dca_bot.ledger.store.instants import micros


def eligible(tx: Tx, at: datetime, zone: ZoneInfo) -> dict[int, int]:
    """Return the balance that counts, in minor units, of each client who takes part in flow mode.

    The balance as of `at` is the balance without the standing deposits confirmed after `at`. A cap counts for
    the local date of `at` in `zone`. Clients with 0 are left out.
    """
    # One row with all balances: of thousands of rows, fetching takes as long as finding.
    ids, balances = tx.execute(_COUNTED, (micros(at), *_date_of(at, zone))).fetchone()
    found = zip(json.loads(ids), json.loads(balances), strict=True)
    return {client_id: minor for client_id, minor in found if minor > 0}


def cap_left(tx: Tx, client: Client, at: datetime, zone: ZoneInfo) -> int | None:
    """Return what a client's cap leaves of the local date of `at`, at least 0; None without a cap."""
    if client.flow_cap_minor is None:
        return None
    given_minor = tx.execute(
        f"SELECT {_given('?1')}", (client.pubkey, *_date_of(at, zone))
    ).fetchone()[0]
    return max(0, client.flow_cap_minor - int(given_minor))


def work_out(tx: Tx, amounts: Amounts, *, at: datetime, rules: FlowModeRules) -> Allotment[int]:
    """Work out each client's share of a cash-out's principal, by the clients' ids; record nothing."""
    balances = eligible(tx, at, rules.timezone) if rules.enabled else {}
    return allot(amounts.principal_sat, amounts.principal_minor, balances)


def work_out_split(tx: Tx, cash_out_id: str, commission_sat: int, *, now: datetime) -> Split | None:
    """Work out each recipient's share of a cash-out's commission, by name; None without recipients.

    Return None also if LNbits has paid, or may still pay, shares of the commission that the version in force
    doesn't give: after a restore the version can differ, and nothing is paid beside known payments.
    """
    return _split(tx, commission.in_force(tx), cash_out_id, commission_sat, now=now)


def distribute(
    tx: Tx,
    cash_out_id: str,
    amounts: Amounts,
    *,
    at: datetime,
    now: datetime,
    rules: FlowModeRules,
    message_id: str | None = None,
) -> Distribution[Share]:
    """Distribute a recorded cash-out; return the distribution of its principal.

    Raise StateChanged if the cash-out is distributed already.
    """
    cash_outs.note_distributed(tx, cash_out_id, amounts, at=at, now=now)
    return give(
        tx,
        cash_out_id,
        amounts,
        at=at,
        now=now,
        rules=rules,
        message_id=message_id,
    )


def give(
    tx: Tx,
    cash_out_id: str,
    amounts: Amounts,
    *,
    at: datetime,
    now: datetime,
    rules: FlowModeRules,
    message_id: str | None = None,
) -> Distribution[Share]:
    """Give the clients and recipients the shares of a cash-out.

    The same transaction has recorded the cash-out as distributed. Raise sqlite3.IntegrityError if the
    shares are given already.
    """
    allotment = work_out(tx, amounts, at=at, rules=rules)
    shares = list(starmap(Share, allotment.shares))
    cause = Cause(distribution_id=cash_out_id, message_id=message_id)
    given = record(
        tx,
        cash_out_id,
        amounts,
        shares,
        counted_minor=allotment.counted_minor,
        at=at,
        cause=cause,
        now=now,
    )
    if rules.enabled:
        missed.record(tx, cash_out_id, missed.would_miss(tx, at))
    distributions.plan_payouts(tx, given, now=now)
    give_commission(tx, given, now=now, message_id=message_id)
    return given


def record(
    tx: Tx,
    cash_out_id: str,
    amounts: Amounts,
    shares: Sequence[Share],
    *,
    counted_minor: int | None = None,
    at: datetime,
    cause: Cause,
    now: datetime,
) -> Distribution[Share]:
    """Record the shares of a distributed cash-out, and plan no payouts.

    `counted_minor`: as `Distribution.counted_minor`. Sats in no share are the operator's. Raise
    sqlite3.IntegrityError as `distributions.record`.
    """
    given = Distribution(
        id=cash_out_id,
        kind=FLOW,
        at=at,
        principal_sat=amounts.principal_sat,
        principal_minor=amounts.principal_minor,
        shares=tuple(shares),
        commission_sat=amounts.commission_sat,
        unallocated_sat=amounts.principal_sat - sum(share.sat for share in shares),
        counted_minor=counted_minor,
    )
    rest = [
        Move(MACHINE, OPERATOR, given.unallocated_sat),
        Move(MACHINE, COMMISSION, amounts.commission_sat),
    ]
    distributions.record(tx, given, source=MACHINE, rest=rest, cause=cause, now=now)
    return given


def give_commission(
    tx: Tx, distribution: Distribution[Share], *, now: datetime, message_id: str | None
) -> None:
    """Give the recipients the shares of a cash-out's commission; the rest stays the operator's.

    Without a split, the operator settles the payments that LNbits has made for the commission.
    """
    version, split_id = commission.in_force(tx), commission.split_id(distribution.id)
    split = _split(tx, version, distribution.id, distribution.commission_sat, now=now)
    if split is None:
        unknown_payments.settle_distribution(tx, split_id, now=now)
        return
    given = Distribution(
        id=split_id,
        kind=COMMISSION_SPLIT,
        at=distribution.at,
        principal_sat=distribution.commission_sat,
        principal_minor=0,
        shares=tuple(
            Share(share.client_id, minor=0, sat=split.sats[share.name])
            for share in version.shares
            if share.name in split.sats
        ),
        unallocated_sat=split.rest_sat,
        commission_id=version.id,
    )
    given_sat = sum(share.sat for share in given.shares)
    assert given_sat + split.rest_sat == distribution.commission_sat
    cause = Cause(distribution_id=split_id, message_id=message_id)
    distributions.record(tx, given, source=COMMISSION, cause=cause, now=now)
    distributions.plan_payouts(tx, given, now=now)


def _split(
    tx: Tx, version: CommissionVersion, cash_out_id: str, commission_sat: int, *, now: datetime
) -> Split | None:
    if not version.shares or commission_sat == 0:
        return None
    split = split_commission(
        commission_sat, {share.name: share.percent_bp for share in version.shares}
    )
    called = {share.name: share.paid_as.casefold() for share in version.shares}
    given = {called[name]: (0, sat) for name, sat in split.sats.items()}
    split_id = commission.split_id(cash_out_id)
    known = [
        *unknown_payments.paid_for(tx, split_id),
        *unknown_payments.still_paying(tx, split_id, now=now),
    ]
    is_same = all(one.can_pay(given.get(one.client_name.casefold())) for one in known)
    return split if is_same else None


def _date_of(at: datetime, zone: ZoneInfo) -> tuple[int, int]:
    """Return when the local date of an instant begins, and when the next one does."""
    day = local_date(at, zone)
    first, after = Period(day, day).span(zone)
    return micros(first), micros(after)


def _given(pubkey: str) -> str:
    """Return SQL for the fiat of a person's standing shares of cash-outs from ?2 on and before ?3.

    A person's closed clients count too; shares of cancelled payouts don't. `pubkey`: SQL for the key.
    """
    return (
        "(SELECT coalesce(sum(minor), 0) FROM client AS same"
        " CROSS JOIN distribution AS given ON at >= ?2 AND at < ?3 AND given.kind = 'flow'"
        " CROSS JOIN share ON distribution_id = given.id AND share.client_id = same.id"
        " LEFT JOIN payout ON payout.id = payout_id"
        f" WHERE same.pubkey = {pubkey} AND payout.state IS NOT 'CANCELLED')"
    )


_COUNTED = (
    "SELECT json_group_array(id), json_group_array("
    f"  iif(flow_cap_minor IS NULL, minor, min(minor, flow_cap_minor - {_given('taker.pubkey')})))"
    " FROM (SELECT id, pubkey, flow_cap_minor, balance_minor"
    "   - (SELECT coalesce(sum(amount_minor), 0) FROM deposit"
    "     WHERE client_id = participant.id AND confirmed_at > ?1 AND state = 'confirmed') AS minor"
    "   FROM participant WHERE mode = 'flow') AS taker"
)
