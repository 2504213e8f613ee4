"""What is still to be paid to one client, and what keeps each part of it."""

from dataclasses import dataclass

from dca_bot.ledger.store.database import Tx


@dataclass(frozen=True, slots=True)
class Owed:
    """What is still to be paid to somebody, in sats.

    `kept` waits until it is enough for the wallet, `held` for the operator, and `coming` is paid by
    itself.
    """

    kept: int
    held: int
    coming: int


def owed(tx: Tx, client_id: int, owed_sat: int) -> Owed:
    """Return why a client's sats aren't paid yet."""
    row = tx.execute(
        "SELECT (SELECT coalesce(sum(sat), 0) FROM share WHERE client_id = ?1 AND payout_id IS NULL)"
        " AS kept, (SELECT coalesce(sum(amount_sat), 0) FROM open_payout"
        "   WHERE client_id = ?1 AND state = 'HELD') AS held",
        (client_id,),
    ).fetchone()
    return Owed(row["kept"], row["held"], owed_sat - row["kept"] - row["held"])
