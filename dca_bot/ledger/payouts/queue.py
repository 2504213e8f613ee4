"""The open payouts, in the order of payment."""

from collections.abc import Collection, Mapping, Sequence
from datetime import datetime, timedelta

from dca_bot.core.payout import ATTEMPTS_MAX, Waiting
from dca_bot.ledger.payouts.payout import Payout
from dca_bot.ledger.payouts.payouts import IS_UNSENT, PROVEN_VOID, select
from dca_bot.ledger.programme import clients
from dca_bot.ledger.programme.clients import Client
from dca_bot.ledger.store.database import Tx
from dca_bot.ledger.store.instants import instant, instant_or_none, micros, micros_of

DAY = timedelta(hours=24)
_SENT_MAX = 100_000
_OPEN = "open_payout"
_SENT = "payout.state IN ('SUBMITTED', 'IN_DOUBT', 'DEBITED', 'ALERT')"
_TO_BE_PAID = (
    f"({IS_UNSENT} OR payout.state = 'VOID' AND payout.attempt < {ATTEMPTS_MAX} AND {PROVEN_VOID})"
)
_UNSETTLED = f"{_SENT} AND payout.debited_at IS NULL"
_SENT_TOGETHER = timedelta(minutes=1)
"""How long after one another payouts leave that are due together, at the most usual."""
_OVERDUE_AFTER = timedelta(hours=1)
_GO_ON = (
    Waiting.FUNDS,
    Waiting.NO_DESTINATION,
    Waiting.ON_ITS_WAY,
    Waiting.SENT_AGAIN,
    Waiting.ARRIVING,
)
"""Why payouts wait that go on by themselves, or once funds or a wallet are there."""
_STUCK = "payout.waiting <> '' OR payout.state IN ('HELD', 'IN_DOUBT', 'ALERT', 'VOID')"


def open_payouts(tx: Tx, *, limit: int = 1000, offset: int = 0) -> list[Payout]:
    """Return the payouts that are not finished."""
    return select(tx, "true", (), among=_OPEN, limit=limit, offset=offset)


def due(tx: Tx, now: datetime, *, limit: int = 200) -> list[Payout]:
    """Return the due payouts: first the sent payouts, then the payouts to be paid.

    Each of the two lists has up to `limit` payouts, so that many waiting payouts hide no sent payout.
    """
    return [
        payout
        for which in (_SENT, _TO_BE_PAID)
        for payout in select(
            tx,
            f"{which} AND try_at <= ?",
            (micros(now),),
            among=_OPEN,
            limit=limit,
        )
    ]


def next_try_at(tx: Tx, *, sent_only: bool) -> datetime | None:
    """Return when the next payout of `due` is due, or the next sent payout; None if there is none."""
    which = _SENT if sent_only else f"{_SENT} OR {_TO_BE_PAID}"
    row = tx.execute(f"SELECT min(try_at) AS at FROM {_OPEN} AS payout WHERE {which}").fetchone()
    return instant_or_none(row["at"])


def oldest_due_at(tx: Tx, waiting: Collection[str] = ()) -> datetime | None:
    """Return since when the oldest open payout has been due. `waiting`: the codes that count; all without."""
    which = f"waiting IN ({','.join('?' * len(waiting))})" if waiting else "true"
    row = tx.execute(
        f"SELECT min(due_at) AS at FROM {_OPEN} AS payout WHERE {which}", tuple(waiting)
    ).fetchone()
    return instant_or_none(row["at"])


def sent(tx: Tx) -> list[Payout]:
    """Return the payouts whose pay request has left and that are not finished."""
    return select(tx, _SENT, (), among=_OPEN, limit=_SENT_MAX)


def unsent_of(tx: Tx, distribution_ids: Sequence[str], *, client_name: str) -> list[Payout]:
    """Return a payee's unsent payouts that have a share of the distributions.

    If no payee has that name, return the unsent payouts of all payees.
    """
    marks = ",".join("?" * len(distribution_ids))
    of_them = f"SELECT payout_id FROM share WHERE distribution_id IN ({marks})"
    where = f"{IS_UNSENT} AND payout.id IN ({of_them})"
    # Asked for each unknown payment at each start, and mostly there is none.
    if tx.execute(f"SELECT 1 FROM payout WHERE {where}", distribution_ids).fetchone() is None:
        return []
    found = select(tx, where, distribution_ids, among=_OPEN)
    known = "SELECT 1 FROM client WHERE coalesce(paid_as, name) = ? COLLATE NOCASE"
    if tx.execute(known, (client_name,)).fetchone() is None:
        return found
    return [payout for payout in found if payout.paid_as.lower() == client_name.lower()]


