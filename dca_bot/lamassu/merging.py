"""Makes one cash-out of all rows and actions with the same id in a reading.

The invariant: the same contents give the same cash-out, in any order. A content that stands in the
export twice counts once; different contents are all kept, and `core.cash_out` decides about the
contradiction.
"""

from collections.abc import Hashable, Iterable, Sequence
from dataclasses import dataclass, field, fields, is_dataclass, replace
from decimal import Decimal
from typing import Any, TypeVar

from dca_bot.core.cash_out import Action, CashOut

_CONTENTS_MAX = 8
"""How many contents of an id are kept; two already make the cash-out a hold."""
_Key = TypeVar("_Key", bound=Hashable)
_Row = TypeVar("_Row")


@dataclass(slots=True)
class Reports:
    """The actions of a cash-out; `readable` is False if at least one action could not be read."""

    by_id: dict[int, list[Action]] = field(default_factory=dict)
    readable: bool = True

    def add(self, action: Action) -> None:
        """Add an action; an action with the same id may have come before."""
        self.by_id[action.id] = _with(self.by_id.get(action.id, []), action)

    def readings(self) -> list[tuple[Action, ...]]:
        """Return the actions once for each way to read ids that came with different contents."""
        ways = max(map(len, self.by_id.values()), default=1)
        return [
            tuple(
                contents[min(way, len(contents) - 1)] for _, contents in sorted(self.by_id.items())
            )
            for way in range(ways)
        ]


def contents_by_id(rows: Iterable[tuple[_Key, _Row]]) -> dict[_Key, list[_Row]]:
    """Collect rows by id: each different content once, in an order that doesn't depend on the rows' order."""
    found: dict[_Key, list[_Row]] = {}
    for id_, row in rows:
        # Nearly every id comes once: comparing and sorting would be wasted.
        found[id_] = _with(found[id_], row) if id_ in found else [row]
    return found


def merged(rows: Sequence[CashOut], reports: Reports, digest: bytes | None) -> CashOut:
    """Make one cash-out of the contents of an id and of the reports on the cash-out.

    `digest`: of all records with that id.
    """
    first, *others = [
        replace(row, actions=actions, reports_readable=reports.readable, digest=digest)
        for row in rows
        for actions in reports.readings()
    ]
    return replace(first, others=tuple(others[: _CONTENTS_MAX - 1])) if others else first


def _with(contents: list[_Row], row: _Row) -> list[_Row]:
    if not contents:
        return [row]
    by_text = {_text(one): one for one in (*contents, row)}
    return [by_text[text] for text in sorted(by_text)][:_CONTENTS_MAX]


def _text(row: object) -> str:
    """Write a row's values as a text: equal values give equal texts, however many zeros a number has."""
    if not is_dataclass(row):
        return repr(row)
    values: list[Any] = [getattr(row, one.name) for one in fields(row)]
    plain = (
        value.normalize() if isinstance(value, Decimal) and value.is_finite() else value
        for value in values
    )
    return repr(tuple(plain))
