"""How many of a client's sats have not arrived yet, and why the sats wait."""

from enum import StrEnum

from dca_bot.core.payout import PayoutState, Waiting
from dca_bot.errors import Refusal
from dca_bot.ledger.programme.clients import Client
from dca_bot.ledger.store.database import Tx

_CHECKED = (PayoutState.IN_DOUBT, PayoutState.ALERT)
_REFUSALS = frozenset(map(str, Refusal))


class Unpaid(StrEnum):
    """Why sats of a client have not arrived yet.

    COMING: paid without anybody's doing. FUNDS: the source wallet is short of sats. WALLET: the client's
    wallet takes no payment. HELD: an operator decides first. CHECKED: an operator finds out whether the sats
    have arrived. KEPT: below the least payment that the client's wallet takes.
    """

    COMING = "coming"
    FUNDS = "funds"
    WALLET = "wallet"
    HELD = "held"
    CHECKED = "checked"
    KEPT = "kept"


def unarrived_sat(tx: Tx, client: Client) -> int:
    """Return the sats that a client was given and that have not arrived yet.

    Besides what is owed these are the sats that have left the source wallet, while nothing shows the arrival.
    """
    row = tx.execute(
        "SELECT coalesce(sum(amount_sat), 0) AS sat FROM open_payout"
        " WHERE client_id = ? AND debited_at IS NOT NULL",
        (client.id,),
    ).fetchone()
    return client.owed_sat + int(row["sat"])


def unpaid(tx: Tx, client_id: int) -> dict[Unpaid, int]:
    """Return a client's sats that have not arrived yet, by why, in the order of Unpaid."""
    rows = tx.execute(
        "SELECT state, waiting, amount_sat AS sat FROM open_payout WHERE client_id = ?1"
        " UNION ALL SELECT '', '', sat FROM share WHERE client_id = ?1 AND payout_id IS NULL",
        (client_id,),
    )
    found = dict.fromkeys(Unpaid, 0)
    for row in rows:
        found[_why(row["state"], row["waiting"])] += row["sat"]
    return {why: sat for why, sat in found.items() if sat}


def _why(state: str, waiting: str) -> Unpaid:
    if not state:
        return Unpaid.KEPT
    if state == PayoutState.HELD:
        return Unpaid.HELD
    if state in _CHECKED:
        return Unpaid.CHECKED
    if waiting == Waiting.FUNDS:
        return Unpaid.FUNDS
    return Unpaid.WALLET if waiting in _REFUSALS else Unpaid.COMING
