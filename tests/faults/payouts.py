"""Payouts through a faulty way: the bot's own clients, worker and ledger, a real LNbits behind the proxy.

Each cell begins with a sound payout to each of two clients, which shows the order of the requests; then
the bot is started again and pays each once more, while one kind of request meets a fault; then all is
sound, and each is paid a third time.
"""

import json
import secrets
import ssl
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from datetime import timedelta
from pathlib import Path
from typing import Any

from payout_bench import Bench, HandClock, programme

from dca_bot.core.payout import PayoutState
from dca_bot.core.reach import Part
from dca_bot.demo.lnbits_process import LnbitsProcess, WalletKeys
from dca_bot.ledger.audit.audit import audit_ledger
from dca_bot.ledger.audit.payments import compare_payments, paid_by_hash
from dca_bot.ledger.payouts import queue
from dca_bot.ledger.programme.clients import ADDRESS, INVOICE_KEY, Destination
from dca_bot.lnbits.client import LnbitsWallet
from dca_bot.lnbits.lnurl import LightningAddresses
from faults.codes import Heard
from faults.http_messages import HOST, Request, ask
from faults.proxy import Proxy
from faults.requests import PAYMENTS, SOURCE, WithVerify, kind_of

SAT, MINOR = 10_000, 8_000
SOURCE_SAT = 10_000_000
LOOKS_MAX = 120
PACE = timedelta(seconds=15)
"""The least pause of the payout worker between two looks."""


@dataclass
class PayoutBench(Bench):
    """A bench whose clients go through the proxy, and are new after each start of the bot."""

    proxy: Proxy | None = None
    codes: list[str] = field(default_factory=list)
    _closing: list[Any] = field(default_factory=list)

    async def open(self) -> None:
        assert self.proxy is not None
        await self._close()
        wallet = LnbitsWallet(self.proxy.url, admin_key=self.source.admin_key)
        addresses = LightningAddresses(self.proxy.url)
        self._closing = [wallet, addresses]
        self.wallet, self.addresses = Heard(wallet, self.codes), Heard(addresses, self.codes)
        await super().open()

    async def aclose(self) -> None:
        await self.database.aclose()
        await self._close()

    async def look(self) -> None:
        """Let the worker and the verifier look as their jobs do, then let time pass until the next look."""
        await self.worker.look_once()
        await self.verifier.look_once()
        self._note_shown()
        now = self.clock.now()
        next_at = await self.database.read(lambda tx: queue.next_try_at(tx, sent_only=False))
        self.clock.ahead += max(PACE, (next_at or now) - now)

    def _note_shown(self) -> None:
        lnbits = self.worker.signals.parts.get(Part.LNBITS)
        if lnbits is not None and not lnbits.reachable:
            self.shown.add(f"lnbits:{lnbits.fault}")

    shown: set[str] = field(default_factory=set)

    async def _close(self) -> None:
        for client in self._closing:
            await client.aclose()
        self._closing = []


@dataclass(frozen=True, slots=True)
class Payee:
    """A client and the wallet that gets the sats."""

    name: str
    wallet: WalletKeys
    destination: Destination


