"""Lightning addresses and LNURL-pay codes (LUD-01, LUD-06, LUD-16, LUD-17, LUD-21): asks their servers."""

import asyncio
import re
from http import HTTPStatus
from typing import Self

import httpx
from pydantic import ValidationError

from dca_bot.core.lnurl_code import url_of
from dca_bot.core.ports import AddressInvoice, LnurlLimits, VerifyAnswer
from dca_bot.errors import DestinationRefused, DestinationUnavailable, Refusal
from dca_bot.lnbits.lnurl_answers import (
    URL_CHARS_MAX,
    CallbackAnswer,
    PayRequest,
    SettledAnswer,
    is_for_another_service,
    read_answer,
)
from dca_bot.lnbits.public_web import (
    FETCH_LIMIT_S,
    PublicWeb,
    Resolve,
    check_url,
    host_of,
    parse_url,
    resolve,
)
from dca_bot.web import NoAnswer

_VERIFY_LIMIT_S = 10
_NAME = re.compile(r"(?!\.+$)[a-z0-9_.+-]{1,210}")
_SCHEME = re.compile(r"lightning:(//)?", re.IGNORECASE)
_OF_A_CODE = {
    Refusal.UNKNOWN: Refusal.UNKNOWN_CODE,
    Refusal.NO_SERVICE: Refusal.NO_CODE_SERVICE,
}
"""The refusals of a code, where the words for an address would mislead."""
_OWN_PATHS = ("/.well-known/lnurlp/", "/lnurlp/")
"""The paths of pay links at LNbits. No code leads the bot to another path of the operator's LNbits."""


class LightningAddresses:
    """Anybody's Lightning addresses and LNURL-pay codes; fulfils `core.ports.Addresses`.

    `trusted_url`: the operator's LNbits. An address or a pay link at that host (and port) is fetched as
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

    async def limits(self, payee: str) -> LnurlLimits:
        """Fetch the limits of an address or code: the smallest amount rounded up, the largest down.

        Raise DestinationRefused if the payee takes no payment, DestinationUnavailable if the host
        can't be reached at present. Errors of a code name the host only.
        """
        code_url = url_of(payee)
        url = self._well_known(payee) if code_url is None else parse_url(code_url)
        is_own = self._web.is_trusted(url) and url.path.startswith(_OWN_PATHS)
        try:
            answer = await self._ask_limits(url, is_own=is_own)
        except DestinationRefused as error:
            if code_url is None or error.why not in _OF_A_CODE:
                raise
            why = _OF_A_CODE[error.why]
            raise DestinationRefused(why, host_of(url), may_pass=error.may_pass) from error
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
        answer = read_answer(CallbackAnswer, reply, host=host_of(url))
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
            answer = SettledAnswer.model_validate_json(reply.body)
        except (NoAnswer, TimeoutError, DestinationRefused, ValidationError) as error:
            raise DestinationUnavailable(
                Refusal.SERVER_FAULT, "The server did not say whether it was paid."
            ) from error
        return VerifyAnswer(answer.settled, (answer.preimage or "").lower(), answer.pr or "")

    async def _ask_limits(self, url: httpx.URL, *, is_own: bool) -> PayRequest:
        """Ask for the limits of an address or code; raise DestinationRefused for an answer of no use."""
        host = host_of(url)
        reply = await self._web.get(url, is_own=is_own)
        if is_for_another_service(reply):
            is_withdrawal = reply.words("tag") == "withdrawRequest"
            why = Refusal.WITHDRAW_CODE if is_withdrawal else Refusal.OTHER_SERVICE
            raise DestinationRefused(why, f"{host}: tag")
        answer = read_answer(PayRequest, reply, host=host)
        answer.check(host)
        return answer

    def _verify_url(self, given: object, callback: httpx.URL, *, is_own: bool) -> str:
        """Return the URL of LUD-21 if the URL may be asked: only at the callback's own host; else empty.

        The operator's own LNbits is used as written, other hosts by https on port 443.
        """
        if not isinstance(given, str) or not 0 < len(given) <= URL_CHARS_MAX:
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
