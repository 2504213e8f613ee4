"""LNbits on SQLite, and on PostgreSQL in one time zone or another.

On PostgreSQL the zone is that of LNbits' process and of its database both: LNbits' own times are
then off by it in one way or another, in each version in another.

The first LNbits of a run installs itself, which takes nearly as long as a start; the others begin with a
copy of its database. All are forks of one process, which has loaded LNbits' libraries (lnbits_mother.py).
"""

import contextlib
import fcntl
import json
import os
import shutil
import socket
import sqlite3
import subprocess
import tempfile
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from forked_process import Forked
from postgres_process import PostgresProcess

from dca_bot.demo import lnbits_process
from dca_bot.demo.lnbits_process import LnbitsProcess, fake_funding, find_lnbits, free_port
from dca_bot.demo.price_stub import PriceStub
from dca_bot.errors import ConfigError

SQLITE = "sqlite"
ZONES = ("UTC", "Asia/Kolkata", "America/Guatemala", "Europe/Madrid")
# `make lnbits-versions` runs the tests on one after the other: "sqlite", or zones.
VARIABLE = "DCA_BOT_LNBITS_DATABASES"
# The folder of what all LNbits of a run share.
SHARED = "DCA_BOT_TEST_LNBITS"
MOTHER = Path(__file__).with_name("lnbits_mother.py")
MOTHER_LIMIT_S = 60
# LNbits signs the super user's token with it.
SECRET = "the secret of every LNbits of the tests"
SQLITE_FILE = "database.sqlite3"
_KEY_CHARS = 32
# Since this version LNbits has a row for each setting.
COPIED_SINCE = (1, 6)


@contextmanager
def shared_parts() -> Iterator[None]:
    """Have, in the run's first process, what all LNbits of a run share."""
    with (
        tempfile.TemporaryDirectory(prefix="dca-bot-lnbits-") as name,
        contextlib.ExitStack() as exits,
    ):
        # Without an installed LNbits the tests that need one say so.
        with contextlib.suppress(ConfigError):
            exits.enter_context(_mother(Path(name)))
        os.environ[SHARED] = name
        yield
        del os.environ[SHARED]


def databases(*usual: str, long: Sequence[str] = ()) -> list[Any]:
    """Return what to run tests on: as the environment says, else as usual; `long` in long runs only."""
    if VARIABLE in os.environ:
        return os.environ[VARIABLE].split()
    return [*usual, *(pytest.param(zone, marks=pytest.mark.long) for zone in long)]


@dataclass(frozen=True)
class Server:
    """A running LNbits and its database."""

    process: LnbitsProcess
    zone: str = SQLITE
    postgres: PostgresProcess | None = None
    name: str = ""

    def sql(self, text: str) -> None:
        """Change what LNbits has stored, behind its back."""
        if self.postgres is not None:
            self.postgres.sql(text, self.name)
            return
        path = self.process.data_dir / SQLITE_FILE
        with contextlib.closing(sqlite3.connect(path)) as database:
            database.executescript(text)
            database.commit()

    def instant(self, epoch_s: float) -> str:
        """Write an instant as LNbits' column `time` holds it."""
        return f"to_timestamp({epoch_s}) AT TIME ZONE 'UTC'" if self.postgres else str(epoch_s)

    def keep(self, path: Path) -> None:
        """Write a copy of the database into a file."""
        if self.postgres is not None:
            path.write_text(self.postgres.dump(self.name), encoding="utf-8")
        else:
            self.sql(f"VACUUM INTO '{path}'")

    def lay(self, path: Path) -> None:
        """Fill the empty database with a copy."""
        if self.postgres is not None:
            self.postgres.sql(path.read_text(encoding="utf-8"), self.name)
        else:
            self.process.data_dir.mkdir(parents=True, exist_ok=True)
            shutil.copy(path, self.process.data_dir / SQLITE_FILE)


