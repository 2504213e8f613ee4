"""A real LNbits whose node pays and says that it failed, as users of several wallets have reported."""

import json
from datetime import timedelta

import httpx
import pytest
from conformance.node import Will
from gateway import Gateway
from lnurl_codes import code_of
from payout_bench import Bench, FaultyWallet, programme
from scaffold import in_english

from dca_bot.core.ports import PaymentStatus
from dca_bot.ledger.audit.audit import audit_ledger
from dca_bot.ledger.audit.payments import audit_payments
from dca_bot.ledger.payouts import holds
from dca_bot.ledger.programme.clients import ADDRESS, LNURL, Destination
from dca_bot.lnbits.client import LnbitsWallet
from dca_bot.lnbits.lnurl import LightningAddresses

HOUR, MINUTE = timedelta(hours=1), timedelta(minutes=1)


@pytest.fixture
def deceived(remote_lnbits, remote_node):
    """An LNbits whose node makes each payment, and then calls it failed."""
    remote_node.usual = Will.LIES
    yield remote_lnbits
    remote_node.usual = Will.PAYS


@pytest.fixture(params=[ADDRESS, LNURL])
def payee(lnbits, wallets, request):
    """Ana's wallet, and a server of her address or code that tells of its invoices (LUD-21)."""
    ana = wallets("ana")
    name = f"ana{ana.id[:6]}"
    lnbits.lightning_address(ana, name)
    gateway = Gateway(lnbits.url, lnbits.url)
    http = httpx.Client(
        base_url=lnbits.url, headers={"X-Api-Key": ana.invoice_key}, trust_env=False
    )

    def add_verify(_method, path, status, content):
        if "/.well-known/" in path or b'"pr"' not in content:
            return status, content.replace(lnbits.url.encode(), gateway.url.encode())
        answer = json.loads(content)
        data = {"data": answer["pr"]}
        hash_ = http.post("/api/v1/payments/decode", json=data).json()["payment_hash"]
        return status, json.dumps({**answer, "verify": f"{gateway.url}/verify/{hash_}"}).encode()

    def verify(path):
        if not path.startswith("/verify/"):
            return None
        row = http.get(f"/api/v1/payments/{path.removeprefix('/verify/')}").json()
        return {"status": "OK", "settled": row["paid"], "preimage": row.get("preimage")}

    gateway.change, gateway.own = add_verify, verify
    code = code_of(f"{gateway.url}/.well-known/lnurlp/{name}?from=code")
    is_code = request.param == LNURL
    gateway.place = Destination(request.param, code if is_code else f"{name}@{gateway.netloc}")
    gateway.keys = ana
    yield gateway
    gateway.close()
    http.close()


@pytest.fixture
async def bench(deceived, wallets, payee, tmp_path):
    source = wallets("source", balance_sat=500_000, at=deceived)
    async with (
        LnbitsWallet(deceived.url, admin_key=source.admin_key) as wallet,
        LightningAddresses(payee.url) as addresses,
    ):
        bench = Bench(tmp_path, FaultyWallet(wallet), addresses, programme())
        await bench.open()
        await bench.client("ana", payee.place, minor=10**9)
        await bench.distribute(50_000, 40_000)
        yield bench
        assert (await bench.database.read(audit_ledger)).findings == ()
        await bench.database.aclose()


async def test_failed_that_is_a_lie_is_proven_by_the_payees_preimage(bench, payee, balance_sat):
    await bench.settle()
    assert await bench.states() == ["IN_DOUBT"]
    assert await balance_sat(payee.keys) == 50_000, "the node has paid"
    bench.clock.ahead += 2 * MINUTE
    await bench.verifier.look_once()
    await bench.settle(2)
    assert await bench.states() == ["DONE"]
    for _ in range(5):
        bench.clock.ahead += 30 * HOUR
        await bench.verifier.look_once()
        await bench.settle(2)
    assert bench.wallet.calls.count("pay") == 1
    assert await balance_sat(payee.keys) == 50_000
    audit = await audit_payments(bench.database, bench.wallet)
    assert audit.findings == ()
    (payout,) = await bench.payouts()
    assert [note for note in in_english(audit.notes) if payout.id[:8] in note]


async def test_failed_that_is_a_lie_is_never_paid_again_where_the_payee_tells_nothing(
    bench, payee, balance_sat
):
    payee.own = lambda path: (
        {"status": "ERROR", "reason": "Not found"} if "/verify/" in path else None
    )
    await bench.settle()
    for _ in range(12):
        bench.clock.ahead += 12 * HOUR
        await bench.verifier.look_once()
        await bench.settle(2)
    assert await bench.states() == ["IN_DOUBT"]
    assert bench.wallet.calls.count("pay") == 1
    assert await balance_sat(payee.keys) == 50_000
    (hold,) = await bench.database.read(holds.still_open)
    assert hold.reason == "failed_to_address"
    (payout,) = await bench.payouts()
    (row,) = await bench.wallet.payments_of(payout.id)
    assert row.status is PaymentStatus.FAILED
