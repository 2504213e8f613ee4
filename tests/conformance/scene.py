"""Calls of the port `Wallet`, and events around it, written as lines; what each brings, as one line of text.

A line is a word and its arguments: `pay bread` pays the invoice called `bread`. The text has nothing that is
another at each run: invoices by their labels, wallets by their names, times as spans.
"""

import asyncio
import hashlib
from collections.abc import Awaitable, Callable
from contextlib import AbstractContextManager
from dataclasses import dataclass, field
from typing import Protocol

from dca_bot.core.lease import LeaseKind, LeaseRow
from dca_bot.core.ports import Credit, Invoice, ListMark, PayAnswer, Payment, PayReply, Wallet
from dca_bot.errors import DestinationRefused, OutsideError

_LIFE_S = 86_400
_FIAT = {"wallet_btc_rate", "wallet_fiat_amount", "wallet_fiat_currency", "wallet_fiat_rate"}
"""What LNbits adds to a payment's `extra` by itself: floats of the price."""


class Stage(Protocol):
    """An LNbits with a source wallet, clients' wallets, a Lightning node, and a payee elsewhere."""

    wallet: Wallet

    def key(self, name: str) -> str:
        """Return a key: `ana.invoice`, `ana.admin`, `source.invoice`, `source.admin`; open a new wallet."""
        ...

    def delete(self, name: str) -> None:
        """Delete a client's wallet."""
        ...

    def fund(self, sat: int) -> None:
        """Give the source wallet sats."""
        ...

    def invoice_elsewhere(self, sat: int) -> str:
        """Have the payee elsewhere make an invoice; return the BOLT11 text."""
        ...

    def has_received(self, invoice: Invoice) -> bool:
        """Tell whether the payee elsewhere has received the sats of an invoice."""
        ...

    def plan(self, invoice: Invoice, will: str) -> None:
        """Say what the node does with an invoice from now on: `pays`, `refuses`, `waits`, `lies`."""
        ...

    def pay_from_the_source(self, invoice: Invoice) -> None:
        """Pay an invoice from the source wallet by hand, without the bot."""
        ...

    def pay_from_another(self, invoice: Invoice) -> None:
        """Pay an invoice of the source wallet from another wallet, if it can still be paid."""
        ...

    def lose_credit(self, invoice: Invoice) -> None:
        """Leave a paid invoice as an LNbits leaves it that was killed before the credit."""
        ...

    async def let_expire(self, invoice: Invoice) -> None:
        """Wait until an invoice is over."""
        ...

    def away(self) -> AbstractContextManager[None]:
        """Have LNbits out of reach."""
        ...

    def mute(self) -> AbstractContextManager[None]:
        """Have LNbits carry out requests, and each answer get lost."""
        ...


