"""LNbits' JSON, as far as the bot reads it; whatever else LNbits sends is ignored."""

from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Annotated, Any

from pydantic import BaseModel, Field, StrictInt, ValidationError

from dca_bot.core.lease import GENERATION_MAX, LeaseKind, LeaseRow
from dca_bot.core.market import COIN_SAT
from dca_bot.core.names import short_id
from dca_bot.core.ports import Credit, Payment, PaymentStatus
from dca_bot.errors import DestinationRefused, LnbitsUnavailable, Refusal

# BOLT11 has 35 bits for the date, the year 3058; an expiry may be written longer, but isn't.
BOLT11_TIME_S_END = 1 << 35


PaymentHash = Annotated[str, Field(pattern=r"^[0-9a-f]{64}$")]


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
    """A row of LNbits' payments; `amount` and `fee` in msat, negative for what leaves.

    `status` is there since LNbits 1.0, `external_id` since 1.5. The row's times aren't read: on
    PostgreSQL they can be off by the time zone of LNbits or of its database.
    """

    checking_id: str
    payment_hash: PaymentHash
    bolt11: str
    amount: StrictInt
    fee: StrictInt
    status: PaymentStatus
    external_id: str | None = None
    preimage: str | None = None
    extra: dict[str, Any] | None = None

    def to_payment(self) -> Payment:
        """Return the row in the bot's words."""
        return Payment(
            payment_hash=self.payment_hash,
            amount_msat=self.amount,
            fee_msat=abs(self.fee),
            status=self.status,
            seen_at=None,
            external_id=self.known_external_id(),
            preimage=self.preimage or "",
            extra=self.extra or {},
        )

    def to_credit(self) -> Credit:
        """Return what a payee's wallet got: a row can say success and bring nothing, its fee being all."""
        return Credit(self.status, self.amount - abs(self.fee))

    def known_external_id(self) -> str:
        """Return the external id; before LNbits 1.5 it is only in `extra`."""
        return self.external_id or str((self.extra or {}).get("external_id", ""))


class PaymentAnswer(BaseModel):
    """GET /api/v1/payments/{hash}; `details` is missing when LNbits doesn't know the key."""

    details: PaymentRow | None = None


class ListedRow(BaseModel, extra="allow"):
    """A row of a list of payments, of whatever kind: what belongs to others need not be readable."""

    checking_id: str
    amount: StrictInt
    tag: Any = None
    external_id: Any = None
    extra: Any = None

    def known_external_id(self) -> str:
        """Return the external id; before LNbits 1.5 it is only in `extra`."""
        in_extra = self.extra.get("external_id") if isinstance(self.extra, dict) else None
        return str(self.external_id or in_extra or "")

    def has_tag(self, tag: str) -> bool:
        """Tell whether the payment was made with this tag in its `extra`."""
        in_extra = self.extra.get("tag") if isinstance(self.extra, dict) else None
        return tag in (in_extra, self.tag)

    def is_readable(self) -> bool:
        """Tell whether the row is one that LNbits writes for a Lightning payment."""
        try:
            PaymentRow.model_validate(self.model_dump())
        except ValidationError:
            return False
        return True

    def read(self) -> PaymentRow:
        """Return the whole row; raise LnbitsUnavailable where it isn't one that LNbits 1.0 writes."""
        try:
            return PaymentRow.model_validate(self.model_dump())
        except ValidationError as error:
            raise LnbitsUnavailable(
                f"LNbits lists a payment that the bot can't read ({short_id(self.checking_id)})."
            ) from error


class PaymentPage(BaseModel):
    """GET /api/v1/payments/paginated; `total` counts the rows of all pages."""

    data: list[ListedRow]
    total: StrictInt


class MadeInvoice(BaseModel):
    """POST /api/v1/payments for an invoice of which nothing else matters."""

    payment_hash: PaymentHash


class LeaseExtra(BaseModel):
    """The `extra` of a lease row."""

    tag: str
    generation: StrictInt = Field(ge=1, le=GENERATION_MAX)
    instance: str = Field(min_length=1, max_length=64)
    kind: LeaseKind
    ledger: str = Field(max_length=64)
    bot: str = Field(max_length=64)

    def to_row(self) -> LeaseRow:
        """Return the row in the bot's words."""
        return LeaseRow(self.generation, self.instance, self.kind, self.ledger, self.bot)


class OwnerRow(BaseModel):
    """A row of any wallet's payments, of which only the wallet matters."""

    wallet_id: str


class OwnerPage(BaseModel):
    """GET /api/v1/payments/paginated, for whose the payments are."""

    data: list[OwnerRow]


class DecodedInvoice(BaseModel):
    """POST /api/v1/payments/decode; `amount_msat` is 0 for an invoice without an amount."""

    currency: str
    amount_msat: StrictInt = 0
    date: StrictInt
    expiry: StrictInt | None = None
    payment_hash: PaymentHash

    def expires_at(self) -> datetime:
        """Return when the invoice ends.

        Raise DestinationRefused for times that no honest invoice has: whoever made it wrote them.
        """
        if not 0 <= self.date < BOLT11_TIME_S_END:
            raise DestinationRefused(Refusal.NO_TIMES)
        return datetime.fromtimestamp(self.date, UTC) + self.life()

    def life(self) -> timedelta:
        """Return how long the invoice lives from its date on: an hour where it doesn't say (BOLT11)."""
        expiry_s = 3600 if self.expiry is None else self.expiry
        if not 0 <= expiry_s < BOLT11_TIME_S_END:
            raise DestinationRefused(Refusal.NO_TIMES)
        return timedelta(seconds=expiry_s)


class ApiInfo(BaseModel):
    """The `info` of GET /openapi.json."""

    version: str


class ApiDescription(BaseModel):
    """GET /openapi.json."""

    info: ApiInfo