@contextmanager
def server_on(
    zone: str,
    folder: Path,
    *,
    price: PriceStub,
    postgres: PostgresProcess | None,
    funding: Mapping[str, str] | None = None,
) -> Iterator[Server]:
    """Start LNbits on SQLite (`sqlite`), or on a new PostgreSQL database in a time zone.

    `funding`: the settings of a Lightning node; without them payments stay inside.
    """
    environment, name = {}, ""
    if postgres is not None:
        name = postgres.create_empty_database()
        postgres.sql(f"ALTER DATABASE {name} SET timezone = '{zone}'")
        login = f"postgres:{postgres.admin_password}@127.0.0.1:{postgres.port}"
        environment = {"LNBITS_DATABASE_URL": f"postgres://{login}/{name}", "TZ": zone}
    settings = funding or fake_funding()
    with _Fork(folder, price, {**settings, **environment}) as process:
        server = Server(process, zone, postgres, name)
        _start(server, settings)
        yield server


@contextmanager
def lnbits_with(
    settings: Mapping[str, str], folder: Path, *, price: PriceStub
) -> Iterator[LnbitsProcess]:
    """Start LNbits on SQLite with settings of its own, as those of its node."""
    with _Fork(folder, price, settings) as process:
        _start(Server(process), settings)
        yield process


def version() -> tuple[int, int]:
    """Return the LNbits version under test: (1, 6)."""
    packages = find_lnbits().parent.parent.glob("lib/python3.*/site-packages/lnbits-*.dist-info")
    major, minor, *_ = next(packages).name.split("-")[1].split(".")
    return int(major), int(minor)


class _Fork(LnbitsProcess):
    """An LNbits that is a fork of the run's mother."""

    def __init__(self, folder: Path, price: PriceStub, settings: Mapping[str, str]) -> None:
        self.changed = {**lnbits_process._price_settings(price), **settings}
        settings = {**self.changed, "AUTH_SECRET_KEY": SECRET}
        super().__init__(find_lnbits(), folder, port=free_port(), settings=settings)

    def _spawn(self, log):
        request = {
            "code": lnbits_process._STARTER,
            "words": ["127.0.0.1", str(self._port)],
            "folder": str(lnbits_process._site_packages(self._python)),
            "environment": self._environment(),
        }
        connection = socket.socket(socket.AF_UNIX)
        connection.settimeout(MOTHER_LIMIT_S)
        connection.connect(str(_shared("mother")))
        socket.send_fds(connection, [json.dumps(request).encode()], [log.fileno()])
        return Forked(connection)


def _start(server: Server, settings: Mapping[str, str]) -> None:
    """Start LNbits with a super user: on a copy of the first LNbits' database, unless this is the first."""
    process = server.process
    copy = _shared("postgres.sql" if server.postgres else SQLITE_FILE)
    token = copy.with_suffix(".token")
    with _shared("lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if not token.exists():
            process.start()
            process.first_install()
            if settings == fake_funding() and version() >= COPIED_SINCE:
                server.keep(copy)
                token.write_text(process._http.headers["Authorization"], encoding="utf-8")
            return
    server.lay(copy)
    server.sql("".join(map(_set, process.changed, process.changed.values())))
    process._http.headers["Authorization"] = token.read_text(encoding="utf-8")
    process.start()


def _set(name: str, value: str) -> str:
    """Write a setting, whose row counts instead of the environment once there is one."""
    is_json = value.startswith("[") or (value.isdecimal() and len(value) < _KEY_CHARS)
    written = value if is_json else json.dumps(value)
    quoted = written.replace("'", "''")
    return f"UPDATE system_settings SET value = '{quoted}' WHERE id = '{name.lower()}';"


def _shared(name: str) -> Path:
    return Path(os.environ[SHARED]) / name


@contextmanager
def _mother(folder: Path) -> Iterator[None]:
    python = find_lnbits().parent / "python"
    with contextlib.closing(socket.socket(socket.AF_UNIX)) as listener:
        listener.bind(str(folder / "mother"))
        listener.listen()
        mother = subprocess.Popen(
            [python, "-P", MOTHER, str(listener.fileno())],
            # As an LNbits without a mother begins: with nothing of the tests' environment.
            env={"PATH": os.environ.get("PATH", os.defpath)},
            pass_fds=[listener.fileno()],
            stdin=subprocess.PIPE,
            stdout=subprocess.DEVNULL,
        )
    try:
        yield
    finally:
        with contextlib.suppress(subprocess.TimeoutExpired):
            mother.communicate(timeout=MOTHER_LIMIT_S)
        mother.kill()
        mother.wait()
