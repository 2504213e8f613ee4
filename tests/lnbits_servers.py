"""LNbits on SQLite, and on PostgreSQL in one time zone or another.

On PostgreSQL the zone is that of LNbits' process and of its database both: LNbits' own times are
then off by it in one way or another, in each version in another.
"""

import contextlib
import os
import sqlite3
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from postgres_process import PostgresProcess

from dca_bot.demo.lnbits_process import LnbitsProcess, fake_funding, find_lnbits, start_lnbits
from dca_bot.demo.price_stub import PriceStub

SQLITE = "sqlite"
ZONES = ("UTC", "Asia/Kolkata", "America/Guatemala", "Europe/Madrid")
# `make lnbits-versions` runs the tests on one after the other: "sqlite", or zones.
VARIABLE = "DCA_BOT_LNBITS_DATABASES"


def databases(*usual: str) -> list[str]:
    """Return what to run tests on: as the environment says, else as usual."""
    return os.environ.get(VARIABLE, " ".join(usual)).split()


@dataclass(frozen=True)
class Server:
    """A running LNbits and its database."""

    process: LnbitsProcess
    zone: str
    postgres: PostgresProcess | None
    name: str

    def sql(self, text: str) -> None:
        """Change what LNbits has stored, behind its back."""
        if self.postgres is not None:
            self.postgres.sql(text, self.name)
            return
        path = self.process.data_dir / "database.sqlite3"
        with contextlib.closing(sqlite3.connect(path)) as database:
            database.execute(text)
            database.commit()

    def instant(self, epoch_s: float) -> str:
        """Write an instant as LNbits' column `time` holds it."""
        return f"to_timestamp({epoch_s}) AT TIME ZONE 'UTC'" if self.postgres else str(epoch_s)


@contextmanager
def server_on(
    zone: str, folder: Path, *, price: PriceStub, postgres: PostgresProcess | None
) -> Iterator[Server]:
    """Start LNbits on SQLite (`sqlite`), or on a new PostgreSQL database in a time zone."""
    settings, name = {}, ""
    if postgres is not None:
        name = postgres.create_empty_database()
        postgres.sql(f"ALTER DATABASE {name} SET timezone = '{zone}'")
        login = f"postgres:{postgres.admin_password}@127.0.0.1:{postgres.port}"
        settings = {"LNBITS_DATABASE_URL": f"postgres://{login}/{name}", "TZ": zone}
    funding = {**fake_funding(), **settings}
    with start_lnbits(find_lnbits(), folder, price=price, funding=funding) as process:
        yield Server(process, zone, postgres, name)


def version() -> tuple[int, int]:
    """Return the LNbits version under test: (1, 6)."""
    packages = find_lnbits().parent.parent.glob("lib/python3.*/site-packages/lnbits-*.dist-info")
    major, minor, *_ = next(packages).name.split("-")[1].split(".")
    return int(major), int(minor)
