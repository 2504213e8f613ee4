"""LNbits' HTTP API: each request brings one checked answer or one clear error.

The invariant: keys travel in the X-Api-Key header only, no request is sent twice, no redirect is
followed, and an answer can't pass for another request's answer. With `reads_only` nothing but GET leaves.
"""

from collections.abc import Mapping, Sequence
from http import HTTPStatus
from typing import Any, TypeVar

import httpx
from pydantic import BaseModel, ValidationError

from dca_bot.core.ports import PayAnswer, PayReply
from dca_bot.errors import LnbitsRefused, LnbitsUnavailable
from dca_bot.faults import LnbitsFault
from dca_bot.web import NoAnswer, Reply, fetch, no_cookies, tls_context

_CONNECT_LIMIT_S = 10
_READ_LIMIT_S = 60
_REQUEST_LIMIT_S = 90
_CONNECTIONS_MAX = 8
_ANSWER_BYTES_MAX = 16 * 1024 * 1024
Params = Mapping[str, str | Sequence[str]]
"""A request's parameters; LNbits takes a sequence of values for a filter as: any of these."""
PAYMENTS = "/api/v1/payments"
PAYMENT_ERROR = 520
_SHORT_OF_SATS = ("Insufficient balance", "You must reserve at least")
_NEEDS_1_0 = (
    "LNbits answered in a form that the bot can't read. LNbits 1.0 or later is needed: "
    "check its version, and that lnbits.url leads to LNbits itself."
)
REFUSALS = (HTTPStatus.UNAUTHORIZED, HTTPStatus.FORBIDDEN, HTTPStatus.NOT_FOUND)

_Model = TypeVar("_Model", bound=BaseModel)


class LnbitsApi:
    """An HTTP client for the LNbits at `url`, used as written, without proxies.

    `reads_only`: every request that could change something at LNbits is refused before it leaves.
    """

    def __init__(self, url: str, *, reads_only: bool = False) -> None:
        self._reads_only = reads_only
        # A connection is used once: the rest of an answer that comes twice would pass for the next answer.
        self._http = httpx.AsyncClient(
            base_url=url,
            headers={"Connection": "close"},
            timeout=httpx.Timeout(_READ_LIMIT_S, connect=_CONNECT_LIMIT_S),
            limits=httpx.Limits(max_connections=_CONNECTIONS_MAX, max_keepalive_connections=0),
            cookies=no_cookies(),
            verify=tls_context(),
            # A proxy named in the environment would see the keys.
            trust_env=False,
        )

    async def aclose(self) -> None:
        """Close the connections."""
        await self._http.aclose()

    async def get(self, path: str, *, key: str = "", params: Params | None = None) -> Reply:
        """Read from LNbits; raise LnbitsUnavailable if no answer came."""
        request = self._http.build_request("GET", path, headers=_headers(key), params=params)
        return await self._send(request)

    async def post(self, path: str, body: Mapping[str, Any], *, key: str = "") -> Reply:
        """Have LNbits act; raise LnbitsUnavailable if no answer came, though LNbits may have acted.

        Raise LnbitsRefused with `reads_only`: nothing has left then.
        """
        if self._reads_only:
            raise LnbitsRefused(
                "This is a rehearsal: nothing is asked of LNbits but to tell what it has.",
                fault=LnbitsFault.REHEARSAL,
                status=0,
            )
        request = self._http.build_request("POST", path, headers=_headers(key), json=body)
        return await self._send(request)

    async def _send(self, request: httpx.Request) -> Reply:
        try:
            return await fetch(
                self._http, request, size_max=_ANSWER_BYTES_MAX, limit_s=_REQUEST_LIMIT_S
            )
        except NoAnswer as error:
            host = self._http.base_url.netloc.decode()
            raise LnbitsUnavailable(
                f"LNbits at {host} did not answer ({error.reason}). "
                "Check that it runs and that lnbits.url is right.",
                fault=LnbitsFault.UNREACHABLE,
                host=host,
            ) from error


def read(model: type[_Model], reply: Reply, *, status: HTTPStatus = HTTPStatus.OK) -> _Model:
    """Return the body of an answer with the expected status.

    Raise LnbitsRefused if LNbits refuses the key, LnbitsUnavailable for any other unexpected
    answer.
    """
    if is_key_refused(reply):
        raise LnbitsRefused(
            f"LNbits refuses the key ({reply.words('detail')}). "
            "Copy the key again from the wallet's API info in LNbits.",
            fault=LnbitsFault.KEY_REFUSED,
            said=reply.words("detail"),
            status=reply.status,
        )
    if reply.status != status:
        raise unexpected(reply)
    try:
        return model.model_validate_json(reply.body)
    except ValidationError as error:
        raise LnbitsUnavailable(_NEEDS_1_0, fault=LnbitsFault.UNUSABLE_ANSWER) from error


def is_key_refused(reply: Reply) -> bool:
    """Tell whether LNbits refused the key: a proxy's refusal carries no words of LNbits."""
    detail = reply.words("detail").lower()
    if reply.status == HTTPStatus.NOT_FOUND:
        return detail.startswith("wallet not found")
    return bool(detail) and reply.status in (HTTPStatus.UNAUTHORIZED, HTTPStatus.FORBIDDEN)


def unexpected(reply: Reply) -> LnbitsUnavailable:
    """Return the error for an answer with an unexpected status."""
    if reply.status == HTTPStatus.TOO_MANY_REQUESTS:
        return LnbitsUnavailable(
            "LNbits limits the rate of requests (LNBITS_RATE_LIMIT_NO); the bot tries again.",
            fault=LnbitsFault.RATE_LIMITED,
        )
    if 300 <= reply.status < 400:
        return LnbitsUnavailable(
            "LNbits redirects to another address: write the final one into lnbits.url.",
            fault=LnbitsFault.REDIRECTED,
        )
    words = reply.words("detail")
    return LnbitsUnavailable(
        f"LNbits answered HTTP {reply.status}: {words or 'no reason given'}",
        fault=LnbitsFault.SERVER_FAULT,
        status=reply.status,
        said=words,
    )


def pay_reply(reply: Reply) -> PayReply:
    """Classify the answer to a pay request (POST /api/v1/payments).

    HTTP 520 with LNbits' words comes from LNbits' payment code, 520 without words from a proxy.
    Whether the failed request left a row in LNbits, the answer doesn't show.
    """
    words = reply.words("detail")
    if reply.status == PAYMENT_ERROR and words:
        short = words.startswith(_SHORT_OF_SATS)
        return PayReply(PayAnswer.INSUFFICIENT if short else PayAnswer.ANSWERED, words)
    if reply.status >= HTTPStatus.INTERNAL_SERVER_ERROR:
        return PayReply(PayAnswer.NO_ANSWER, str(unexpected(reply)))
    if reply.status == HTTPStatus.TOO_MANY_REQUESTS:
        return PayReply(PayAnswer.RATE_LIMITED, str(unexpected(reply)))
    if reply.status in REFUSALS or 300 <= reply.status < 400:
        return PayReply(PayAnswer.REFUSED, str(unexpected(reply)))
    return PayReply(PayAnswer.ANSWERED, reply.words("status") or str(unexpected(reply)))


def _headers(key: str) -> dict[str, str]:
    return {"X-Api-Key": key} if key else {}
