"""The distributions of cash-outs, fixed runs and commissions, with the shares of the clients and recipients.

The invariant: a distribution is recorded at most once, ever, by id; shares and entries are recorded in the
distribution's transaction or not at all.
"""

import json
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Generic, NamedTuple, TypeVar

from dca_bot.ledger.payouts import planning
from dca_bot.ledger.store.accounts import Account, Cause, Move, close, enter, next_posting
from dca_bot.ledger.store.database import Tx
from dca_bot.ledger.store.instants import instant, micros

FLOW = "flow"
FIXED = "fixed"
COMMISSION_SPLIT = "commission"


class Share(NamedTuple):
    """The fiat and sats of a payee in a distribution.

    `counted_minor`: of a cash-out's share, the client's balance that the rule shared out by; of a fixed
    run's, the limit of the run's date. None: unknown, or settled without a limit.
    """

    client_id: int
    minor: int
    sat: int
    counted_minor: int | None = None


@dataclass(frozen=True, slots=True)
class RecordedShare:
    """A share in the ledger, with the payee's name and the payout that brings the sats."""

    client_id: int
    client_name: str
    minor: int
    sat: int
    payout_id: str | None
    payout_state: str | None


AnyShare = TypeVar("AnyShare", Share, RecordedShare)


@dataclass(frozen=True, slots=True)
class Distribution(Generic[AnyShare]):
    """A distribution with its shares; `unallocated_sat` is the operator's.

    `kind`: FLOW (of a cash-out), FIXED (of a fixed run) or COMMISSION_SPLIT (of a commission).
    `commission_id`: the commission version of a COMMISSION_SPLIT. `counted_minor`: of a cash-out, the sum of
    the balances that the rule shared out by; None if unknown.
    """

    id: str
    kind: str
    at: datetime
    principal_sat: int
    principal_minor: int
    shares: tuple[AnyShare, ...]
    commission_sat: int = 0
    unallocated_sat: int = 0
    commission_id: int | None = None
    counted_minor: int | None = None

    @property
    def client_ids(self) -> list[int]:
        """Return who has a share, in the order of the shares."""
        return [share.client_id for share in self.shares]


def record(
    tx: Tx,
    distribution: Distribution[Share],
    *,
    source: Account,
    rest: Sequence[Move] = (),
    day: str | None = None,
    cause: Cause,
    now: datetime,
) -> None:
    """Record a distribution with its shares and entries; plan no payouts.

    `source`: the account that the shares' sats come from. `rest`: the moves of the sats in no share.
    `day`: the local date that the shares of a fixed run count for. Raise sqlite3.IntegrityError if the
    distribution is recorded already, or a client's balance doesn't cover the client's share.
    """
    if distribution.shares:
        _record_shares(tx, distribution, day)
    # After the shares: the schema closes a distribution, and checks its sums, with this row.
    tx.execute(
        "INSERT INTO distribution (id, kind, at, processed_at, principal_sat, principal_minor,"
        " commission_sat, unallocated_sat, terms_id, counted_minor) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?)",
        (
            distribution.id,
            distribution.kind,
            micros(distribution.at),
            micros(now),
            distribution.principal_sat,
            distribution.principal_minor,
            distribution.commission_sat,
            distribution.unallocated_sat,
            distribution.commission_id,
            distribution.counted_minor,
        ),
    )
    posting_id = next_posting(tx)
    if distribution.shares:
        tx.execute(_SATS, (posting_id, source.kind, distribution.id))
        tx.execute(_FIAT, (posting_id, distribution.id))
    enter(tx, posting_id, rest)
    close(tx, posting_id, "distribution", cause=cause, now=now)


def _record_shares(tx: Tx, distribution: Distribution[Share], day: str | None) -> None:
    # One statement for all: SQLite prepares the checks of a table anew for each statement.
    tx.execute(
        "INSERT INTO share (distribution_id, client_id, minor, sat, counted_minor, day)"
        " SELECT ?, json_extract(value, '$[0]'), json_extract(value, '$[1]'), json_extract(value, '$[2]'),"
        " json_extract(value, '$[3]'), ? FROM json_each(?)",
        (distribution.id, day, json.dumps(distribution.shares)),
    )


def plan_payouts(tx: Tx, distribution: Distribution[Share], *, now: datetime) -> None:
    """Plan the payouts of a recorded distribution."""
    planning.plan(tx, distribution.client_ids, now=now)


def by_id(tx: Tx, distribution_id: str) -> Distribution[RecordedShare] | None:
    """Find a distribution; its shares come by larger fiat, then in the order of recording."""
    row = tx.execute("SELECT * FROM distribution WHERE id = ?", (distribution_id,)).fetchone()
    if row is None:
        return None
    shares = tx.execute(
        "SELECT share.*, client.name, payout.state AS payout_state FROM share"
        " JOIN client ON client.id = share.client_id LEFT JOIN payout ON payout.id = payout_id"
        " WHERE distribution_id = ? ORDER BY minor DESC, share.id",
        (distribution_id,),
    )
    return Distribution(
        id=row["id"],
        kind=row["kind"],
        at=instant(row["at"]),
        principal_sat=row["principal_sat"],
        principal_minor=row["principal_minor"],
        commission_sat=row["commission_sat"],
        unallocated_sat=row["unallocated_sat"],
        shares=tuple(
            RecordedShare(
                client_id=share["client_id"],
                client_name=share["name"],
                minor=share["minor"],
                sat=share["sat"],
                payout_id=share["payout_id"],
                payout_state=share["payout_state"],
            )
            for share in shares
        ),
        commission_id=row["terms_id"],
        counted_minor=row["counted_minor"],
    )


# The entries of the shares: sats from the source to what the payee is owed, fiat from the client's balance.
_SATS = """INSERT INTO entry (posting_id, from_account, to_account, amount)
SELECT ?, (SELECT id FROM account WHERE kind = ? AND client_id IS NULL),
  (SELECT id FROM account WHERE kind = 'owed' AND client_id = share.client_id), sat
FROM share WHERE distribution_id = ? ORDER BY id
"""
_FIAT = """INSERT INTO entry (posting_id, from_account, to_account, amount)
SELECT ?, (SELECT id FROM account WHERE kind = 'balance' AND client_id = share.client_id),
  (SELECT id FROM account WHERE kind = 'converted'), minor
FROM share WHERE distribution_id = ? AND minor > 0 ORDER BY id
"""
