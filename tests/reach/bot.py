"""The whole program in this process: ledger, chat, messenger and jobs; Lamassu and LNbits are quiet."""

import asyncio
import random
from collections.abc import Awaitable, Callable, Mapping, Sequence
from contextlib import suppress
from datetime import UTC, datetime
from decimal import Decimal
from pathlib import Path

from scaffold import open_ledger

from dca_bot.app import keep_running, past_reading
from dca_bot.config import Config
from dca_bot.core.ports import Export, ListMark
from dca_bot.ledger.correspondence import outbox
from dca_bot.ledger.programme import clients
from dca_bot.ledger.store.database import Database
from dca_bot.nostr.keys import SecretKey
from dca_bot.nostr.relays.relay_socket import Endpoint
from dca_bot.outside import Outside, build_messenger, programme_of
from dca_bot.system_clock import SystemClock
from dca_bot.wiring import Jobs, build_jobs

FindEndpoint = Callable[[str], Awaitable[Endpoint | None]]


class QuietLamassu:
    """A server without cash-outs."""

    async def fetch(self, _since, _known):
        return Export((), {})


class QuietLnbits:
    """A source wallet with sats and without payments."""

    async def wallet_id(self):
        return "source"

    async def balance_msat(self):
        return 10**12

    async def price(self, _currency):
        return Decimal(810_000)

    async def list_mark(self):
        return ListMark(0, frozenset())

    async def tagged_payments(self, _since=None):
        for payment in ():
            yield payment


class Bot:
    """A bot that can be stopped and started again on the same ledger."""

    def __init__(
        self,
        key: SecretKey,
        folder: Path,
        *,
        relays: Sequence[str],
        discovery: Sequence[str],
        operators: Sequence[str],
        find_endpoint: FindEndpoint,
    ) -> None:
        self.key = key
        self.database: Database
        self._folder = folder
        self._find_endpoint = find_endpoint
        self._stop = asyncio.Event()
        self._task: asyncio.Task[None] | None = None
        self._jobs: Jobs
        self._config = Config.model_validate(
            {
                "bot": {"data_dir": str(folder / "data")},
                "nostr": {
                    "relays": list(relays),
                    "operators": list(operators),
                    "discovery_relays": list(discovery),
                },
                "lamassu": {"source": "directory"},
                "lnbits": {"url": "https://lnbits.example.com"},
            }
        )

    async def prepare(self, people: Mapping[str, str], hints: Mapping[str, Sequence[str]]) -> None:
        """Have clients in the ledger, by name; `hints`: relays of an nprofile, by public key."""
        now = datetime.now(UTC)
        database = await open_ledger(self._folder / "data")

        def work(tx):
            for name, pubkey in people.items():
                clients.add(tx, name=name, pubkey=pubkey, language="en", now=now)
            for pubkey, urls in hints.items():
                for place, url in enumerate(urls):
                    tx.execute("INSERT INTO relay_hint VALUES (?, ?, ?)", (pubkey, place, url))

        await database.transact(work)
        await database.aclose()

    async def start(self) -> None:
        """Start as `dca_bot.app.run` does, with other relays' addresses from `find_endpoint`."""
        self.database = await open_ledger(self._folder / "data")
        self._stop.clear()
        messenger = build_messenger(
            self._config,
            self.key,
            await past_reading(self._config, self.database),
            find_endpoint=self._find_endpoint,
        )
        outside = Outside(
            source=QuietLamassu(),
            wallet=QuietLnbits(),
            addresses=None,
            messenger=messenger,
            clock=SystemClock(),
            random=random.SystemRandom(),
            bot=self.key.public_key,
        )
        self._jobs = await build_jobs(
            self._config, programme_of(self._config), self.database, outside
        )
        self._task = asyncio.create_task(
            keep_running(self._jobs, self.database, outside, self._stop)
        )

    async def stop(self) -> None:
        """Stop, as a signal does; raise whatever ended the bot."""
        self._stop.set()
        assert self._task is not None
        with suppress(asyncio.CancelledError):
            await self._task
        await self.database.aclose()

    async def tell(self, pubkey: str, text: str) -> None:
        """Write a notice to a person, as the bot does for an arrived payout."""
        now = datetime.now(UTC)
        await self.database.transact(lambda tx: outbox.write(tx, pubkey, text, now=now))
        self._jobs.outbox.signals.outbox.ring()

    async def rows(self, query: str, *values: object) -> list[tuple]:
        return [
            tuple(row)
            for row in await self.database.read(lambda tx: tx.execute(query, values).fetchall())
        ]
