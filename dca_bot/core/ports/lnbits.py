"""LNbits: the source wallet, and invoices of the clients' wallets."""

from collections.abc import AsyncIterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from decimal import Decimal
from enum import StrEnum
from typing import Any, Protocol

from dca_bot.core.lease import LeaseReading, LeaseRow


class KeyKind(StrEnum):
    """The kinds of LNbits API keys; SOURCE is an invoice key of the source wallet."""

    ADMIN = "admin"
    INVOICE = "invoice"
    SOURCE = "source"


class PaymentStatus(StrEnum):
    """The status of a payment row at LNbits."""

    SUCCESS = "success"
    PENDING = "pending"
    FAILED = "failed"


@dataclass(frozen=True, slots=True)
class Invoice:
    """A BOLT11 invoice with the decoded fields.

    `life`: from the invoice's date to the end, as written in the invoice; None if unknown.
    """

    bolt11: str
    payment_hash: str
    amount_msat: int
    expires_at: datetime
    life: timedelta | None = None


@dataclass(frozen=True, slots=True)
class Payment:
    """An outgoing row of the source wallet.

    `amount_msat` is negative, `fee_msat` 0 or more; `preimage` may be empty; `extra` is the bot's
    own. `is_inside`: LNbits has the payee's wallet too, so that the payee's row alone tells whether the
    sats arrived. `seen_at`: when the ledger first saw the payment, by the bot's clock; None straight from
    LNbits, as LNbits' clock decides nothing.
    """

    payment_hash: str
    amount_msat: int
    fee_msat: int
    status: PaymentStatus
    seen_at: datetime | None
    external_id: str = ""
    preimage: str = ""
    extra: Mapping[str, Any] | None = None
    is_inside: bool = False


@dataclass(frozen=True, slots=True)
class Credit:
    """A payee's row of an internal payment; `amount_msat` is the amount less the fee (LNbits' columns)."""

    status: PaymentStatus
    amount_msat: int


@dataclass(frozen=True, slots=True)
class ListMark:
    """How far a list of payments had come: the number of rows, and the newest rows."""

    rows: int
    newest: frozenset[int]


class PayAnswer(StrEnum):
    """The answer to a pay request: a hint, never a proof; only a look at the hash proves a payment."""

    ANSWERED = "answered"
    INSUFFICIENT = "insufficient"
    RATE_LIMITED = "rate_limited"
    REFUSED = "refused"
    NO_ANSWER = "no_answer"


@dataclass(frozen=True, slots=True)
class PayReply:
    """A pay answer with LNbits' own words, for the log and the operator."""

    answer: PayAnswer
    detail: str = ""


class Wallet(Protocol):
    """The source wallet and the invoices of the clients' wallets, through LNbits.

    Every method but `pay` raises LnbitsUnavailable for no clear answer, LnbitsRefused if LNbits
    refuses a key.
    """

    async def wallet_id(self) -> str:
        """Return the id of the source wallet, which never changes."""
        ...

    async def balance_msat(self) -> int:
        """Return the source wallet's balance."""
        ...

    async def price(self, currency: str) -> Decimal | None:
        """Return the price of one coin in whole units of a currency; None if LNbits knows no price."""
        ...

    async def identify(self, key: str) -> KeyKind:
        """Tell what `key` may do; raise DestinationRefused if LNbits doesn't know the key."""
        ...

    async def request_invoice(
        self,
        invoice_key: str,
        *,
        amount_sat: int,
        memo: str,
        expiry_s: int,
        external_id: str,
        extra: Mapping[str, Any],
    ) -> Invoice:
        """Have an ordinary (not `internal`) invoice made by the wallet of `invoice_key`.

        Raise DestinationRefused if LNbits doesn't know the key.
        """
        ...

    async def decode(self, bolt11: str) -> Invoice:
        """Decode a foreign invoice and check the network; raise DestinationRefused if unusable."""
        ...

    async def pay(self, bolt11: str, *, external_id: str, extra: Mapping[str, Any]) -> PayReply:
        """Ask LNbits to pay; raises no error for any answer, and the answer proves nothing."""
        ...

    async def payment(self, payment_hash: str) -> Payment | None:
        """Look a hash up with the source's key; None if LNbits answers 404."""
        ...

    async def credited(self, invoice_key: str, payment_hash: str) -> Credit | None:
        """Look at the payee's row of an internal payment; None if LNbits answers 404."""
        ...

    def credits_of(self, invoice_key: str, *external_ids: str) -> AsyncIterator[tuple[str, Credit]]:
        """Yield (payment hash, credit) of every incoming row of the wallet of `invoice_key`.

        With `external_ids` at least the rows that were made with one of the ids.
        A list changes nothing at LNbits, unlike a look at a single invoice: safe even while an
        invoice is being paid.
        """
        ...

    async def list_mark(self) -> ListMark:
        """Return how far the source wallet's list of outgoing rows has come."""
        ...

    def tagged_payments(self, since: ListMark | None = None) -> AsyncIterator[Payment]:
        """Yield the source wallet's outgoing rows that carry the bot's tag, failed payments too.

        A reading to the end brings every row that existed when the reading began; with `since`, at
        least every row added since the mark.
        """
        ...

    async def payments_of(self, *external_ids: str) -> Sequence[Payment]:
        """Return the source wallet's outgoing rows with one of the external ids, failed payments too."""
        ...

    async def write_lease(self, row: LeaseRow) -> None:
        """Have LNbits keep a row of the lease; raise LeaseRefused if LNbits' settings forbid the row."""
        ...

    async def lease_rows(self, *, down_to: int, look_id: str) -> LeaseReading:
        """Return the lease's rows, at least all of generation `down_to` and higher.

        `look_id`: a fresh text for each look, so that no cache answers.
        """
        ...

    async def top_up_invoice(self, *, amount_sat: int, memo: str, expiry_s: int) -> Invoice:
        """Make an invoice that funds the source wallet."""
        ...
