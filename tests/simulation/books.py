"""What people read of a ledger with their own eyes: open questions, clients, cash. No code of the program."""

from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from typing import Any

Read = Callable[[str], Iterable[tuple[Any, ...]]]
"""Returns the rows of a query on the bot's ledger."""


@dataclass(frozen=True)
class OpenHold:
    """An open question to the operators; `looks`: how often the operator has read the question."""

    id: int
    kind: str
    ref: str
    reason: str
    payment_hash: str
    looks: int


@dataclass
class Books:
    """The ledger as the operator reads it."""

    read: Read
    looks: dict[int, int] = field(default_factory=dict)

    def clients(self) -> dict[str, tuple[int, bool]]:
        """Return, by public key, the cash that is recorded in minor units, and whether a wallet is set."""
        return {
            pubkey: (minor, bool(has_wallet))
            for pubkey, minor, has_wallet in self.read(
                "SELECT pubkey, (SELECT coalesce(sum(amount_minor), 0) FROM deposit WHERE client_id ="
                " client.id AND deposit.state <> 'voided'), destination IS NOT NULL FROM client"
            )
        }

    def open_holds(self) -> list[OpenHold]:
        """Return the open questions, the oldest first."""
        found = []
        for id_, kind, ref, reason, payment_hash in self.read(
            "SELECT hold.id, kind, ref, reason, coalesce((SELECT payment_hash FROM attempt"
            " WHERE payout_id = ref ORDER BY number DESC LIMIT 1), '') FROM hold"
            " WHERE closed_at IS NULL ORDER BY hold.id"
        ):
            self.looks[id_] = self.looks.get(id_, 0) + 1
            found.append(OpenHold(id_, kind, ref, reason, payment_hash, self.looks[id_]))
        return found

    def is_stopped(self) -> bool:
        """Tell whether everything is paused."""
        return bool(list(self.read("SELECT 1 FROM fact WHERE name = 'paused'")))

    def is_clock_doubted(self) -> bool:
        """Tell whether the bot waits for the operator's word about the computer's clock."""
        return bool(list(self.read("SELECT 1 FROM fact WHERE name = 'clock_doubted'")))

    def void_payouts(self) -> list[str]:
        """Return the payouts that were tried three times in vain."""
        rows = self.read("SELECT id FROM payout WHERE state = 'VOID' AND attempt >= 3")
        return [id_ for (id_,) in rows]
