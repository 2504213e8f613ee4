"""Data for forecasts of the coming days; every query reads a window of time, never the whole history."""

import heapq
from collections.abc import Iterator
from datetime import datetime, timedelta

from dca_bot.core.clients import LimitPeriod
from dca_bot.core.fixed_schedule import days_least
from dca_bot.core.forecast import BalanceMove, Pace, pace, spending_pace
from dca_bot.ledger.programme.clients import Client
from dca_bot.ledger.store.database import Tx
from dca_bot.ledger.store.instants import instant, micros

_FLOW_WINDOW = timedelta(days=14)
_SPENDING_WINDOW = timedelta(days=30)


def fixed_limits(tx: Tx, limit_max_minor: int) -> list[tuple[int, int]]:
    """Return (daily limit, balance) of each client for whom fixed mode buys, in minor units.

    The daily limit of a week's or month's limit is the largest of a date.
    """
    rows = tx.execute(
        "SELECT fixed_limit_minor, fixed_period, balance_minor FROM participant WHERE mode = 'fixed'"
    )
    return [
        (min(-(-limit // days_least(LimitPeriod(period))), limit_max_minor), balance)
        for limit, period, balance in rows
    ]


def flow_balances_minor(tx: Tx) -> int:
    """Return the balances of the clients in flow mode: the fiat that cash-outs can still buy bitcoin for."""
    row = tx.execute(
        "SELECT coalesce(sum(balance_minor), 0) AS minor FROM participant WHERE mode = 'flow'"
    ).fetchone()
    return int(row["minor"])


def flow_pace(tx: Tx, now: datetime) -> Pace:
    """Return the sats that cash-outs and commission gave to payees in the last 14 days.

    The window begins at the first distribution if that is younger. Fixed mode is left out: the daily limits
    forecast fixed mode.
    """
    since = now - _FLOW_WINDOW
    given = tx.execute(
        "SELECT coalesce(sum(principal_sat - unallocated_sat), 0) AS sat FROM distribution"
        " WHERE at >= ? AND kind <> 'fixed'",
        (micros(since),),
    ).fetchone()
    first = tx.execute("SELECT min(at) AS at FROM distribution").fetchone()["at"]
    return pace(given["sat"], now - max(since, since if first is None else instant(first)))


def spending(tx: Tx, client: Client, now: datetime) -> Pace:
    """Return the pace at which a client's fiat was spent in the last 30 days with a balance."""
    since = now - _SPENDING_WINDOW
    arriving = _moves(tx, client.id, "to_account", since)
    leaving = _moves(tx, client.id, "from_account", since)
    moves = heapq.merge(arriving, leaving, key=lambda pair: pair[0], reverse=True)
    return spending_pace(client.balance_minor, (move for _, move in moves), since=since, now=now)


def _moves(tx: Tx, client_id: int, side: str, since: datetime) -> Iterator[tuple[int, BalanceMove]]:
    """Yield the entries on one side of a client's balance, newest first, back to `since`."""
    sign = 1 if side == "to_account" else -1
    rows = tx.execute(
        "SELECT entry.id, posted_at, kind, amount FROM entry"
        f" JOIN posting ON posting.id = posting_id WHERE {side} ="
        " (SELECT id FROM account WHERE kind = 'balance' AND client_id = ?)"
        " ORDER BY entry.id DESC",
        (client_id,),
    )
    for row in rows:
        if row["posted_at"] < micros(since):
            return
        change_minor = sign * row["amount"]
        is_trade = row["kind"] in ("distribution", "cancel")
        spent_minor = -change_minor if is_trade else 0
        yield row["id"], BalanceMove(instant(row["posted_at"]), change_minor, spent_minor)
