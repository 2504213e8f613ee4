"""What the bot expects of the outside parts; each is handed in, none is reached for.

The adapters (`lamassu`, `lnbits`, `nostr`) fulfil these protocols; the jobs know nothing else of
them, so a simulated world can take their place.
"""

from collections.abc import AsyncIterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from decimal import Decimal
from enum import StrEnum
from typing import Any, Protocol

from dca_bot.core.cash_out import CashOut
from dca_bot.core.lease import LeaseReading, LeaseRow


@dataclass(frozen=True, slots=True)
class Uptime:
    """How long a computer has run since its start, which no setting of its clock changes.

    `boot` names the start: only under the same one can two of them be compared.
    """

    boot: str
    elapsed: timedelta


class Clock(Protocol):
    """Tells the time and lets it pass."""

    def now(self) -> datetime:
        """Return the present instant, aware and in UTC."""
        ...

    def uptime(self) -> Uptime:
        """Return how long the computer has run, sleep included."""
        ...

    async def sleep(self, delay_s: float) -> None:
        """Wait for `delay_s` seconds."""
        ...


@dataclass(frozen=True, slots=True)
class CashIn:
    """A row of cash_in_txs: cash that a layperson has put into a machine.

    `fiat` is None where it could not be read. The cash counts once `send_confirmed` is true.
    """

    id: str
    device_id: str
    created_at: datetime
    fiat: Decimal | None
    fiat_code: str | None
    send_confirmed: bool


@dataclass(frozen=True, slots=True)
class Copy:
    """A copy of Lamassu's data that was read: a file, by its name, or a standby database.

    `as_of`: what came to Lamassu later isn't in it.
    """

    name: str
    as_of: datetime


@dataclass(frozen=True, slots=True)
class Export:
    """One consistent reading of the Lamassu server.

    `machines` maps device_id to the machine's name. `unreadable` has a sentence for each row that
    could not be read at all (no usable id), within bounds, and for cash-ins that are missing
    altogether; what it names changes nothing. `unreadable_ids` has every cash-out among those rows.
    `copies` has what was read instead of Lamassu itself, if so; `core.freshness` judges their age. Two
    readings of the same rows are equal, wherever they came from.
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
        """Read every cash-out and cash-in created at `since` or later; cash-outs with their actions.

        Where only the cash-ins can't be read, `unreadable` tells why.

        Raise SourceUnavailable, or ExportBroken for an incomplete transfer: all or nothing.
        """
        ...

    async def aclose(self) -> None:
        """Let go of connections."""
        ...


class KeyKind(StrEnum):
    """What an LNbits API key may do; SOURCE is an invoice key of the wallet that payouts leave from."""

    ADMIN = "admin"
    INVOICE = "invoice"
    SOURCE = "source"


class PaymentStatus(StrEnum):
    """How LNbits sees a payment row."""

    SUCCESS = "success"
    PENDING = "pending"
    FAILED = "failed"


@dataclass(frozen=True, slots=True)
class Invoice:
    """A BOLT11 invoice with what was decoded from it.

    `life` is from its date to its end, as whoever made it wrote both; None where that isn't known.
    """

    bolt11: str
    payment_hash: str
    amount_msat: int
    expires_at: datetime
    life: timedelta | None = None


@dataclass(frozen=True, slots=True)
class Payment:
    """An outgoing row of the source wallet, as LNbits tells it.

    `amount_msat` is negative for what left the wallet; `fee_msat` is 0 or more; `preimage` may be
    empty; `extra` is what the bot sent along. `seen_at` is when the ledger first saw the payment, by the
    bot's clock; None straight from LNbits, whose own clock decides nothing.
    """

    payment_hash: str
    amount_msat: int
    fee_msat: int
    status: PaymentStatus
    seen_at: datetime | None
    external_id: str = ""
    preimage: str = ""
    extra: Mapping[str, Any] | None = None


@dataclass(frozen=True, slots=True)
class Credit:
    """A payee's row of an internal payment; `amount_msat` is what the payee's wallet got of it.

    That is the row's amount less its fee (LNbits' columns `amount` and `fee`).
    """

    status: PaymentStatus
    amount_msat: int


@dataclass(frozen=True, slots=True)
class ListMark:
    """How far a list of payments had come: how many rows it held, and which were the newest."""

    rows: int
    newest: frozenset[int]


class PayAnswer(StrEnum):
    """What came back from a pay request: a hint, never a proof (look the hash up)."""

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
    """The source wallet and the invoices of the clients' wallets, through LNbits."""

    async def wallet_id(self) -> str:
        """Return the id of the source wallet, the same for as long as it is the same wallet."""
        ...

    async def balance_msat(self) -> int:
        """Return the source wallet's balance."""
        ...

    async def price(self, currency: str) -> Decimal | None:
        """Return what one coin costs in whole units of a currency; None if LNbits doesn't know."""
        ...

    async def identify(self, key: str) -> KeyKind:
        """Tell what `key` may do; raise DestinationRefused if LNbits doesn't know it."""
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
        """Have an ordinary (not `internal`) invoice made by the wallet of `invoice_key`."""
        ...

    async def decode(self, bolt11: str) -> Invoice:
        """Decode a foreign invoice and check that it is for the expected network."""
        ...

    async def pay(self, bolt11: str, *, external_id: str, extra: Mapping[str, Any]) -> PayReply:
        """Ask LNbits to pay; never raises for an answer, and the answer proves nothing."""
        ...

    async def payment(self, payment_hash: str) -> Payment | None:
        """Look a hash up with the source's key; None if LNbits answers 404."""
        ...

    async def credited(self, invoice_key: str, payment_hash: str) -> Credit | None:
        """Look at the payee's row of an internal payment; None if LNbits answers 404."""
        ...

    def credits_of(self, invoice_key: str) -> AsyncIterator[tuple[str, Credit]]:
        """Yield (payment hash, credit) of every incoming row of the wallet of `invoice_key`.

        Lists change nothing at LNbits, so that they are safe for what is just being paid too.
        """
        ...

    async def list_mark(self) -> ListMark:
        """Return how far the source wallet's list of outgoing rows has come."""
        ...

    def tagged_payments(self, since: ListMark | None = None) -> AsyncIterator[Payment]:
        """Yield the source wallet's outgoing rows that carry the bot's tag, failed ones too.

        Whoever reads to the end has seen every row that was there when the reading began; with
        `since`, at least every row that has been added since that mark.
        """
        ...

    async def payments_of(self, external_id: str) -> Sequence[Payment]:
        """Return the source wallet's outgoing rows with this external id, failed ones too."""
        ...

    async def write_lease(self, row: LeaseRow) -> None:
        """Have LNbits keep a row of the lease; raise LeaseRefused if it won't."""
        ...

    async def lease_rows(self, *, down_to: int, look_id: str) -> LeaseReading:
        """Return the lease's rows, at least all of generation `down_to` and higher.

        `look_id` is another one for each look.
        """
        ...

    async def top_up_invoice(self, *, amount_sat: int, memo: str, expiry_s: int) -> Invoice:
        """Make an invoice that funds the source wallet."""
        ...


