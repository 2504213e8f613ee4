"""The parts that sending and resolving share, and the look at the source wallet that decisions rest on."""

from dataclasses import dataclass
from datetime import timedelta

from dca_bot.core import attempt as rules
from dca_bot.core.attempt import Finding
from dca_bot.core.ports import Addresses, Clock, Payment, Wallet
from dca_bot.core.programme import Programme
from dca_bot.jobs.payouts.funds import Funds
from dca_bot.jobs.payouts.lease import Lease
from dca_bot.ledger.payouts.payout import Payout
from dca_bot.ledger.store import clock
from dca_bot.ledger.store.database import Database
from dca_bot.messages.notices import Notices

_NO_TIME = timedelta()


class OutOfFunds(Exception):
    """The source wallet lacks the sats for a payout: the payouts behind it wait too."""


@dataclass(frozen=True, slots=True)
class PayoutContext:
    """The parts that sending and resolving share."""

    database: Database
    wallet: Wallet
    addresses: Addresses
    funds: Funds
    notices: Notices
    programme: Programme
    clock: Clock
    lease: Lease


async def look_up(
    context: PayoutContext, payout: Payout, *, over_for: timedelta = _NO_TIME
) -> tuple[Payment | None, Finding]:
    """Return the source wallet's payment of a payout's last invoice, and what the payment means.

    A clock that is ahead ends no invoice: the bot must have witnessed as much time as the invoice lives,
    and `over_for` beyond. Raise LnbitsUnavailable or LnbitsRefused.
    """
    attempt, uptime = payout.last_attempt, context.clock.uptime()
    payment = await context.wallet.payment(attempt.payment_hash)
    witnessed = await context.database.read(lambda tx: clock.witnessed(tx, uptime))
    end = attempt.witnessed_end
    now = rules.proven_now(
        context.clock.now(),
        expires_at=attempt.expires_at,
        unwitnessed=_NO_TIME if end is None else end + over_for - witnessed,
    )
    return payment, rules.judge(
        payment, amount_sat=payout.amount_sat, expires_at=attempt.expires_at, now=now
    )
