"""The way of one bot process to the simulated LNbits."""

import re
from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import timedelta
from decimal import Decimal
from typing import Any, TypeVar

from dca_bot.core.destination_text import is_wallet_key
from dca_bot.core.lease import LeaseReading, LeaseRow
from dca_bot.core.ports import Credit, Invoice, KeyKind, ListMark, PayAnswer, Payment, PayReply
from dca_bot.errors import DestinationRefused, LnbitsRefused, LnbitsUnavailable, Refusal
from dca_bot.faults import LnbitsFault
from simulation.lnbits import SOURCE_KEY, Lnbits
from simulation.network import Life, Line, Weather

T = TypeVar("T")
_TAG = "aio-dca"
_PAGE_ROWS = 1_000
_LEASE_PAGE_ROWS = 10
_HASH = re.compile(r"[0-9a-f]{64}")
_BOLT11 = re.compile(r"ln[a-z0-9]+")


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

    async def price(self, currency: str) -> Decimal | None:
        price = await self._ask(self.server.tell_price)
        return price if currency == "GTQ" or price is None else price / 8

    async def identify(self, key: str) -> KeyKind:
        if not is_wallet_key(key):
            raise DestinationRefused(Refusal.KEY)

        def look() -> KeyKind:
            if key in self.server.admin_keys.values():
                return KeyKind.ADMIN
            if key not in self.server.wallets:
                raise DestinationRefused(Refusal.KEY)
            return KeyKind.SOURCE if key == SOURCE_KEY else KeyKind.INVOICE

        return await self._ask(look)

    async def request_invoice(
        self, invoice_key: str, *, amount_sat: int, expiry_s: int, external_id: str, **_marks: Any
    ) -> Invoice:
        def make() -> Invoice:
            if invoice_key not in self.server.wallets:
                raise DestinationRefused(Refusal.KEY, may_pass=True)
            invoice = self.server.make_invoice(
                amount_msat=amount_sat * 1000,
                life=timedelta(seconds=expiry_s),
                wallet=invoice_key,
            )
            self.server.made_for[external_id].append(invoice.payment_hash)
            return invoice

        return await self._ask(make)

    async def decode(self, bolt11: str) -> Invoice:
        bolt11 = bolt11.strip().lower()
        if not _BOLT11.fullmatch(bolt11):
            raise DestinationRefused(Refusal.NO_INVOICE)

        def look() -> Invoice:
            if bolt11 not in self.server.invoices:
                raise DestinationRefused(Refusal.NO_INVOICE)
            return self.server.invoices[bolt11].invoice

        return await self._ask(look)

    async def pay(self, bolt11: str, *, external_id: str, extra: Mapping[str, Any]) -> PayReply:
        marked = {"tag": _TAG, "external_id": external_id, **extra}
        try:
            return await self._ask(lambda: self.server.pay(bolt11, external_id, marked))
        except LnbitsUnavailable as error:
            return PayReply(PayAnswer.NO_ANSWER, str(error))

    async def payment(self, payment_hash: str) -> Payment | None:
        _check_hash(payment_hash)
        return await self._ask(lambda: self.server.payment(payment_hash))

    async def credited(self, invoice_key: str, payment_hash: str) -> Credit | None:
        _check_hash(payment_hash)
        return await self._ask(lambda: self.server.credit(invoice_key, payment_hash))

    async def credits_of(
        self, invoice_key: str, *external_ids: str
    ) -> AsyncIterator[tuple[str, Credit]]:
        def look() -> list[tuple[str, Credit]]:
            if invoice_key not in self.server.wallets:
                raise LnbitsRefused("unknown", fault=LnbitsFault.KEY_REFUSED, status=404)
            rows = self.server.credits[invoice_key]
            if not external_ids:
                return list(rows.items())
            made = [hash_ for id_ in external_ids for hash_ in self.server.made_for[id_]]
            return [(hash_, rows[hash_]) for hash_ in made if hash_ in rows]

        for one in await self._ask(look):
            yield one

    async def list_mark(self) -> ListMark:
        def look() -> ListMark:
            rows = self.server.rows
            return ListMark(len(rows), frozenset(row.number for row in rows[-_PAGE_ROWS:]))

        return await self._ask(look)

    async def tagged_payments(self, since: ListMark | None = None) -> AsyncIterator[Payment]:
        """Yield the oldest first; with `since` whole pages, the newest first."""

        def look() -> list[Payment]:
            rows = self.server.rows
            if since is not None:
                rows = rows[: -1 - max(_PAGE_ROWS, len(rows) - since.rows) : -1]
            return [row.payment for row in rows if _is_tagged(row.payment)]

        for payment in await self._ask(look):
            yield payment

    async def payments_of(self, *external_ids: str) -> Sequence[Payment]:
        def look() -> list[Payment]:
            rows = (row for id_ in external_ids if id_ for row in self.server.rows_for[id_])
            return [row.payment for row in rows]

        return await self._ask(look)

    async def write_lease(self, row: LeaseRow) -> None:
        await self._ask(lambda: self.server.leases.append(row))

    async def lease_rows(self, *, down_to: int, look_id: str) -> LeaseReading:  # noqa: ARG002
        """Return the highest generations if they are enough, else all rows, the oldest first."""

        def look() -> LeaseReading:
            rows = self.server.leases
            page = sorted(rows, key=lambda row: -row.generation)[:_LEASE_PAGE_ROWS]
            if len(rows) < _LEASE_PAGE_ROWS:
                return LeaseReading(tuple(page), is_whole=True)
            if page[-1].generation < down_to:
                return LeaseReading(tuple(page), is_whole=False)
            return LeaseReading(tuple(rows), is_whole=True)

        return await self._ask(look)

    async def top_up_invoice(self, *, amount_sat: int, expiry_s: int, **_memo: Any) -> Invoice:
        life = timedelta(seconds=expiry_s)
        return await self._ask(
            lambda: self.server.make_invoice(
                amount_msat=amount_sat * 1000, life=life, wallet=SOURCE_KEY
            )
        )

    async def _ask(self, effect: Callable[[], T]) -> T:
        return await self.line.ask(effect, _no_answer)


def _check_hash(payment_hash: str) -> None:
    if not _HASH.fullmatch(payment_hash):
        raise ValueError(payment_hash)


def _is_tagged(payment: Payment) -> bool:
    return (payment.extra or {}).get("tag") == _TAG


def _no_answer() -> Exception:
    return LnbitsUnavailable("LNbits does not answer.", fault=LnbitsFault.UNREACHABLE)
