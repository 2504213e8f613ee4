"""A payout as recorded in the ledger, with the rules that follow from the record alone."""

from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from dca_bot.core import payout as rules
from dca_bot.core.attempt import ADDRESS_MARGIN, INTERNAL_MARGIN
from dca_bot.core.market import memo_text
from dca_bot.core.payment_extra import payment_extra
from dca_bot.core.payout import PayoutState, Wait
from dca_bot.ledger.programme.clients import Destination


@dataclass(frozen=True, slots=True)
class Attempt:
    """The invoice of one attempt at a payout.

    `verify_url`: where the payee's server tells whether the invoice is settled (LUD-21), or empty.
    `witnessed_end`: how much time the bot must have witnessed before the invoice is over; None for an
    old attempt, which the clock alone ends.
    """

    number: int
    bolt11: str
    payment_hash: str
    expires_at: datetime
    verify_url: str = ""
    witnessed_end: timedelta | None = None


@dataclass(frozen=True, slots=True)
class Payout:
    """A payout with its last attempt.

    `destination`: fixed from the first pay request on; before that, the client's present destination.
    `minor`: fiat of the payout's shares, 0 for commission. `waiting`: code for why the payout is not sent
    now. `source_status`: status of the current attempt's payment when LNbits last showed one, or empty.
    `said`: LNbits' words to a pay request that LNbits refused. `paid_as`: the client's name in LNbits'
    payments.
    """

    id: str
    client_id: int
    client_name: str
    paid_as: str
    amount_sat: int
    minor: int
    state: PayoutState
    attempt: Attempt | None
    attempts: int
    destination: Destination | None
    waiting: str
    tries: int
    try_at: datetime
    due_at: datetime
    submitted_at: datetime | None
    debited_at: datetime | None
    distribution_ids: tuple[str, ...]
    source_status: str = ""
    said: str = ""
    slow_told_at: datetime | None = None
    doubt_told_at: datetime | None = None
    waiting_said: str = ""
    waiting_sat: int | None = None

    @property
    def wait(self) -> Wait:
        """Return why the payout waits: the code `waiting` with the columns beside the code."""
        return Wait(self.waiting, self.waiting_said, self.waiting_sat)

    @property
    def last_attempt(self) -> Attempt:
        """Return the last attempt; the payout must have one."""
        assert self.attempt is not None
        return self.attempt

    @property
    def goes_to(self) -> Destination:
        """Return the destination; the payout must have one."""
        assert self.destination is not None
        return self.destination

    @property
    def is_internal(self) -> bool:
        """Tell whether the payout goes to a wallet at the same LNbits."""
        return self.destination is not None and self.destination.is_internal

    @property
    def is_to_address(self) -> bool:
        """Tell whether the payout goes to a Lightning address."""
        return self.destination is not None and not self.destination.is_internal

    @property
    def is_commission(self) -> bool:
        """Tell whether the payout pays commission; no payout mixes commission with a client's shares."""
        return self.minor == 0

    @property
    def needed_msat(self) -> int:
        """Return how much the source wallet must hold to send the payout."""
        return rules.needed_msat(self.amount_sat, is_internal=self.is_internal)

    @property
    def margin(self) -> timedelta:
        """Return how long the invoice must still live when a pay request leaves."""
        return INTERNAL_MARGIN if self.is_internal else ADDRESS_MARGIN

    def is_too_old(self, now: datetime) -> bool:
        """Tell whether the last invoice expires too soon for a pay request."""
        return self.last_attempt.expires_at - now <= self.margin

    def is_cancellable(self, now: datetime) -> bool:
        """Tell whether the payout can't be paid any more, so that cancelling is safe."""
        return rules.is_cancellable(
            self.state,
            is_debited=self.debited_at is not None,
            expires_at=self.attempt.expires_at if self.attempt else None,
            now=now,
        )

    def is_late(self, now: datetime) -> bool:
        """Tell whether the pay request left long ago and the operators weren't told of the delay yet."""
        return (
            self.slow_told_at is None
            and self.submitted_at is not None
            and now - self.submitted_at > rules.SLOW_AFTER
        )

    def has_same_destination(self, other: "Payout") -> bool:
        """Tell whether both payouts have the same destination; False if either has no destination."""
        one, another = self.destination, other.destination
        if one is None or another is None:
            return False
        return (one.kind, one.value) == (another.kind, another.value)

    def memo(self, currency: str) -> str:
        """Write the memo that the payee's wallet shows beside the payment."""
        return memo_text(self.amount_sat, self.minor, currency)

    def payment_extra(self, currency: str) -> dict[str, Any]:
        """Return the `extra` that LNbits keeps with the payment, for a restored ledger to read."""
        return payment_extra(
            distribution_ids=self.distribution_ids,
            client_name=self.paid_as,
            minor=self.minor,
            currency=currency,
        )