@dataclass(frozen=True, slots=True)
class LnurlLimits:
    """What a Lightning address accepts (LUD-06): whole sats, from `min_sat` to `max_sat`.

    `is_own`: the address is at the operator's own LNbits, whose host is asked as it is configured.
    """

    min_sat: int
    max_sat: int
    callback: str
    comment_length_max: int = 0
    is_own: bool = False


@dataclass(frozen=True, slots=True)
class AddressInvoice:
    """What a callback answered (LUD-06): a BOLT11 invoice, not checked yet.

    `verify_url` is where the payee's server tells whether the invoice is settled (LUD-21); empty
    where the callback names none that may be asked.
    """

    bolt11: str
    verify_url: str = ""


@dataclass(frozen=True, slots=True)
class VerifyAnswer:
    """What a payee's server says of an invoice (LUD-21); nothing of it is checked yet.

    `bolt11` is the invoice that the answer names, empty if none; `preimage` is in hex, or empty.
    """

    is_settled: bool
    preimage: str = ""
    bolt11: str = ""


class Addresses(Protocol):
    """Lightning addresses (LUD-16)."""

    async def terms(self, address: str) -> LnurlLimits:
        """Fetch what the address accepts; raise DestinationRefused or DestinationUnavailable."""
        ...

    async def request_invoice(
        self, terms: LnurlLimits, *, amount_sat: int, comment: str
    ) -> AddressInvoice:
        """Ask the address's callback for a BOLT11 invoice; it is not checked yet."""
        ...

    async def verify(self, verify_url: str) -> VerifyAnswer:
        """Ask the payee's server about an invoice; raise DestinationUnavailable without a clear answer."""
        ...


class DmProtocol(StrEnum):
    """How a direct message is encrypted and carried."""

    NIP04 = "nip04"
    NIP17 = "nip17"


@dataclass(frozen=True, slots=True)
class IncomingMessage:
    """A verified and decrypted direct message.

    `id` is the recomputed rumor id (NIP-17) or the event id (kind 4); `sender` a public key in hex;
    `sent_at` the rumor's or event's created_at; `relay` where this copy came from.
    """

    id: str
    sender: str
    text: str
    sent_at: datetime
    protocol: DmProtocol
    relay: str


@dataclass(frozen=True, slots=True)
class OutgoingMessage:
    """A message to send; the same values always make the same rumor."""

    recipient: str
    text: str
    created_at: datetime
    protocol: DmProtocol


class Messenger(Protocol):
    """The bot's encrypted mail over all its relays; works while `run` runs."""

    async def run(self) -> None:
        """Keep the relays connected until cancelled."""
        ...

    def incoming(self) -> AsyncIterator[IncomingMessage]:
        """Yield verified messages, stored ones first; copies from several relays come each."""
        ...

    async def inbox_relays(self, pubkey: str) -> tuple[str, ...]:
        """Look up a person's kind 10050 relays; empty when none is known."""
        ...

    def seal(self, message: OutgoingMessage) -> str:
        """Make the event to publish, as JSON (a fresh wrap of the same rumor each time)."""
        ...

    async def publish(self, event_json: str, relays: Sequence[str], *, bulk: bool = False) -> bool:
        """Publish an event; True as soon as one relay answered OK true.

        What goes to many, `bulk`, never takes the room of the rest.
        """
        ...

    def connected(self) -> int:
        """Return how many of the bot's own relays are connected."""
        ...