@dataclass
class PayoutWorld:
    """An LNbits, a proxy before it, and a bot that pays two clients through it.

    `certificates`: what else the proxy may show, by kind.
    """

    lnbits: LnbitsProcess
    bench: PayoutBench
    proxy: Proxy
    payees: Sequence[Payee]
    source: WalletKeys
    sent: int = 0
    certificates: dict[str, ssl.SSLContext] = field(default_factory=dict)

    async def distribute(self) -> None:
        """Have each client's share due."""
        self.sent += 1
        await self.bench.distribute(SAT * len(self.payees), MINOR * len(self.payees))

    async def settle(self, until: Callable[[], bool] | None = None) -> bool:
        """Let the jobs look until all is paid; tell whether it is, within LOOKS_MAX looks."""
        for _ in range(LOOKS_MAX):
            await self.bench.look()
            if (until is None or until()) and await self.is_settled():
                return True
        return False

    async def is_settled(self) -> bool:
        payouts = await self.bench.payouts()
        return len(payouts) == self.sent * len(self.payees) and all(
            payout.state is PayoutState.DONE for payout in payouts
        )

    async def wrongs(self) -> list[str]:
        """Return what is lost, doubled or not told once, by LNbits' own rows and by the ledger."""
        bench = self.bench
        found = [f"audit: {one}" for one in (await bench.database.read(audit_ledger)).findings]
        payments = [payment async for payment in bench.wallet.tagged_payments()]
        recorded = await bench.database.read(paid_by_hash)
        found += [f"audit: {one}" for one in compare_payments(recorded, payments)]
        paid = await self._paid()
        for payout in await bench.payouts():
            if (times := paid.count(payout.id)) != 1:
                found.append(f"paid {times} times, {payout.state} {payout.waiting}")
        whole = self.sent * SAT
        if (spent := SOURCE_SAT - await self._balance_sat(self.source)) != whole * len(self.payees):
            found.append(f"source spent {spent}")
        for payee in self.payees:
            if (has := await self._balance_sat(payee.wallet)) != whole:
                found.append(f"{payee.name} has {has}")
            letters = await bench.client_letters(payee.name)
            if (told := sum("have arrived" in letter for letter in letters)) != self.sent:
                found.append(f"{payee.name} told {told} times of {self.sent}")
        return found

    async def _paid(self) -> list[str]:
        """Return the payout of each payment of the source wallet that LNbits calls success."""
        rows = await self._read(f"{PAYMENTS}/paginated?limit=1000", self.source)
        assert rows["total"] == len(rows["data"])
        return [
            row["external_id"]
            for row in rows["data"]
            if row["amount"] < 0 and row["status"] == "success"
        ]

    async def _balance_sat(self, wallet: WalletKeys) -> int:
        return (await self._read("/api/v1/wallet", wallet))["balance"] // 1000

    async def _read(self, target: str, wallet: WalletKeys) -> Any:
        """Read from LNbits without any of the bot's code."""
        key = (("x-api-key", wallet.admin_key),)
        return json.loads((await ask(self.proxy.target, Request("GET", target, key, b""))).body)


@asynccontextmanager
async def payout_world(
    lnbits: LnbitsProcess, folder: Path, *, tls: ssl.SSLContext | None = None, host: str = HOST
) -> AsyncIterator[PayoutWorld]:
    """Have an open bot on an empty ledger, with Ana (an invoice key) and Ben (a Lightning address).

    `host`: what the bot calls the proxy, over TLS if `tls` is given.
    """
    source, ana, ben = (lnbits.create_user_wallet(name) for name in (SOURCE, "ana", "ben"))
    lnbits.credit(source.id, SOURCE_SAT)
    name = f"ben{secrets.token_hex(5)}"
    lnbits.lightning_address(ben, name)
    keys = {source.admin_key: SOURCE, ana.invoice_key: "ana"}
    proxy = Proxy(
        int(lnbits.url.rpartition(":")[2]),
        lambda request: kind_of(request, keys.get(request.key, "")),
        translate=WithVerify(ben.invoice_key).answer,
        tls=tls,
        host=host,
    )
    await proxy.start()
    rules = programme(day_max_sat=10**9)
    bench = PayoutBench(folder, None, None, rules, HandClock(), source=source, proxy=proxy)
    try:
        await bench.open()
        payees = (
            Payee("ana", ana, Destination(INVOICE_KEY, ana.invoice_key)),
            Payee("ben", ben, Destination(ADDRESS, f"{name}@{host}:{proxy.port}")),
        )
        for payee in payees:
            await bench.client(payee.name, payee.destination, minor=10**8)
        yield PayoutWorld(lnbits, bench, proxy, payees, source)
    finally:
        if bench.database is not None:
            await bench.aclose()
        await proxy.stop()
