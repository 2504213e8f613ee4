"""Lamassu, read only: cash-outs, cash-ins and the machines' names."""

from collections.abc import Collection, Mapping
from collections.abc import Set as AbstractSet
from dataclasses import dataclass, field
from datetime import datetime
from decimal import Decimal
from enum import StrEnum
from typing import Protocol

from dca_bot.core.cash_out import CashOut


@dataclass(frozen=True, slots=True)
class CashIn:
    """A row of cash_in_txs: a layperson puts cash into a machine and buys bitcoin.

    `fiat` is None if unreadable. The cash counts once `send_confirmed` is true. `digest`: as of a CashOut.
    """

    id: str
    device_id: str
    created_at: datetime
    fiat: Decimal | None
    fiat_code: str | None
    send_confirmed: bool
    digest: bytes | None = field(default=None, compare=False, repr=False)


class RowKind(StrEnum):
    """The kinds of rows with an id of their own."""

    CASH_OUT = "cash-out"
    CASH_IN = "cash-in"


class KnownRows(Protocol):
    """The rows of earlier readings that come to nothing any more, by id and digest."""

    @property
    def version(self) -> int:
        """Return a number that is another one as soon as other rows are known."""
        ...

    def unchanged(self, kind: RowKind, digests: Mapping[str, bytes]) -> AbstractSet[str]:
        """Return the ids of the known rows with the same digest in a reading; these rows need no parsing.

        `digests`: of some rows of the reading, or all, by id.
        """
        ...

    def forget_others(self, kind: RowKind, since: datetime) -> None:
        """Forget the rows created at `since` or later that the reading lacks, or has with another digest."""
        ...

    def forget_all(self, kind: RowKind, since: datetime) -> None:
        """Forget the rows created at `since` or later: the reading turned out to be of no use."""
        ...


class NothingKnown:
    """No known row: each row of a reading is parsed."""

    version = 0

    def unchanged(self, _kind: RowKind, _digests: Mapping[str, bytes]) -> AbstractSet[str]:
        """Return no id."""
        return frozenset()

    def forget_others(self, _kind: RowKind, _since: datetime) -> None:
        """Do nothing."""

    def forget_all(self, _kind: RowKind, _since: datetime) -> None:
        """Do nothing."""


NOTHING_KNOWN = NothingKnown()


@dataclass(frozen=True, slots=True)
class Passed:
    """The known rows of a reading, which were not parsed: when the oldest or newest of them was created.

    `action_at`: when the newest action of those cash-outs was created. None stands for no such row. No row is
    of the future.
    """

    oldest_at: datetime | None = None
    newest_at: datetime | None = None
    action_at: datetime | None = None
    cash_in_at: datetime | None = None


@dataclass(frozen=True, slots=True)
class Copy:
    """A copy that was read instead of Lamassu's database: a file, by name, or a standby database.

    `as_of`: the copy lacks everything that Lamassu recorded later.
    """

    name: str
    as_of: datetime


class RowFault(StrEnum):
    """Why a row or a table of Lamassu isn't used, as a code; each catalogue words the code as `row_fault`.

    A catalogue can name the fields of the LeftOut, and `detail`, the LeftOut's English sentence.
    """

    NO_CASH_INS = "no_cash_ins"
    """The table of cash-ins can't be read; the cash-outs are."""
    HEADER_AGAIN = "header_again"
    TWO_NAMES = "two_names"
    TWO_CONTENTS = "two_contents"
    """Rows of one id differ."""
    VALUE = "unreadable_value"
    DATE_STYLE = "date_style"
    SPREADSHEET = "date_of_spreadsheet"
    NO_TIME_ZONE = "no_time_zone"


@dataclass(frozen=True, slots=True)
class LeftOut:
    """A row or a table that isn't used: a code with fields, and an English sentence for the command line."""

    why: RowFault
    text: str
    fields: Mapping[str, str]


@dataclass(frozen=True, slots=True)
class Export:
    """A consistent reading of the Lamassu server.

    `machines` maps device_id to the machine's name. `left_out` has each row without a usable id,
    within bounds, and missing cash-ins; such rows change nothing.
    `unreadable_ids` has every cash-out among the rows. `copies` has the copies that were read, if
    any; `core.freshness` judges the age. `passed` stands for the known rows, which `cash_outs` and `cash_ins`
    lack. Both may be more than fit into memory: they are for one look after the other. If they fit, two
    readings of the same rows are equal, from any source.
    """

    cash_outs: Collection[CashOut]
    machines: Mapping[str, str]
    left_out: tuple[LeftOut, ...] = ()
    cash_ins: Collection[CashIn] = ()
    unreadable_ids: frozenset[str] = frozenset()
    copies: tuple[Copy, ...] = field(default=(), compare=False)
    passed: Passed = field(default=Passed(), compare=False)

    @property
    def unreadable(self) -> tuple[str, ...]:
        """Return the English sentences of `left_out`."""
        return tuple(one.text for one in self.left_out)


class CashOutSource(Protocol):
    """A Lamassu server, read only."""

    async def fetch(self, since: datetime, known: KnownRows = NOTHING_KNOWN) -> Export:
        """Read every cash-out created at `since` or later with the actions, and every cash-in.

        Known rows that are unchanged are left out. If only the cash-ins can't be read, `left_out` says
        why. All or nothing otherwise: raise SourceUnavailable, or ExportBroken for an incomplete transfer.
        """
        ...

    async def aclose(self) -> None:
        """Close the connections."""
        ...
