"""Second witnesses for a payment to a Lightning address that LNbits calls failed.

The invariant: LNbits' word alone never leads to a second payment. Funding sources report payments as
failed that payees have received (public reports against LNbits, NWC, Blink and CLNRest), and an HTLC that
the payee holds can settle after the invoice's expiry. The second witness is the payee's server (LUD-21,
`verify`), within narrow bounds, because the payee gains from a second payment. Otherwise an operator
decides.

    failed ─┬─ verify gives the preimage ───────────────▶ arrived
            ├─ verify says unpaid, twice, after expiry ─▶ unpaid, once per client
            └─ anything else ───────────────────────────▶ the operators decide
"""

import hashlib
import re
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum

from dca_bot.core.attempt import over_at

LOOKS_APART = timedelta(hours=24)
"""Least time between two answers "unpaid" of a payee's server that count as a witness."""
UNANSWERED_MAX = timedelta(hours=72)
"""Time after the expiry from which a payee's server without two clear answers is given up."""
_LOOK_EVERY_MAX = timedelta(hours=1)
FIRST_LOOK_AFTER = timedelta(minutes=1)
"""LNbits settles most payments earlier, and then no server is asked."""
_PROOF_LOOKS = (timedelta(minutes=10), timedelta(hours=24))
"""Pauses before a payee's server is asked again for the proof of a payment that LNbits calls paid."""
LOOKS_END = timedelta(days=8)
"""Time after the expiry from which a payee's server is asked no more."""
_WORD_AFTER = timedelta(hours=24)
"""Time after the expiry from which an operator can say that a payment did not arrive."""
_PREIMAGE = re.compile(r"[0-9a-f]{64}")


class Outcome(StrEnum):
    """A witness's word on what became of an invoice."""

    ARRIVED = "arrived"
    UNPAID = "unpaid"


class Witness(StrEnum):
    """A source of an Outcome; LNBITS and VERIFY (the payee's server) prove an arrival by the preimage."""

    LNBITS = "lnbits"
    VERIFY = "verify"
    OPERATOR = "operator"


class Said(StrEnum):
    """A payee's server's answer about an invoice (LUD-21).

    SETTLED: settled, with a preimage that hashes to the payment hash. UNPROVEN: settled, without a proving
    preimage. UNCLEAR: any other answer, or no answer.
    """

    SETTLED = "settled"
    UNPROVEN = "unproven"
    UNSETTLED = "unsettled"
    UNCLEAR = "unclear"


class Step(StrEnum):
    """What the payout worker does about a payment to an address that LNbits calls failed."""

    WAIT = "wait"
    BOOK_AS_PAID = "book_as_paid"
    VOID = "void"
    ASK_OPERATORS = "ask_operators"


@dataclass(frozen=True, slots=True)
class VerifyLook:
    """One answer of the payee's server."""

    said: Said
    looked_at: datetime


@dataclass(frozen=True, slots=True)
class Case:
    """A payment to an address that LNbits calls failed, with the witnesses' words.

    `has_arrived`: a preimage proves the arrival. `can_verify`: the address's callback gave a URL to ask.
    `may_void`: since LNbits last proved a payment to the payee, no payout was voided on the payee's word
    alone, and no other payout of the payee is in doubt. `is_held`: the operators were asked. `is_failed`:
    LNbits still shows the payment, as failed.
    """

    expires_at: datetime
    looks: Sequence[VerifyLook]
    has_arrived: bool
    can_verify: bool
    may_void: bool
    is_held: bool
    is_failed: bool


def next_step(case: Case, now: datetime) -> Step:
    """Decide the next step; before VOID, the caller looks at the source wallet once more."""
    if case.has_arrived:
        return Step.BOOK_AS_PAID
    if case.is_held:
        return Step.WAIT
    is_doubted = any(look.said is Said.UNPROVEN for look in case.looks)
    may_be_void = case.is_failed and case.can_verify and case.may_void
    if not may_be_void or is_doubted:
        return Step.ASK_OPERATORS
    if _is_unpaid(case):
        return Step.VOID
    is_given_up = now > over_at(case.expires_at) + UNANSWERED_MAX
    return Step.ASK_OPERATORS if is_given_up else Step.WAIT


def proves(preimage: str, payment_hash: str) -> bool:
    """Tell whether a preimage (64 hex digits) hashes to a payment hash (BOLT 4, SHA-256).

    >>> proves("00" * 32, "66687aadf862bd776c8fc18b8e9f8e20089714856ee233b3902a591d0d5f2925")
    True
    """
    if not _PREIMAGE.fullmatch(preimage):
        return False
    return hashlib.sha256(bytes.fromhex(preimage)).hexdigest() == payment_hash


def word_from(expires_at: datetime) -> datetime:
    """Return the first instant at which an operator can say that a payment did not arrive."""
    return expires_at + _WORD_AFTER


def next_look(tries: int, *, is_paid: bool, expires_at: datetime, now: datetime) -> datetime | None:
    """Return when to ask the payee's server again after `tries` answers; None for never.

    `is_paid`: LNbits calls the payment succeeded, so that only the proof is missing.
    """
    if is_paid:
        return now + _PROOF_LOOKS[tries - 1] if tries <= len(_PROOF_LOOKS) else None
    if now > over_at(expires_at) + LOOKS_END:
        return None
    doubled: timedelta = FIRST_LOOK_AFTER * (1 << min(tries, 10))
    return now + min(doubled, _LOOK_EVERY_MAX)


def _is_unpaid(case: Case) -> bool:
    """Tell whether the payee's server said "unpaid" twice, far enough apart, both after the expiry."""
    over = over_at(case.expires_at)
    at = [
        look.looked_at
        for look in case.looks
        if look.said is Said.UNSETTLED and look.looked_at >= over
    ]
    return bool(at) and max(at) - min(at) >= LOOKS_APART
