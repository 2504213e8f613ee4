"""Lightning addresses (LUD-16, LUD-06): hosts that others choose are fetched with suspicion.

Only https on port 443 of a host whose every address is public; the connection goes to an address
that was checked, so a name can't change its meaning between check and use. The operator's own
LNbits is the one exception: it is used as written.
"""

import asyncio
import codecs
import re
import socket
from collections.abc import Awaitable, Callable, Sequence
from http import HTTPStatus
from typing import Annotated, Any, Self, TypeVar

import httpx
from pydantic import BaseModel, BeforeValidator, Field, StrictBool, StrictInt, ValidationError

from dca_bot.core.internet import is_public
from dca_bot.core.ports import AddressInvoice, AddressTerms, VerifyAnswer
from dca_bot.errors import DestinationRefused, DestinationUnavailable, Refusal
from dca_bot.lnbits.wire import NoAnswer, Reply, fetch, no_cookies

ANSWER_BYTES_MAX = 64 * 1024
FETCH_LIMIT_S = 15
VERIFY_LIMIT_S = 10
REDIRECTS_MAX = 3
HTTPS_PORT = 443
_FAULTS = (HTTPStatus.REQUEST_TIMEOUT, HTTPStatus.TOO_EARLY, HTTPStatus.TOO_MANY_REQUESTS)
REDIRECTS = (301, 302, 303, 307, 308)
CONNECTIONS_MAX = 8
CALLBACK_CHARS_MAX = 2048
INVOICE_CHARS_MAX = 7089
MSAT_MAX = 21 * 10**17

Model = TypeVar("Model", bound=BaseModel)
Resolve = Callable[[str], Awaitable[Sequence[str]]]

_NAME = re.compile(r"(?!\.+$)[a-z0-9_.+-]{1,210}")
_DIGITS = re.compile(r"-?[0-9]{1,19}")
_SCHEME = re.compile(r"lightning:(//)?", re.IGNORECASE)
_LABEL = r"[a-z0-9](?:[a-z0-9-]{0,61}[a-z0-9])?"
_HOST = re.compile(rf"(?=.{{4,253}}$)(?:{_LABEL}\.)+(?=[a-z0-9-]*[a-z]){_LABEL}")


def _whole(value: object) -> object:
    """Return a whole number that a server wrote as a text or with a point: "1000", 1000.0."""
    if isinstance(value, str) and _DIGITS.fullmatch(value):
        return int(value)
    return int(value) if isinstance(value, float) and value.is_integer() else value


def _length(value: object) -> object:
    """Return how many characters of a comment are taken; a value that says nothing clear takes none."""
    whole = _whole(value)
    return max(whole, 0) if type(whole) is int else 0


Whole = Annotated[StrictInt, BeforeValidator(_whole)]


class PayRequest(BaseModel):
    """LUD-06's answer of an address; amounts in msat. Its metadata is not used, so it may be missing."""

    tag: str
    callback: Annotated[str, Field(max_length=CALLBACK_CHARS_MAX)]
    min_msat: Annotated[Whole | None, Field(alias="minSendable")] = None
    max_msat: Annotated[Whole, Field(alias="maxSendable")]
    comment_length_max: Annotated[
        StrictInt, BeforeValidator(_length), Field(alias="commentAllowed")
    ] = 0


class CallbackAnswer(BaseModel):
    """LUD-06's answer of a callback; `verify` is LUD-21's."""

    pr: Annotated[str, Field(min_length=1, max_length=INVOICE_CHARS_MAX)]
    verify: Any = None


class SettledAnswer(BaseModel):
    """LUD-21's answer."""

    settled: StrictBool
    preimage: str | None = None
    pr: str | None = None


async def resolve(host: str) -> Sequence[str]:
    """Look up every address of a host."""
    loop = asyncio.get_running_loop()
    found = await loop.getaddrinfo(host, HTTPS_PORT, type=socket.SOCK_STREAM)
    return [str(sockaddr[0]) for *_, sockaddr in found]


