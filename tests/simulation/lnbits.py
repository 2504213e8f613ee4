"""A simulated LNbits: wallets, invoices and rows, with the traps that LNbits has been seen to have."""

import hashlib
from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from decimal import Decimal
from random import Random
from typing import Any, TypeVar

from dca_bot.core.lease import LeaseReading, LeaseRow
from dca_bot.core.ports import (
    Credit,
    Invoice,
    KeyKind,
    ListMark,
    PayAnswer,
    Payment,
    PaymentStatus,
    PayReply,
)
from dca_bot.errors import DestinationRefused, LnbitsUnavailable, Refusal
from dca_bot.faults import LnbitsFault
from simulation.journal import Journal
from simulation.network import Life, Line, Weather
from simulation.virtual_time import WorldTime

T = TypeVar("T")
_ALREADY_PAID = "Internal invoice already paid."


@dataclass
class MadeInvoice:
    """An invoice: `wallet` is the LNbits wallet that gets the sats, or empty for a payee elsewhere.

    `received_at`: when the payee really got the sats, whatever LNbits says; None: not.
    """

    invoice: Invoice
    preimage: str
    wallet: str
    payee: str = ""
    received_at: datetime | None = None


@dataclass(frozen=True)
class PayRequest:
    """A pay request that has reached LNbits, whatever LNbits answered."""

    at: datetime
    payout_id: str
    bolt11: str


@dataclass
class OutgoingRow:
    """A row of the source wallet."""

    number: int
    payment: Payment
    bolt11: str


@dataclass
class Mischief:
    """How LNbits and the Lightning network misbehave: odds for each payment."""

    random: Random
    rate: float = 0.0

    def strikes(self, share: float = 1.0) -> bool:
        """Tell whether something goes wrong now; `share`: the part of the rate that this kind has."""
        return self.random.random() < self.rate * share


