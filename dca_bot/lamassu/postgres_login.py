"""Logs in to PostgreSQL.

The invariant: no message shows the password. If a proof of the server's identity was asked for, a
server without the proof gets neither the password nor a query.
"""

import asyncio
import ssl
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal

import asyncpg

from dca_bot.errors import FileRefused, SourceUnavailable, in_words
from dca_bot.faults import SourceFault
from dca_bot.files.rights import refuse_unfit_file

TlsMode = Literal["disable", "require", "verify-full"]
_APPLICATION = "dca-bot"
# asyncpg's errors for a server's unexpected parameters, Python's for a host that is no name.
_ODD_ANSWERS = (ValueError, LookupError, AttributeError)
_SSL_REQUEST = b"\x00\x00\x00\x08\x04\xd2\x16\x2f"
_ANSWER_BYTES = 1024


class TableUnreadable(SourceUnavailable):
    """A table doesn't exist, or the server didn't give the rows; the connection stays usable."""


@dataclass(frozen=True, slots=True)
class PostgresServer:
    """Address, login and encryption of a PostgreSQL server.

    `tls`: `require` encrypts, and with a `ca_file` checks the certificate's signature;
    `verify-full` also checks the host name in the certificate. The signature is checked against
    `ca_file`, or else against the authorities that this computer trusts.
    """

    host: str
    port: int
    database: str
    user: str
    password: str = field(repr=False)
    tls: TlsMode
    ca_file: Path | None = None

    @property
    def address(self) -> str:
        """Return host and port for messages."""
        return f"{self.host}:{self.port}"


@dataclass(frozen=True, slots=True)
class PostgresLimits:
    """Bounds on time and size; `statement_s` is for one table."""

    connect_s: float = 20
    statement_s: float = 60
    table_bytes: int = 2**32


async def log_in(server: PostgresServer, host: str, limits: PostgresLimits) -> Any:
    """Open a session that can only read; `host` is the server's, or the folder of a Unix socket.

    Raise SourceUnavailable for a `ca_file` without a certificate, a host that is no name, and a
    server that isn't PostgreSQL. Errors of asyncpg and OSError are left to the caller (`refusal`).
    """
    try:
        if server.tls == "disable":
            async with asyncio.timeout(limits.connect_s):
                await _expect_postgres(server, host)
        return await _connect(server, host, limits)
    except OSError:
        # A certificate that proves nothing is a ValueError too.
        raise
    except _ODD_ANSWERS as error:
        raise SourceUnavailable(
            f"{server.address} can't be logged in to ({in_words(error)}); check"
            " [lamassu.postgres] host and port, and that PostgreSQL listens there.",
            fault=SourceFault.NO_POSTGRES,
            address=server.address,
        ) from error


async def _expect_postgres(server: PostgresServer, host: str) -> None:
    """Raise SourceUnavailable unless PostgreSQL answers: asyncpg would wait forever on some other answers.

    The question is PostgreSQL's SSLRequest, answered with one byte; asyncpg begins the same way
    with TLS.
    """
    if host.startswith("/"):
        reader, writer = await asyncio.open_unix_connection(f"{host}/.s.PGSQL.{server.port}")
    else:
        reader, writer = await asyncio.open_connection(host, server.port)
    try:
        writer.write(_SSL_REQUEST)
        answer = await reader.read(_ANSWER_BYTES)
    finally:
        writer.transport.abort()
    # An empty answer comes from a server that goes down; E begins an error, explained at the login.
    if answer not in (b"", b"N", b"S") and not answer.startswith(b"E"):
        raise SourceUnavailable(
            f"What answers at {server.address} is no PostgreSQL; check [lamassu.postgres] host and"
            " port.",
            fault=SourceFault.NO_POSTGRES,
            address=server.address,
        )


async def _connect(server: PostgresServer, host: str, limits: PostgresLimits) -> Any:
    statement_ms = str(int(limits.statement_s * 1000))
    return await asyncpg.connect(
        host=host,
        port=server.port,
        user=server.user,
        password=server.password,
        database=server.database,
        ssl=_tls(server),
        timeout=limits.connect_s,
        # Longer than statement_timeout: the server ends a statement first, unless the server hangs.
        command_timeout=limits.statement_s + limits.connect_s,
        # Nothing is left behind in a session that a pooler may hand to others.
        statement_cache_size=0,
        server_settings={
            "application_name": _APPLICATION,
            "default_transaction_read_only": "on",
            "statement_timeout": statement_ms,
            "idle_in_transaction_session_timeout": statement_ms,
            "datestyle": "ISO",
        },
    )


def _tls(server: PostgresServer) -> ssl.SSLContext | bool:
    """Return how to encrypt, regardless of the environment's and of libpq's own settings."""
    if server.tls == "disable":
        return False
    try:
        if server.ca_file is not None:
            refuse_unfit_file(server.ca_file, private=False)
        context = ssl.create_default_context(cafile=server.ca_file)
    except FileNotFoundError:
        raise SourceUnavailable(
            f"There is no {server.ca_file}: put the certificate of whoever signed the server's there,"
            " as PEM.",
            fault=SourceFault.FILE_MISSING,
            path=str(server.ca_file),
        ) from None
    except FileRefused as error:
        raise SourceUnavailable(
            str(error), fault=SourceFault.FILE_UNFIT, path=str(server.ca_file)
        ) from error
    except (OSError, ValueError) as error:
        raise SourceUnavailable(
            f"{server.ca_file} holds no certificate ({in_words(error)}); put that of whoever"
            " signed the server's into it, as PEM.",
            fault=SourceFault.FILE_UNREADABLE,
            path=str(server.ca_file),
        ) from error
    if server.tls == "require":
        context.check_hostname = False
        if server.ca_file is None:
            context.verify_mode = ssl.CERT_NONE
    return context
