"""The requests between the bot and LNbits by kind, and LUD-21 for the addresses of LNbits, which has none."""

import json
import re
from collections.abc import Callable
from dataclasses import dataclass

from faults.http_messages import Answer, Request, ask
from faults.proxy import Proxy

PAYMENTS, VERIFY = "/api/v1/payments", "/verify/"
SOURCE = "source"


def kind_of(request: Request, whose: str) -> str:
    """Name the kind of a request, as the table does; `whose`: the wallet of the request's key."""
    for method, form, kind in _FORMS:
        if request.method == method and re.fullmatch(form, request.path):
            return kind if isinstance(kind, str) else kind(request, whose)
    return f"{request.method} {request.path}"


def _kind_of_post(request: Request, whose: str) -> str:
    body = json.loads(request.body)
    if body["out"]:
        return "pay"
    if body.get("internal"):
        return "write lease"
    return "top-up invoice" if whose == SOURCE else "make invoice"


def _kind_of_list(request: Request, whose: str) -> str:
    if request.parameter("external_id"):
        return "list of payouts" if whose == SOURCE else "list of credits"
    if request.parameter("look"):
        return "list of lease"
    return "one payment" if request.parameter("limit") == "1" else "list of payments"


def _kind_of_look(_request: Request, whose: str) -> str:
    return "look at payment" if whose == SOURCE else "look at credit"


_FORMS: tuple[tuple[str, str, str | Callable[[Request, str], str]], ...] = (
    ("POST", PAYMENTS, _kind_of_post),
    ("POST", f"{PAYMENTS}/decode", "decode"),
    ("GET", "/api/v1/wallet", "balance"),
    ("GET", f"{PAYMENTS}/paginated", _kind_of_list),
    ("GET", f"{PAYMENTS}/[0-9a-f]+", _kind_of_look),
    ("GET", "/.well-known/lnurlp/.+", "address"),
    ("GET", ".+/cb", "callback"),
    ("GET", f"{VERIFY}.+", "verify"),
    ("GET", "/api/v1/rate/.+", "price"),
    ("GET", "/openapi.json", "version"),
)


@dataclass(frozen=True, slots=True)
class WithVerify:
    """Adds LUD-21 to the addresses of LNbits, which has none: `key` is the payee's invoice key."""

    key: str

    async def answer(self, proxy: Proxy, request: Request) -> Answer | None:
        if request.path.startswith(VERIFY):
            return await self._verify(proxy, request.path.removeprefix(VERIFY))
        if not request.path.endswith("/cb"):
            return None
        made = await ask(proxy.target, request)
        value = json.loads(made.body)
        decode = Request(
            "POST",
            "/api/v1/payments/decode",
            (("content-type", "application/json"),),
            json.dumps({"data": value["pr"]}).encode(),
        )
        hash_ = json.loads((await ask(proxy.target, decode)).body)["payment_hash"]
        value["verify"] = f"{proxy.url}{VERIFY}{hash_}"
        return made.saying(json.dumps(value).encode())

    async def _verify(self, proxy: Proxy, payment_hash: str) -> Answer:
        look = Request("GET", f"/api/v1/payments/{payment_hash}", (("x-api-key", self.key),), b"")
        row = json.loads((await ask(proxy.target, look)).body)
        said = {"status": "OK", "settled": row["paid"], "preimage": row.get("preimage")}
        return Answer(200, (("content-type", "application/json"),), json.dumps(said).encode())
