"""Lamassu, read only: cash-outs, cash-ins and the machines' names."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from decimal import Decimal
from enum import StrEnum
from typing import Protocol

from dca_bot.core.cash_out import CashOut


@dataclass(frozen=True, slots=True)
class CashIn:
    """A row of cash_in_txs: a layperson puts cash into a machine and buys bitcoin.

    `fiat` is None if unreadable. The cash counts once `send_confirmed` is true.
    """

    id: str
    device_id: str
    created_at: datetime
    fiat: Decimal | None
    fiat_code: str | None
    send_confirmed: bool


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
    any; `core.freshness` judges the age. Two readings of the same rows are equal, from any source.
    """

    cash_outs: tuple[CashOut, ...]
    machines: Mapping[str, str]
    left_out: tuple[LeftOut, ...] = ()
    cash_ins: tuple[CashIn, ...] = ()
    unreadable_ids: frozenset[str] = frozenset()
    copies: tuple[Copy, ...] = field(default=(), compare=False)

    @property
    def unreadable(self) -> tuple[str, ...]:
        """Return the English sentences of `left_out`."""
        return tuple(one.text for one in self.left_out)


class CashOutSource(Protocol):
    """A Lamassu server, read only."""

    async def fetch(self, since: datetime) -> Export:
        """Read every cash-out created at `since` or later with the actions, and every cash-in.

        If only the cash-ins can't be read, `left_out` says why. All or nothing otherwise: raise
        SourceUnavailable, or ExportBroken for an incomplete transfer.
        """
        ...

    async def aclose(self) -> None:
        """Close the connections."""
        ...
