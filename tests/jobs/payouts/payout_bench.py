"""Payouts on a real ledger and a real LNbits, with a clock in hand and faults where they are wanted."""

import asyncio
import hashlib
import itertools
import secrets
from collections.abc import AsyncIterator, Awaitable, Callable
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any

import scaffold
from scaffold import FLOW, open_ledger

from dca_bot.core.cash_out import Amounts, Decision, Reason, Verdict
from dca_bot.core.lease import LeaseReading, LeaseRow, Party
from dca_bot.core.ports import (
    AddressInvoice,
    Credit,
    Invoice,
    ListMark,
    LnurlLimits,
    PayAnswer,
    Payment,
    PaymentStatus,
    PayReply,
    Uptime,
    VerifyAnswer,
)
from dca_bot.core.programme import Programme
from dca_bot.errors import DestinationUnavailable, Refusal
from dca_bot.jobs.payouts.context import PayoutContext
from dca_bot.jobs.payouts.funds import Funds
from dca_bot.jobs.payouts.lease import Lease
from dca_bot.jobs.payouts.verify import Verifier
from dca_bot.jobs.payouts.worker import PayoutWorker
from dca_bot.jobs.signals import Signals
from dca_bot.ledger.distributions import cash_outs, flow_mode
from dca_bot.ledger.payouts import (
    payouts,
    queue,
)
from dca_bot.ledger.programme import client_names, clients, commission, deposits
from dca_bot.ledger.programme.clients import Destination
from dca_bot.ledger.store.instances import note_instance
from dca_bot.lnbits.client import LnbitsWallet
from dca_bot.lnbits.lnurl import LightningAddresses
from dca_bot.messages import describe
from dca_bot.messages.notices import Notices
from dca_bot.messages.render import load_texts

OPERATOR = "0" * 63 + "1"
LONG_AGO = datetime(2020, 1, 1, tzinfo=UTC)


class HandClock:
    """The real time, or a fixed start, plus what the test lets pass; sleeping returns at once.

    `wrong` is what the clock shows too much, as it was set so; `boot` names the computer's start.
    """

    def __init__(self, start: datetime | None = None) -> None:
        self.start = start
        self.ahead = timedelta()
        self.wrong = timedelta()
        self.boot = "first"

    def now(self) -> datetime:
        return (self.start or datetime.now(UTC)) + self.ahead + self.wrong

    def uptime(self) -> Uptime:
        return Uptime(self.boot, self.now() - self.wrong - LONG_AGO)

    async def sleep(self, delay_s: float) -> None:
        await asyncio.sleep(0)
        self.ahead += timedelta(seconds=delay_s)


class Killed(BaseException):
    """Stands for SIGKILL: nothing of the program runs after it."""


async def killed_at_each_call(
    bench: "Bench", moment: str, distribute: Callable[[], Awaitable[object]]
) -> AsyncIterator[int]:
    """Distribute and kill at the n-th call of LNbits, for every n there is; yield n once all is settled.

    `moment`: `before` the call leaves, or `after` its answer has come.
    """
    kills = 0
    for point in itertools.count(1):
        await distribute()
        bench.wallet.calls.clear()

        def kill(_name: str, number: int, point: int = point) -> None:
            if number == point:
                raise Killed

        setattr(bench.wallet, moment, kill)
        try:
            await bench.settle(2)
        except Killed:
            kills += 1
        setattr(bench.wallet, moment, lambda _name, _number: None)
        await bench.reopen()
        await bench.worker.catch_up()
        await bench.settle(3)
        yield point
        if kills < point:
            break
    assert kills >= 5


class FaultyWallet:
    """The real wallet, with something done before or after its calls.

    `before` and `after` get the call's name and its number; what they raise is raised.
    """

    def __init__(self, wallet: LnbitsWallet) -> None:
        self._wallet = wallet
        self.calls: list[str] = []
        self.before: Callable[[str, int], None] = lambda _name, _number: None
        self.after: Callable[[str, int], None] = lambda _name, _number: None

    def __getattr__(self, name: str) -> Any:
        method = getattr(self._wallet, name)
        if name in ("tagged_payments", "credits_of"):
            return method

        async def call(*args: Any, **named: Any) -> Any:
            self.calls.append(name)
            number = len(self.calls)
            self.before(name, number)
            result = await method(*args, **named)
            self.after(name, number)
            return result

        return call


def programme(**changes: Any) -> Programme:
    return scaffold.programme([OPERATOR], **changes)


