"""What the operators are told about the source wallet: one warning, one shortage, one all-clear.

The invariant: there is at most one thing that they were last told, so the warning and the shortage
never stand side by side, and a balance that plays around a threshold is told of once.

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
    """What the operators were told: payouts wait for funds, or will have to before long."""

    LOW = "low"
    SHORT = "short"


@dataclass(frozen=True, slots=True)
class TopUp:
    """What the operators were last told, with the top-up invoice that they got.

    `balance_msat` is the source wallet's when they were told; `asked_sat` is 0, and `expires_at` the
    end of a pause, where no invoice could be made.
    """

    trouble: Trouble
    expires_at: datetime
    balance_msat: int
    asked_sat: int


@dataclass(frozen=True, slots=True)
class Levels:
    """What the operator has set: below `low_sat` (0: never) there is a warning."""

    low_sat: int
    top_up_to_sat: int

    @property
    def clear_sat(self) -> int:
        """Return what has to be free again before a warning is over: well above `low_sat`."""
        return self.low_sat + max(self.top_up_to_sat - self.low_sat, self.low_sat) // 4

    @property
    def target_sat(self) -> int:
        """Return what a top-up brings the free balance to: never less than ends a warning."""
        return max(self.top_up_to_sat, self.clear_sat)


@dataclass(frozen=True, slots=True)
class Purse:
    """The source wallet beside what open payouts need of it, LNbits' reserve included.

    `peak_msat` is the most that the wallet was seen to have in this round, before anything was sent.
    `kept_back_msat` is what a payout takes that was just kept back for want of funds, 0 for none.
    `is_waiting`: one still stands as waiting for them, though none was tried.
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
        """Return what is left once everything open is paid; negative if it does not suffice."""
        return self.balance_msat - self.needed_msat


class Step(StrEnum):
    """What the operators are to be told now."""

    NOTHING = auto()
    WARN = auto()
    ASK = auto()
    EASE = auto()
    ALL_CLEAR = auto()


def next_step(purse: Purse, levels: Levels, told: TopUp | None, now: datetime) -> Step:
    """Decide what to tell.

    WARN and ASK come with a fresh invoice, for LOW and for SHORT. EASE: payouts go on, the invoice
    of the shortage stays good for what is still low. ALL_CLEAR ends either.
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
    """Return what a top-up invoice is to ask for: what makes the target free. Rounded up.

    Never less than the payout lacks that was kept back: its turn may have come before that of others
    which count as needed.
    """
    return max(sat_ceil(levels.target_sat * 1000 - purse.free_msat), _lacking_sat(purse))


def least_sat(purse: Purse, levels: Levels, trouble: Trouble) -> int:
    """Return what a top-up must bring at least: what is short, or what is low. Rounded up."""
    level_sat = levels.low_sat if trouble is Trouble.LOW else 0
    return max(sat_ceil(level_sat * 1000 - purse.free_msat), _lacking_sat(purse))


def _lacking_sat(purse: Purse) -> int:
    """Return what the wallet lacks for the payout that was kept back; at most 0 if nothing."""
    return sat_ceil(purse.kept_back_msat - purse.balance_msat)


def _while_low(told: TopUp) -> Step:
    """Say what is new while an invoice is open and the wallet is low, but nothing waits."""
    if told.trouble is Trouble.LOW:
        return Step.NOTHING
    return Step.EASE if told.asked_sat else Step.WARN


def _is_used_up(told: TopUp, purse: Purse, now: datetime) -> bool:
    """Tell whether the last invoice has expired, or was paid and did not suffice.

    Whether it was paid is seen from the balance: to read an invoice's row can undo its credit.
    """
    paid_msat = told.balance_msat + told.asked_sat * 1000
    has_msat = max(purse.balance_msat, purse.peak_msat)
    return told.expires_at <= now or (told.asked_sat > 0 and has_msat >= paid_msat)
