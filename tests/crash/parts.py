"""The real parts that the worlds of a sweep share: two LNbits, a PostgreSQL, a gateway."""

import contextlib
import sqlite3
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path

from gateway import Gateway
from lnbits_servers import SQLITE, Server, lnbits_with, server_on, shared_parts
from postgres_process import postgres_process

from dca_bot.demo.lnbits_process import LnbitsProcess, fake_funding, funded_by
from dca_bot.demo.price_stub import PriceStub

POSTGRES = "postgres"
DATABASES = (SQLITE, POSTGRES)
PAYMENTS = "SELECT wallet_id, amount, status, coalesce(external_id, '') FROM apipayments"


@dataclass
class Parts:
    """`server`: the bot's LNbits and its database. `abroad`: the LNbits that has the Lightning addresses.

    Each world has a source wallet of its own, so that worlds run side by side.
    """

    server: Server
    abroad: LnbitsProcess
    gateway: Gateway
    folder: Path
    made: int = 0

    @property
    def lnbits(self) -> LnbitsProcess:
        return self.server.process

    def payments(self, wallet_id: str) -> list[tuple[str, int, str, str]]:
        """Read a wallet's rows in the tables of the bot's LNbits: wallet, msat, status, external id."""
        query = f"{PAYMENTS} WHERE wallet_id = '{wallet_id}'"
        if self.server.postgres is None:
            return rows_of(self.lnbits.data_dir / "database.sqlite3", query)
        lines = self.server.postgres.sql(query, self.server.name).splitlines()
        rows = [line.split("|") for line in lines]
        return [(wallet, int(amount), status, id_) for wallet, amount, status, id_ in rows]

    def payments_abroad(self, wallet_id: str) -> list[tuple[str, int, str, str]]:
        """Read the rows of a wallet that has a Lightning address."""
        path = self.abroad.data_dir / "database.sqlite3"
        return rows_of(path, f"{PAYMENTS} WHERE wallet_id = ?", wallet_id)


@contextmanager
def parts(database: str, folder: Path) -> Iterator[Parts]:
    """Start what worlds share, with the bot's LNbits on SQLITE or POSTGRES; end all of it."""
    with shared_parts(), ExitStack() as exits:
        price = PriceStub()
        exits.callback(price.close)
        abroad = exits.enter_context(lnbits_with(fake_funding(), folder / "abroad", price=price))
        node = abroad.create_user_wallet("node")
        abroad.credit(node.id, 100_000_000)
        is_postgres = database == POSTGRES
        server = server_on(
            "UTC" if is_postgres else SQLITE,
            folder / "lnbits",
            price=price,
            postgres=exits.enter_context(postgres_process()) if is_postgres else None,
            funding=funded_by(abroad.url, node),
        )
        yield exits.enter_context(joined(exits.enter_context(server), abroad, folder))


@contextmanager
def joined(server: Server, abroad: LnbitsProcess, folder: Path) -> Iterator[Parts]:
    """Put a gateway in front of two LNbits that run already."""
    gateway = Gateway(server.process.url, abroad.url)
    # A bot that is killed breaks its connections, and each would be told with a traceback.
    gateway._server.handle_error = lambda *_: None
    try:
        yield Parts(server, abroad, gateway, folder)
    finally:
        gateway.close()


def rows_of(path: Path, query: str, *values: object) -> list[tuple]:
    """Ask an SQLite file, whether another process writes to it or not."""
    with contextlib.closing(sqlite3.connect(f"{path.as_uri()}?mode=ro", uri=True)) as database:
        return database.execute(query, values).fetchall()
