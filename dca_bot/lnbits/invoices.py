"""Invoices at LNbits: made by a wallet and held against the request, or a stranger's and decoded."""

import re
from collections.abc import Mapping
from http import HTTPStatus
from typing import Any

from dca_bot.core.bolt11 import read_bolt11
from dca_bot.core.ports import Invoice
from dca_bot.errors import DestinationRefused, LnbitsUnavailable, Refusal
from dca_bot.faults import LnbitsFault
from dca_bot.lnbits.api import PAYMENTS, LnbitsApi, read
from dca_bot.lnbits.models import DecodedInvoice, PaymentRow

# LNbits takes 640 characters, but BOLT11 has room for 1023 groups of 5 bits.
_MEMO_BYTES_MAX = 639
_BOLT11_CHARS_MAX = 7089
_BOLT11 = re.compile(r"ln[a-z0-9]+")


class Invoices:
    """Makes and decodes invoices; `network` is the currency that an invoice must name (`bc`)."""

    def __init__(self, api: LnbitsApi, network: str) -> None:
        self._api = api
        self._network = network

    async def make(
        self,
        key: str,
        *,
        amount_sat: int,
        memo: str,
        expiry_s: int,
        marks: Mapping[str, Any] | None = None,
    ) -> Invoice:
        """Have the wallet of `key` make an invoice (POST /api/v1/payments), and check what the invoice says.

        Raise LnbitsRefused if LNbits refuses the key, LnbitsUnavailable for no clear answer or another
        invoice than asked for, DestinationRefused for an invoice of another network.
        """
        body = {
            "out": False,
            "internal": False,  # invoices with `internal: true` were seen to lose the payee's credit
            "unit": "sat",
            "amount": amount_sat,
            "memo": memo.encode()[:_MEMO_BYTES_MAX].decode(errors="ignore"),
            "expiry": expiry_s,
            **(marks or {}),
        }
        reply = await self._api.post(PAYMENTS, body, key=key)
        row = read(PaymentRow, reply, status=HTTPStatus.CREATED)
        said, asked = read_bolt11(row.bolt11), (amount_sat * 1000, row.payment_hash)
        if said is None or (said.amount_msat, said.payment_hash) != asked:
            raise LnbitsUnavailable(
                "LNbits made another invoice than asked for; it isn't used.",
                fault=LnbitsFault.OTHER_ANSWER,
            )
        return self._checked(row.bolt11, DecodedInvoice.of(said))

    async def decode(self, bolt11: str) -> Invoice:
        """Decode an invoice (POST /api/v1/payments/decode, without a key); check network and amount.

        Whether enough of the invoice's life is left, the caller decides. Raise DestinationRefused for an
        invoice that can't be paid, LnbitsUnavailable for no clear answer.
        """
        bolt11 = bolt11.strip().lower()
        if len(bolt11) > _BOLT11_CHARS_MAX or not _BOLT11.fullmatch(bolt11):
            raise DestinationRefused(Refusal.NO_INVOICE)
        reply = await self._api.post(f"{PAYMENTS}/decode", {"data": bolt11})
        if reply.status == HTTPStatus.BAD_REQUEST:
            raise DestinationRefused(Refusal.NO_INVOICE, "LNbits can't decode it")
        return self._checked(bolt11, read(DecodedInvoice, reply))

    def _checked(self, bolt11: str, decoded: DecodedInvoice) -> Invoice:
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
