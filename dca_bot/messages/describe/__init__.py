"""Describes the things of the ledger in the same words everywhere: `describe.payout(payout)` and the like.

A module for each kind of thing.
"""

from dca_bot.messages.describe.cash_outs import (
    cash_out,
    cash_out_facts,
    change,
    contradiction,
    error,
    fixed_run,
)
from dca_bot.messages.describe.clients import (
    arrived,
    client,
    deposit,
    destination,
    destination_whole,
    margin,
    minimum,
    unreached,
)
from dca_bot.messages.describe.health import health_again, health_trouble
from dca_bot.messages.describe.holds.kinds import choice, held, hold
from dca_bot.messages.describe.layout import NAME_LENGTH_MAX, PAGE_ROWS, cut, page, part_of, short
from dca_bot.messages.describe.payouts import (
    lnbits_said,
    payment_hash,
    payout,
    payout_short,
)
from dca_bot.messages.describe.phone_clock import phone_clock, span
from dca_bot.messages.describe.reasons import (
    failure,
    finding,
    ledger_fault,
    left_out,
    outside_failure,
    reason,
    state_changed,
    waiting,
)
from dca_bot.messages.describe.relays import relay, relay_lost, relay_trouble

__all__ = [
    "NAME_LENGTH_MAX",
    "PAGE_ROWS",
    "arrived",
    "cash_out",
    "cash_out_facts",
    "change",
    "choice",
    "client",
    "contradiction",
    "cut",
    "deposit",
    "destination",
    "destination_whole",
    "error",
    "failure",
    "finding",
    "fixed_run",
    "health_again",
    "health_trouble",
    "held",
    "hold",
    "ledger_fault",
    "left_out",
    "lnbits_said",
    "margin",
    "minimum",
    "outside_failure",
    "page",
    "part_of",
    "payment_hash",
    "payout",
    "payout_short",
    "phone_clock",
    "reason",
    "relay",
    "relay_lost",
    "relay_trouble",
    "short",
    "span",
    "state_changed",
    "unreached",
    "waiting",
]