@dataclass
class Lnbits:
    """The LNbits server, and the Lightning network behind it.

    `wallets` maps an invoice key to the wallet's name. `credits` has the incoming rows of clients' wallets.
    """

    time: WorldTime
    journal: Journal
    random: Random
    mischief: Mischief
    price: Decimal | None = Decimal(800_000)
    balance_msat: int = 0
    wallets: dict[str, str] = field(default_factory=dict)
    invoices: dict[str, MadeInvoice] = field(default_factory=dict)
    by_hash: dict[str, MadeInvoice] = field(default_factory=dict)
    rows: list[OutgoingRow] = field(default_factory=list)
    row_of: dict[str, OutgoingRow] = field(default_factory=dict)
    credits: dict[str, dict[str, Credit]] = field(default_factory=dict)
    leases: list[LeaseRow] = field(default_factory=list)
    top_ups: dict[str, int] = field(default_factory=dict)
    uncredited: list[str] = field(default_factory=list)
    """The hashes that were debited and not credited, until an operator mends LNbits."""
    requests: list[PayRequest] = field(default_factory=list)
    prices_told: list[tuple[datetime, Decimal | None]] = field(default_factory=list)

    # What people and other servers do

    def open_wallet(self, name: str) -> str:
        """Make a client's wallet; return the invoice key."""
        key = f"{self.random.getrandbits(128):032x}"
        self.wallets[key] = name
        self.credits[key] = {}
        return key

    def make_invoice(
        self, *, amount_msat: int, life: timedelta, wallet: str = "", payee: str = ""
    ) -> Invoice:
        """Make an invoice, of a wallet here or of a payee elsewhere."""
        preimage = self.random.randbytes(32)
        payment_hash = hashlib.sha256(preimage).hexdigest()
        expires_at = (self.time.now() + life).replace(microsecond=0)
        invoice = Invoice(
            f"lnbc{len(self.invoices)}x{payment_hash[:16]}",
            payment_hash,
            amount_msat,
            expires_at,
            life,
        )
        made = MadeInvoice(invoice, preimage.hex(), wallet, payee)
        self.invoices[invoice.bolt11] = self.by_hash[payment_hash] = made
        if wallet:
            self.credits[wallet][payment_hash] = Credit(PaymentStatus.PENDING, amount_msat)
        return invoice

    def pay_top_up(self, bolt11: str) -> None:
        """Fill the source wallet by a top-up invoice; a second time changes nothing."""
        if bolt11 in self.top_ups:
            self.journal.note(f"somebody tops the source wallet up by {self.top_ups[bolt11]} sats")
        self.balance_msat += 1000 * self.top_ups.pop(bolt11, 0)

    def mend(self) -> None:
        """Credit what LNbits has debited and not credited, as an operator would by hand."""
        for payment_hash in self.uncredited:
            self._credit(self.by_hash[payment_hash])
        self.uncredited.clear()

    def has_arrived(self, id_start: str) -> bool:
        """Tell whether a payment with an external id that begins so has reached its payee."""
        rows = (row for row in self.rows if row.payment.external_id.startswith(id_start))
        return any(self.invoices[row.bolt11].received_at is not None for row in rows)

    def has_lied(self, external_id: str) -> bool:
        """Tell whether a payment that LNbits calls failed has arrived all the same."""
        rows = (row for row in self.rows if row.payment.external_id == external_id)
        return any(
            row.payment.status is PaymentStatus.FAILED
            and self.invoices[row.bolt11].received_at is not None
            for row in rows
        )

    # What the API does

    def pay(self, bolt11: str, external_id: str, extra: Mapping[str, Any]) -> PayReply:
        """Pay an invoice from the source wallet, once for each payment hash."""
        made = self.invoices[bolt11]
        self.requests.append(PayRequest(self.time.now(), external_id, bolt11))
        before = self.row_of.get(made.invoice.payment_hash)
        if before is not None:
            if before.payment.status is PaymentStatus.FAILED:
                return PayReply(PayAnswer.ANSWERED, "failed")
            return PayReply(PayAnswer.REFUSED, _ALREADY_PAID)
        amount_msat = made.invoice.amount_msat
        reserve_msat = 0 if made.wallet else max(2_000, amount_msat // 100)
        if amount_msat + reserve_msat > self.balance_msat:
            return PayReply(PayAnswer.INSUFFICIENT, "Insufficient balance.")
        if self.mischief.strikes(0.2):
            return PayReply(PayAnswer.RATE_LIMITED, "429")
        row = self._row(made, external_id, extra)
        if made.wallet:
            return self._pay_inside(row, made)
        return self._pay_outside(row, made, reserve_msat)

    def tell_price(self) -> Decimal | None:
        """Return the price of a coin."""
        self.prices_told.append((self.time.now(), self.price))
        return self.price

    def credit(self, invoice_key: str, payment_hash: str) -> Credit | None:
        """Return the payee's row; an expired invoice that nobody paid reads as failed."""
        row = self.credits[invoice_key].get(payment_hash)
        is_over = self.by_hash[payment_hash].invoice.expires_at < self.time.now()
        if row is not None and row.status is PaymentStatus.PENDING and is_over:
            return replace(row, status=PaymentStatus.FAILED)
        return row

    def _row(self, made: MadeInvoice, external_id: str, extra: Mapping[str, Any]) -> OutgoingRow:
        payment = Payment(
            payment_hash=made.invoice.payment_hash,
            amount_msat=-made.invoice.amount_msat,
            fee_msat=0,
            status=PaymentStatus.PENDING,
            seen_at=None,
            external_id=external_id,
            extra={"tag": "aio-dca", **extra},
        )
        row = OutgoingRow(len(self.rows), payment, made.invoice.bolt11)
        self.rows.append(row)
        self.row_of[payment.payment_hash] = row
        self.balance_msat += payment.amount_msat
        self.journal.note(
            f"LNbits pays {external_id[:8]}: {payment.amount_msat} msat, {row.bolt11}"
        )
        return row

    def _pay_inside(self, row: OutgoingRow, made: MadeInvoice) -> PayReply:
        if self.mischief.strikes(0.15):
            self._fail(row)
            return PayReply(PayAnswer.ANSWERED, "failed")
        row.payment = replace(row.payment, status=PaymentStatus.SUCCESS, preimage=made.preimage)
        if self.mischief.strikes(0.15):
            # Killed between the two commits: debited, not credited.
            self.uncredited.append(made.invoice.payment_hash)
            return PayReply(PayAnswer.NO_ANSWER, "the connection was lost")
        self._credit(made)
        return PayReply(PayAnswer.ANSWERED, "success")

    def _pay_outside(self, row: OutgoingRow, made: MadeInvoice, reserve_msat: int) -> PayReply:
        later = self.time.loop.call_later
        settle_s = self.random.uniform(0.2, 20)
        if self.mischief.strikes(0.3):
            settle_s = self.random.uniform(60, 30 * 3600)
        fee_msat = self.random.randint(0, reserve_msat)
        if made.invoice.expires_at <= self.time.now() or self.mischief.strikes(0.3):
            later(settle_s, self._fail, row)
        elif self.mischief.strikes(0.3):
            # The funding source says failed, and the payee gets the sats.
            later(settle_s, self._fail, row)
            # Before the invoice expires: an HTLC that is held longer is the documented limit (trap 9).
            left_s = (made.invoice.expires_at - self.time.now()).total_seconds() - settle_s
            arrives_s = settle_s + self.random.choice((0, 0, max(0, left_s * 0.9)))
            later(arrives_s, self._arrive, made)
            if self.random.random() < 0.5:
                later(
                    arrives_s + self.random.uniform(60, 9 * 3600), self._settle, row, made, fee_msat
                )
        else:
            later(settle_s, self._settle, row, made, fee_msat)
        return PayReply(PayAnswer.ANSWERED, "pending")

    def _settle(self, row: OutgoingRow, made: MadeInvoice, fee_msat: int) -> None:
        if row.payment.status is PaymentStatus.FAILED:
            self.balance_msat += row.payment.amount_msat
        self.balance_msat -= fee_msat
        preimage = "" if self.random.random() < 0.05 else made.preimage
        row.payment = replace(
            row.payment, status=PaymentStatus.SUCCESS, fee_msat=fee_msat, preimage=preimage
        )
        self._arrive(made)

    def _fail(self, row: OutgoingRow) -> None:
        self.journal.note(f"LNbits calls {row.payment.external_id[:8]} failed, {row.bolt11}")
        self.balance_msat -= row.payment.amount_msat
        row.payment = replace(row.payment, status=PaymentStatus.FAILED)

    def _arrive(self, made: MadeInvoice) -> None:
        if made.received_at is None:
            self.journal.note(f"{made.wallet[:8] or made.payee} receives {made.invoice.bolt11}")
            made.received_at = self.time.now()

    def _credit(self, made: MadeInvoice) -> None:
        self._arrive(made)
        credit = Credit(PaymentStatus.SUCCESS, made.invoice.amount_msat)
        self.credits[made.wallet][made.invoice.payment_hash] = credit


@dataclass
class LnbitsClient:
    """The LNbits of one bot process; fulfils `core.ports.Wallet`."""

    server: Lnbits
    line: Line

    @classmethod
    def of(cls, server: Lnbits, life: Life, weather: Weather) -> "LnbitsClient":
        """Make the client of a process."""
        return cls(server, Line(life, weather))

    async def wallet_id(self) -> str:
        return await self._ask(lambda: "source")

    async def balance_msat(self) -> int:
        return await self._ask(lambda: self.server.balance_msat)

    async def price(self, _currency: str) -> Decimal | None:
        return await self._ask(self.server.tell_price)

    async def identify(self, key: str) -> KeyKind:
        if key not in self.server.wallets:
            raise DestinationRefused(Refusal.KEY)
        return await self._ask(lambda: KeyKind.INVOICE)

    async def request_invoice(
        self, invoice_key: str, *, amount_sat: int, expiry_s: int, **_marks: Any
    ) -> Invoice:
        life = timedelta(seconds=expiry_s)
        return await self._ask(
            lambda: self.server.make_invoice(
                amount_msat=amount_sat * 1000, life=life, wallet=invoice_key
            )
        )

    async def decode(self, bolt11: str) -> Invoice:
        return await self._ask(lambda: self.server.invoices[bolt11].invoice)

    async def pay(self, bolt11: str, *, external_id: str, extra: Mapping[str, Any]) -> PayReply:
        try:
            return await self._ask(lambda: self.server.pay(bolt11, external_id, extra))
        except LnbitsUnavailable as error:
            return PayReply(PayAnswer.NO_ANSWER, str(error))

    async def payment(self, payment_hash: str) -> Payment | None:
        def look() -> Payment | None:
            row = self.server.row_of.get(payment_hash)
            return row.payment if row else None

        return await self._ask(look)

    async def credited(self, invoice_key: str, payment_hash: str) -> Credit | None:
        return await self._ask(lambda: self.server.credit(invoice_key, payment_hash))

    async def credits_of(self, invoice_key: str) -> AsyncIterator[tuple[str, Credit]]:
        for one in await self._ask(lambda: list(self.server.credits[invoice_key].items())):
            yield one

    async def list_mark(self) -> ListMark:
        def look() -> ListMark:
            numbers = [row.number for row in self.server.rows]
            return ListMark(len(numbers), frozenset(numbers[-10:]))

        return await self._ask(look)

    async def tagged_payments(self, since: ListMark | None = None) -> AsyncIterator[Payment]:
        start = since.rows if since else 0
        for payment in await self._ask(lambda: [row.payment for row in self.server.rows[start:]]):
            yield payment

    async def payments_of(self, external_id: str) -> Sequence[Payment]:
        def look() -> list[Payment]:
            payments = (row.payment for row in self.server.rows)
            return [one for one in payments if one.external_id == external_id]

        return await self._ask(look)

    async def write_lease(self, row: LeaseRow) -> None:
        await self._ask(lambda: self.server.leases.append(row))

    async def lease_rows(self, *, down_to: int, look_id: str) -> LeaseReading:  # noqa: ARG002
        rows = await self._ask(lambda: tuple(self.server.leases[-50:]))
        return LeaseReading(rows, is_whole=len(rows) < 50)

    async def top_up_invoice(self, *, amount_sat: int, expiry_s: int, **_memo: Any) -> Invoice:
        def make() -> Invoice:
            life = timedelta(seconds=expiry_s)
            invoice = self.server.make_invoice(amount_msat=amount_sat * 1000, life=life)
            self.server.top_ups[invoice.bolt11] = amount_sat
            return invoice

        return await self._ask(make)

    async def _ask(self, effect: Callable[[], T]) -> T:
        return await self.line.ask(effect, _no_answer)


def _no_answer() -> Exception:
    return LnbitsUnavailable("LNbits does not answer.", fault=LnbitsFault.UNREACHABLE)
