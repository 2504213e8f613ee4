"""LNbits' JSON: the members that the bot reads; other members are ignored."""

from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Annotated, Any, Self

from pydantic import BaseModel, Field, StrictInt, ValidationError

from dca_bot.core.bolt11 import Bolt11
from dca_bot.core.lease import GENERATION_MAX, LeaseKind, LeaseRow
from dca_bot.core.market import COIN_SAT
from dca_bot.core.names import short_id
from dca_bot.core.ports import Credit, Payment, PaymentStatus
from dca_bot.errors import DestinationRefused, LnbitsUnavailable, Refusal
from dca_bot.faults import LnbitsFault

# BOLT11 has 35 bits for the date, the year 3058; an expiry may be written longer, but isn't.
_BOLT11_TIME_S_END = 1 << 35
# How LNbits names its own row of a payment to another of its wallets.
_INSIDE = "internal_"

_PaymentHash = Annotated[str, Field(pattern=r"^[0-9a-f]{64}$")]


class WalletAnswer(BaseModel):
    """GET /api/v1/wallet; `id` comes only with an admin key, `balance` is in msat."""

    name: str = ""
    balance: StrictInt
    id: str | None = None


class RateAnswer(BaseModel):
    """GET /api/v1/rate/{currency}: sats per unit, and units per coin; both 0.0 in an outage."""

    rate: Decimal
    price: Decimal | None = None

    def to_price(self) -> Decimal | None:
        """Return units per coin; older versions tell the sats per unit only."""
        price = self.price
        if price is None and self.rate.is_finite() and self.rate > 0:
            price = COIN_SAT / self.rate
        return price if price is not None and price.is_finite() and price > 0 else None


class PaymentRow(BaseModel):
    """A row of LNbits' payments; `amount` and `fee` in msat, negative for outgoing payments.

    LNbits has `status` since 1.0, `external_id` since 1.5. Times aren't read: on PostgreSQL times
    can be off by the time zone of LNbits or of the database.
    """

    checking_id: str
    payment_hash: _PaymentHash
    bolt11: str
    amount: StrictInt
    fee: StrictInt
    status: PaymentStatus
    external_id: str | None = None
    preimage: str | None = None
    extra: dict[str, Any] | None = None

    def to_payment(self) -> Payment:
        """Return the row as a Payment of the source wallet."""
        return Payment(
            payment_hash=self.payment_hash,
            amount_msat=self.amount,
            fee_msat=abs(self.fee),
            status=self.status,
            seen_at=None,
            external_id=self.known_external_id(),
            preimage=self.preimage or "",
            extra=self.extra or {},
            is_inside=self.checking_id.startswith(_INSIDE),
        )

    def to_credit(self) -> Credit:
        """Return the row as a payee's credit, fee deducted: a row can say success and bring nothing."""
        return Credit(self.status, self.amount - abs(self.fee))

    def known_external_id(self) -> str:
        """Return the external id; an LNbits before 1.5 has the id in `extra` only."""
        return self.external_id or str((self.extra or {}).get("external_id", ""))


class PaymentAnswer(BaseModel):
    """GET /api/v1/payments/{hash}; `details` is missing when LNbits doesn't know the key."""

    details: PaymentRow | None = None


class ListedRow(BaseModel, extra="allow"):
    """A row in a list of payments of any kind; other programs' rows need not be readable."""

    checking_id: str
    amount: StrictInt
    tag: Any = None
    external_id: Any = None
    extra: Any = None

    def known_external_id(self) -> str:
        """Return the external id; an LNbits before 1.5 has the id in `extra` only."""
        in_extra = self.extra.get("external_id") if isinstance(self.extra, dict) else None
        return str(self.external_id or in_extra or "")

    def has_tag(self, tag: str) -> bool:
        """Tell whether the payment was made with the tag in `extra`."""
        in_extra = self.extra.get("tag") if isinstance(self.extra, dict) else None
        return tag in (in_extra, self.tag)

    def is_readable(self) -> bool:
        """Tell whether the row has the form of a Lightning payment."""
        try:
            PaymentRow.model_validate(self.model_dump())
        except ValidationError:
            return False
        return True

    def read(self) -> PaymentRow:
        """Return the whole row; raise LnbitsUnavailable if the row isn't in the form of LNbits 1.0."""
        try:
            return PaymentRow.model_validate(self.model_dump())
        except ValidationError as error:
            raise LnbitsUnavailable(
                f"LNbits lists a payment that the bot can't read ({short_id(self.checking_id)}).",
                fault=LnbitsFault.UNUSABLE_ANSWER,
            ) from error


class PaymentPage(BaseModel):
    """GET /api/v1/payments/paginated; `total` counts the rows of all pages."""

    data: list[ListedRow]
    total: StrictInt


class MadeInvoice(BaseModel):
    """POST /api/v1/payments for an invoice, reduced to the hash."""

    payment_hash: _PaymentHash


class LeaseExtra(BaseModel):
    """The `extra` of a lease row."""

    tag: str
    generation: StrictInt = Field(ge=1, le=GENERATION_MAX)
    instance: str = Field(min_length=1, max_length=64)
    kind: LeaseKind
    ledger: str = Field(max_length=64)
    bot: str = Field(max_length=64)

    def to_row(self) -> LeaseRow:
        """Return the row as a LeaseRow."""
        return LeaseRow(self.generation, self.instance, self.kind, self.ledger, self.bot)


class _OwnerRow(BaseModel):
    """A row of any wallet's payments, reduced to the wallet."""

    wallet_id: str


class OwnerPage(BaseModel):
    """GET /api/v1/payments/paginated, reduced to the payments' wallets."""

    data: list[_OwnerRow]


class DecodedInvoice(BaseModel):
    """POST /api/v1/payments/decode; `amount_msat` is 0 for an invoice without an amount."""

    currency: str
    amount_msat: StrictInt = 0
    date: StrictInt
    expiry: StrictInt | None = None
    payment_hash: _PaymentHash

    @classmethod
    def of(cls, said: Bolt11) -> Self:
        """Return what the bot itself has read in an invoice."""
        return cls(
            currency=said.currency,
            amount_msat=said.amount_msat,
            date=said.date_s,
            expiry=said.expiry_s,
            payment_hash=said.payment_hash,
        )

    def expires_at(self) -> datetime:
        """Return when the invoice ends; raise DestinationRefused for times that no honest invoice has."""
        if not 0 <= self.date < _BOLT11_TIME_S_END:
            raise DestinationRefused(Refusal.NO_TIMES)
        return datetime.fromtimestamp(self.date, UTC) + self.life()

    def life(self) -> timedelta:
        """Return the time from the invoice's date to the end; by BOLT11 an hour unless stated.

        Raise DestinationRefused for a time that no honest invoice has.
        """
        expiry_s = 3600 if self.expiry is None else self.expiry
        if not 0 <= expiry_s < _BOLT11_TIME_S_END:
            raise DestinationRefused(Refusal.NO_TIMES)
        return timedelta(seconds=expiry_s)


class _ApiInfo(BaseModel):
    """The `info` of GET /openapi.json."""

    version: str


class ApiDescription(BaseModel):
    """GET /openapi.json."""

    info: _ApiInfo
