"""Asks web servers that other people choose: https on port 443 only, at public addresses only.

The invariant: the connection goes to an address that was checked, so a DNS answer can't change
between check and use. The operator's own LNbits is the exception, and is used as written.
"""

import asyncio
import re
import socket
from collections.abc import Awaitable, Callable, Sequence

import httpx

from dca_bot.core.internet import public_addresses
from dca_bot.errors import DestinationRefused, DestinationUnavailable, Refusal
from dca_bot.web import NoAnswer, NoConnection, Reply, fetch, no_cookies, tls_context

_ANSWER_BYTES_MAX = 64 * 1024
FETCH_LIMIT_S = 15
_ADDRESS_LIMIT_S = 2
"""How long connecting to one address of a host may take if another address is left to try."""
_REDIRECTS_MAX = 3
_HTTPS_PORT = 443
_REDIRECTS = (301, 302, 303, 307, 308)
_CONNECTIONS_MAX = 8

Resolve = Callable[[str], Awaitable[Sequence[str]]]

_LABEL = r"[a-z0-9](?:[a-z0-9-]{0,61}[a-z0-9])?"
_HOST = re.compile(rf"(?=.{{4,253}}$)(?:{_LABEL}\.)+(?=[a-z0-9-]*[a-z]){_LABEL}")


async def resolve(host: str) -> Sequence[str]:
    """Look up every address of a host."""
    loop = asyncio.get_running_loop()
    found = await loop.getaddrinfo(host, _HTTPS_PORT, type=socket.SOCK_STREAM)
    return [str(sockaddr[0]) for *_, sockaddr in found]


class PublicWeb:
    """An HTTP client for anybody's web servers.

    `trusted_url`: the operator's LNbits. A URL at that host (and port) is asked as `trusted_url` is
    written, http and loopback included. `limit_s` bounds one look-up with all redirects.
    """

    def __init__(
        self,
        trusted_url: str | None,
        *,
        resolve: Resolve = resolve,
        limit_s: float = FETCH_LIMIT_S,
    ) -> None:
        self._trusted = httpx.URL(trusted_url) if trusted_url else None
        self._resolve = resolve
        self._limit_s = limit_s
        # Addresses are checked for one host's name: no connection is used for a second request.
        self.http = httpx.AsyncClient(
            timeout=limit_s,
            limits=httpx.Limits(max_connections=_CONNECTIONS_MAX, max_keepalive_connections=0),
            headers={"Accept": "application/json", "Connection": "close"},
            cookies=no_cookies(),
            verify=tls_context(),
            trust_env=False,
        )

    def is_trusted(self, url: httpx.URL) -> bool:
        """Tell whether a URL is at the operator's LNbits."""
        return self._trusted is not None and url.netloc == self._trusted.netloc

    def can_be_host(self, text: str) -> bool:
        """Tell whether a text is a host that may be asked: a host name, or the operator's LNbits."""
        is_own = self._trusted is not None and text == self._trusted.netloc.decode()
        return is_own or _HOST.fullmatch(text) is not None

    async def get(self, url: httpx.URL, *, is_own: bool) -> Reply:
        """Fetch a URL and follow up to three redirects, each checked as the URL itself.

        `is_own`: the URL comes from an address at the operator's host; no other address may lead to
        that host. Raise DestinationRefused for a URL that may not be asked, DestinationUnavailable
        without an answer.
        """
        start = url
        try:
            async with asyncio.timeout(self._limit_s):
                for _ in range(1 + _REDIRECTS_MAX):
                    reply = await self.ask(url, is_own=is_own, limit_s=self._limit_s)
                    if reply.status not in _REDIRECTS:
                        return reply
                    url = parse_url(reply.location, base=url)
        except (NoAnswer, TimeoutError) as error:
            reason = error.reason if isinstance(error, NoAnswer) else "too slow"
            raise DestinationUnavailable(
                Refusal.UNREACHABLE,
                f"{host_of(url)} did not answer as it should ({reason}). Try again later.",
            ) from error
        raise DestinationRefused(
            Refusal.ASTRAY, f"{host_of(start)} redirects more than {_REDIRECTS_MAX} times"
        )

    async def ask(self, url: httpx.URL, *, is_own: bool, limit_s: float) -> Reply:
        """Fetch a URL; a redirect is returned, not followed.

        Raise NoAnswer without an answer, DestinationRefused for a URL that may not be asked,
        DestinationUnavailable for an unknown host.
        """
        if self._trusted and is_own and self.is_trusted(url):
            request = self.http.build_request("GET", url.copy_with(scheme=self._trusted.scheme))
            return await fetch(self.http, request, size_max=_ANSWER_BYTES_MAX, limit_s=limit_s)
        found = await self._public_addresses(check_url(url))
        return await ask_at(self.http, url, found, limit_s=limit_s)

    async def _public_addresses(self, host: str) -> Sequence[str]:
        try:
            found = public_addresses(await self._resolve(host))
        except (OSError, UnicodeError) as error:
            raise DestinationUnavailable(
                Refusal.NO_HOST,
                f"There is no host {host} at present. Check the spelling, or try again later.",
            ) from error
        if not found:
            raise DestinationRefused(Refusal.NOT_PUBLIC, host)
        return found


async def ask_at(
    http: httpx.AsyncClient, url: httpx.URL, addresses: Sequence[str], *, limit_s: float
) -> Reply:
    """Fetch a URL at the first of the host's checked addresses that accepts a connection.

    The certificate must name the URL's host. Any answer, even an error, ends the attempts. Raise
    NoConnection if no address accepts a connection, NoAnswer if the answer fails.
    """
    share_s = min(_ADDRESS_LIMIT_S, limit_s / (len(addresses) + 1))
    reasons = []
    for place, address in enumerate(addresses, start=1):
        connect_s = share_s if place < len(addresses) else limit_s
        request = http.build_request(
            "GET",
            url.copy_with(host=address),
            headers={"Host": url.netloc.decode()},
            timeout=httpx.Timeout(limit_s, connect=connect_s),
            extensions={"sni_hostname": host_of(url)},
        )
        try:
            return await fetch(http, request, size_max=_ANSWER_BYTES_MAX, limit_s=limit_s)
        except NoConnection as error:
            reasons.append(error.reason.removesuffix("."))
    raise NoConnection("; ".join(dict.fromkeys(reasons)))


def parse_url(text: str, *, base: httpx.URL | None = None) -> httpx.URL:
    """Read a URL that a server names; raise DestinationRefused for a broken URL."""
    try:
        return base.join(text) if base else httpx.URL(text)
    except (httpx.InvalidURL, ValueError) as error:
        raise DestinationRefused(Refusal.ASTRAY, "it is broken") from error


def host_of(url: httpx.URL) -> str:
    """Return the host in ASCII; httpx's own `host` fails for a broken `xn--` name."""
    return url.raw_host.decode()


def check_url(url: httpx.URL) -> str:
    """Return the host of a URL that somebody else chose; raise DestinationRefused if asking is forbidden."""
    host = host_of(url)
    plain = url.scheme == "https" and url.port is None and not url.userinfo
    if not plain or not _HOST.fullmatch(host):
        raise DestinationRefused(
            Refusal.ASTRAY, "only https at a public host is, without port or password"
        )
    return host
