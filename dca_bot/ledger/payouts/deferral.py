"""Records why a payout waits, and when the payout is tried again."""

from datetime import datetime, timedelta

from dca_bot.core.payout import Wait, Waiting, backoff_s
from dca_bot.ledger.payouts.payout import Payout
from dca_bot.ledger.payouts.payouts import IS_UNSENT
from dca_bot.ledger.payouts.transitions import move
from dca_bot.ledger.store.database import Tx
from dca_bot.ledger.store.instants import micros


def defer(
    tx: Tx, payout: Payout, *, waiting: str | Wait, until: datetime, counted: bool = True
) -> None:
    """Record why a payout waits, and until when; a try is `counted` unless nothing was tried.

    Raise StateChanged as `move`.
    """
    wait = waiting if isinstance(waiting, Wait) else Wait(waiting)
    move(
        tx,
        payout,
        payout.state,
        waiting=wait.code,
        waiting_said=wait.said,
        waiting_sat=wait.limit_sat,
        try_at=micros(until),
        tries=payout.tries + int(counted),
    )


def defer_like(tx: Tx, payout: Payout, destination: str) -> None:
    """Let the client's other planned payouts to a destination wait for as long as an unsent payout there."""
    tx.execute(
        "UPDATE payout SET (waiting, waiting_said, waiting_sat, try_at) ="
        " (SELECT waiting, waiting_said, waiting_sat, try_at FROM payout WHERE id = ?1)"
        " WHERE id IN (SELECT id FROM open_payout WHERE client_id = ?2)"
        " AND state = 'PLANNED' AND waiting <> ?4"
        f" AND EXISTS (SELECT 1 FROM payout WHERE id = ?1 AND {IS_UNSENT})"
        " AND coalesce(destination, (SELECT destination FROM client WHERE id = ?2)) = ?3",
        (payout.id, payout.client_id, destination, Waiting.FUNDS),
    )


def back_off(
    tx: Tx, payout: Payout, waiting: str | Wait, *, now: datetime, least_s: int = 0
) -> None:
    """Record why a payout waits; the pause grows with each try, and is at least `least_s`.

    Raise StateChanged as `move`.
    """
    delay_s = max(least_s, backoff_s(payout.tries + 1))
    defer(tx, payout, waiting=waiting, until=now + timedelta(seconds=delay_s))


def look_again(tx: Tx, payout: Payout, *, now: datetime) -> None:
    """Have a payout looked up in the next round. Raise StateChanged as `move`."""
    move(tx, payout, payout.state, try_at=micros(now))
