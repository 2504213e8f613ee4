"""A real LNbits as a stage, with a node that does what it is told, and a payee at another LNbits."""

import asyncio
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, contextmanager
from datetime import UTC, datetime
from typing import Any

import httpx
from dead_hosts import REFUSING
from gateway import Gateway
from lnbits_servers import Server

from conformance.node import Node, Will
from dca_bot.core.ports import Invoice, Wallet
from dca_bot.demo.lnbits_process import LnbitsProcess, WalletKeys
from dca_bot.lnbits.client import LnbitsWallet

_UNKNOWN_KEYS = {"nobody": "0" * 32, "no": "no key"}


class RealStage:
    """The LNbits under test is `server`; the payee elsewhere has a wallet at `other`."""

    wallet: Wallet

    def __init__(self, server: Server, node: Node, other: LnbitsProcess) -> None:
        self._server, self._node = server, node
        self._wallets: dict[str, WalletKeys] = {}
        self._payee = other.create_user_wallet("payee elsewhere")
        self._here = httpx.Client(base_url=server.process.url, trust_env=False, timeout=60)
        self._there = httpx.Client(base_url=other.url, trust_env=False, timeout=60)
        self._front = Gateway(server.process.url, server.process.url)

    def key(self, name: str) -> str:
        wallet, _, kind = name.partition(".")
        if wallet in _UNKNOWN_KEYS:
            return _UNKNOWN_KEYS[wallet]
        keys = self._keys(wallet)
        return keys.admin_key if kind == "admin" else keys.invoice_key

    def delete(self, name: str) -> None:
        self._server.process.delete_wallet(self._keys(name))

    def fund(self, sat: int) -> None:
        self._server.process.credit(self._keys("source").id, sat)

    def invoice_elsewhere(self, sat: int) -> str:
        body = {"out": False, "amount": sat, "memo": "elsewhere", "expiry": 86_400}
        return str(_post(self._there, self._payee.invoice_key, body)["bolt11"])

    def has_received(self, invoice: Invoice) -> bool:
        headers = {"X-Api-Key": self._payee.invoice_key}
        answer = self._there.get(f"/api/v1/payments/{invoice.payment_hash}", headers=headers)
        return bool(answer.json()["paid"])

    def plan(self, invoice: Invoice, will: str) -> None:
        self._node.plan(invoice.bolt11, invoice.payment_hash, Will(will))

    def pay_from_the_source(self, invoice: Invoice) -> None:
        _post(self._here, self.key("source.admin"), {"out": True, "bolt11": invoice.bolt11})

    def pay_from_another(self, invoice: Invoice) -> None:
        if "another" not in self._wallets:
            self._server.process.credit(self._keys("another").id, 100_000)
        _post(self._here, self.key("another.admin"), {"out": True, "bolt11": invoice.bolt11})

    def lose_credit(self, invoice: Invoice) -> None:
        self._server.sql(
            "UPDATE apipayments SET status = 'pending'"
            f" WHERE payment_hash = '{invoice.payment_hash}' AND amount > 0"
        )

    async def let_expire(self, invoice: Invoice) -> None:
        left = invoice.expires_at - datetime.now(UTC)
        await asyncio.sleep(max(0, left.total_seconds() + 0.1))  # LNbits goes by the real clock

    @contextmanager
    def away(self) -> Iterator[None]:
        there, self.wallet = self.wallet, self._away
        yield
        self.wallet = there

    @contextmanager
    def mute(self) -> Iterator[None]:
        self._front.lose = lambda _method, _path, _body: True
        yield
        self._front.lose = lambda _method, _path, _body: False

    @asynccontextmanager
    async def opened(self) -> AsyncIterator["RealStage"]:
        """Have the connections open."""
        key = self.key("source.admin")
        with self._here, self._there:
            try:
                async with (
                    LnbitsWallet(self._front.url, admin_key=key) as self.wallet,
                    LnbitsWallet(f"http://{REFUSING}:9", admin_key=key) as self._away,
                ):
                    yield self
            finally:
                self._front.close()

    def _keys(self, name: str) -> WalletKeys:
        if name not in self._wallets:
            self._wallets[name] = self._server.process.create_user_wallet(name)
        return self._wallets[name]


def _post(http: httpx.Client, key: str, body: dict[str, Any]) -> Any:
    return http.post("/api/v1/payments", json=body, headers={"X-Api-Key": key}).json()
