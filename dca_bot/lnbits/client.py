"""The source wallet and the clients' invoices, at LNbits 1.0 or later.

A pay answer is only a hint: nothing here decides from it whether money moved. What LNbits doesn't
say clearly is an error, never "not paid": the one silent mistake would be to pay twice.
"""

import asyncio
import re
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from decimal import Decimal
from functools import partial
from http import HTTPStatus
from typing import Any, Self

from dca_bot.core.destination_text import is_wallet_key
from dca_bot.core.lease import LeaseReading, LeaseRow
from dca_bot.core.ports import (
    Credit,
    Invoice,
    KeyKind,
    ListMark,
    PayAnswer,
    Payment,
    PayReply,
)
from dca_bot.errors import (
    DestinationRefused,
    LeaseRefused,
    LnbitsRefused,
    LnbitsUnavailable,
    Refusal,
)
from dca_bot.lnbits import lease_rows
from dca_bot.lnbits.api import (
    PAYMENT_ERROR,
    LnbitsApi,
    describe,
    is_key_refused,
    pay_reply,
    read,
)
from dca_bot.lnbits.models import (
    ApiDescription,
    DecodedInvoice,
    ListedRow,
    MadeInvoice,
    OwnerPage,
    PaymentAnswer,
    PaymentPage,
    PaymentRow,
    RateAnswer,
    WalletAnswer,
)
from dca_bot.lnbits.payment_list import (
    PAGE_ROWS,
    ParametersRefused,
    all_rows,
    mark_list,
    rows_since,
)

TAG = "aio-dca"
PAYMENTS = "/api/v1/payments"
OUTGOING = {"amount[lt]": "0"}
INCOMING = {"amount[ge]": "0"}
# What LNbits answers to filters that it can't work with: 500 to every time filter at 1.4.2 and 1.5.6.
FILTER_REFUSALS = (
    HTTPStatus.BAD_REQUEST,
    HTTPStatus.UNPROCESSABLE_ENTITY,
    HTTPStatus.INTERNAL_SERVER_ERROR,
)
# LNbits takes 640 characters, but BOLT11 has room for 1023 groups of 5 bits.
MEMO_BYTES_MAX = 639
BOLT11_CHARS_MAX = 7089
GREETING_LIMIT_S = 15
NO_ROW = "Payment does not exist."
SHARED = (
    "The source wallet is one that somebody else shares: LNbits doesn't show the bot what it has paid"
    " from it. Put the admin key of a wallet of your own into lnbits.source_admin_key_file."
)

_BOLT11 = re.compile(r"ln[a-z0-9]+")
_HASH = re.compile(r"[0-9a-f]{64}")


@dataclass(frozen=True, slots=True)
class SourceWallet:
    """What `dca-bot check` shows of the source wallet; `version` is LNbits'."""

    version: str
    id: str
    name: str
    balance_msat: int