@dataclass
class Bench:
    """A ledger and its payout worker; `reopen` is a restart after a crash."""

    folder: Any
    wallet: "FaultyWallet | ScriptedWallet"
    addresses: "LightningAddresses | ScriptedAddresses"
    programme: Programme
    clock: HandClock = field(default_factory=HandClock)
    database: Any = None
    worker: Any = None
    verifier: Any = None
    distributed: int = 0
    source: Any = None
    party: Any = None

    async def open(self) -> None:
        self.database = await open_ledger(self.folder / "data")
        instance = secrets.token_hex(8)
        ended = note_instance(self.folder / "data", instance)
        self.party = Party(instance, "the ledger of the bench", ended=ended)
        notices = Notices(self.programme, load_texts(self.programme))
        funds = Funds(self.database, self.wallet, notices, self.programme, self.clock)
        context = PayoutContext(
            self.database,
            self.wallet,
            self.addresses,
            funds,
            notices,
            self.programme,
            self.clock,
            Lease(self.database, self.wallet, notices, self.clock, self.party),
        )
        signals = Signals()
        self.worker = PayoutWorker(context, signals)
        self.verifier = Verifier(self.database, self.addresses, notices, self.clock, signals)

    async def reopen(self) -> None:
        await self.database.aclose()
        await self.open()

    async def client(self, name: str, destination: Destination | None, *, minor: int) -> int:
        now = self.clock.now()

        def work(tx):
            pubkey = f"{len(clients.everyone(tx)) + 10:064x}"
            client = clients.add(tx, name=name, pubkey=pubkey, language="en", now=now)
            if destination:
                clients.set_destination(tx, client.id, destination)
            deposit = deposits.add(tx, client.id, amount_minor=minor, note="", now=now)
            deposits.confirm(tx, deposit, machine=None, now=now)
            return client.id

        return await self.database.transact(work)

    async def recipient(
        self, name: str, percent_bp: int, destination: Destination | None = None
    ) -> None:
        """Give a part of the commission to somebody with this destination, or to that client."""
        now = self.clock.now()

        def work(tx):
            payee = client_names.payee(tx, name)
            if destination:
                payee = commission.add_recipient(
                    tx, name=name, destination=destination, language="en", now=now
                )
            commission.set_share(tx, payee.id, percent_bp, now=now)

        await self.database.transact(work)

    async def distribute(
        self, principal_sat: int, principal_minor: int, commission_sat: int = 0
    ) -> str:
        self.distributed += 1
        cash_out_id = f"{self.distributed:08x}-cash-out"
        amounts = Amounts(principal_sat, principal_minor, commission_sat)
        now = self.clock.now()
        cash_out = scaffold.cash_out_row(cash_out_id, now, device_id="machine")
        decision = Decision(Verdict.DISTRIBUTE, Reason.NONE, now, amounts)

        def work(tx):
            cash_outs.record(tx, cash_out, decision, state="waiting", reason="", now=now)
            flow_mode.distribute(tx, cash_out_id, amounts, at=now, now=now, rules=FLOW)

        await self.database.transact(work)
        return cash_out_id

    async def settle(self, rounds: int = 1) -> None:
        for _ in range(rounds):
            while await self.worker.work_once():
                pass
            self.clock.ahead += timedelta(seconds=20)

    async def payouts(self) -> list[payouts.Payout]:
        return await self.database.read(
            lambda tx: payouts.select(tx, "payout.state <> 'MERGED'", ())
        )

    async def states(self) -> list[str]:
        return [str(payout.state) for payout in await self.payouts()]

    async def payouts_text(self) -> str:
        """Return what the operator reads of the open payouts."""
        texts = load_texts(self.programme)
        found = await self.database.read(queue.stuck)
        return "\n".join(texts.render(describe.payout(payout), "en") for payout in found)

    async def letters(self) -> list[str]:
        return await self.letters_to(OPERATOR)

    async def client_letters(self, name: str) -> list[str]:
        client = await self.database.read(lambda tx: clients.by_name(tx, name))
        assert client is not None
        return await self.letters_to(client.pubkey)

    async def letters_to(self, pubkey: str) -> list[str]:
        def work(tx):
            rows = tx.execute("SELECT text FROM outbox WHERE recipient = ? ORDER BY id", (pubkey,))
            return [row["text"] for row in rows]

        return await self.database.read(work)


def preimage_of(number: int) -> str:
    """Return the preimage of the invoice of this number of a scripted wallet."""
    return f"{number:064x}"


def hash_of(number: int) -> str:
    """Return the payment hash of the invoice of this number of a scripted wallet."""
    return hashlib.sha256(bytes.fromhex(preimage_of(number))).hexdigest()


