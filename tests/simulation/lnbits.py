"""A simulated LNbits: wallets, invoices and rows, with the traps that LNbits has been seen to have.

`tests/conformance` holds its answers against a real LNbits.
"""

import hashlib
from collections import defaultdict
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from decimal import Decimal
from random import Random
from typing import Any

from dca_bot.core.lease import LeaseRow
from dca_bot.core.ports import Credit, Invoice, PayAnswer, Payment, PaymentStatus, PayReply
from simulation.journal import Journal
from simulation.lightning import Course, MadeInvoice, Mischief, draw_course
from simulation.virtual_time import WorldTime

PAYABLE_MAX_SAT = 10_000_000
"""The largest payment that LNbits makes, by its own usual settings."""
RESERVE_LEAST_MSAT = 2_000
SOURCE_KEY, SOURCE_ADMIN_KEY = "5" * 32, "a" * 32
_NODE_WAIT_S = 5
"""How long LNbits waits for its node before it answers that a payment is pending."""
_NO_ROUTE = "Payment failed: Payment failed: no route."
_CHECK_EVERY_S = 1_800
"""How often LNbits asks its node about pending payments by itself."""


@dataclass(frozen=True)
class PayRequest:
    """A pay request that has reached LNbits, whatever LNbits answered."""

    at: datetime
    payout_id: str
    bolt11: str


@dataclass
class OutgoingRow:
    """A row of the source wallet; `node_says` is what LNbits' node would say of the payment if asked."""

    number: int
    payment: Payment
    bolt11: str
    node_says: PaymentStatus = PaymentStatus.PENDING
    node_fee_msat: int = 0


