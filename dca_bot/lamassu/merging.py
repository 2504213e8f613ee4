"""Makes one cash-out of all that a reading says under one id, in whatever order it says it.

The invariant: the same contents give the same cash-out, whichever came first. A content that stands
there twice is one; different contents are all kept, and it is for `core.cash_out` to say what they mean.
"""

from collections.abc import Hashable, Iterable, Sequence
from dataclasses import dataclass, field, fields, is_dataclass, replace
from decimal import Decimal
from typing import Any, TypeVar

from dca_bot.core.cash_out import Action, CashOut

CONTENTS_MAX = 8
"""So many contents of one id are kept; more than one can't be trusted anyway."""
_Key = TypeVar("_Key", bound=Hashable)
_Row = TypeVar("_Row")


@dataclass(slots=True)
class Reports:
    """What the actions say of one cash-out; `readable` is False where one of them could not be read."""

    by_id: dict[int, list[Action]] = field(default_factory=dict)
    readable: bool = True

    def add(self, action: Action) -> None:
        """Take one more action; its id may have come before."""
        self.by_id[action.id] = _with(self.by_id.get(action.id, []), action)

    def readings(self) -> list[tuple[Action, ...]]:
        """Return the actions, once for each way to read ids that came with different contents."""
        ways = max(map(len, self.by_id.values()), default=1)
        return [
            tuple(
                contents[min(way, len(contents) - 1)] for _, contents in sorted(self.by_id.items())
            )
            for way in range(ways)
        ]


def contents_by_id(rows: Iterable[tuple[_Key, _Row]]) -> dict[_Key, list[_Row]]:
    """Collect rows by id: each different content once, in an order of their own."""
    found: dict[_Key, list[_Row]] = {}
    for id_, row in rows:
        # Nearly every id comes once, so nothing is compared or sorted for it.
        found[id_] = _with(found[id_], row) if id_ in found else [row]
    return found


def merged(rows: Sequence[CashOut], reports: Reports) -> CashOut:
    """Make one cash-out of the contents of one id and the reports on it."""
    first, *others = [
        replace(row, actions=actions, reports_readable=reports.readable)
        for row in rows
        for actions in reports.readings()
    ]
    return replace(first, others=tuple(others[: CONTENTS_MAX - 1])) if others else first


def _with(contents: list[_Row], row: _Row) -> list[_Row]:
    if not contents:
        return [row]
    by_text = {_text(one): one for one in (*contents, row)}
    return [by_text[text] for text in sorted(by_text)][:CONTENTS_MAX]


def _text(row: object) -> str:
    """Write down what a row says, the same for the same values, however many zeros were written."""
    if not is_dataclass(row):
        return repr(row)
    values: list[Any] = [getattr(row, one.name) for one in fields(row)]
    plain = (
        value.normalize() if isinstance(value, Decimal) and value.is_finite() else value
        for value in values
    )
    return repr(tuple(plain))
