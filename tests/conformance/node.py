"""The Lightning node of an LNbits under test: a wallet of another LNbits, behind a gateway.

The gateway says what it is told to say of a payment, whatever has become of it.
"""

import json
from collections.abc import Mapping
from enum import StrEnum

import httpx
from gateway import Gateway

from dca_bot.demo.lnbits_process import LnbitsProcess, funded_by

FEE_MSAT = 1_234
"""The routing fee of each payment that the node was told to pay."""
_PAYMENTS = "/api/v1/payments"
_UNCLEAR = (504, b"no answer in time")
_FAILED = (520, json.dumps({"status": "failed", "detail": "no route"}).encode())
_STILL_PENDING = (200, json.dumps({"paid": False}).encode())
_HAS_FAILED = (200, json.dumps({"paid": False, "status": "failed"}).encode())
_WORTH_SAT = 100_000_000
_WAIT = "LNBITS_FUNDING_SOURCE_PAY_INVOICE_WAIT_SECONDS"


class Will(StrEnum):
    """What the node does with a payment, and says of it."""

    PAYS = "pays"
    REFUSES = "refuses"
    WAITS = "waits"
    LIES = "lies"
    """The payee receives the sats, and the node says that the payment has failed."""


class Node:
    """A wallet of `lnbits` as the node of another LNbits; `usual` is done with payments without a plan."""

    def __init__(self, lnbits: LnbitsProcess, name: str) -> None:
        self._keys = lnbits.create_user_wallet(name)
        lnbits.credit(self._keys.id, _WORTH_SAT)
        self._url = lnbits.url
        self._gateway = Gateway(lnbits.url, lnbits.url)
        self._gateway.instead, self._gateway.change = self._instead, self._with_fee
        self._hashes: dict[str, str] = {}
        self._wills: dict[str, Will] = {}
        self._waiting: set[str] = set()
        self.usual = Will.PAYS

    @property
    def funding(self) -> Mapping[str, str]:
        """Return the settings of an LNbits that uses this node, and waits for a slow node's answer."""
        return {**funded_by(self._gateway.url, self._keys), _WAIT: "60"}

    def plan(self, bolt11: str, payment_hash: str, will: Will) -> None:
        """Say what to do with an invoice; a payment that waits is made now if it is to arrive."""
        self._hashes[bolt11], self._wills[payment_hash] = payment_hash, will
        if bolt11 in self._waiting and will in (Will.PAYS, Will.LIES):
            self._waiting.remove(bolt11)
            self._pay(bolt11)

    def close(self) -> None:
        """Stop answering."""
        self._gateway.close()

    def _instead(self, method: str, path: str, body: bytes) -> tuple[int, bytes] | None:
        if method == "POST" and path == _PAYMENTS:
            asked = json.loads(body)
            return self._instead_of_paying(asked["bolt11"]) if asked.get("out") else None
        if method == "GET" and path.startswith(f"{_PAYMENTS}/"):
            match self._wills.get(path.rpartition("/")[2]):
                case Will.REFUSES | Will.LIES:
                    return _HAS_FAILED
                case Will.WAITS:
                    return _STILL_PENDING
        return None

    def _instead_of_paying(self, bolt11: str) -> tuple[int, bytes] | None:
        match self._wills.get(self._hashes.get(bolt11, ""), self.usual):
            case Will.REFUSES:
                return _FAILED
            case Will.LIES:
                self._pay(bolt11)
                return _FAILED
            case Will.WAITS:
                self._waiting.add(bolt11)
                return _UNCLEAR
        return None

    def _with_fee(self, method: str, path: str, status: int, content: bytes) -> tuple[int, bytes]:
        if method == "GET" and path.rpartition("/")[2] in self._wills:
            answer = json.loads(content)
            answer["details"]["fee"] = -FEE_MSAT
            return status, json.dumps(answer).encode()
        return status, content

    def _pay(self, bolt11: str) -> None:
        """Pay an invoice really, without a word to the LNbits under test."""
        httpx.post(
            f"{self._url}{_PAYMENTS}",
            json={"out": True, "bolt11": bolt11},
            headers={"X-Api-Key": self._keys.admin_key},
            trust_env=False,
        ).raise_for_status()
