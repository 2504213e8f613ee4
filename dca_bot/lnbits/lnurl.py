"""Lightning addresses (LUD-16, LUD-06): reads the answers of servers that other people choose.

Amounts are whole msat, and no unit is guessed. An optional member may hold anything; an answer is
refused, and the member named, if a member that the payment depends on can't be read.
"""

import asyncio
import codecs
import re
from http import HTTPStatus
from typing import Annotated, Any, Self, TypeVar

import httpx
from pydantic import BaseModel, BeforeValidator, Field, StrictBool, StrictInt, ValidationError

from dca_bot.core.money import sat_ceil, sat_floor
from dca_bot.core.ports import AddressInvoice, LnurlLimits, VerifyAnswer
from dca_bot.errors import DestinationRefused, DestinationUnavailable, Refusal
from dca_bot.lnbits.public_web import (
    FETCH_LIMIT_S,
    PublicWeb,
    Resolve,
    check_url,
    host_of,
    parse_url,
    resolve,
)
from dca_bot.lnbits.wire import NoAnswer, Reply

_VERIFY_LIMIT_S = 10
_FAULTS = (HTTPStatus.REQUEST_TIMEOUT, HTTPStatus.TOO_EARLY, HTTPStatus.TOO_MANY_REQUESTS)
_CALLBACK_CHARS_MAX = 2048
_INVOICE_CHARS_MAX = 7089
_MSAT_MAX = 21 * 10**17

_Model = TypeVar("_Model", bound=BaseModel)

_NAME = re.compile(r"(?!\.+$)[a-z0-9_.+-]{1,210}")
_DIGITS = re.compile(r"-?[0-9]{1,19}")
_SCHEME = re.compile(r"lightning:(//)?", re.IGNORECASE)
_REFUSALS = {
    "minSendable": Refusal.LIMITS,
    "maxSendable": Refusal.LIMITS,
    "pr": Refusal.NO_INVOICE,
}
"""The refusal of an answer by the member that can't be read; NO_SERVICE for other members."""


def _whole(value: object) -> object:
    """Return a whole number that a server wrote as a text or with a point: "1000", 1000.0."""
    if isinstance(value, str) and _DIGITS.fullmatch(value.strip()):
        return int(value)
    return int(value) if isinstance(value, float) and value.is_integer() else value


def _length(value: object) -> object:
    """Return how many characters of a comment are accepted; 0 for an unclear value."""
    whole = _whole(value)
    return max(whole, 0) if type(whole) is int else 0


_Whole = Annotated[StrictInt, BeforeValidator(_whole)]


class _PayRequest(BaseModel):
    """LUD-06's answer of an address, amounts in msat; the metadata may be missing, as nothing uses them."""

    tag: str
    callback: Annotated[str, Field(max_length=_CALLBACK_CHARS_MAX)]
    min_msat: Annotated[_Whole | None, Field(alias="minSendable")] = None
    max_msat: Annotated[_Whole, Field(alias="maxSendable")]
    comment_length_max: Annotated[
        StrictInt, BeforeValidator(_length), Field(alias="commentAllowed")
    ] = 0
    payer_data: Annotated[Any, Field(alias="payerData")] = None

    @property
    def must_name_payer(self) -> bool:
        """Tell whether the address accepts payments only with the payer's data (LUD-18)."""
        wanted = self.payer_data.values() if isinstance(self.payer_data, dict) else ()
        return any(isinstance(one, dict) and one.get("mandatory") is True for one in wanted)

    @property
    def min_sat(self) -> int:
        """Return the smallest payment, rounded up: the address would refuse less."""
        return sat_ceil(max(self.min_msat or 1, 1))

    @property
    def max_sat(self) -> int:
        """Return the largest payment, rounded down: the address would refuse more."""
        return sat_floor(min(self.max_msat, _MSAT_MAX))

    def check(self, detail: str) -> None:
        """Raise DestinationRefused, with the reason, if no payment can be made to the address."""
        if self.tag != "payRequest":
            raise DestinationRefused(Refusal.OTHER_SERVICE, f"{detail}: tag")
        if self.max_msat <= 0:
            raise DestinationRefused(Refusal.NO_PAYMENTS, detail)
        if self.min_sat > self.max_sat:
            raise DestinationRefused(Refusal.LIMITS, f"{detail}: minSendable, maxSendable")
        if self.must_name_payer:
            raise DestinationRefused(Refusal.PAYER_DATA, f"{detail}: payerData")


class _CallbackAnswer(BaseModel):
    """LUD-06's answer of a callback; `verify` is LUD-21's."""

    pr: Annotated[str, Field(min_length=1, max_length=_INVOICE_CHARS_MAX)]
    verify: Any = None


class _SettledAnswer(BaseModel):
    """LUD-21's answer."""

    settled: StrictBool
    preimage: str | None = None
    pr: str | None = None


