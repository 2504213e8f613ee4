"""Decides the notices to operators about the source wallet: a warning, a shortage, an all-clear.

The invariant: at most one notice is in force, so a warning and a shortage never stand side by side,
and a balance that swings around a threshold brings a single notice.

    nothing ──free < low──▶ LOW ──a payout lacks funds──▶ SHORT
       ▲  └────────a payout lacks funds────────────────────▲ │
       │                     │  ◀──payouts go on, still low──┘
       └──free ≥ clear───────┴────────payouts go on, free ≥ low
"""

from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum, auto

from dca_bot.core.money import sat_ceil


class Trouble(StrEnum):
    """The trouble in force: payouts wait for funds, or will have to before long."""

    LOW = "low"
    SHORT = "short"


@dataclass(frozen=True, slots=True)
class TopUp:
    """The last notice to the operators, with the top-up invoice.

    `balance_msat`: the source wallet's balance at that time. Without an invoice (LNbits could make
    none), `asked_sat` is 0 and `expires_at` ends a pause before the next try.
    """

    trouble: Trouble
    expires_at: datetime
    balance_msat: int
    asked_sat: int


@dataclass(frozen=True, slots=True)
class Levels:
    """The operator's settings: a free balance below `low_sat` (0: never) brings a warning."""

    low_sat: int
    top_up_to_sat: int

    @property
    def clear_sat(self) -> int:
        """Return the free balance that ends a warning: well above `low_sat`, against notices to and fro."""
        return self.low_sat + max(self.top_up_to_sat - self.low_sat, self.low_sat) // 4

    @property
    def target_sat(self) -> int:
        """Return the free balance that a top-up aims at: at least enough to end a warning."""
        return max(self.top_up_to_sat, self.clear_sat)


@dataclass(frozen=True, slots=True)
class Purse:
    """The source wallet's balance, and the need of open payouts, LNbits' reserve included.

    `peak_msat`: the highest balance seen in this round, before anything was sent. `kept_back_msat`:
    the need of a payout that was just kept back for want of funds, 0 for none. `is_waiting`: a
    payout still waits for funds, though none was tried in this round.
    """

    balance_msat: int
    needed_msat: int
    peak_msat: int = 0
    kept_back_msat: int = 0
    is_waiting: bool = False

    @property
    def is_short(self) -> bool:
        """Tell whether a payout was just kept back for want of funds."""
        return self.kept_back_msat > 0

    @property
    def free_msat(self) -> int:
        """Return the balance that remains once all open payouts are paid; negative if funds are missing."""
        return self.balance_msat - self.needed_msat


class Step(StrEnum):
    """The next notice to the operators."""

    NOTHING = auto()
    WARN = auto()
    ASK = auto()
    EASE = auto()
    ALL_CLEAR = auto()


def next_step(purse: Purse, levels: Levels, told: TopUp | None, now: datetime) -> Step:
    """Decide the next notice.

    WARN and ASK come with a fresh invoice, for LOW and for SHORT. EASE: payouts go on, and the
    shortage's invoice stays good for the remaining lack. ALL_CLEAR ends either trouble.
    """
    is_used_up = told is None or _is_used_up(told, purse, now)
    if purse.is_short:
        is_told = told is not None and told.trouble is Trouble.SHORT and not is_used_up
        return Step.NOTHING if is_told else Step.ASK
    if purse.is_waiting:
        return Step.NOTHING
    if levels.low_sat and purse.free_msat < levels.low_sat * 1000:
        return Step.WARN if told is None or is_used_up else _while_low(told)
    if told is None:
        return Step.NOTHING
    is_clear = not levels.low_sat or purse.free_msat >= levels.clear_sat * 1000
    return Step.ALL_CLEAR if is_clear or told.trouble is Trouble.SHORT else Step.NOTHING


def wanted_sat(purse: Purse, levels: Levels) -> int:
    """Return the amount of a top-up invoice, rounded up: enough to reach the target.

    At least the lack of the payout that was kept back, whose turn may come before other payouts'
    that `needed_msat` counts.
    """
    return max(sat_ceil(levels.target_sat * 1000 - purse.free_msat), _lacking_sat(purse))


def least_sat(purse: Purse, levels: Levels, trouble: Trouble) -> int:
    """Return the least that a top-up must bring, rounded up: the shortage, or the lack to `low_sat`."""
    level_sat = levels.low_sat if trouble is Trouble.LOW else 0
    return max(sat_ceil(level_sat * 1000 - purse.free_msat), _lacking_sat(purse))


def _lacking_sat(purse: Purse) -> int:
    """Return how much the wallet lacks for the payout that was kept back; at most 0 for no lack."""
    return sat_ceil(purse.kept_back_msat - purse.balance_msat)


def _while_low(told: TopUp) -> Step:
    """Decide the notice while an invoice is open and the wallet is low, but no payout waits."""
    if told.trouble is Trouble.LOW:
        return Step.NOTHING
    return Step.EASE if told.asked_sat else Step.WARN


def _is_used_up(told: TopUp, purse: Purse, now: datetime) -> bool:
    """Tell whether the last invoice has expired, or was paid without sufficing.

    The balance shows a payment: a look at the invoice's row could undo the credit in LNbits.
    """
    paid_msat = told.balance_msat + told.asked_sat * 1000
    has_msat = max(purse.balance_msat, purse.peak_msat)
    return told.expires_at <= now or (told.asked_sat > 0 and has_msat >= paid_msat)
