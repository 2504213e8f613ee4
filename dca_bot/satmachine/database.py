"""Reads satmachineadmin's tables out of LNbits' database: a file of SQLite, or PostgreSQL.

The invariant: nothing is written, neither in the database nor beside the file, and each reading is one
consistent state. No error shows the URL, which has a password.
"""

import asyncio
import sqlite3
from collections.abc import Iterator, Mapping, Sequence
from contextlib import closing, contextmanager
from pathlib import Path
from typing import Any

import asyncpg

from dca_bot.errors import DcaBotError, FileRefused, in_words
from dca_bot.files.rights import open_to_read

Rows = Sequence[Mapping[str, Any]]
Tables = Mapping[str, Rows]
"""The rows of each table; a table that this version of the extension doesn't have has none."""

CLIENTS, DEPOSITS, PAYMENTS = "dca_clients", "dca_deposits", "dca_payments"
CASH_OUTS, POLLS = "lamassu_transactions", "lamassu_config"
WALLETS, EXTENSIONS = "wallets", "installed_extensions"
_TABLES = (CLIENTS, DEPOSITS, PAYMENTS, CASH_OUTS, POLLS)
_OF_LNBITS = (WALLETS, EXTENSIONS)
_NEEDED = (CLIENTS, DEPOSITS, PAYMENTS)
_LNBITS_FILE = "database.sqlite3"
"""Where LNbits keeps its own tables, beside the files of its extensions."""
_SQLITE = b"SQLite format 3\0"
_HEADER_BYTES = 20
_WAL_VERSION = 2
_LIMIT_S = 60
_SCHEMES = ("postgres://", "postgresql://")


def is_sqlite(path: Path) -> bool:
    """Tell whether a file is a database of SQLite; raise FileNotFoundError or FileRefused."""
    with open_to_read(path) as file:
        return file.read(len(_SQLITE)) == _SQLITE


def read_file(path: Path) -> Tables:
    """Read the extension's file of SQLite, and LNbits' tables from the file beside, if there is one.

    Raise DcaBotError if the file can't be read or isn't the extension's.
    """
    with _sqlite(path) as database:
        tables = {name: _sqlite_rows(database, name) for name in _TABLES if _has(database, name)}
    _refuse_other(tables, str(path))
    beside = path.with_name(_LNBITS_FILE)
    if beside.exists() and beside != path:
        with _sqlite(beside) as database:
            of_lnbits = [name for name in _OF_LNBITS if _has(database, name)]
            tables |= {name: _sqlite_rows(database, name) for name in of_lnbits}
    return tables


async def read_postgres(url: str, schema: str = "") -> Tables:
    """Read the extension's tables and LNbits' own from a database of PostgreSQL.

    `schema`: where the extension's tables are; empty if only one schema has clients in such tables. Raise
    DcaBotError if the database can't be read, or doesn't have the extension's tables.
    """
    if not url.startswith(_SCHEMES):
        raise DcaBotError(
            "The URL of LNbits' database begins with postgres://, like LNBITS_DATABASE_URL."
        )
    try:
        async with asyncio.timeout(_LIMIT_S):
            connection = await asyncpg.connect(url, timeout=_LIMIT_S)
            try:
                return await _postgres_tables(connection, schema)
            finally:
                await connection.close(timeout=5)
    except DcaBotError:
        raise
    except TimeoutError:
        raise DcaBotError(f"LNbits' database didn't answer within {_LIMIT_S} s.") from None
    except (
        asyncpg.PostgresError,
        asyncpg.InterfaceError,
        OSError,
        ValueError,
        OverflowError,
    ) as error:
        kind = type(error).__name__
        raise DcaBotError(
            f"LNbits' database can't be read ({kind}). Is the URL right, and may its user read the tables?"
        ) from None