class LightningAddresses:
    """Anybody's Lightning addresses; fulfils `core.ports.Addresses`.

    `trusted_url`: the operator's LNbits. An address at that host (and port) is fetched as
    `trusted_url` is written, http and loopback included. `limit_s` bounds one look-up with all
    redirects.
    """

    def __init__(
        self,
        trusted_url: str | None = None,
        *,
        resolve: Resolve = resolve,
        limit_s: float = FETCH_LIMIT_S,
    ) -> None:
        self._web = PublicWeb(trusted_url, resolve=resolve, limit_s=limit_s)

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.aclose()

    async def aclose(self) -> None:
        """Close the connections."""
        await self._web.http.aclose()

    async def limits(self, address: str) -> LnurlLimits:
        """Fetch the limits of `name@host` (LUD-16): the smallest amount rounded up, the largest down.

        Raise DestinationRefused if the address takes no payment, DestinationUnavailable if the host
        can't be reached at present.
        """
        url = self._well_known(address)
        is_own = self._web.is_trusted(url)
        answer = _read(_PayRequest, await self._web.get(url, is_own=is_own), host=host_of(url))
        answer.check(address)
        callback = parse_url(answer.callback)
        if not (is_own and self._web.is_trusted(callback)):
            check_url(callback)
        return LnurlLimits(
            answer.min_sat,
            answer.max_sat,
            answer.callback,
            answer.comment_length_max,
            is_own=is_own,
        )

    async def request_invoice(
        self, limits: LnurlLimits, *, amount_sat: int, comment: str
    ) -> AddressInvoice:
        """Ask the callback for an invoice (LUD-06), which is not checked yet; an overlong comment is cut.

        Raise DestinationRefused or DestinationUnavailable as `limits` does.
        """
        params = {"amount": str(amount_sat * 1000)}
        if said := comment[: limits.comment_length_max]:
            params["comment"] = said
        url = parse_url(limits.callback).copy_merge_params(params)
        reply = await self._web.get(url, is_own=limits.is_own)
        answer = _read(_CallbackAnswer, reply, host=host_of(url))
        # Some servers write `lightning:` before the invoice.
        bolt11 = _SCHEME.sub("", answer.pr.strip(), count=1)
        return AddressInvoice(bolt11, self._verify_url(answer.verify, url, is_own=limits.is_own))

    async def verify(self, verify_url: str) -> VerifyAnswer:
        """Ask whether an invoice is settled (LUD-21): one answer with status 200, no redirect.

        Raise DestinationUnavailable for any other answer. The URL is a secret between payer and
        payee: errors name the host only.
        """
        try:
            url = parse_url(verify_url)
            # The limit covers the DNS look-up too.
            async with asyncio.timeout(_VERIFY_LIMIT_S):
                reply = await self._web.ask(url, is_own=True, limit_s=_VERIFY_LIMIT_S)
            if reply.status != HTTPStatus.OK or reply.words("status").upper() not in ("", "OK"):
                raise DestinationUnavailable(
                    Refusal.SERVER_FAULT, f"{host_of(url)} did not say whether it was paid."
                )
            answer = _SettledAnswer.model_validate_json(reply.body)
        except (NoAnswer, TimeoutError, DestinationRefused, ValidationError) as error:
            raise DestinationUnavailable(
                Refusal.SERVER_FAULT, "The server did not say whether it was paid."
            ) from error
        return VerifyAnswer(answer.settled, (answer.preimage or "").lower(), answer.pr or "")

    def _verify_url(self, given: object, callback: httpx.URL, *, is_own: bool) -> str:
        """Return the URL of LUD-21 if the URL may be asked: only at the callback's own host; else empty.

        The operator's own LNbits is used as written, other hosts by https on port 443.
        """
        if not isinstance(given, str) or not 0 < len(given) <= _CALLBACK_CHARS_MAX:
            return ""
        try:
            url = parse_url(given)
            if url.netloc != callback.netloc:
                return ""
            if not (is_own and self._web.is_trusted(url)):
                check_url(url)
        except DestinationRefused:
            return ""
        return given

    def _well_known(self, address: str) -> httpx.URL:
        name, _, host = address.strip().lower().partition("@")
        if not _NAME.fullmatch(name) or not self._web.can_be_host(host):
            raise DestinationRefused(Refusal.NO_ADDRESS)
        return httpx.URL(f"https://{host}/.well-known/lnurlp/{name}")


def _read(model: type[_Model], reply: Reply, *, host: str) -> _Model:
    """Return a server's answer.

    Raise DestinationUnavailable for a fault of the server, DestinationRefused for a refusal.
    """
    if reply.status in _FAULTS or reply.status >= HTTPStatus.INTERNAL_SERVER_ERROR:
        raise _fault(host, reply)
    if reply.words("status").upper() == "ERROR":
        said = reply.words("reason")
        why = Refusal.SAID if said else Refusal.NO_REASON
        raise DestinationRefused(why, host, said=said, may_pass=True)
    if reply.status in (HTTPStatus.NOT_FOUND, HTTPStatus.GONE):
        raise DestinationRefused(Refusal.UNKNOWN, host, may_pass=True)
    if reply.status != HTTPStatus.OK:
        raise _fault(host, reply)
    try:
        return model.model_validate_json(reply.body.removeprefix(codecs.BOM_UTF8))
    except ValidationError as error:
        member = next((str(part) for one in error.errors() for part in one["loc"][:1]), "no JSON")
        why = _REFUSALS.get(member, Refusal.NO_SERVICE)
        raise DestinationRefused(why, f"{host}: {member}", may_pass=True) from error


def _fault(host: str, reply: Reply) -> DestinationUnavailable:
    return DestinationUnavailable(
        Refusal.SERVER_FAULT, f"{host} answered HTTP {reply.status}. Try again later."
    )