@dataclass
class Scene:
    """Plays lines on a stage."""

    stage: Stage
    invoices: dict[str, Invoice] = field(default_factory=dict)
    marks: dict[str, ListMark] = field(default_factory=dict)
    wallet_ids: set[str] = field(default_factory=set)

    async def play(self, line: str) -> str:
        """Play a line, and return what it brought; an error is an answer too."""
        away, _, rest = line.partition(": ")
        if away in ("away", "mute"):
            with getattr(self.stage, away)():
                return await self.play(rest)
        word, *arguments = line.split()
        try:
            return await _WORDS[word](self, *arguments)
        except (OutsideError, DestinationRefused, ValueError) as error:
            return _told_error(error)

    # What the port does

    async def _balance(self) -> str:
        return f"{await self.stage.wallet.balance_msat()} msat"

    async def _wallet_id(self) -> str:
        self.wallet_ids.add(await self.stage.wallet.wallet_id())
        return "always the same" if len(self.wallet_ids) == 1 else "another"

    async def _price(self) -> str:
        return str(await self.stage.wallet.price("GTQ"))

    async def _identify(self, name: str) -> str:
        return await self.stage.wallet.identify(self.stage.key(name))

    async def _invoice(self, label: str, of: str, sat: str, life_s: int | str = _LIFE_S) -> str:
        self.invoices[label] = await self.stage.wallet.request_invoice(
            self.stage.key(f"{of}.invoice"),
            amount_sat=int(sat),
            memo=label,
            expiry_s=int(life_s),
            external_id=f"payout-{label}",
            extra=_extra(label),
        )
        return self._told_invoice(self.invoices[label])

    async def _top_up(self, label: str, sat: str) -> str:
        self.invoices[label] = await self.stage.wallet.top_up_invoice(
            amount_sat=int(sat), memo=label, expiry_s=3_600
        )
        return self._told_invoice(self.invoices[label])

    async def _elsewhere(self, label: str, sat: str) -> str:
        if sat == "all":
            sat = str(await self.stage.wallet.balance_msat() // 1000)
        bolt11 = self.stage.invoice_elsewhere(int(sat))
        self.invoices[label] = await self.stage.wallet.decode(bolt11)
        return self._told_invoice(self.invoices[label])

    async def _decode(self, text: str) -> str:
        invoice = self.invoices.get(text.lower())
        bolt11 = invoice.bolt11 if invoice else text
        return self._told_invoice(
            await self.stage.wallet.decode(bolt11.upper() if text.isupper() else bolt11)
        )

    async def _pay(self, label: str) -> str:
        return _told_reply(await self._reply(label))

    async def _pay_at_once(self, label: str) -> str:
        replies = await asyncio.gather(*(self._reply(label) for _ in range(3)))
        return " | ".join(sorted(set(map(_told_reply, replies))))

    async def _payment(self, label: str) -> str:
        found = await self.stage.wallet.payment(self._hash(label))
        return "none" if found is None else self._told_payment(found)

    async def _credited(self, of: str, label: str) -> str:
        key = self.stage.key(f"{of}.invoice")
        found = await self.stage.wallet.credited(key, self._hash(label))
        return "none" if found is None else _told_credit(found)

    async def _credits(self, of: str, *external_ids: str) -> str:
        """The order is LNbits' clock's, so the labels are sorted."""
        found = self.stage.wallet.credits_of(self.stage.key(f"{of}.invoice"), *external_ids)
        lines = [f"{self._label(hash_)} {_told_credit(one)}" async for hash_, one in found]
        return " | ".join(sorted(lines)) or "none"

    async def _mark(self, name: str) -> str:
        self.marks[name] = await self.stage.wallet.list_mark()
        return f"{self.marks[name].rows} rows"

    async def _tagged(self, mark: str = "") -> str:
        found = self.stage.wallet.tagged_payments(self.marks[mark] if mark else None)
        return " | ".join([self._short(one) async for one in found]) or "none"

    async def _of(self, *external_ids: str) -> str:
        found = await self.stage.wallet.payments_of(*external_ids)
        return " | ".join(sorted(map(self._told_payment, found))) or "none"

    async def _lease(self, generation: str, instance: str, kind: str) -> str:
        row = LeaseRow(int(generation), instance, LeaseKind(kind), "ledger", "bot")
        await self.stage.wallet.write_lease(row)
        return "written"

    async def _leases(self, down_to: str) -> str:
        found = await self.stage.wallet.lease_rows(down_to=int(down_to), look_id=f"look {down_to}")
        rows = [f"{row.generation} {row.instance} {row.kind}" for row in found.rows]
        return f"{' | '.join(rows) or 'none'}; whole: {found.is_whole}"

    # What happens around it

    async def _fund(self, sat: str) -> str:
        self.stage.fund(int(sat))
        return "done"

    async def _delete(self, name: str) -> str:
        self.stage.delete(name)
        return "done"

    async def _node(self, will: str, label: str) -> str:
        self.stage.plan(self.invoices[label], will)
        return "done"

    async def _received(self, label: str) -> str:
        return str(self.stage.has_received(self.invoices[label]))

    async def _by_hand(self, label: str) -> str:
        self.stage.pay_from_the_source(self.invoices[label])
        return "done"

    async def _somebody(self, label: str) -> str:
        self.stage.pay_from_another(self.invoices[label])
        return "done"

    async def _lose_credit(self, label: str) -> str:
        self.stage.lose_credit(self.invoices[label])
        return "done"

    async def _expire(self, label: str) -> str:
        await self.stage.let_expire(self.invoices[label])
        return "done"

    # What is told of an answer

    async def _reply(self, label: str) -> PayReply:
        return await self.stage.wallet.pay(
            self.invoices[label].bolt11, external_id=f"payout-{label}", extra=_extra(label)
        )

    def _hash(self, label: str) -> str:
        return self.invoices[label].payment_hash if label in self.invoices else label

    def _label(self, payment_hash: str) -> str:
        labels = (name for name, one in self.invoices.items() if one.payment_hash == payment_hash)
        return next(labels, "unknown")

    def _told_invoice(self, invoice: Invoice) -> str:
        life_s = invoice.life.total_seconds() if invoice.life else None
        return f"{self._label(invoice.payment_hash)} {invoice.amount_msat} msat for {life_s:g} s"

    def _told_payment(self, payment: Payment) -> str:
        proof = "proven" if _is_proof(payment.preimage, payment.payment_hash) else payment.preimage
        given = payment.extra or {}
        extra = [*(f"{name}={given[name]}" for name in sorted(given) if name not in _FIAT)]
        extra += sorted(_FIAT & given.keys())
        return (
            f"{self._short(payment)} {'inside' if payment.is_inside else 'outside'}"
            f" fee {payment.fee_msat} {proof or 'unproven'}"
            f" id={payment.external_id} {extra} {payment.seen_at}"
        )

    def _short(self, payment: Payment) -> str:
        return f"{self._label(payment.payment_hash)} {payment.amount_msat} {payment.status}"


_Play = Callable[..., Awaitable[str]]
_WORDS: dict[str, _Play] = {
    "balance": Scene._balance,
    "wallet-id": Scene._wallet_id,
    "price": Scene._price,
    "identify": Scene._identify,
    "invoice": Scene._invoice,
    "top-up": Scene._top_up,
    "elsewhere": Scene._elsewhere,
    "decode": Scene._decode,
    "pay": Scene._pay,
    "pay-at-once": Scene._pay_at_once,
    "payment": Scene._payment,
    "credited": Scene._credited,
    "credits": Scene._credits,
    "mark": Scene._mark,
    "tagged": Scene._tagged,
    "of": Scene._of,
    "lease": Scene._lease,
    "leases": Scene._leases,
    "fund": Scene._fund,
    "delete": Scene._delete,
    "node": Scene._node,
    "received": Scene._received,
    "by-hand": Scene._by_hand,
    "somebody": Scene._somebody,
    "lose-credit": Scene._lose_credit,
    "expire": Scene._expire,
}


def _extra(label: str) -> dict[str, object]:
    return {"client": "ana", "distributions": [label], "fiat_minor": 826}


def _told_reply(reply: PayReply) -> str:
    """An answer that did not come is told in the client's words, which name an address."""
    return (
        reply.answer if reply.answer is PayAnswer.NO_ANSWER else f"{reply.answer}: {reply.detail}"
    )


def _told_credit(credit: Credit) -> str:
    return f"{credit.amount_msat} {credit.status}"


def _told_error(error: OutsideError | DestinationRefused | ValueError) -> str:
    match error:
        case OutsideError():
            return f"{type(error).__name__} {error.fault}"
        case DestinationRefused():
            return f"{type(error).__name__} {error.why} may_pass={error.may_pass}"
        case _:
            return type(error).__name__


def _is_proof(preimage: str, payment_hash: str) -> bool:
    return bool(preimage) and hashlib.sha256(bytes.fromhex(preimage)).hexdigest() == payment_hash