@dataclass
class Lnbits:
    """The LNbits server, and the Lightning network behind it.

    `wallets` maps an invoice key to the wallet's name, `admin_keys` to the admin key. `credits` has the
    incoming rows of each wallet. `courses`: what becomes of payments by their invoices; drawn for all others.
    `expiry_shift`: by how much later LNbits takes invoices' ends: on PostgreSQL the offset of its time zone.
    """

    time: WorldTime
    journal: Journal
    random: Random
    mischief: Mischief
    price: Decimal | None = Decimal(800_000)
    price_factor: Decimal = Decimal(1)
    balance_msat: int = 0
    expiry_shift: timedelta = timedelta()
    wallets: dict[str, str] = field(default_factory=lambda: {SOURCE_KEY: "source"})
    admin_keys: dict[str, str] = field(default_factory=lambda: {SOURCE_KEY: SOURCE_ADMIN_KEY})
    invoices: dict[str, MadeInvoice] = field(default_factory=dict)
    by_hash: dict[str, MadeInvoice] = field(default_factory=dict)
    rows: list[OutgoingRow] = field(default_factory=list)
    row_of: dict[str, OutgoingRow] = field(default_factory=dict)
    rows_for: defaultdict[str, list[OutgoingRow]] = field(default_factory=lambda: defaultdict(list))
    """The rows by the external id that they were paid with."""
    made_for: defaultdict[str, list[str]] = field(default_factory=lambda: defaultdict(list))
    """The hashes of invoices by the external id that they were made with."""
    credits: dict[str, dict[str, Credit]] = field(default_factory=lambda: {SOURCE_KEY: {}})
    courses: dict[str, Course] = field(default_factory=dict)
    leases: list[LeaseRow] = field(default_factory=list)
    uncredited: list[str] = field(default_factory=list)
    """The hashes that were debited and not credited, until an operator mends LNbits."""
    requests: list[PayRequest] = field(default_factory=list)
    invoice_made: Callable[[str], None] = lambda _payee: None
    """Called with the wallet or address that an invoice is made for."""
    prices_told: list[tuple[datetime, Decimal | None]] = field(default_factory=list)

    # What people and other servers do

    def open_wallet(self, name: str) -> str:
        """Make a client's wallet; return the invoice key."""
        key, admin_key = (f"{self.random.getrandbits(128):032x}" for _ in range(2))
        self.wallets[key], self.admin_keys[key] = name, admin_key
        self.credits[key] = {}
        return key

    def delete_wallet(self, key: str) -> None:
        """Delete a wallet: its keys stop working, and its rows stay."""
        del self.wallets[key], self.admin_keys[key]

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
        self.invoice_made(wallet or payee)
        if wallet:
            self.credits[wallet][payment_hash] = Credit(PaymentStatus.PENDING, amount_msat)
        return invoice

    def pay_top_up(self, bolt11: str) -> None:
        """Fill the source wallet from elsewhere by an invoice of its own; a second time changes nothing."""
        made = self.invoices.get(bolt11)
        if made is not None and made.wallet == SOURCE_KEY and made.received_at is None:
            self.journal.note(f"somebody pays the source wallet {made.invoice.amount_msat} msat")
            self._credit(made)

    def pay_from_another(self, bolt11: str) -> None:
        """Pay an invoice of the source wallet from another wallet here, as long as LNbits lets anybody."""
        if self._payee_status(self.invoices[bolt11]) is PaymentStatus.PENDING:
            self.pay_top_up(bolt11)

    def lose_credit(self, payment_hash: str) -> None:
        """Debit without crediting, as an LNbits that is killed between its two commits."""
        made = self.by_hash[payment_hash]
        pending = Credit(PaymentStatus.PENDING, made.invoice.amount_msat)
        self.credits[made.wallet][payment_hash] = pending
        made.received_at = None
        self.uncredited.append(payment_hash)

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
        return any(
            row.payment.status is PaymentStatus.FAILED
            and self.invoices[row.bolt11].received_at is not None
            for row in self.rows_for[external_id]
        )

    # What the API does

    def pay(self, bolt11: str, external_id: str, extra: Mapping[str, Any]) -> PayReply:
        """Pay an invoice from the source wallet, once for each payment hash."""
        made = self.invoices[bolt11]
        self.requests.append(PayRequest(self.time.now(), external_id, bolt11))
        status = self._payee_status(made)
        is_inside = status is PaymentStatus.PENDING
        reserve_msat = max(RESERVE_LEAST_MSAT, made.invoice.amount_msat // 100)
        refusal = self._refusal(made, status, 0 if is_inside else reserve_msat)
        if refusal is not None:
            return refusal
        if self.mischief.strikes(0.2):
            return PayReply(PayAnswer.RATE_LIMITED, "LNbits limits the rate of requests.")
        if is_inside:
            row = self._row(made, external_id, extra, 0, is_inside=True)
            return self._pay_inside(row, made)
        row = self._row(made, external_id, extra, reserve_msat, is_inside=False)
        return self._pay_outside(row, made)

    def _refusal(
        self, made: MadeInvoice, status: PaymentStatus | None, reserve_msat: int
    ) -> PayReply | None:
        """Return the answer to a request that moves nothing; LNbits looks in this order."""
        amount_msat, words = made.invoice.amount_msat, ""
        before = self.row_of.get(made.invoice.payment_hash)
        if amount_msat > PAYABLE_MAX_SAT * 1000:
            limit = f"Max allowed: {PAYABLE_MAX_SAT} sats."
            words = f"Invoice amount {amount_msat // 1000} sats is too high. {limit}"
        elif status is PaymentStatus.SUCCESS:
            words = "Internal invoice already paid."
        elif self.balance_msat < amount_msat + reserve_msat:
            return self._too_short(amount_msat, reserve_msat)
        elif status is PaymentStatus.FAILED:
            # The answer is the payee's own row of the expired invoice.
            words = "failed"
        elif before is not None and status is PaymentStatus.PENDING:
            words = "LNbits answered HTTP 400: Payment already exists"
        elif before is not None:
            words = self._said_again(before)
        return _answered(words) if words else None

    def _payee_status(self, made: MadeInvoice) -> PaymentStatus | None:
        """Return the status of the payee's row; None for a payee elsewhere."""
        if not made.wallet:
            return None
        return self.credits[made.wallet][made.invoice.payment_hash].status

    def tell_price(self) -> Decimal | None:
        """Return the price of a coin; in an outage of the sources None, 0, or a wrong one."""
        told = None if self.price is None else self.price * self.price_factor
        self.prices_told.append((self.time.now(), told))
        return told

    def payment(self, payment_hash: str) -> Payment | None:
        """Return the row of a payment; of a pending one LNbits asks its node first."""
        row = self.row_of.get(payment_hash)
        if row is None:
            # The source wallet's own unpaid invoice, if it is one, is looked at all the same.
            self.credit(SOURCE_KEY, payment_hash)
            return None
        self._ask_node(row)
        return row.payment

    def credit(self, invoice_key: str, payment_hash: str) -> Credit | None:
        """Return the payee's row; an expired invoice that nobody paid becomes failed by this look."""
        row = self.credits[invoice_key].get(payment_hash) if invoice_key in self.wallets else None
        if row is None or row.status is not PaymentStatus.PENDING:
            return row
        if self.by_hash[payment_hash].invoice.expires_at + self.expiry_shift < self.time.now():
            row = replace(row, status=PaymentStatus.FAILED)
            self.credits[invoice_key][payment_hash] = row
        return row

    # What the node does

    def node_says(self, payment_hash: str, status: PaymentStatus, fee_msat: int = 0) -> None:
        """Have the node call a payment succeeded or failed; LNbits hears of it when LNbits asks."""
        row = self.row_of[payment_hash]
        row.node_says, row.node_fee_msat = status, fee_msat

    def arrive(self, payment_hash: str) -> None:
        """Have the payee receive the sats of an invoice."""
        made = self.by_hash[payment_hash]
        if made.received_at is None:
            self.journal.note(f"{made.wallet[:8] or made.payee} receives {made.invoice.bolt11}")
            made.received_at = self.time.now()

    def _row(
        self,
        made: MadeInvoice,
        external_id: str,
        extra: Mapping[str, Any],
        reserve_msat: int,
        *,
        is_inside: bool,
    ) -> OutgoingRow:
        payment = Payment(
            payment_hash=made.invoice.payment_hash,
            amount_msat=-made.invoice.amount_msat,
            fee_msat=reserve_msat,
            status=PaymentStatus.PENDING,
            seen_at=None,
            external_id=external_id,
            extra={**extra, **self._fiat_of(made.invoice.amount_msat)},
            is_inside=is_inside,
        )
        row = OutgoingRow(len(self.rows), payment, made.invoice.bolt11)
        self.rows.append(row)
        self.row_of[payment.payment_hash] = row
        self.rows_for[external_id].append(row)
        self.balance_msat += payment.amount_msat - reserve_msat
        self.journal.note(
            f"LNbits pays {external_id[:8]}: {payment.amount_msat} msat, {row.bolt11}"
        )
        return row

    def _fiat_of(self, amount_msat: int) -> Mapping[str, Any]:
        """What LNbits adds by itself to the members that the payer has sent."""
        if self.price is None:
            return {}
        price = float(self.price)
        return {
            "wallet_fiat_currency": "USD",
            "wallet_fiat_amount": round(amount_msat * price / 1e11, 3),
            "wallet_fiat_rate": 1e8 / price,
            "wallet_btc_rate": price,
        }

    def _too_short(self, amount_msat: int, reserve_msat: int) -> PayReply:
        words = "Insufficient balance."
        if self.balance_msat >= amount_msat:
            reserve_sat = round(reserve_msat / 1000)
            words = (
                f"You must reserve at least ({reserve_sat} sat) to cover potential routing fees."
            )
        return PayReply(PayAnswer.INSUFFICIENT, words)

    def _pay_inside(self, row: OutgoingRow, made: MadeInvoice) -> PayReply:
        if self.mischief.strikes(0.15):
            self._fail(row)
            return _answered("failed")
        row.payment = replace(row.payment, status=PaymentStatus.SUCCESS, preimage=made.preimage)
        if self.mischief.strikes(0.15):
            # Killed between the two commits: debited, not credited.
            self.uncredited.append(made.invoice.payment_hash)
            return PayReply(PayAnswer.NO_ANSWER, "the connection was lost")
        self._credit(made)
        if made.wallet not in self.wallets or self.mischief.strikes(0.1):
            # The debit stands, whatever LNbits says of a payee's wallet that is gone.
            return _answered("Could not fetch wallet '…'.")
        return _answered("success")

    def _pay_outside(self, row: OutgoingRow, made: MadeInvoice) -> PayReply:
        life_s = (made.invoice.expires_at - self.time.now()).total_seconds()
        course = self.courses.get(row.bolt11) or draw_course(
            self.random, self.mischief, life_s=life_s, reserve_msat=row.payment.fee_msat
        )
        hash_ = made.invoice.payment_hash
        is_quick = course.says_s <= _NODE_WAIT_S
        # LNbits waits for a quick node, and answers at once here.
        begun_s = course.says_s if is_quick else 0
        if course.arrives_s is not None:
            self._later(course.arrives_s - begun_s, self.arrive, hash_)
        if course.says is not None:
            self._later(
                course.says_s - begun_s, self.node_says, hash_, course.says, course.fee_msat
            )
        if course.admits_s is not None:
            self._later(course.admits_s - begun_s, self._admit, row, course.fee_msat)
        if is_quick:
            self._ask_node(row)
        elif self.random.random() < 0.5:
            own_look_s = course.says_s + self.random.uniform(0, _CHECK_EVERY_S)
            self._later(own_look_s, self._ask_node, row)
        is_failed = row.payment.status is PaymentStatus.FAILED
        return _answered(_NO_ROUTE if is_failed else row.payment.status)

    def _later(self, delay_s: float, what: Callable[..., None], *arguments: Any) -> None:
        if delay_s <= 0:
            what(*arguments)
        else:
            self.time.loop.call_later(delay_s, what, *arguments)

    def _said_again(self, row: OutgoingRow) -> str:
        """Return the answer to a second request; of a failed payment LNbits asks its node once more."""
        match row.payment.status, row.node_says:
            case PaymentStatus.PENDING, _:
                return "Payment is still pending."
            case PaymentStatus.SUCCESS, _:
                return "Payment already paid."
            case _, PaymentStatus.FAILED:
                return "Payment is failed node, retrying is not possible."
            case _, PaymentStatus.SUCCESS:
                self._settle(row)
                return "Failed payment was already paid on the fundingsource."
        return "failed"

    def _ask_node(self, row: OutgoingRow) -> None:
        """Ask about a pending payment, as LNbits does when the payment is looked up."""
        if row.payment.status is PaymentStatus.PENDING:
            match row.node_says:
                case PaymentStatus.SUCCESS:
                    self._settle(row)
                case PaymentStatus.FAILED:
                    self._fail(row)

    def _admit(self, row: OutgoingRow, fee_msat: int) -> None:
        """Have the node say that a failed payment was made, and the operator pay it again by hand."""
        self.node_says(row.payment.payment_hash, PaymentStatus.SUCCESS, fee_msat)
        if row.payment.status is PaymentStatus.FAILED:
            self._settle(row)

    def _settle(self, row: OutgoingRow) -> None:
        kept_msat = row.payment.fee_msat - row.payment.amount_msat
        if row.payment.status is PaymentStatus.FAILED:
            kept_msat = 0
        self.balance_msat += kept_msat + row.payment.amount_msat - row.node_fee_msat
        preimage = "" if self.mischief.strikes() else self.invoices[row.bolt11].preimage
        row.payment = replace(
            row.payment,
            status=PaymentStatus.SUCCESS,
            fee_msat=row.node_fee_msat,
            preimage=preimage,
        )

    def _fail(self, row: OutgoingRow) -> None:
        """Call a payment failed; LNbits leaves the reserve in the row, and gives it back with the amount."""
        self.journal.note(f"LNbits calls {row.payment.external_id[:8]} failed, {row.bolt11}")
        self.balance_msat += row.payment.fee_msat - row.payment.amount_msat
        row.payment = replace(row.payment, status=PaymentStatus.FAILED)

    def _credit(self, made: MadeInvoice) -> None:
        self.arrive(made.invoice.payment_hash)
        credit = Credit(PaymentStatus.SUCCESS, made.invoice.amount_msat)
        self.credits[made.wallet][made.invoice.payment_hash] = credit
        if made.wallet == SOURCE_KEY:
            self.balance_msat += made.invoice.amount_msat


def _answered(words: str) -> PayReply:
    return PayReply(PayAnswer.ANSWERED, words)
