"""LNbits' HTTP API: one request, one answer that was checked, or one clear error.

Keys travel in the X-Api-Key header only. Nothing is sent twice and no redirect is followed.
"""

from collections.abc import Mapping
from http import HTTPStatus
from typing import Any, TypeVar

import httpx
from pydantic import BaseModel, ValidationError

from dca_bot.core.ports import PayAnswer, PayReply
from dca_bot.errors import LnbitsRefused, LnbitsUnavailable
from dca_bot.lnbits.wire import NoAnswer, Reply, fetch, no_cookies

CONNECT_LIMIT_S = 10
READ_LIMIT_S = 60
REQUEST_LIMIT_S = 90
# LNbits closes idle connections after 5 s; a request on such a one would be lost.
KEEP_ALIVE_S = 3
CONNECTIONS_MAX = 8
ANSWER_BYTES_MAX = 16 * 1024 * 1024
PAYMENT_ERROR = 520
SHORT_OF_SATS = ("Insufficient balance", "You must reserve at least")
NEEDS_1_0 = (
    "LNbits answered in a form that the bot can't read. LNbits 1.0 or later is needed: "
    "check its version, and that lnbits.url leads to LNbits itself."
)
REFUSALS = (HTTPStatus.UNAUTHORIZED, HTTPStatus.FORBIDDEN, HTTPStatus.NOT_FOUND)

Model = TypeVar("Model", bound=BaseModel)


class LnbitsApi:
    """A connection to the LNbits at `url`, used as written, without proxies."""

    def __init__(self, url: str) -> None:
        self._http = httpx.AsyncClient(
            base_url=url,
            timeout=httpx.Timeout(READ_LIMIT_S, connect=CONNECT_LIMIT_S),
            limits=httpx.Limits(max_connections=CONNECTIONS_MAX, keepalive_expiry=KEEP_ALIVE_S),
            cookies=no_cookies(),
            verify=httpx.create_ssl_context(),
            trust_env=False,
        )

    async def aclose(self) -> None:
        """Let go of connections."""
        await self._http.aclose()

    async def get(
        self, path: str, *, key: str = "", params: Mapping[str, str] | None = None
    ) -> Reply:
        """Read from LNbits; raise LnbitsUnavailable if no answer came."""
        request = self._http.build_request("GET", path, headers=_headers(key), params=params)
        return await self._send(request)

    async def post(self, path: str, body: Mapping[str, Any], *, key: str = "") -> Reply:
        """Have LNbits act; after LnbitsUnavailable it may have acted all the same."""
        request = self._http.build_request("POST", path, headers=_headers(key), json=body)
        return await self._send(request)

    async def _send(self, request: httpx.Request) -> Reply:
        try:
            return await fetch(
                self._http, request, size_max=ANSWER_BYTES_MAX, limit_s=REQUEST_LIMIT_S
            )
        except NoAnswer as error:
            raise LnbitsUnavailable(
                f"LNbits at {self._http.base_url.netloc.decode()} did not answer ({error.reason}). "
                "Check that it runs and that lnbits.url is right."
            ) from error


def read(model: type[Model], reply: Reply, *, status: HTTPStatus = HTTPStatus.OK) -> Model:
    """Return the body of an answer with the expected status.

    Raise LnbitsRefused if LNbits refuses the key, else LnbitsUnavailable.
    """
    if is_key_refused(reply):
        raise LnbitsRefused(
            f"LNbits refuses the key ({reply.words('detail')}). "
            "Copy the key again from the wallet's API info in LNbits.",
            status=reply.status,
        )
    if reply.status != status:
        raise LnbitsUnavailable(describe(reply))
    try:
        return model.model_validate_json(reply.body)
    except ValidationError as error:
        raise LnbitsUnavailable(NEEDS_1_0) from error


def is_key_refused(reply: Reply) -> bool:
    """Tell whether LNbits itself (not a proxy before it) refused the key."""
    detail = reply.words("detail").lower()
    if reply.status == HTTPStatus.NOT_FOUND:
        return detail.startswith("wallet not found")
    return bool(detail) and reply.status in (HTTPStatus.UNAUTHORIZED, HTTPStatus.FORBIDDEN)


def describe(reply: Reply) -> str:
    """Put an unexpected answer into a sentence."""
    if reply.status == HTTPStatus.TOO_MANY_REQUESTS:
        return "LNbits limits the rate of requests (LNBITS_RATE_LIMIT_NO); the bot tries again."
    if 300 <= reply.status < 400:
        return "LNbits redirects to another address: write the final one into lnbits.url."
    words = reply.words("detail") or "no reason given"
    return f"LNbits answered HTTP {reply.status}: {words}"


def pay_reply(reply: Reply) -> PayReply:
    """Sort an answer to a pay request; a failure that left no row in LNbits isn't told apart.

    520 with LNbits' words comes from LNbits' payment code; without them it is a proxy's.
    """
    words = reply.words("detail")
    if reply.status == PAYMENT_ERROR and words:
        short = words.startswith(SHORT_OF_SATS)
        return PayReply(PayAnswer.INSUFFICIENT if short else PayAnswer.ANSWERED, words)
    if reply.status >= HTTPStatus.INTERNAL_SERVER_ERROR:
        return PayReply(PayAnswer.NO_ANSWER, describe(reply))
    if reply.status == HTTPStatus.TOO_MANY_REQUESTS:
        return PayReply(PayAnswer.RATE_LIMITED, describe(reply))
    if reply.status in REFUSALS or 300 <= reply.status < 400:
        return PayReply(PayAnswer.REFUSED, describe(reply))
    return PayReply(PayAnswer.ANSWERED, reply.words("status") or describe(reply))


def _headers(key: str) -> dict[str, str]:
    return {"X-Api-Key": key} if key else {}
