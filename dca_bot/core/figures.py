"""The numbers that the metrics show: counts and instants of the whole programme, of no single person."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime

from dca_bot.core.health import Health
from dca_bot.core.relay_state import RelayState


@dataclass(frozen=True, slots=True)
class LedgerFigures:
    """The numbers of the ledger.

    `payouts`: the open payouts by state. `oldest_due_at`: since when the oldest of them has been due.
    `overdue`: how many an operator should look at. `needed_sat`: what the source wallet must hold for all
    payouts that can leave. `longest_stall_ms`: of the running bot's event loop. `distributions`: all ever.
    """

    payouts: Mapping[str, int]
    oldest_due_at: datetime | None
    overdue: int
    needed_sat: int
    polled_at: datetime | None
    open_holds: int
    unsent_messages: int
    lost_operators: int
    lost_clients: int
    clients: int
    distributions: int
    backup_at: datetime | None
    ledger_bytes: int
    longest_stall_ms: int


@dataclass(frozen=True, slots=True)
class Figures:
    """What one look has found; `source_wallet_sat`: None before LNbits has answered."""

    health: Health
    relays: Sequence[RelayState]
    source_wallet_sat: int | None
    ledger: LedgerFigures