async def _postgres_tables(connection: asyncpg.Connection, schema: str) -> Tables:
    async with connection.transaction(isolation="repeatable_read", readonly=True):
        places = await connection.fetch(
            "SELECT table_schema AS place, table_name AS name FROM information_schema.tables"
            " WHERE table_name = ANY($1::text[]) ORDER BY 1",
            [*_TABLES, *_OF_LNBITS],
        )
        known = {(row["place"], row["name"]) for row in places}
        chosen = schema or await _schema_with_clients(connection, sorted(known))
        tables = {
            name: await _postgres_rows(connection, chosen, name)
            for name in _TABLES
            if (chosen, name) in known
        }
        _refuse_other(tables, f"the schema {chosen}")
        of_lnbits = [name for name in _OF_LNBITS if ("public", name) in known]
        rows = {name: await _postgres_rows(connection, "public", name) for name in of_lnbits}
        return tables | rows


async def _schema_with_clients(
    connection: asyncpg.Connection, known: Sequence[tuple[str, str]]
) -> str:
    """Return the schema whose table of clients has rows; the extension's name has changed twice."""
    places = [place for place, name in known if name == CLIENTS]
    filled = [one for one in places if await _postgres_rows(connection, one, CLIENTS, limit=1)]
    if len(filled) == 1:
        return filled[0]
    if not filled:
        raise DcaBotError(
            "That database has no clients of satmachineadmin. Is it the one of LNBITS_DATABASE_URL?"
        )
    raise DcaBotError(
        f"Clients of satmachineadmin are in {len(filled)} schemas: {', '.join(filled)}. Name the one in use"
        " with --schema."
    )


async def _postgres_rows(
    connection: asyncpg.Connection, schema: str, table: str, limit: int | None = None
) -> Rows:
    name = ".".join('"' + part.replace('"', '""') + '"' for part in (schema, table))
    rows = await connection.fetch(f"SELECT * FROM {name} LIMIT $1", limit)  # noqa: S608 - quoted
    return [dict(row) for row in rows]


@contextmanager
def _sqlite(path: Path) -> Iterator[sqlite3.Connection]:
    """Open a file of SQLite for one consistent reading; raise DcaBotError."""
    try:
        with closing(sqlite3.connect(_uri(path), uri=True, isolation_level=None)) as database:
            database.row_factory = sqlite3.Row
            database.execute("BEGIN")
            yield database
    except FileNotFoundError:
        raise DcaBotError(f"There is no {path}.") from None
    except FileRefused as error:
        raise DcaBotError(str(error)) from None
    except (sqlite3.Error, OSError) as error:
        raise DcaBotError(
            f"{path} can't be read ({in_words(error)}). Is it a database of LNbits? If LNbits was"
            " killed while it wrote, start and stop it once."
        ) from None


def _uri(path: Path) -> str:
    """Return the URI for reading: for a file at rest one by which SQLite makes no file beside it."""
    with open_to_read(path) as file:
        header = file.read(_HEADER_BYTES)
    is_wal = header[-2:] == bytes([_WAL_VERSION] * 2)
    is_at_rest = is_wal and not path.with_name(f"{path.name}-wal").exists()
    return f"{path.absolute().as_uri()}?mode=ro{'&immutable=1' if is_at_rest else ''}"


def _has(database: sqlite3.Connection, table: str) -> bool:
    found = database.execute(
        "SELECT 1 FROM sqlite_schema WHERE type = 'table' AND name = ?", (table,)
    )
    return found.fetchone() is not None


def _sqlite_rows(database: sqlite3.Connection, table: str) -> Rows:
    return [dict(row) for row in database.execute(f"SELECT * FROM {table}")]  # noqa: S608


def _refuse_other(tables: Tables, place: str) -> None:
    missing = [name for name in _NEEDED if name not in tables]
    if missing:
        raise DcaBotError(
            f"{place} has no table {missing[0]}: it is no database of satmachineadmin. The extension's file"
            " is ext_satoshimachine.sqlite3, or ext_satmachineadmin.sqlite3 of an older one."
        )
