"""Sends alerts by the library apprise, which knows mail, webhooks and most messengers, by URL.

The invariant: the URLs hold passwords, and no log and no error shows one. apprise runs in a separate process
(`send_alert`), which ends: apprise takes 43 MB and blocks, and its log goes nowhere.
"""

import asyncio
import importlib.util
import json
from collections.abc import Sequence
from contextlib import suppress

from dca_bot.aside import run_aside
from dca_bot.errors import AlertFailed, ConfigError

_LIMIT_S = 60
_MODULE = "dca_bot.monitoring.send_alert"


class Alerter:
    """The sender to `urls`; `module` is run with Python."""

    def __init__(
        self, urls: Sequence[str], *, module: str = _MODULE, limit_s: float = _LIMIT_S
    ) -> None:
        self._urls = urls
        self._module = module
        self._limit_s = limit_s

    async def __call__(self, title: str, text: str) -> None:
        """Send an alert to each place; raise AlertFailed if none took it."""
        if not any(await self.send(title, text)):
            raise AlertFailed("no place took it")

    async def send(self, title: str, text: str) -> list[bool]:
        """Send an alert to each place, and return for each whether the place took it. Raise AlertFailed."""
        return await self._run({"title": title, "text": text})

    async def known(self) -> list[bool]:
        """Return for each URL whether apprise knows what it means; nothing is sent. Raise AlertFailed."""
        return await self._run({})

    async def _run(self, fields: dict[str, str]) -> list[bool]:
        process = await run_aside(self._module)
        assert process.stdin is not None
        assert process.stdout is not None
        said = set()
        try:
            async with asyncio.timeout(self._limit_s):
                process.stdin.write(json.dumps({"urls": list(self._urls), **fields}).encode())
                process.stdin.close()
                async for line in process.stdout:
                    said.add(line.strip())
        except TimeoutError:
            pass  # What some places have taken isn't to be sent there again.
        finally:
            with suppress(ProcessLookupError):
                process.kill()
            await process.wait()
        if not said:
            raise AlertFailed(f"apprise has not done it within {self._limit_s:g} s, or failed")
        return [b"%d taken" % number in said for number in range(len(self._urls))]


def parse_urls(text: str, place: str) -> list[str]:
    """Read a file of URLs, one a line; raise ConfigError without any, or without apprise."""
    lines = (line.strip() for line in text.splitlines())
    urls = [line for line in lines if line and not line.startswith("#")]
    if not urls:
        raise ConfigError(
            f"{place} names no place for alerts; write an apprise URL on a line of its own."
        )
    if importlib.util.find_spec("apprise") is None:
        raise ConfigError(
            "monitoring.alert_url_file is set, but apprise isn't installed, which sends alerts. Install it"
            " with: pip install 'dca-bot[alerts]'"
        )
    return urls