class ScriptedWallet:
    """An LNbits whose rows a test writes: faults that the real one can't be made to show on order.

    `source` and `payees` have each hash's row; `on_pay` is what a pay request does to them.
    `fee_msat` is what a payee's row says it kept of the amount. `calls` has what was asked, in order.
    """

    def __init__(self, clock: HandClock) -> None:
        self.clock = clock
        self.calls: list[tuple[str, str]] = []
        self.source: dict[str, Payment] = {}
        self.payees: dict[str, PaymentStatus] = {}
        self.fee_msat = 0
        self.reply = PayReply(PayAnswer.ANSWERED)
        self.invoices: dict[str, Invoice] = {}
        self.leases: list[LeaseRow] = []
        self.on_pay: Callable[[Invoice], None] = self.succeed
        self.change_invoice: Callable[[Invoice], Invoice] = lambda invoice: invoice

    def row(
        self,
        invoice: Invoice,
        status: PaymentStatus,
        *,
        amount_msat: int = 0,
        preimage: str = "",
    ) -> None:
        """Write the source's row of an invoice."""
        self.source[invoice.payment_hash] = Payment(
            payment_hash=invoice.payment_hash,
            amount_msat=-(amount_msat or invoice.amount_msat),
            fee_msat=0,
            status=status,
            seen_at=None,
            preimage=preimage,
        )

    def succeed(self, invoice: Invoice) -> None:
        """Pay as it should be."""
        self.row(invoice, PaymentStatus.SUCCESS)
        self.payees[invoice.payment_hash] = PaymentStatus.SUCCESS

    def fail(self, invoice: Invoice) -> None:
        """Write a failed row, as after a pay request that went wrong."""
        self.row(invoice, PaymentStatus.FAILED)

    def count(self, name: str) -> int:
        """Return how often something was asked."""
        return sum(called == name for called, _ in self.calls)

    def sent(self) -> list[str]:
        """Return the invoices of the pay requests."""
        return [about for called, about in self.calls if called == "pay"]

    def last(self) -> Invoice:
        """Return the newest invoice."""
        return list(self.invoices.values())[-1]

    def make(self, amount_sat: int, expiry_s: int) -> Invoice:
        """Make an invoice, as some wallet does."""
        number = len(self.invoices) + 1
        expires_at = self.clock.now() + timedelta(seconds=expiry_s)
        made = Invoice(f"lnbc{number}", hash_of(number), amount_sat * 1000, expires_at)
        invoice = self.invoices[made.bolt11] = self.change_invoice(made)
        return invoice

    async def wallet_id(self) -> str:
        return "source"

    async def balance_msat(self) -> int:
        return 10**12

    async def request_invoice(
        self, invoice_key: str, *, amount_sat: int, expiry_s: int, **_rest: Any
    ) -> Invoice:
        self.calls.append(("request_invoice", invoice_key))
        return self.make(amount_sat, expiry_s)

    async def decode(self, bolt11: str) -> Invoice:
        return self.invoices[bolt11]

    async def pay(self, bolt11: str, **_rest: Any) -> PayReply:
        self.calls.append(("pay", bolt11))
        self.on_pay(self.invoices[bolt11])
        return self.reply

    async def payment(self, payment_hash: str) -> Payment | None:
        self.calls.append(("payment", payment_hash))
        return self.source.get(payment_hash)

    async def credited(self, _key: str, payment_hash: str) -> Credit | None:
        self.calls.append(("credited", payment_hash))
        (made,) = (i for i in self.invoices.values() if i.payment_hash == payment_hash)
        status = self.payees.get(payment_hash, PaymentStatus.FAILED)
        return Credit(status, made.amount_msat - self.fee_msat)

    async def write_lease(self, row: LeaseRow) -> None:
        self.leases.append(row)

    async def lease_rows(self, **_about: Any) -> LeaseReading:
        return LeaseReading(tuple(self.leases), is_whole=True)

    async def payments_of(self, *_external_ids: str) -> list[Payment]:
        return []

    async def list_mark(self) -> ListMark:
        return ListMark(0, frozenset())

    async def tagged_payments(self, _since: ListMark | None = None) -> AsyncIterator[Payment]:
        for payment in ():
            yield payment


class ScriptedAddresses:
    """The server of a Lightning address whose terms a test changes.

    With a `verify_url` the server tells of its invoices, by `answer` (LUD-21), None for none that
    is clear. `asked` counts the questions.
    """

    def __init__(self, wallet: ScriptedWallet) -> None:
        self.wallet = wallet
        self.min_sat, self.max_sat = 1, 10**9
        self.expiry_s = 3600
        self.repeats = ""
        self.verify_url = ""
        self.answer: VerifyAnswer | None = None
        self.asked = 0

    async def limits(self, _address: str) -> LnurlLimits:
        return LnurlLimits(self.min_sat, self.max_sat, "https://example.com/pay")

    async def request_invoice(
        self, _terms: LnurlLimits, *, amount_sat: int, comment: str
    ) -> AddressInvoice:
        assert comment == ""
        bolt11 = self.repeats or self.wallet.make(amount_sat, self.expiry_s).bolt11
        return AddressInvoice(bolt11, self.verify_url)

    async def verify(self, verify_url: str) -> VerifyAnswer:
        assert verify_url == self.verify_url
        self.asked += 1
        if self.answer is None:
            raise DestinationUnavailable(
                Refusal.UNREACHABLE, "The server did not say whether it was paid."
            )
        return self.answer