def stuck(tx: Tx, *, limit: int = 20, offset: int = 0) -> list[Payout]:
    """Return the open payouts that wait for an operator or for anything else."""
    return select(tx, _STUCK, (), among=_OPEN, limit=limit, offset=offset)


def stuck_count(tx: Tx) -> int:
    """Count the payouts of `stuck`."""
    row = tx.execute(f"SELECT count(*) AS n FROM {_OPEN} AS payout WHERE {_STUCK}").fetchone()
    return int(row["n"])


def overdue_count(tx: Tx, now: datetime) -> int:
    """Count the payouts that an operator should look at, beside holds, missing funds and missing wallets.

    An hour must have passed since a payout was due: most destinations that don't answer do so again by then.
    A payout that was sent an hour ago and has not settled counts, whatever it waits for.
    """
    marks, long_ago = ",".join("?" * len(_GO_ON)), micros(now - _OVERDUE_AFTER)
    row = tx.execute(
        f"SELECT count(*) AS n FROM {_OPEN} AS payout WHERE due_at <= ?"
        f" AND (state = 'VOID' OR state <> 'IN_DOUBT' AND waiting <> '' AND waiting NOT IN ({marks})"
        f"   OR {_UNSETTLED} AND submitted_at <= ?)"
        " AND NOT EXISTS (SELECT 1 FROM hold"
        "   WHERE kind = 'payout' AND ref = payout.id AND closed_at IS NULL)",
        (long_ago, *_GO_ON, long_ago),
    ).fetchone()
    return int(row["n"])


def totals(tx: Tx) -> tuple[int, int]:
    """Return (count, sats) of the open payouts."""
    row = tx.execute(
        "SELECT count(*) AS n, coalesce(sum(amount_sat), 0) AS sat FROM open_payout"
    ).fetchone()
    return row["n"], row["sat"]


def counts(tx: Tx) -> Mapping[str, int]:
    """Count the open payouts by state."""
    rows = tx.execute("SELECT state, count(*) AS n FROM open_payout GROUP BY state")
    return {row["state"]: row["n"] for row in rows}


def unsettled(tx: Tx) -> bool:
    """Tell whether a sent payout is neither debited nor given up."""
    row = tx.execute(
        f"SELECT EXISTS (SELECT 1 FROM {_OPEN} AS payout WHERE {_UNSETTLED}) AS yes"
    ).fetchone()
    return bool(row["yes"])


def hanging_since(tx: Tx) -> tuple[datetime, ...]:
    """Return since when payments hang, for each payee, the oldest first.

    They were sent, and are neither debited nor given up. A further attempt hangs since the first. A payment
    doesn't count if any that was sent along with it or later was debited: payments go through, and this one
    waits for its payee.
    """
    rows = tx.execute(
        "WITH hanging AS (SELECT client_id,"
        "   (SELECT min(created_at) FROM attempt WHERE payout_id = payout.id) AS since"
        f"  FROM {_OPEN} AS payout WHERE {_UNSETTLED})"
        " SELECT min(since) AS at FROM hanging WHERE since >= ? + coalesce("
        "   (SELECT submitted_at FROM payout WHERE submitted_at IS NOT NULL AND debited_at IS NOT NULL"
        "    ORDER BY submitted_at DESC LIMIT 1), 0)"
        " GROUP BY client_id ORDER BY at",
        (micros_of(_SENT_TOGETHER),),
    ).fetchall()
    return tuple(instant(row["at"]) for row in rows)


def collecting_clients(tx: Tx) -> list[Client]:
    """Return the clients whose shares are too few for the least payment that the destination takes."""
    rows = tx.execute("SELECT DISTINCT client_id FROM share WHERE payout_id IS NULL").fetchall()
    return [clients.by_id(tx, row["client_id"]) for row in rows]


def submitted_sat_since(tx: Tx, since: datetime, *, beside: Payout) -> int:
    """Return how many sats were sent after `since`, for the daily ceiling, without the payout `beside`.

    Earlier attempts at `beside` are proven unpaid, so the payout doesn't count against itself.
    """
    row = tx.execute(
        "SELECT coalesce(sum(amount_sat), 0) AS total FROM payout WHERE submitted_at > ? AND id <> ?",
        (micros(since), beside.id),
    ).fetchone()
    return int(row["total"])
