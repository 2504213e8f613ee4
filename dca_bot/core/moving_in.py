"""Works out what another programme's books leave for a client to begin with here.

The invariant: the other programme's balance and the differences, each with a reason, add up to the opening
balance exactly. A payment that may have been made is taken from the balance: it is never made again.
"""

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum
from fractions import Fraction

from dca_bot.core.money import minor_digits

CONFIRMED, PENDING, FAILED = "confirmed", "pending", "failed"


class Unit(StrEnum):
    """What 1 means in a column of amounts: a whole unit of the currency, or its smallest."""

    MAJOR = "major"
    MINOR = "minor"


class Why(StrEnum):
    """Why an opening balance differs from the other programme's balance."""

    UNITS = "smallest_units_shown_as_whole"
    """The other programme shows and adds the smallest units as whole ones."""
    CURRENCY = "other_currency"
    """Deposits of another currency than the bot's were counted, or the bot's own were not."""
    UNSURE = "payments_that_may_be_made"
    """Payments neither confirmed nor failed are taken from the balance."""
    ROUNDING = "part_of_the_smallest_unit"
    BELOW_ZERO = "balance_below_zero"
    """The client got more than was handed in; nobody begins below 0."""


class Mark(StrEnum):
    """What is worth a look, and changes no balance."""

    FAILED = "failed_payments"
    """The client got no sats, and wasn't charged."""
    TWICE = "paid_twice_for_a_cash_out"
    NOT_COUNTED = "deposits_of_another_status_or_currency"
    NOT_ABOVE_ZERO = "pending_deposits_not_above_zero"


@dataclass(frozen=True, slots=True)
class OldClient:
    """A client of the other programme. `limit`: of fixed mode for a day, in whole units; None without one."""

    id: str
    user_id: str
    wallet_id: str
    username: str
    mode: str
    limit: Fraction | None
    status: str


@dataclass(frozen=True, slots=True)
class OldDeposit:
    """A client's cash in the other programme; `amount` as the column has it."""

    client_id: str
    amount: Fraction
    currency: str
    status: str


@dataclass(frozen=True, slots=True)
class OldPayment:
    """A share of a client in the other programme; `amount`: the fiat, as the column has it."""

    client_id: str
    amount: Fraction
    sat: int
    status: str
    cash_out_id: str


@dataclass(frozen=True, slots=True)
class Units:
    """The units of the other programme's columns, and the bot's currency."""

    deposits: Unit
    payments: Unit
    currency: str

    @property
    def whole(self) -> int:
        """Return how many of the smallest units a whole one has."""
        return int(10 ** minor_digits(self.currency))

    def factor(self, unit: Unit) -> int:
        """Return how many of the smallest units 1 of a column is."""
        return self.whole if unit is Unit.MAJOR else 1


@dataclass(frozen=True, slots=True)
class Opening:
    """What a client begins with: `minor`, and a deposit for each of `pending_minor`.

    `theirs_minor`: the balance that the other programme shows, with parts of the smallest unit. `marks`:
    number and sum in minor units. `paid_sat`, `paid_minor`: what the confirmed payments have brought before.
    """

    minor: int
    theirs_minor: Fraction
    differences: Mapping[Why, Fraction]
    marks: Mapping[Mark, tuple[int, Fraction]]
    pending_minor: Sequence[int]
    paid_sat: int
    paid_minor: int


def opening(
    deposits: Sequence[OldDeposit], payments: Sequence[OldPayment], units: Units
) -> Opening:
    """Work out a client's opening balance, and explain each difference.

    The other programme's balance is the confirmed deposits of one currency, the first by its letters, less
    the confirmed payments.
    """
    of_deposits, of_payments = units.factor(units.deposits), units.factor(units.payments)
    confirmed = [one for one in deposits if one.status == CONFIRMED]
    first = min((one.currency for one in confirmed), default=units.currency)
    shown = _sum(one.amount for one in confirmed if one.currency == first)
    ours = _sum(one.amount for one in confirmed if one.currency == units.currency)
    paid = _sum(one.amount for one in payments if one.status == CONFIRMED)
    unsure = _sum(one.amount for one in payments if one.status not in (CONFIRMED, FAILED))
    exact = ours * of_deposits - (paid + unsure) * of_payments
    whole = exact.numerator // exact.denominator
    differences = {
        Why.UNITS: shown * (of_deposits - units.whole) - paid * (of_payments - units.whole),
        Why.CURRENCY: (ours - shown) * of_deposits,
        Why.UNSURE: -unsure * of_payments,
        Why.ROUNDING: whole - exact,
        Why.BELOW_ZERO: Fraction(max(0, -whole)),
    }
    pending = [one for one in deposits if one.status == PENDING and one.currency == units.currency]
    found = Opening(
        minor=max(0, whole),
        theirs_minor=(shown - paid) * units.whole,
        differences={why: minor for why, minor in differences.items() if minor},
        marks=_marks(deposits, payments, units),
        pending_minor=tuple(
            minor for one in pending if (minor := _floor(one.amount * of_deposits)) > 0
        ),
        paid_sat=sum(one.sat for one in payments if one.status == CONFIRMED),
        paid_minor=_floor(paid * of_payments),
    )
    assert found.theirs_minor + _sum(found.differences.values()) == found.minor
    return found


def carried_over(minor: int) -> Opening:
    """Return the opening of a client whose balance is taken as it is."""
    return Opening(minor, Fraction(minor), {}, {}, (), 0, 0)


def _marks(
    deposits: Sequence[OldDeposit], payments: Sequence[OldPayment], units: Units
) -> dict[Mark, tuple[int, Fraction]]:
    confirmed = [one for one in payments if one.status == CONFIRMED and one.cash_out_id]
    times = Counter(one.cash_out_id for one in confirmed)
    of_payments, of_deposits = units.factor(units.payments), units.factor(units.deposits)
    amounts = {
        Mark.FAILED: [one.amount * of_payments for one in payments if one.status == FAILED],
        Mark.TWICE: [one.amount * of_payments for one in confirmed if times[one.cash_out_id] > 1],
        Mark.NOT_COUNTED: [
            one.amount * of_deposits
            for one in deposits
            if one.status not in (CONFIRMED, PENDING) or one.currency != units.currency
        ],
        Mark.NOT_ABOVE_ZERO: [
            one.amount * of_deposits
            for one in deposits
            if one.status == PENDING
            and one.currency == units.currency
            and _floor(one.amount * of_deposits) <= 0
        ],
    }
    return {mark: (len(some), _sum(some)) for mark, some in amounts.items() if some}


def _floor(amount: Fraction) -> int:
    """Round down: a part of the smallest unit is nobody's cash."""
    return amount.numerator // amount.denominator


def _sum(amounts: Iterable[Fraction]) -> Fraction:
    return sum(amounts, Fraction())