class LnbitsWallet:
    """The source wallet of `admin_key` at the LNbits of `url`; fulfils `core.ports.Wallet`.

    `network` is the currency that invoices must name (`bc`). Every method but `pay` raises
    LnbitsUnavailable if LNbits doesn't answer clearly, and LnbitsRefused if it refuses the
    source wallet's key.
    """

    def __init__(
        self, url: str, *, admin_key: str, network: str = "bc", page_rows: int = PAGE_ROWS
    ) -> None:
        self._api = LnbitsApi(url)
        self._admin_key = admin_key
        self._network = network
        self._page_rows = page_rows
        self._is_own = False

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.aclose()

    async def aclose(self) -> None:
        """Let go of connections."""
        await self._api.aclose()

    async def greet(self, *, limit_s: float = GREETING_LIMIT_S) -> None:
        """Ask for little, so that nobody waits for much from an LNbits that hangs.

        Raise LnbitsUnavailable where no answer comes within `limit_s`.
        """
        try:
            async with asyncio.timeout(limit_s):
                await self.balance_msat()
        except TimeoutError:
            raise LnbitsUnavailable(
                f"LNbits was asked for the balance and said nothing for {limit_s:g} s."
                " It may hang: look whether its own page opens, and restart it if not."
            ) from None

    async def version(self) -> str:
        """Return LNbits' version (GET /openapi.json, without a key)."""
        return read(ApiDescription, await self._api.get("/openapi.json")).info.version

    async def probe(self) -> SourceWallet:
        """Look at LNbits' version and the source wallet; change nothing.

        Raise LnbitsRefused for a version before 1.0, an unknown key or an invoice key.
        """
        version = await self.version()
        if version.startswith("0."):
            raise LnbitsRefused(
                f"LNbits is of version {version}; 1.0 or later is needed.", status=HTTPStatus.OK
            )
        wallet = await self._wallet(self._admin_key)
        wallet_id = _id_of(wallet)
        await self._refuse_shared()
        return SourceWallet(version, wallet_id, wallet.name, wallet.balance)

    async def wallet_id(self) -> str:
        """Return the id of the source wallet (GET /api/v1/wallet).

        Raise LnbitsRefused for an unknown key, an invoice key or a wallet that somebody else shares.
        """
        wallet = await self._wallet(self._admin_key)
        wallet_id = _id_of(wallet)
        await self._refuse_shared()
        return wallet_id

    async def balance_msat(self) -> int:
        """Return the source wallet's balance (GET /api/v1/wallet)."""
        return (await self._wallet(self._admin_key)).balance

    async def price(self, currency: str) -> Decimal | None:
        """Return what one coin costs (GET /api/v1/rate/{currency}, without a key).

        None for a price of 0.0, which LNbits answers in an outage.
        """
        return read(RateAnswer, await self._api.get(f"/api/v1/rate/{currency}")).to_price()

    async def identify(self, key: str) -> KeyKind:
        """Tell what `key` may do: GET /api/v1/wallet gives the wallet's id to an admin key only.

        Whose an invoice key is, only the wallet's payments tell: it has none, and is nobody's, while
        its wallet has never had a sat. Raise DestinationRefused if LNbits doesn't know the key.
        """
        if not is_wallet_key(key):
            raise DestinationRefused(
                "That is not an LNbits key: a key has 32 characters, 0 to 9 and a to f."
            )
        try:
            wallet = await self._wallet(key)
        except LnbitsRefused as error:
            raise DestinationRefused(str(error)) from error
        if wallet.id is not None:
            return KeyKind.ADMIN
        params = {"limit": "1"}
        reply = await self._api.get(f"{PAYMENTS}/paginated", key=key, params=params)
        owners = {row.wallet_id for row in read(OwnerPage, reply).data}
        is_source = bool(owners) and await self.wallet_id() in owners
        return KeyKind.SOURCE if is_source else KeyKind.INVOICE

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
        """Have an ordinary invoice made, and check it by decoding it.

        Raise DestinationRefused if LNbits doesn't know the key. After a lost answer an unpaid
        invoice may be left, which harms nobody.
        """
        body = {"amount": amount_sat, "memo": _cut(memo), "expiry": expiry_s}
        try:
            return await self._make_invoice(
                invoice_key, body | _marks(external_id, extra), amount_sat=amount_sat
            )
        except LnbitsRefused as error:
            # LNbits that is just starting knows no wallet for a moment, and nor does a proxy before it.
            raise DestinationRefused(Refusal.KEY, str(error), may_pass=True) from error

    async def top_up_invoice(self, *, amount_sat: int, memo: str, expiry_s: int) -> Invoice:
        """Make an invoice that funds the source wallet."""
        body = {"amount": amount_sat, "memo": _cut(memo), "expiry": expiry_s}
        try:
            return await self._make_invoice(self._admin_key, body, amount_sat=amount_sat)
        except DestinationRefused as error:
            raise LnbitsUnavailable(f"LNbits made no top-up invoice: {error}") from error

    async def decode(self, bolt11: str) -> Invoice:
        """Decode an invoice, check its network and amount (POST /api/v1/payments/decode).

        Needs no key. Whether enough of its time is left is for the caller to see. Raise
        DestinationRefused.
        """
        bolt11 = bolt11.strip().lower()
        if len(bolt11) > BOLT11_CHARS_MAX or not _BOLT11.fullmatch(bolt11):
            raise DestinationRefused(Refusal.NO_INVOICE)
        reply = await self._api.post(f"{PAYMENTS}/decode", {"data": bolt11})
        if reply.status == HTTPStatus.BAD_REQUEST:
            raise DestinationRefused(Refusal.NO_INVOICE, "LNbits can't decode it")
        decoded = read(DecodedInvoice, reply)
        if decoded.currency != self._network:
            detail = f"ln{decoded.currency}, not ln{self._network}"
            raise DestinationRefused(Refusal.OTHER_NETWORK, detail)
        if decoded.amount_msat <= 0:
            raise DestinationRefused(Refusal.NO_AMOUNT)
        return Invoice(
            bolt11,
            decoded.payment_hash,
            decoded.amount_msat,
            expires_at=decoded.expires_at(),
            life=decoded.life(),
        )

    async def pay(self, bolt11: str, *, external_id: str, extra: Mapping[str, Any]) -> PayReply:
        """Ask LNbits, once, to pay an invoice from the source wallet (POST /api/v1/payments).

        Never raises for an answer, and the answer proves nothing: look the hash up.
        """
        body = {"out": True, "bolt11": bolt11, **_marks(external_id, extra)}
        try:
            reply = await self._api.post(PAYMENTS, body, key=self._admin_key)
        except LnbitsUnavailable as error:
            return PayReply(PayAnswer.NO_ANSWER, str(error))
        return pay_reply(reply)

    async def payment(self, payment_hash: str) -> Payment | None:
        """Look a hash up with the source's key; None if it has no outgoing row.

        GET /api/v1/payments/{hash}, where `details.status` counts. Without details LNbits doesn't
        know the source's key and the answer says nothing: LnbitsUnavailable. Of a shared wallet it answers
        404 for every hash to a key that may not view payments: LnbitsRefused.
        """
        answer = await self._look_up(self._admin_key, payment_hash)
        if answer is None:
            await self._refuse_shared(was_funded=True)
            return None
        if answer.details is None:
            raise LnbitsUnavailable(
                "LNbits doesn't show the source wallet's row of a payment. Check that "
                "lnbits.source_admin_key_file still holds the wallet's admin key."
            )
        return answer.details.to_payment() if answer.details.amount < 0 else None

    async def credited(self, invoice_key: str, payment_hash: str) -> Credit | None:
        """Look at the payee's row of an internal payment; None if its key shows none.

        Only for what is debited already: reading an invoice that is just being paid can undo the
        credit in LNbits.
        """
        answer = await self._look_up(invoice_key, payment_hash)
        row = answer.details if answer else None
        return row.to_credit() if row and row.amount > 0 else None

    async def credits_of(self, invoice_key: str) -> AsyncIterator[tuple[str, Credit]]:
        """Yield (payment hash, credit) of every incoming row of the wallet of `invoice_key`.

        Rows of a kind that the bot doesn't make, and can't read, are left out.
        What is guaranteed: `payment_list.all_rows`. Raise LnbitsRefused for a key that LNbits refuses.
        """
        page = partial(self._page, key=invoice_key)
        async for row in all_rows(page, INCOMING, page_rows=self._page_rows):
            if row.amount >= 0 and row.is_readable():
                read_row = row.read()
                yield read_row.payment_hash, read_row.to_credit()

    async def list_mark(self) -> ListMark:
        """Return how far the source wallet's list of outgoing rows has come."""
        mark = await mark_list(self._page, OUTGOING, page_rows=self._page_rows)
        if not mark.rows:
            await self._refuse_shared()
        return mark

    async def tagged_payments(self, since: ListMark | None = None) -> AsyncIterator[Payment]:
        """Yield the source wallet's outgoing rows that carry the bot's tag, failed ones too.

        What is guaranteed: `payment_list.all_rows`, and with `since` `payment_list.rows_since`.
        Oldest first without `since`; by LNbits' clock, so that the order is a hint.
        """
        rows = self._rows(OUTGOING)
        if since is not None:
            rows = rows_since(self._page, since, OUTGOING, page_rows=self._page_rows)
        async for row in rows:
            if row.amount < 0 and row.has_tag(TAG):
                yield row.read().to_payment()

    async def payments_of(self, external_id: str) -> Sequence[Payment]:
        """Return the source wallet's outgoing rows with this external id, failed ones too.

        LNbits filters since 1.5; before, it ignores the filter and every row is read.
        """
        hints = {**OUTGOING, "external_id": external_id}
        found = [
            row.read().to_payment()
            async for row in self._rows(hints)
            if row.amount < 0 and row.known_external_id() == external_id
        ]
        if not found:
            await self._refuse_shared()
        return found

    async def write_lease(self, row: LeaseRow) -> None:
        """Have LNbits keep a row of the lease, as an invoice that is not to be paid.

        Raise LeaseRefused if LNbits makes none by its own settings. After LnbitsUnavailable the row
        may be there all the same, or appear later.
        """
        reply = await self._api.post(PAYMENTS, lease_rows.lease_invoice(row), key=self._admin_key)
        why = reply.words("detail")
        is_own_word = (
            reply.status == PAYMENT_ERROR or reply.status < HTTPStatus.INTERNAL_SERVER_ERROR
        )
        is_refusal = bool(why) and is_own_word and not is_key_refused(reply)
        if reply.status not in (HTTPStatus.CREATED, HTTPStatus.TOO_MANY_REQUESTS) and is_refusal:
            raise LeaseRefused(why)
        read(MadeInvoice, reply, status=HTTPStatus.CREATED)

    async def lease_rows(self, *, down_to: int, look_id: str) -> LeaseReading:
        """Return the lease's rows, at least all of generation `down_to` and higher.

        A new `look_id` for each look keeps a cache between bot and LNbits from answering.
        """
        with suppress(ParametersRefused):
            page = await self._page(lease_rows.top_query(look_id))
            if (top := lease_rows.read_top(page, down_to=down_to)) is not None:
                return top
        listed = [row async for row in self._rows({**lease_rows.HINTS, "look": look_id})]
        return LeaseReading(lease_rows.to_lease_rows(listed), is_whole=True)

    async def _wallet(self, key: str) -> WalletAnswer:
        return read(WalletAnswer, await self._api.get("/api/v1/wallet", key=key))

    async def _refuse_shared(self, *, was_funded: bool = False) -> None:
        """Raise LnbitsRefused for a source wallet that shows another wallet's payments, or hides them.

        A wallet that has sats, or has had some (`was_funded`), has a row at least: the one they came by.
        A wallet that has proven to be its own once stays so.
        """
        if self._is_own:
            return
        wallet = await self._wallet(self._admin_key)
        reply = await self._api.get(
            f"{PAYMENTS}/paginated", key=self._admin_key, params={"limit": "1"}
        )
        owners = {row.wallet_id for row in read(OwnerPage, reply).data}
        if owners - {wallet.id} or (not owners and (was_funded or wallet.balance)):
            raise LnbitsRefused(SHARED, status=HTTPStatus.OK)
        self._is_own = bool(owners)

    async def _make_invoice(self, key: str, body: Mapping[str, Any], *, amount_sat: int) -> Invoice:
        # Invoices with `internal: true` were seen to lose the payee's credit.
        ordinary = {"out": False, "internal": False, "unit": "sat", **body}
        reply = await self._api.post(PAYMENTS, ordinary, key=key)
        row = read(PaymentRow, reply, status=HTTPStatus.CREATED)
        invoice = await self.decode(row.bolt11)
        if (invoice.amount_msat, invoice.payment_hash) != (amount_sat * 1000, row.payment_hash):
            raise LnbitsUnavailable("LNbits made another invoice than asked for; it isn't used.")
        return invoice

    async def _look_up(self, key: str, payment_hash: str) -> PaymentAnswer | None:
        if not _HASH.fullmatch(payment_hash):
            raise ValueError("a payment hash has 64 hexadecimal digits")
        reply = await self._api.get(f"{PAYMENTS}/{payment_hash}", key=key)
        # A proxy's 404, or another program's, says nothing about the payment.
        if reply.status == HTTPStatus.NOT_FOUND and reply.words("detail") == NO_ROW:
            return None
        answer = read(PaymentAnswer, reply)
        if answer.details and answer.details.payment_hash != payment_hash:
            raise LnbitsUnavailable("LNbits answered with the row of another payment.")
        return answer

    def _rows(
        self, hints: Mapping[str, str], *, newest_first: bool = False
    ) -> AsyncIterator[ListedRow]:
        """Read the source wallet's list, incoming rows too; `hints` are checked by the caller."""
        return all_rows(self._page, hints, page_rows=self._page_rows, newest_first=newest_first)

    async def _page(self, params: Mapping[str, str], *, key: str = "") -> PaymentPage:
        path = f"{PAYMENTS}/paginated"
        reply = await self._api.get(path, key=key or self._admin_key, params=params)
        if reply.status in FILTER_REFUSALS:
            raise ParametersRefused(describe(reply))
        return read(PaymentPage, reply)


def _id_of(wallet: WalletAnswer) -> str:
    if wallet.id is None:
        raise LnbitsRefused(
            "The source wallet's key is an invoice key, which can't pay. "
            "Put the wallet's admin key into lnbits.source_admin_key_file.",
            status=HTTPStatus.OK,
        )
    return wallet.id


def _cut(memo: str) -> str:
    return memo.encode()[:MEMO_BYTES_MAX].decode(errors="ignore")


def _marks(external_id: str, extra: Mapping[str, Any]) -> dict[str, Any]:
    """Name a payment for LNbits; versions before 1.5 keep the external id only in `extra`."""
    return {
        "external_id": external_id,
        "extra": {"tag": TAG, "external_id": external_id, **extra},
    }
