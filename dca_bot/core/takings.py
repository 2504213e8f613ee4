"""Sums of sales: what the machines gave out, what clients got, and the commission; exact, in integers.

The invariant: the sums of parts add up to the sum of the whole, however the sales are parted.
"""

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from datetime import datetime
from typing import TypeVar

_Key = TypeVar("_Key")


@dataclass(frozen=True, slots=True)
class Sale:
    """A cash-out that was shared out. `device_id`: the machine, '' if unknown.

    `minor` and `sat`: the principal. `shared_minor`: the fiat that clients gave. `rest_sat`: the part of the
    principal that no client took.
    """

    at: datetime
    device_id: str
    minor: int
    sat: int
    shared_minor: int
    rest_sat: int
    commission_sat: int


@dataclass(frozen=True, slots=True)
class Takings:
    """The sums of some sales; the fields are those of `Sale`.

    `commission_minor`: the commission at each sale's own price, rounded down sale by sale.
    """

    sales: int = 0
    minor: int = 0
    sat: int = 0
    shared_minor: int = 0
    rest_sat: int = 0
    commission_sat: int = 0
    commission_minor: int = 0

    @property
    def shared_sat(self) -> int:
        """Return the sats that clients got."""
        return self.sat - self.rest_sat

    @property
    def rest_minor(self) -> int:
        """Return the fiat that was given out and that no client gave."""
        return self.minor - self.shared_minor

    def __add__(self, other: "Takings") -> "Takings":
        return Takings(
            self.sales + other.sales,
            self.minor + other.minor,
            self.sat + other.sat,
            self.shared_minor + other.shared_minor,
            self.rest_sat + other.rest_sat,
            self.commission_sat + other.commission_sat,
            self.commission_minor + other.commission_minor,
        )


def total(sales: Iterable[Sale]) -> Takings:
    """Add up sales."""
    return sum((_of(sale) for sale in sales), Takings())


def parted(sales: Iterable[Sale], key: Callable[[Sale], _Key]) -> dict[_Key, Takings]:
    """Add up sales in parts: by date, or by machine."""
    parts: dict[_Key, Takings] = {}
    for sale in sales:
        part = key(sale)
        parts[part] = parts.get(part, Takings()) + _of(sale)
    return parts


def _of(sale: Sale) -> Takings:
    worth_minor = sale.commission_sat * sale.minor // sale.sat if sale.sat else 0
    return Takings(
        1,
        sale.minor,
        sale.sat,
        sale.shared_minor,
        sale.rest_sat,
        sale.commission_sat,
        worth_minor,
    )
