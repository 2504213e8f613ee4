"""How much the open payouts need of the source wallet.

The invariant: no top-up is asked for a payout that waits for a person. Held payouts, payouts that a ceiling
will hold, and payouts without a destination wait for a person.
"""

import sqlite3
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime

from dca_bot.core.ceilings import Ceilings, Turn, to_be_held
from dca_bot.core.payout import ATTEMPTS_MAX, PayoutState, Waiting, needed_msat
from dca_bot.ledger.payouts import holds
from dca_bot.ledger.payouts.payouts import IS_UNSENT, PROVEN_VOID
from dca_bot.ledger.payouts.queue import DAY
from dca_bot.ledger.programme.clients import is_internal
from dca_bot.ledger.store import bot_state
from dca_bot.ledger.store.database import Tx
from dca_bot.ledger.store.instants import micros


@dataclass(frozen=True, slots=True)
class Part:
    """A number of payouts, and the sum of the payouts' sats."""

    count: int = 0
    sat: int = 0


@dataclass(frozen=True, slots=True)
class Need:
    """The need of the open payouts; `needed_msat` includes LNbits' fee reserve.

    Not included: `above_ceiling`, payouts that a ceiling will hold, and `homeless`, payouts without a
    destination.
    """

    count: int
    amount_sat: int
    needed_msat: int
    above_ceiling: Part = Part()
    homeless: Part = Part()


def need(tx: Tx, ceilings: Ceilings, *, now: datetime) -> Need:
    """Return how much the source wallet must hold for all payouts that can leave without a person.

    A sent payout is off LNbits' balance already, unless the payout is known to lack funds. A payout that is
    held, in question with the operators, alerted, or out of attempts doesn't count. A payout that the
    destination refuses is tried again every few minutes, and counts. A pause changes nothing: all payouts
    leave on `resume all`. A rehearsal's payouts, which nobody sends, count for 24 hours. The number of
    statements doesn't depend on the number of payouts.
    """
    since = now - DAY
    rows = tx.execute(
        "SELECT payout.id, amount_sat, coalesce(payout.destination_kind, client.destination_kind) AS kind,"
        f" payout.state IN ({_CHECKED}) AS is_checked, waiting NOT IN ('', :funds) AS is_aside,"
        " iif(submitted_at > :since, amount_sat, 0) AS counted_sat"
        f" FROM open_payout AS payout JOIN client ON client.id = client_id WHERE {_UNPAID}"
        f" AND (try_at > :since OR kind IS NULL OR NOT {bot_state.IS_REHEARSAL})"
        " ORDER BY payout.due_at, payout.id",
        {"funds": Waiting.FUNDS, "since": micros(since)},
    ).fetchall()
    if not rows:
        return Need(0, 0, 0)
    homeless = [row for row in rows if row["kind"] is None]
    payable = [row for row in rows if row["kind"] is not None]
    accepted = holds.accepted_on_open_payouts(tx)
    held = to_be_held(
        (_turn(row, accepted) for row in payable if row["is_checked"]),
        sent_sat=_sent_sat_since(tx, since),
        ceilings=ceilings,
    )
    counted = [row for row in payable if row["id"] not in held]
    return Need(
        count=len(counted),
        amount_sat=sum(row["amount_sat"] for row in counted),
        needed_msat=sum(
            needed_msat(row["amount_sat"], is_internal=is_internal(row["kind"])) for row in counted
        ),
        above_ceiling=_part([row for row in payable if row["id"] in held]),
        homeless=_part(homeless),
    )


def held(tx: Tx) -> Part:
    """Count the payouts that are held for an operator."""
    row = tx.execute(
        "SELECT count(*) AS n, coalesce(sum(amount_sat), 0) AS sat FROM open_payout"
        " WHERE state = 'HELD'"
    ).fetchone()
    return Part(row["n"], row["sat"])


def under_way(tx: Tx) -> Part:
    """Count the payouts that were sent, and are neither certainly paid nor to be paid again.

    On the way, in question with the operators, alerted before a debit, or void until an operator decides:
    the sats are owed until LNbits shows the debit.
    """
    row = tx.execute(
        "SELECT count(*) AS n, coalesce(sum(amount_sat), 0) AS sat FROM open_payout AS payout"
        f" WHERE debited_at IS NULL AND state <> 'HELD' AND NOT {_UNPAID}",
        {"funds": Waiting.FUNDS},
    ).fetchone()
    return Part(row["n"], row["sat"])


def collecting(tx: Tx) -> Part:
    """Count the shares without a payout: too few sats for the payee's wallet."""
    row = tx.execute(
        "SELECT count(*) AS n, coalesce(sum(sat), 0) AS sat FROM share WHERE payout_id IS NULL"
    ).fetchone()
    return Part(row["n"], row["sat"])


def is_waiting_for_funds(tx: Tx) -> bool:
    """Tell whether a payout waits for funds."""
    row = tx.execute(
        "SELECT EXISTS (SELECT 1 FROM open_payout AS payout"
        f" WHERE {_UNPAID} AND waiting = :funds) AS yes",
        {"funds": Waiting.FUNDS},
    ).fetchone()
    return bool(row["yes"])


_NONE: frozenset[str] = frozenset()
_CHECKED = ", ".join(
    f"'{state}'" for state in (PayoutState.PLANNED, PayoutState.INVOICED, PayoutState.VOID)
)
"""SQL for the states before a pay request that the ceilings can stop."""
_UNPAID = (
    f"({IS_UNSENT}"
    " OR payout.state = 'IN_DOUBT' AND NOT EXISTS (SELECT 1 FROM hold"
    "   WHERE kind = 'payout' AND ref = payout.id AND closed_at IS NULL)"
    f" OR payout.state = 'VOID' AND payout.attempt < {ATTEMPTS_MAX} AND {PROVEN_VOID}"
    " OR payout.state = 'SUBMITTED' AND payout.waiting = :funds)"
)


def _turn(row: sqlite3.Row, accepted: Mapping[str, frozenset[str]]) -> Turn:
    id_ = row["id"]
    return Turn(
        id_,
        row["amount_sat"],
        accepted=accepted.get(id_, _NONE),
        counted_sat=row["counted_sat"],
        is_aside=bool(row["is_aside"]),
    )


def _sent_sat_since(tx: Tx, since: datetime) -> int:
    row = tx.execute(
        "SELECT coalesce(sum(amount_sat), 0) AS total FROM payout WHERE submitted_at > ?",
        (micros(since),),
    ).fetchone()
    return int(row["total"])


def _part(rows: Sequence[sqlite3.Row]) -> Part:
    return Part(len(rows), sum(row["amount_sat"] for row in rows))
