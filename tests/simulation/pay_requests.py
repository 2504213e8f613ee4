"""The pay requests that have reached LNbits, held against the rules for sending (docs/money.md)."""

from collections import defaultdict
from dataclasses import dataclass, field
from datetime import datetime, timedelta

from simulation.lightning import MadeInvoice
from simulation.lnbits import Lnbits, PayRequest
from simulation.people import Operator
from simulation.promise import hold
from simulation.virtual_time import ComputerClock

OVER_AFTER = timedelta(minutes=10)
"""The time after an invoice's expiry before which no other invoice of the payout is paid."""
_DAY = timedelta(hours=24)
_UNDER_WAY = timedelta(seconds=20)
"""The time for which a request can be under way that left before everything was paused."""


@dataclass
class PayRequests:
    """The requests of one world.

    `restored_at`: when an older copy was put back for the last time, which has lost what was sent before.
    """

    lnbits: Lnbits
    operator: Operator
    clock: ComputerClock
    payout_max_sat: int
    day_max_sat: int
    restored_at: datetime | None = None
    _seen: int = 0
    _of: defaultdict[str, list[PayRequest]] = field(default_factory=lambda: defaultdict(list))
    _first: dict[str, PayRequest] = field(default_factory=dict)

    def check(self) -> None:
        """Check the requests that have come since the last look; raise Violation."""
        new = self.lnbits.requests[self._seen :]
        self._seen += len(new)
        for request in new:
            self._check(request)
            self._of[request.payout_id].append(request)
            self._first[request.payout_id] = self._first_of(request)

    def _check(self, request: PayRequest) -> None:
        made = self.lnbits.invoices[request.bolt11]
        named = f"payout {request.payout_id}"
        for earlier in self._of[request.payout_id]:
            is_over = earlier.bolt11 == request.bolt11 or self._is_over(earlier, request.at)
            hold(f"{named}: another invoice, while {earlier} can be paid", is_kept=is_over)
        sat, is_accepted = (
            made.invoice.amount_msat // 1000,
            request.payout_id in self.operator.accepted,
        )
        hold(f"{named} of {sat} sats was sent", is_kept=sat <= self.payout_max_sat or is_accepted)
        day_sat = self._sent_sat_before(request)
        is_below = day_sat + sat <= self.day_max_sat or is_accepted
        hold(f"{named} of {sat} sats was sent after {day_sat} in a day", is_kept=is_below)
        stopped_at = self.operator.stopped_at
        is_stopped = stopped_at is not None and request.at > stopped_at + _UNDER_WAY
        hold(f"{named} was sent while everything was paused", is_kept=not is_stopped)

    def check_is_over(self, payout_id: str, bolt11: str) -> None:
        """Check that nobody can pay a payout's earlier invoice any more; raise Violation."""
        made = self.lnbits.invoices.get(bolt11)
        is_over = made is None or self.lnbits.time.now() > made.invoice.expires_at + OVER_AFTER
        hold(f"payout {payout_id}: another invoice, while {bolt11} can be paid", is_kept=is_over)

    def _is_over(self, earlier: PayRequest, now: datetime) -> bool:
        made: MadeInvoice = self.lnbits.invoices[earlier.bolt11]
        is_lost = self.restored_at is not None and earlier.at < self.restored_at
        is_unknown = made.invoice.payment_hash not in self.lnbits.row_of
        return now > made.invoice.expires_at + OVER_AFTER or (is_lost and is_unknown)

    def _sent_sat_before(self, request: PayRequest) -> int:
        """Return the sats of the other payouts that were sent in the day before, each counted once.

        A ledger that was put back, and a clock that was set, have lost count of what was sent before. The day
        is one on the computer's clock.
        """
        lost_at = max(self.clock.changed_at, self.restored_at or self.clock.changed_at)
        since = max(request.at - self.clock.true_span(_DAY), lost_at)
        sent = {
            one.payout_id: self.lnbits.invoices[one.bolt11].invoice.amount_msat // 1000
            for one in self._first.values()
            if since < one.at and one.payout_id != request.payout_id
        }
        return sum(sent.values())

    def _first_of(self, last: PayRequest) -> PayRequest:
        """Return the first request with the invoice of a payout's last request."""
        return next(one for one in self._of[last.payout_id] if one.bolt11 == last.bolt11)
