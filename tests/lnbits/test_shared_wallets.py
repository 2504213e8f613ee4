"""A source wallet that somebody else shares with the bot, since LNbits 1.4.

A key that may send but not view has its payments made, and is answered 404 and empty lists for them.
"""

import secrets

import httpx
import pytest
from lnbits_servers import SQLITE, databases, version

from dca_bot.core.ports import PayAnswer, PaymentStatus
from dca_bot.errors import LnbitsRefused
from dca_bot.lnbits.client import LnbitsWallet

pytestmark = pytest.mark.parametrize(
    "lnbits_server", databases(SQLITE), indirect=True, scope="module"
)
MARKS = {"external_id": "payout-1", "extra": {}}


@pytest.fixture(scope="module")
def lnbits(lnbits_server):
    return lnbits_server.process


class Sharing:
    """Shares a wallet as its owner, with the permissions named; returns the other one's admin key."""

    def __init__(self, lnbits, owner):
        self.lnbits, self.owner = lnbits, owner
        self.http = httpx.Client(base_url=lnbits.url, trust_env=False, timeout=60)
        self.name = f"bot{secrets.token_hex(4)}"

    def ask(self, method, path, body, **headers):
        answer = self.http.request(method, path, json=body, headers=headers)
        self.http.cookies.clear()
        return answer

    def allow(self, *permissions, status="approved", **more):
        path = "/api/v1/wallet/share" + ("/invite" if status == "invite_sent" else "")
        body = {"username": self.name, "permissions": permissions, "status": status, **more}
        return self.ask("PUT", path, body, **{"X-Api-Key": self.owner.admin_key})

    def share(self, *permissions):
        password = secrets.token_hex(16)
        account = {"username": self.name, "password": password, "password_repeat": password}
        user = self.lnbits._ask("POST", "/users/api/v1/user", account)["id"]
        if self.allow(*permissions, status="invite_sent").is_error:
            return None
        token = self.ask("POST", "/api/v1/auth/usr", {"usr": user}).json()["access_token"]
        body = {"wallet_type": "lightning-shared", "shared_wallet_id": self.owner.id}
        made = self.ask("POST", "/api/v1/wallet", body, Authorization=f"Bearer {token}").json()
        self.id = made["id"]
        assert self.allow(*permissions, shared_with_wallet_id=self.id).status_code == 200
        return made["adminkey"]


@pytest.fixture
def sharing(lnbits, source_keys):
    sharing = Sharing(lnbits, source_keys)
    yield sharing
    sharing.http.close()


async def test_payment_that_lnbits_hides_is_never_taken_for_unpaid(
    lnbits, sharing, source, alice, order
):
    key = sharing.share("send-payments")
    if key is None:
        assert version() < (1, 4), "LNbits has shared wallets since 1.4"
        return
    invoice = await source.request_invoice(alice.invoice_key, **order)
    async with LnbitsWallet(lnbits.url, admin_key=key) as wallet:
        assert (await wallet.pay(invoice.bolt11, **MARKS)).answer is PayAnswer.ANSWERED
        assert await source.balance_msat() == 99_000_000, "it was paid"
        for look in (
            wallet.probe(),
            wallet.payment(invoice.payment_hash),
            wallet.payments_of("payout-1"),
            wallet.list_mark(),
        ):
            with pytest.raises(LnbitsRefused, match="somebody else shares"):
                await look


@pytest.mark.parametrize("permissions", [("send-payments", "view-payments"), ("send-payments",)])
async def test_shared_wallet_is_refused_as_source_before_anything_is_paid(
    lnbits, sharing, permissions
):
    key = sharing.share(*permissions)
    if key is None:
        assert version() < (1, 4), "LNbits has shared wallets since 1.4"
        return
    async with LnbitsWallet(lnbits.url, admin_key=key) as wallet:
        for look in (wallet.probe(), wallet.wallet_id()):
            with pytest.raises(LnbitsRefused, match="somebody else shares"):
                await look


async def test_payment_is_never_taken_for_unpaid_after_a_share_has_ended(
    lnbits, sharing, source, alice, order
):
    key = sharing.share("send-payments", "view-payments")
    if key is None:
        assert version() < (1, 4), "LNbits has shared wallets since 1.4"
        return
    invoice = await source.request_invoice(alice.invoice_key, **order)
    async with LnbitsWallet(lnbits.url, admin_key=key) as wallet:
        await wallet.pay(invoice.bolt11, **MARKS)
        assert [payment.status for payment in await wallet.payments_of("payout-1")] == [
            PaymentStatus.SUCCESS
        ]
        sharing.allow(shared_with_wallet_id=sharing.id)
        with pytest.raises(LnbitsRefused, match="somebody else shares"):
            await wallet.payment(invoice.payment_hash)


async def test_new_and_empty_source_wallet_is_no_hidden_one(lnbits, wallets):
    async with LnbitsWallet(lnbits.url, admin_key=wallets("new").admin_key) as wallet:
        assert (await wallet.probe()).balance_msat == 0
        assert await wallet.payments_of("payout-1") == []
        assert (await wallet.list_mark()).rows == 0
