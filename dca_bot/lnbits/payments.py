"""A wallet's payments at LNbits: one by hash, a page of the list, or every row."""

import re
from collections.abc import AsyncIterator
from http import HTTPStatus

from dca_bot.errors import LnbitsUnavailable
from dca_bot.faults import LnbitsFault
from dca_bot.lnbits.api import PAYMENTS, LnbitsApi, Params, read, unexpected
from dca_bot.lnbits.models import ListedRow, PaymentAnswer, PaymentPage
from dca_bot.lnbits.payment_list import ParametersRefused, all_rows

# LNbits' answers to filters that LNbits can't apply: 500 to every time filter at 1.4.2 and 1.5.6.
_FILTER_REFUSALS = (
    HTTPStatus.BAD_REQUEST,
    HTTPStatus.UNPROCESSABLE_ENTITY,
    HTTPStatus.INTERNAL_SERVER_ERROR,
)
_NO_ROW = "Payment does not exist."
_HASH = re.compile(r"[0-9a-f]{64}")


class Payments:
    """The payments of the wallet of `key`, read only; `page_rows` is how many rows a page asks for."""

    def __init__(self, api: LnbitsApi, key: str, page_rows: int) -> None:
        self._api = api
        self._key = key
        self.page_rows = page_rows

    async def look_up(self, payment_hash: str) -> PaymentAnswer | None:
        """Look a payment hash up (GET /api/v1/payments/{hash}); None if LNbits knows no such row.

        Raise ValueError for a text that is no payment hash, LnbitsRefused if LNbits refuses the key,
        LnbitsUnavailable for no clear answer.
        """
        if not _HASH.fullmatch(payment_hash):
            raise ValueError("a payment hash has 64 hexadecimal digits")
        reply = await self._api.get(f"{PAYMENTS}/{payment_hash}", key=self._key)
        # A 404 of a proxy or of another program says nothing about the payment: LNbits' words count.
        if reply.status == HTTPStatus.NOT_FOUND and reply.words("detail") == _NO_ROW:
            return None
        answer = read(PaymentAnswer, reply)
        if answer.details and answer.details.payment_hash != payment_hash:
            raise LnbitsUnavailable(
                "LNbits answered with the row of another payment.", fault=LnbitsFault.OTHER_ANSWER
            )
        return answer

    async def page(self, params: Params) -> PaymentPage:
        """Read one page of the list (GET /api/v1/payments/paginated).

        Raise ParametersRefused if LNbits can't apply a filter or an order, LnbitsRefused if LNbits
        refuses the key, LnbitsUnavailable for no clear answer.
        """
        reply = await self._api.get(f"{PAYMENTS}/paginated", key=self._key, params=params)
        if reply.status in _FILTER_REFUSALS:
            why = unexpected(reply)
            raise ParametersRefused(str(why), fault=why.fault, **why.fields)
        return read(PaymentPage, reply)

    def rows(self, hints: Params) -> AsyncIterator[ListedRow]:
        """Yield every row of the list, incoming and outgoing (`payment_list.all_rows`).

        The caller checks each row: LNbits may ignore a filter in `hints`.
        """
        return all_rows(self.page, hints, page_rows=self.page_rows)
