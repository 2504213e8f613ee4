"""The simulated Lightning network: invoices, and what becomes of a payment that leaves LNbits."""

from dataclasses import dataclass
from datetime import datetime
from random import Random

from dca_bot.core.ports import Invoice, PaymentStatus


@dataclass
class MadeInvoice:
    """An invoice: `wallet` is the LNbits wallet that gets the sats, or empty for a payee elsewhere.

    `received_at`: when the payee really got the sats, whatever LNbits says; None: not.
    """

    invoice: Invoice
    preimage: str
    wallet: str
    payee: str = ""
    received_at: datetime | None = None


@dataclass(frozen=True)
class Course:
    """What becomes of a payment that leaves LNbits, in seconds from the request.

    `says`: the node's word after `says_s`; None: none until somebody has the node say something. `arrives_s`:
    when the payee has the sats; None: never. `admits_s`: when a node that has said failed says success.
    """

    says: PaymentStatus | None = None
    says_s: float = 0
    arrives_s: float | None = None
    admits_s: float | None = None
    fee_msat: int = 0


@dataclass
class Mischief:
    """How LNbits and the Lightning network misbehave: odds for each payment."""

    random: Random
    rate: float = 0.0

    def strikes(self, share: float = 1.0) -> bool:
        """Tell whether something goes wrong now; `share`: the part of the rate that this kind has."""
        return self.random.random() < self.rate * share


def draw_course(random: Random, mischief: Mischief, *, life_s: float, reserve_msat: int) -> Course:
    """Draw what becomes of a payment; `life_s`: how long the invoice still lives."""
    says_s = random.uniform(0.2, 20)
    if mischief.strikes(0.3):
        says_s = random.uniform(60, 30 * 3600)
    fee_msat = random.randint(0, reserve_msat)
    if life_s <= 0 or mischief.strikes(0.3):
        return Course(PaymentStatus.FAILED, says_s)
    if not mischief.strikes(0.3):
        return Course(PaymentStatus.SUCCESS, says_s, says_s, fee_msat=fee_msat)
    # The node says failed, and the payee gets the sats before the invoice expires: an HTLC that is held
    # longer is the documented limit (trap 9).
    arrives_s = says_s + random.choice((0, 0, max(0, (life_s - says_s) * 0.9)))
    admits_s = arrives_s + random.uniform(60, 9 * 3600) if random.random() < 0.5 else None
    return Course(PaymentStatus.FAILED, says_s, arrives_s, admits_s, fee_msat)
