"""The source wallet and the clients' invoices, at LNbits 1.0 or later.

The invariant: an unclear answer is an error, never "not paid", because paying twice would be the
one silent mistake. The answer to a pay request is only a hint; no decision here takes the answer as
proof of payment.
"""

import asyncio
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import suppress
from decimal import Decimal
from http import HTTPStatus
from typing import Any, Self

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
from dca_bot.faults import LnbitsFault
from dca_bot.lnbits import lease_rows
from dca_bot.lnbits.api import (
    PAYMENTS,
    LnbitsApi,
    pay_reply,
    read,
)
from dca_bot.lnbits.invoices import Invoices
from dca_bot.lnbits.models import (
    ApiDescription,
    MadeInvoice,
    RateAnswer,
)
from dca_bot.lnbits.payment_list import (
    PAGE_ROWS,
    ParametersRefused,
    mark_list,
    rows_since,
)
from dca_bot.lnbits.payments import Payments
from dca_bot.lnbits.source_wallet import SourceIdentity, SourceWallet

_TAG = "aio-dca"
_OUTGOING = {"amount[lt]": "0"}
_INCOMING = {"amount[ge]": "0"}
_GREETING_LIMIT_S = 15


class LnbitsWallet:
    """The source wallet of `admin_key` at the LNbits of `url`; fulfils `core.ports.Wallet`.

    `network`: the currency that invoices must name (`bc`). `reads_only`: nothing is paid, invoiced or
    decoded; such a method raises LnbitsRefused. Every method but `pay` raises LnbitsUnavailable for no clear
    answer, and LnbitsRefused if LNbits refuses the source wallet's key.
    """

    def __init__(
        self,
        url: str,
        *,
        admin_key: str,
        network: str = "bc",
        page_rows: int = PAGE_ROWS,
        reads_only: bool = False,
    ) -> None:
        self._api = LnbitsApi(url, reads_only=reads_only)
        self._admin_key = admin_key
        self._page_rows = page_rows
        self._payments = Payments(self._api, admin_key, page_rows)
        self._source = SourceIdentity(self._api, admin_key)
        self._invoices = Invoices(self._api, network)

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.aclose()

    async def aclose(self) -> None:
        """Close the connections."""
        await self._api.aclose()

    async def greet(self, *, limit_s: float = _GREETING_LIMIT_S) -> None:
        """Ask for the balance, with a short time limit: an LNbits that hangs is noticed early.

        Raise LnbitsUnavailable if no answer comes within `limit_s`.
        """
        try:
            async with asyncio.timeout(limit_s):
                await self.balance_msat()
        except TimeoutError:
            raise LnbitsUnavailable(
                f"LNbits was asked for the balance and said nothing for {limit_s:g} s."
                " It may hang: look whether its own page opens, and restart it if not.",
                fault=LnbitsFault.SLOW,
            ) from None

    async def version(self) -> str:
        """Return LNbits' version (GET /openapi.json, without a key)."""
        return read(ApiDescription, await self._api.get("/openapi.json")).info.version

    async def probe(self) -> SourceWallet:
        """Read LNbits' version and the source wallet; change nothing.

        Raise LnbitsRefused for a version before 1.0, and as `wallet_id` does.
        """
        version = await self.version()
        if version.startswith("0."):
            raise LnbitsRefused(
                f"LNbits is of version {version}; 1.0 or later is needed.",
                fault=LnbitsFault.OLD_VERSION,
                version=version,
                status=HTTPStatus.OK,
            )
        return await self._source.fetch(version)

    async def wallet_id(self) -> str:
        """Return the id of the source wallet (GET /api/v1/wallet).

        Raise LnbitsRefused for an unknown key, an invoice key or a wallet that somebody else shares.
        """
        return (await self._source.fetch(version="")).id

    async def balance_msat(self) -> int:
        """Return the source wallet's balance (GET /api/v1/wallet)."""
        return await self._source.balance_msat()

    async def price(self, currency: str) -> Decimal | None:
        """Return the price of one coin (GET /api/v1/rate/{currency}, without a key).

        None for a price of 0.0, LNbits' answer in an outage of the price sources.
        """
        return read(RateAnswer, await self._api.get(f"/api/v1/rate/{currency}")).to_price()

    async def identify(self, key: str) -> KeyKind:
        """Tell what `key` may do (`SourceIdentity.identify`); raise DestinationRefused for an unknown key."""
        return await self._source.identify(key)

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
        """Have an ordinary invoice made by the wallet of `invoice_key`, and read the invoice (`core/bolt11`).

        Raise DestinationRefused if LNbits doesn't know the key, LnbitsUnavailable for no clear
        answer. A lost answer may leave an unpaid invoice at LNbits, without harm.
        """
        try:
            return await self._invoices.make(
                invoice_key,
                amount_sat=amount_sat,
                memo=memo,
                expiry_s=expiry_s,
                marks=_marks(external_id, extra),
            )
        except LnbitsRefused as error:
            # May pass: an LNbits that is just starting knows no wallet for a moment, nor does a proxy.
            raise DestinationRefused(Refusal.KEY, str(error), may_pass=True) from error

    async def top_up_invoice(self, *, amount_sat: int, memo: str, expiry_s: int) -> Invoice:
        """Make an invoice that funds the source wallet; raise LnbitsUnavailable if LNbits makes none."""
        try:
            return await self._invoices.make(
                self._admin_key, amount_sat=amount_sat, memo=memo, expiry_s=expiry_s
            )
        except DestinationRefused as error:
            raise LnbitsUnavailable(
                f"LNbits made no top-up invoice: {error}", fault=LnbitsFault.NO_TOP_UP
            ) from error

    async def decode(self, bolt11: str) -> Invoice:
        """Decode an invoice and check network and amount; raise DestinationRefused."""
        return await self._invoices.decode(bolt11)

    async def pay(self, bolt11: str, *, external_id: str, extra: Mapping[str, Any]) -> PayReply:
        """Ask LNbits, once, to pay an invoice from the source wallet (POST /api/v1/payments).

        Raises no error for any answer. The answer proves nothing: `payment` tells whether the
        invoice was paid.
        """
        body = {"out": True, "bolt11": bolt11, **_marks(external_id, extra)}
        try:
            # Never retried here: a lost answer can hide a payment.
            reply = await self._api.post(PAYMENTS, body, key=self._admin_key)
        except LnbitsUnavailable as error:
            return PayReply(PayAnswer.NO_ANSWER, str(error))
        return pay_reply(reply)

    async def payment(self, payment_hash: str) -> Payment | None:
        """Look a hash up with the source's key; None if the hash has no outgoing row.

        GET /api/v1/payments/{hash}; only `details.status` counts. Raise LnbitsUnavailable for an
        answer without details: LNbits doesn't know the source's key then, and says nothing of the
        payment. Raise LnbitsRefused for a shared wallet, where LNbits answers 404 for every hash to
        a key that may not view payments. Raise ValueError for a text that is no payment hash.
        """
        answer = await self._payments.look_up(payment_hash)
        if answer is None:
            await self._source.refuse_shared(was_funded=True)
            return None
        if answer.details is None:
            raise LnbitsUnavailable(
                "LNbits doesn't show the source wallet's row of a payment. Check that "
                "lnbits.source_admin_key_file still holds the wallet's admin key.",
                fault=LnbitsFault.NO_ROW,
            )
        return answer.details.to_payment() if answer.details.amount < 0 else None

    async def credited(self, invoice_key: str, payment_hash: str) -> Credit | None:
        """Look at the payee's row of an internal payment; None if LNbits shows the key no such row.

        Call only for a payment that is debited already: reading an invoice that is just being paid
        can undo the credit in LNbits. Raise ValueError for a text that is no payment hash.
        """
        answer = await self._payments_at(invoice_key).look_up(payment_hash)
        row = answer.details if answer else None
        return row.to_credit() if row and row.amount > 0 else None

    async def credits_of(
        self, invoice_key: str, *external_ids: str
    ) -> AsyncIterator[tuple[str, Credit]]:
        """Yield (payment hash, credit) of every incoming row of the wallet of `invoice_key`.

        The guarantee is `payment_list.all_rows`'. With `external_ids` at least the rows that were made with
        one of the ids: an LNbits before 1.5 lists every row. Unreadable rows are left out: the bot makes
        none of these kinds. Raise LnbitsRefused if LNbits refuses the key.
        """
        hints = {**_INCOMING, **({"external_id": external_ids} if external_ids else {})}
        async for row in self._payments_at(invoice_key).rows(hints):
            if row.amount >= 0 and row.is_readable():
                read_row = row.read()
                yield read_row.payment_hash, read_row.to_credit()

    async def list_mark(self) -> ListMark:
        """Return how far the source wallet's list of outgoing rows has come."""
        mark = await mark_list(self._payments.page, _OUTGOING, page_rows=self._page_rows)
        if not mark.rows:
            await self._source.refuse_shared()
        return mark

    async def tagged_payments(self, since: ListMark | None = None) -> AsyncIterator[Payment]:
        """Yield the source wallet's outgoing rows that carry the bot's tag, failed payments too.

        The guarantee is `payment_list.all_rows`', and with `since` `payment_list.rows_since`'.
        Without `since` the oldest come first; the order is a hint only, by LNbits' clock.
        """
        rows = self._payments.rows(_OUTGOING)
        if since is not None:
            rows = rows_since(self._payments.page, since, _OUTGOING, page_rows=self._page_rows)
        async for row in rows:
            if row.amount < 0 and row.has_tag(_TAG):
                yield row.read().to_payment()

    async def payments_of(self, *external_ids: str) -> Sequence[Payment]:
        """Return the source wallet's outgoing rows with one of the external ids, failed payments too.

        LNbits filters by external id since 1.5; an older LNbits ignores the filter, and every row
        is read.
        """
        hints = {**_OUTGOING, "external_id": external_ids}
        found = [
            row.read().to_payment()
            async for row in self._payments.rows(hints)
            if row.amount < 0 and row.known_external_id() in external_ids
        ]
        if not found:
            await self._source.refuse_shared()
        return found

    async def write_lease(self, row: LeaseRow) -> None:
        """Have LNbits keep a row of the lease, as an invoice that is not to be paid.

        Raise LeaseRefused if LNbits' own settings forbid the invoice. After LnbitsUnavailable the
        row may exist all the same, or appear later.
        """
        reply = await self._api.post(PAYMENTS, lease_rows.lease_invoice(row), key=self._admin_key)
        if why := lease_rows.refusal(reply):
            raise LeaseRefused(why)
        read(MadeInvoice, reply, status=HTTPStatus.CREATED)

    async def lease_rows(self, *, down_to: int, look_id: str) -> LeaseReading:
        """Return the lease's rows, at least all of generation `down_to` and higher.

        A new `look_id` for each look keeps a cache between bot and LNbits from answering.
        """
        with suppress(ParametersRefused):
            page = await self._payments.page(lease_rows.top_query(look_id))
            if (top := lease_rows.read_top(page, down_to=down_to)) is not None:
                return top
        listed = [row async for row in self._payments.rows({**lease_rows.HINTS, "look": look_id})]
        return LeaseReading(lease_rows.to_lease_rows(listed), is_whole=True)

    def _payments_at(self, key: str) -> Payments:
        return Payments(self._api, key, self._page_rows)


def _marks(external_id: str, extra: Mapping[str, Any]) -> dict[str, Any]:
    """Mark a payment for LNbits; versions before 1.5 keep the external id in `extra` only."""
    return {
        "external_id": external_id,
        "extra": {"tag": _TAG, "external_id": external_id, **extra},
    }
