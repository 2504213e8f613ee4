"""What a span of time brought to a client's balance of fiat.

The invariant: the balance before, and all that moved, add up to the balance after.
"""

from collections.abc import Iterator
from dataclasses import dataclass

from dca_bot.ledger.programme.clients import Client
from dca_bot.ledger.reports.purchases import Span
from dca_bot.ledger.store.database import Tx
from dca_bot.ledger.store.instants import micros

_DEPOSITS = ("deposit", "deposit void")
_WITHDRAWAL = "withdrawal"


@dataclass(frozen=True, slots=True)
class AccountSums:
    """Minor units: the balance before and after a span, deposits less voided ones, and cash paid back."""

    before_minor: int
    after_minor: int
    deposited_minor: int
    withdrawn_minor: int

    @property
    def moved_else_minor(self) -> int:
        """Return what else came to the balance; purchases leave the balance, so usually below 0."""
        cash_minor = self.deposited_minor - self.withdrawn_minor
        return self.after_minor - self.before_minor - cash_minor


def account_sums(tx: Tx, client: Client, span: Span) -> AccountSums:
    """Sum up what moved a client's balance in a span, by the times of recording.

    Entries are read from the newest back to the last one before the span.
    """
    start, end = micros(span[0]), micros(span[1])
    after_minor, moved_minor = client.balance_minor, 0
    cash = {"deposited": 0, "withdrawn": 0}
    for posted_at, kind, change_minor in _moves(tx, client.id, start):
        if posted_at >= end:
            after_minor -= change_minor
            continue
        moved_minor += change_minor
        if kind in _DEPOSITS:
            cash["deposited"] += change_minor
        elif kind == _WITHDRAWAL:
            cash["withdrawn"] -= change_minor
    return AccountSums(
        before_minor=after_minor - moved_minor,
        after_minor=after_minor,
        deposited_minor=cash["deposited"],
        withdrawn_minor=cash["withdrawn"],
    )


def _moves(tx: Tx, client_id: int, start: int) -> Iterator[tuple[int, str, int]]:
    """Yield (time, kind, change) of the entries since `start`: what came, then what left."""
    for sign, side in ((1, "to_account"), (-1, "from_account")):
        rows = tx.execute(
            "SELECT posted_at, kind, amount FROM entry JOIN posting ON posting.id = posting_id"
            f" WHERE {side} = (SELECT id FROM account WHERE kind = 'balance' AND client_id = ?)"
            " ORDER BY entry.id DESC",
            (client_id,),
        )
        for row in rows:
            if row["posted_at"] < start:
                break
            yield row["posted_at"], row["kind"], sign * row["amount"]
