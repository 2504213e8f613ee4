"""Tries single answers of `dca-bot init` at once: LNbits, the wallet's key, the currency, relays, SSH.

Each trial returns what was found, empty if nothing was tried, or raises DcaBotError with a remedy. Nothing is
changed.
"""

import asyncio
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import TypeVar
from zoneinfo import ZoneInfo

from dca_bot.commands.check_relays import try_relays
from dca_bot.config import Config
from dca_bot.config_sections import LamassuConfig, LnbitsConfig, NostrConfig
from dca_bot.core.money import sat_floor, sat_text
from dca_bot.errors import DcaBotError
from dca_bot.lamassu.ssh_login import SshServer, host_keys
from dca_bot.lnbits.client import LnbitsWallet
from dca_bot.nostr.keys import SecretKey

_LIMIT_S = 20
_SSH_LIMIT_S = 10
_Found = TypeVar("_Found")


def relays_work(key: SecretKey, relays: list[str]) -> str:
    """Read from each relay and send the bot a test event, which no relay keeps."""
    nostr = NostrConfig(relays=tuple(relays), operators=(key.npub,), discovery_relays=())
    lamassu, lnbits = LamassuConfig(source="directory"), LnbitsConfig(url="http://localhost")
    return asyncio.run(try_relays(Config(nostr=nostr, lamassu=lamassu, lnbits=lnbits), key))


@dataclass(slots=True)
class LnbitsTrials:
    """Trials at one LNbits. After an address where LNbits doesn't answer nothing is tried there."""

    _url: str = ""

    def answers(self, url: str) -> str:
        """Ask LNbits for its version, without a key."""
        self._url = ""
        version = self._ask(url, "", LnbitsWallet.version)
        self._url = url
        return f"LNbits is of version {version}"

    def opens_a_wallet(self, admin_key: str) -> str:
        """Read the wallet of an admin key; an invoice key or a shared wallet is refused."""
        if not self._url or not admin_key:
            return ""
        found = self._ask(self._url, admin_key, LnbitsWallet.probe)
        return f"the wallet {found.name!r} has {sat_text(sat_floor(found.balance_msat))}"

    def has_a_price(self, currency: str) -> str:
        """Ask LNbits for the price of one bitcoin; raise DcaBotError for none: fixed mode can't buy then."""
        if not self._url:
            return ""
        price = self._ask(self._url, "", lambda wallet: wallet.price(currency))
        if price is None:
            raise DcaBotError(
                f"LNbits tells no price in {currency}, so fixed mode would wait; sales at the machine"
                " are shared out all the same."
            )
        return f"1 BTC is {price:,.2f} {currency}"

    def _ask(
        self, url: str, key: str, question: Callable[[LnbitsWallet], Awaitable[_Found]]
    ) -> _Found:
        async def ask() -> _Found:
            try:
                async with asyncio.timeout(_LIMIT_S), LnbitsWallet(url, admin_key=key) as wallet:
                    return await question(wallet)
            except TimeoutError:
                raise DcaBotError(
                    f"LNbits said nothing for {_LIMIT_S} s; look at its load."
                ) from None

        return asyncio.run(ask())


def ssh_answers(host: str, port: int) -> str:
    """Ask an SSH server for its host keys, without a login."""
    server = SshServer(host, port, "", Path(), Path("known_hosts"))
    found = asyncio.run(host_keys(server, limit_s=_SSH_LIMIT_S))
    return f"{server.address} answers, with {len(found)} host keys"


def time_of_zone(timezone: str) -> str:
    """Tell the time of a time zone."""
    return f"it is {datetime.now(ZoneInfo(timezone)):%H:%M} there"
