"""A simulated Lamassu server: sales at machines, whose rows come late, change, stay broken or vanish."""

from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from decimal import Decimal
from enum import StrEnum
from random import Random

from known_rows import without_known

from dca_bot.core.cash_out import Action, CashOut
from dca_bot.core.ports import NOTHING_KNOWN, Export, KnownRows
from dca_bot.errors import ExportBroken, SourceUnavailable
from dca_bot.faults import SourceFault
from simulation.journal import Journal
from simulation.network import Line
from simulation.virtual_time import WorldTime

MACHINES = {"a" * 64: "Market", "b" * 64: "Mall"}
_NOTE = 50
_LOT_SAT = 100


class SaleKind(StrEnum):
    """How a sale goes."""

    CLEAN = "clean"
    LATE = "late"
    """The row shows up hours after the sale."""
    PARTIAL = "partial"
    """Only a part of the cash leaves the machine."""
    ABANDONED = "abandoned"
    """Nobody sends coins, and no cash leaves."""
    OTHER_COIN = "other_coin"
    CHANGED = "changed"
    """Days later the row shows other amounts."""
    VANISHED = "vanished"
    """Days later the row is gone."""
    TWICE = "twice"
    """A reading has two rows with other contents under the id."""


_ODD = tuple(kind for kind in SaleKind if kind is not SaleKind.CLEAN)


class _Row(CashOut):
    """A row that is written as text once, however often the row is read."""

    __slots__ = ("_text",)

    def __repr__(self) -> str:
        try:
            return str(self._text)
        except AttributeError:
            object.__setattr__(self, "_text", super().__repr__())
            return str(self._text)


@dataclass(frozen=True)
class Sale:
    """A sale as it really was, and what Lamassu shows of it: (from when, the row, or None for no row).

    `left_minor`: the cash that left, in minor units, and `left_at` when.
    """

    id: str
    kind: SaleKind
    left_at: datetime
    left_minor: int
    shown: Sequence[tuple[datetime, CashOut | None]]

    def row(self, now: datetime) -> CashOut | None:
        """Return the row that Lamassu shows at an instant."""
        found = None
        for since, row in self.shown:
            if since <= now:
                found = row
        return found


@dataclass
class Lamassu:
    """The server; `price` is of a coin, in whole units of fiat, and wanders."""

    time: WorldTime
    journal: Journal
    random: Random
    odd_rate: float = 0.0
    price: Decimal = Decimal(800_000)
    sales: dict[str, Sale] = field(default_factory=dict)

    def sell(self, device_id: str) -> Sale:
        """Have a layperson sell coins at a machine now."""
        random, now = self.random, self.time.now()
        self.price = (self.price * Decimal(random.randint(990, 1010)) / 1000).quantize(
            Decimal("0.01")
        )
        kind = random.choice(_ODD) if random.random() < self.odd_rate else SaleKind.CLEAN
        fiat = Decimal(random.randint(2, 40) * _NOTE)
        sale = self._make(kind, device_id, now, fiat)
        self.sales[sale.id] = sale
        self.journal.note(f"a sale of {fiat} at {MACHINES[device_id]}, {kind}: {sale.id[:8]}")
        return sale

    def readable(self, since: datetime) -> Export:
        """Return what a reading has now."""
        now = self.time.now()
        rows = [sale.row(now) for sale in self.sales.values()]
        found = tuple(row for row in rows if row is not None and row.created_at >= since)
        return Export(found, MACHINES)

    def _make(self, kind: SaleKind, device_id: str, now: datetime, fiat: Decimal) -> Sale:
        random = self.random
        id_ = f"{random.getrandbits(32):08x}-{len(self.sales):04x}-4000-8000-{random.getrandbits(48):012x}"
        commission = Decimal(random.choice(("0.05", "0.08", "0.10")))
        fee = Decimal(random.choice((0, 0, 5)))
        sold = _sold_sat(fiat + fee, self.price, commission)
        begun = _Row(
            id=id_,
            device_id=device_id,
            created_at=now,
            confirmed_at=None,
            status="notSeen",
            crypto_code="BTC",
            fiat_code="GTQ",
            crypto_atoms=Decimal(sold),
            fiat=fiat,
            commission=commission,
            ticker=self.price,
            discount=None,
            received_crypto_atoms=None,
            fixed_fee=fee,
            dispense=False,
            dispense_confirmed=False,
            error=None,
            error_code=None,
        )
        left_at = now + timedelta(seconds=random.randint(20, 3 * 3600))
        count = int(fiat) // _NOTE
        done = self._dispensed(begun, left_at, count)
        shown: list[tuple[datetime, CashOut | None]] = [(now, begun), (left_at, done)]
        minor, later = int(fiat * 100), left_at + timedelta(hours=random.randint(1, 60))
        match kind:
            case SaleKind.LATE:
                shown = [(later, done)]
            case SaleKind.PARTIAL:
                given = random.randint(0, count - 1)
                minor = given * _NOTE * 100
                shown[1] = (left_at, self._jammed(begun, left_at, given))
            case SaleKind.ABANDONED:
                minor, shown = 0, [(now, begun)]
            case SaleKind.OTHER_COIN:
                minor = 0
                shown[1] = (left_at, replace(done, crypto_code="ETH"))
                shown[0] = (now, replace(begun, crypto_code="ETH"))
            case SaleKind.CHANGED:
                shown.append((later, replace(done, crypto_atoms=done.crypto_atoms + 40_000)))
            case SaleKind.VANISHED:
                shown.append((later, None))
            case SaleKind.TWICE:
                other = replace(done, ticker=self.price + 1)
                shown.append((later, replace(done, others=(other,))))
            case SaleKind.CLEAN:
                pass
        return Sale(id_, kind, left_at, minor, tuple(shown))

    def _dispensed(self, begun: CashOut, at: datetime, count: int) -> CashOut:
        return replace(self._paid(begun, at, "dispense", count), dispense_confirmed=True)

    def _jammed(self, begun: CashOut, at: datetime, count: int) -> CashOut:
        jammed = self._paid(begun, at, "dispenseError", count)
        return replace(jammed, error="CashBoxJam", error_code="dispenseError")

    def _paid(self, begun: CashOut, at: datetime, action: str, count: int) -> CashOut:
        """Return the row of a sale whose coins have come, with the machine's report of the notes."""
        report = Action(len(self.sales) * 2 + 1, action, at, ((_NOTE, count),))
        return replace(
            begun,
            confirmed_at=at,
            status="confirmed",
            received_crypto_atoms=begun.crypto_atoms,
            dispense=True,
            actions=(report,),
        )


@dataclass
class LamassuClient:
    """The way of one bot process to Lamassu; fulfils `core.ports.CashOutSource`."""

    server: Lamassu
    line: Line

    async def fetch(self, since: datetime, known: KnownRows = NOTHING_KNOWN) -> Export:
        export = await self.line.ask(lambda: self.server.readable(since), self._lost)
        return without_known(export, since, known)

    async def aclose(self) -> None:
        pass

    def _lost(self) -> Exception:
        if self.server.random.random() < 0.5:
            return ExportBroken("The end of a table is missing.", fault=SourceFault.INCOMPLETE)
        return SourceUnavailable("Lamassu does not answer.", fault=SourceFault.NO_ANSWER)


def _sold_sat(fiat: Decimal, price: Decimal, commission: Decimal) -> int:
    """Return the sats that a machine asks for, rounded to lots of 100 sats."""
    lots = fiat / price / (1 - commission) * 10**8 / _LOT_SAT
    return round(lots) * _LOT_SAT
