"""Lamassu, read only: cash-outs, cash-ins and the machines' names."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from decimal import Decimal
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


@dataclass(frozen=True, slots=True)
class Export:
    """A consistent reading of the Lamassu server.

    `machines` maps device_id to the machine's name. `unreadable` has a sentence for each row
    without a usable id, within bounds, and for missing cash-ins; such rows change nothing.
    `unreadable_ids` has every cash-out among the rows. `copies` has the copies that were read, if
    any; `core.freshness` judges the age. Two readings of the same rows are equal, from any source.
    """

    cash_outs: tuple[CashOut, ...]
    machines: Mapping[str, str]
    unreadable: tuple[str, ...] = ()
    cash_ins: tuple[CashIn, ...] = ()
    unreadable_ids: frozenset[str] = frozenset()
    copies: tuple[Copy, ...] = field(default=(), compare=False)


class CashOutSource(Protocol):
    """A Lamassu server, read only."""

    async def fetch(self, since: datetime) -> Export:
        """Read every cash-out created at `since` or later with the actions, and every cash-in.

        If only the cash-ins can't be read, `unreadable` says why. All or nothing otherwise: raise
        SourceUnavailable, or ExportBroken for an incomplete transfer.
        """
        ...

    async def aclose(self) -> None:
        """Close the connections."""
        ...
