"""Calls the heartbeat's URL: a service that hears nothing for some minutes raises an alarm.

The invariant: the URL is a secret, because whoever knows the URL can pretend that the bot works. No log and
no error shows the URL or a part of it.
"""

from types import TracebackType
from typing import Self

import httpx

from dca_bot.config_values import is_web_address
from dca_bot.errors import ConfigError, HeartbeatFailed
from dca_bot.web import NoAnswer, fetch, no_cookies, tls_context

_LIMIT_S = 5
_ANSWER_BYTES_MAX = 16 * 1024


class Heartbeat:
    """The caller of one URL; nothing is sent along, and no redirect is followed."""

    def __init__(self, url: str, *, limit_s: float = _LIMIT_S) -> None:
        self._url = url
        self._limit_s = limit_s
        self._http = httpx.AsyncClient(
            timeout=limit_s, cookies=no_cookies(), verify=tls_context(), trust_env=False
        )

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        await self._http.aclose()

    async def __call__(self) -> None:
        """Call the URL once; raise HeartbeatFailed unless the answer is a success."""
        request = self._http.build_request("GET", self._url, headers={"User-Agent": "dca-bot"})
        try:
            reply = await fetch(
                self._http, request, size_max=_ANSWER_BYTES_MAX, limit_s=self._limit_s
            )
        except NoAnswer as failure:
            raise HeartbeatFailed(failure.reason) from None
        if not 200 <= reply.status < 300:
            raise HeartbeatFailed(f"the answer was HTTP {reply.status}")


def checked_url(text: str, place: str) -> str:
    """Return the URL in a secret's text; raise ConfigError, which names `place` and not the text."""
    if not is_web_address(text):
        raise ConfigError(
            f"{place} has no web address; write the one that the service shows for this check, and"
            " nothing else: https://…"
        )
    return text