class LightningAddresses:
    """Lightning addresses of anybody; fulfils `core.ports.Addresses`.

    `trusted_url` is the operator's LNbits: an address at its host (and port) is fetched as
    `trusted_url` is written, http and loopback included. `limit_s` bounds one look-up with all
    its redirects.
    """

    def __init__(
        self,
        trusted_url: str | None = None,
        *,
        resolve: Resolve = resolve,
        limit_s: float = FETCH_LIMIT_S,
    ) -> None:
        self._trusted = httpx.URL(trusted_url) if trusted_url else None
        self._resolve = resolve
        self._limit_s = limit_s
        # A connection is checked for one host's name, so it serves one request only.
        self._http = httpx.AsyncClient(
            timeout=limit_s,
            limits=httpx.Limits(max_connections=CONNECTIONS_MAX, max_keepalive_connections=0),
            headers={"Accept": "application/json", "Connection": "close"},
            cookies=no_cookies(),
            verify=httpx.create_ssl_context(),
            trust_env=False,
        )

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.aclose()

    async def aclose(self) -> None:
        """Let go of connections."""
        await self._http.aclose()

    async def terms(self, address: str) -> AddressTerms:
        """Fetch what `name@host` accepts (LUD-16): the smallest amount rounded up, the largest down.

        Raise DestinationRefused, or DestinationUnavailable if the host can't be reached this time.
        """
        url = self._well_known(address)
        is_own = self._is_trusted(url)
        answer = _read(PayRequest, await self._get(url, is_own=is_own), host=_name(url))
        callback = _parse_url(answer.callback)
        if not (is_own and self._is_trusted(callback)):
            _check_url(callback)
        min_sat = -(-max(answer.min_msat or 1, 1) // 1000)
        max_sat = min(answer.max_msat, MSAT_MAX) // 1000
        if answer.tag != "payRequest" or min_sat > max_sat:
            raise DestinationRefused(Refusal.NO_PAYMENTS, address)
        return AddressTerms(
            min_sat,
            max_sat,
            answer.callback,
            answer.comment_length_max,
            is_own=is_own,
        )

    async def request_invoice(
        self, terms: AddressTerms, *, amount_sat: int, comment: str
    ) -> AddressInvoice:
        """Ask the callback for an invoice (LUD-06); nothing of it is checked yet.

        A comment is cut to what the address takes. Raises as `terms` does.
        """
        params = {"amount": str(amount_sat * 1000)}
        if said := comment[: terms.comment_length_max]:
            params["comment"] = said
        url = _parse_url(terms.callback).copy_merge_params(params)
        reply = await self._get(url, is_own=terms.is_own)
        answer = _read(CallbackAnswer, reply, host=_name(url))
        bolt11 = _SCHEME.sub("", answer.pr.strip(), count=1)
        return AddressInvoice(bolt11, self._verify_url(answer.verify, url, is_own=terms.is_own))

    async def verify(self, verify_url: str) -> VerifyAnswer:
        """Ask whether an invoice is settled (LUD-21): one answer with status 200, no redirect.

        Raise DestinationUnavailable for whatever isn't such an answer. The URL is a secret between
        payer and payee: no error names more than its host.
        """
        try:
            url = _parse_url(verify_url)
            # A name server that keeps silent takes of the same time.
            async with asyncio.timeout(VERIFY_LIMIT_S):
                request = await self._request(url, is_own=True)
                reply = await fetch(
                    self._http, request, size_max=ANSWER_BYTES_MAX, limit_s=VERIFY_LIMIT_S
                )
            if reply.status != HTTPStatus.OK or reply.words("status").upper() not in ("", "OK"):
                raise DestinationUnavailable(f"{_name(url)} did not say whether it was paid.")
            answer = SettledAnswer.model_validate_json(reply.body)
        except (NoAnswer, TimeoutError, DestinationRefused, ValidationError) as error:
            raise DestinationUnavailable("The server did not say whether it was paid.") from error
        return VerifyAnswer(answer.settled, (answer.preimage or "").lower(), answer.pr or "")

    def _verify_url(self, given: object, callback: httpx.URL, *, is_own: bool) -> str:
        """Return the URL that a callback names if it may be asked: at the callback's own host.

        The operator's own LNbits is used as written, everybody else by https on port 443.
        """
        if not isinstance(given, str) or not 0 < len(given) <= CALLBACK_CHARS_MAX:
            return ""
        try:
            url = _parse_url(given)
            if url.netloc != callback.netloc:
                return ""
            if not (is_own and self._is_trusted(url)):
                _check_url(url)
        except DestinationRefused:
            return ""
        return given

    def _well_known(self, address: str) -> httpx.URL:
        name, _, host = address.strip().lower().partition("@")
        trusted = self._trusted is not None and host == self._trusted.netloc.decode()
        if not _NAME.fullmatch(name) or not (trusted or _HOST.fullmatch(host)):
            raise DestinationRefused(Refusal.NO_ADDRESS)
        return httpx.URL(f"https://{host}/.well-known/lnurlp/{name}")

    def _is_trusted(self, url: httpx.URL) -> bool:
        return self._trusted is not None and url.netloc == self._trusted.netloc

    async def _get(self, url: httpx.URL, *, is_own: bool) -> Reply:
        start = url
        try:
            async with asyncio.timeout(self._limit_s):
                for _ in range(1 + REDIRECTS_MAX):
                    request = await self._request(url, is_own=is_own)
                    reply = await fetch(
                        self._http, request, size_max=ANSWER_BYTES_MAX, limit_s=self._limit_s
                    )
                    if reply.status not in REDIRECTS:
                        return reply
                    url = _parse_url(reply.location, base=url)
        except (NoAnswer, TimeoutError) as error:
            reason = error.reason if isinstance(error, NoAnswer) else "too slow"
            raise DestinationUnavailable(
                f"{_name(url)} did not answer as it should ({reason}). Try again later."
            ) from error
        raise DestinationRefused(
            Refusal.ASTRAY, f"{_name(start)} redirects more than {REDIRECTS_MAX} times"
        )

    async def _request(self, url: httpx.URL, *, is_own: bool) -> httpx.Request:
        """Aim a request at the operator's host as written, or at a checked public address.

        `is_own`: the address that led here is at the operator's host; nobody else's may lead there.
        """
        if self._trusted and is_own and self._is_trusted(url):
            return self._http.build_request("GET", url.copy_with(scheme=self._trusted.scheme))
        host = _check_url(url)
        return self._http.build_request(
            "GET",
            url.copy_with(host=await self._public_address(host)),
            headers={"Host": host},
            extensions={"sni_hostname": host},
        )

    async def _public_address(self, host: str) -> str:
        try:
            addresses = await self._resolve(host)
        except OSError as error:
            raise DestinationUnavailable(
                f"There is no host {host} at present. Check the spelling, or try again later."
            ) from error
        if not addresses or not all(is_public(address) for address in addresses):
            raise DestinationRefused(Refusal.NOT_PUBLIC, host)
        return addresses[0]


def _parse_url(text: str, *, base: httpx.URL | None = None) -> httpx.URL:
    try:
        return base.join(text) if base else httpx.URL(text)
    except (httpx.InvalidURL, ValueError) as error:
        raise DestinationRefused(Refusal.ASTRAY, "it is broken") from error


def _name(url: httpx.URL) -> str:
    """Return the host in ASCII; httpx's own `host` fails for an `xn--` name that stands for none."""
    return url.raw_host.decode()


def _check_url(url: httpx.URL) -> str:
    """Return the host of a web address that somebody else chose, if it may be asked at all."""
    host = _name(url)
    plain = url.scheme == "https" and url.port is None and not url.userinfo
    if not plain or not _HOST.fullmatch(host):
        raise DestinationRefused(
            Refusal.ASTRAY, "only https at a public host is, without port or password"
        )
    return host


def _read(model: type[Model], reply: Reply, *, host: str) -> Model:
    """Return what a server answered; raise DestinationUnavailable for a fault of the server."""
    if reply.status in _FAULTS or reply.status >= HTTPStatus.INTERNAL_SERVER_ERROR:
        raise DestinationUnavailable(f"{host} answered HTTP {reply.status}. Try again later.")
    if reply.words("status").upper() == "ERROR":
        why = reply.words("reason") or Refusal.NO_REASON
        raise DestinationRefused(why, host, may_pass=True)
    if reply.status in (HTTPStatus.NOT_FOUND, HTTPStatus.GONE):
        raise DestinationRefused(Refusal.UNKNOWN, host, may_pass=True)
    if reply.status != HTTPStatus.OK:
        raise DestinationUnavailable(f"{host} answered HTTP {reply.status}. Try again later.")
    try:
        return model.model_validate_json(reply.body.removeprefix(codecs.BOM_UTF8))
    except ValidationError as error:
        member = next((str(part) for one in error.errors() for part in one["loc"][:1]), "no JSON")
        detail = f"{host}: {member}"
        raise DestinationRefused(Refusal.NO_SERVICE, detail, may_pass=True) from error
