"""How much is still to be paid to a client, and why the sats wait."""

from dataclasses import dataclass

from dca_bot.ledger.store.database import Tx


@dataclass(frozen=True, slots=True)
class Owed:
    """Sats that are still to be paid to a client.

    `kept`: below the least payment that the client's wallet takes. `held`: waits for an operator.
    `coming`: paid without anybody's doing.
    """

    kept: int
    held: int
    coming: int


def owed(tx: Tx, client_id: int, owed_sat: int) -> Owed:
    """Split a client's `owed_sat` by why the sats aren't paid yet."""
    row = tx.execute(
        "SELECT (SELECT coalesce(sum(sat), 0) FROM share WHERE client_id = ?1 AND payout_id IS NULL)"
        " AS kept, (SELECT coalesce(sum(amount_sat), 0) FROM open_payout"
        "   WHERE client_id = ?1 AND state = 'HELD') AS held",
        (client_id,),
    ).fetchone()
    return Owed(row["kept"], row["held"], owed_sat - row["kept"] - row["held"])
