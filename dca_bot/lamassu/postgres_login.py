"""Logs in to PostgreSQL, and says in a sentence what a refusal means and what to do.

The invariant: the password is in no message; a server that can't prove who it is where that was
asked for gets neither the password nor a question.
"""

import asyncio
import re
import ssl
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal

import asyncpg

from dca_bot.errors import FileRefused, SourceUnavailable, in_words
from dca_bot.files.rights import refuse_unfit_file

TlsMode = Literal["disable", "require", "verify-full"]
_APPLICATION = "dca-bot"
# What asyncpg makes of parameters that it doesn't expect, and Python of a host that is no name.
_ODD_ANSWERS = (ValueError, LookupError, AttributeError)
_SSL_REQUEST = b"\x00\x00\x00\x08\x04\xd2\x16\x2f"
_ANSWER_BYTES = 1024
_PLAIN = re.compile(r"[a-z_][a-z0-9_]*")


class TableUnreadable(SourceUnavailable):
    """A table is not there, or the server did not give it; the connection is as good as before."""


@dataclass(frozen=True, slots=True)
class PostgresServer:
    """Where to log in and as whom.

    `require` encrypts, and with a `ca_file` checks who signed the certificate; `verify-full` checks
    the name in it too, against `ca_file` or the authorities that this computer trusts.
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
    """Bounds on what a server may cost; `statement_s` is for one table."""

    connect_s: float = 20
    statement_s: float = 60
    table_bytes: int = 2**32


async def log_in(server: PostgresServer, host: str, limits: PostgresLimits) -> Any:
    """Open a session that can only read; `host` is the server's, or the folder of a socket.

    Raise what asyncpg raises, or SourceUnavailable for a `ca_file` that is none, a host that is no
    name, and a server that isn't PostgreSQL.
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
            " [lamassu.postgres] host and port, and that PostgreSQL listens there."
        ) from error


async def _expect_postgres(server: PostgresServer, host: str) -> None:
    """Ask what is there: asyncpg never comes back from some answers (100 zero bytes) of others.

    PostgreSQL says in one byte whether it does TLS, which is where asyncpg itself begins with TLS.
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
    # Nothing is a server that goes down, an E a fault that it explains to whoever logs in.
    if answer not in (b"", b"N", b"S") and not answer.startswith(b"E"):
        raise SourceUnavailable(
            f"What answers at {server.address} is no PostgreSQL; check [lamassu.postgres] host and"
            " port."
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
        # The server ends a statement first; this is for a server that says nothing any more.
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


def refusal(
    error: Exception, server: PostgresServer, limits: PostgresLimits, table: str
) -> SourceUnavailable:
    """Say what an error means and what to do; `table` is the one that was read, if any.

    What the server says of that table alone is a TableUnreadable.
    """
    said, what = in_words(error), table or "Lamassu"
    unreadable = TableUnreadable if table else SourceUnavailable
    match error:
        case asyncpg.InsufficientPrivilegeError():
            return _no_privilege(said, server, table)
        case asyncpg.QueryCanceledError():
            return unreadable(
                f"Reading {what} took longer than {limits.statement_s:g} seconds; check the load of"
                " the database, or raise [lamassu.postgres] statement_timeout_seconds."
            )
        case asyncpg.ProtocolViolationError():
            text = (
                f"{server.address} doesn't take the bot's session ({said}): where PgBouncer stands"
                " before PostgreSQL, put the parameter that it names into"
                " ignore_startup_parameters in pgbouncer.ini, or connect past it."
            )
        case (
            asyncpg.PostgresConnectionError()
            | asyncpg.AdminShutdownError()
            | asyncpg.CrashShutdownError()
            | asyncpg.DatabaseDroppedError()
            | asyncpg.IdleSessionTimeoutError()
            | asyncpg.IdleInTransactionSessionTimeoutError()
            | asyncpg.TransactionTimeoutError()
            | asyncpg.InterfaceError()
            | ConnectionResetError()
            | BrokenPipeError()
        ):
            text = (
                f"The connection to {server.address} broke while {what} was read ({said}); the next"
                " poll tries again."
            )
        case asyncpg.PostgresError() if table:
            return TableUnreadable(
                f"PostgreSQL at {server.address} failed to read {table} ({said}); try to read it"
                f" there as {server.user}."
            )
        case asyncpg.PostgresError():
            text = _login_refused(error, said, server)
        case OSError():
            text = _unreachable(error, said, server)
        case _:
            text = f"Reading {what} from {server.address} failed ({said}); report it."
    return SourceUnavailable(text)


def _no_privilege(said: str, server: PostgresServer, table: str) -> SourceUnavailable:
    role = _identifier(server.user)
    if not table:
        return SourceUnavailable(
            f"{server.user} may not use the database {server.database} ({said}): run there, as its"
            f" owner: GRANT CONNECT ON DATABASE {_identifier(server.database)} TO {role};"
        )
    return TableUnreadable(
        f"{server.user} may not read {table} ({said}): run in the database {server.database}, as"
        f" its owner: GRANT SELECT ON {table} TO {role};"
    )


def _login_refused(error: asyncpg.PostgresError, said: str, server: PostgresServer) -> str:
    match error:
        case asyncpg.InvalidPasswordError():
            return (
                f"PostgreSQL at {server.address} refuses {server.user} or the password: put the"
                " right one, and nothing else, into [lamassu.postgres] password_file."
            )
        case asyncpg.InvalidAuthorizationSpecificationError():
            unencrypted = ', or set tls = "require" if it wants encryption'
            return (
                f"PostgreSQL at {server.address} doesn't let {server.user} in ({said}): make the"
                " role, or allow it in pg_hba.conf"
                f"{unencrypted if server.tls == 'disable' else ''}."
            )
        case asyncpg.InvalidCatalogNameError():
            return (
                f"There is no database {server.database} at {server.address}; correct"
                " [lamassu.postgres] database."
            )
        case asyncpg.TooManyConnectionsError() | asyncpg.CannotConnectNowError():
            return (
                f"PostgreSQL at {server.address} takes no connection now ({said}); the next poll"
                " tries again."
            )
        case _:
            return (
                f"PostgreSQL at {server.address} refused to be read ({said}); check"
                " [lamassu.postgres]."
            )


def _unreachable(error: OSError, said: str, server: PostgresServer) -> str:
    match error:
        case ssl.SSLCertVerificationError():
            return (
                f"The certificate of {server.address} proves nothing ({error.verify_message}): put"
                " that of whoever signed it into [lamassu.postgres] ca_file, and write host as the"
                " certificate does. If it was accepted before and nobody changed the server,"
                " somebody may be listening: change nothing."
            )
        case TimeoutError():
            return (
                f"PostgreSQL at {server.address} did not answer in time; check host, port, firewall"
                " and the load of the server."
            )
        case _ if isinstance(error, ssl.SSLError) or "SSL upgrade" in said:
            return (
                f"{server.address} doesn't do TLS as asked ({said}): turn it on there (ssl = on),"
                " or use tunnel = true."
            )
        case _:
            return (
                f"PostgreSQL at {server.address} can't be reached ({said}); check host, port and"
                " network, and that it listens there (listen_addresses)."
            )


def _tls(server: PostgresServer) -> ssl.SSLContext | bool:
    """Return how to encrypt; never what the environment or a file of libpq says."""
    if server.tls == "disable":
        return False
    try:
        if server.ca_file is not None:
            refuse_unfit_file(server.ca_file, private=False)
        context = ssl.create_default_context(cafile=server.ca_file)
    except FileNotFoundError:
        raise SourceUnavailable(
            f"There is no {server.ca_file}: put the certificate of whoever signed the server's there,"
            " as PEM."
        ) from None
    except FileRefused as error:
        raise SourceUnavailable(str(error)) from error
    except (OSError, ValueError) as error:
        raise SourceUnavailable(
            f"{server.ca_file} holds no certificate ({in_words(error)}); put that of whoever"
            " signed the server's into it, as PEM."
        ) from error
    if server.tls == "require":
        context.check_hostname = False
        if server.ca_file is None:
            context.verify_mode = ssl.CERT_NONE
    return context


def _identifier(name: str) -> str:
    """Write a name as SQL wants it."""
    return name if _PLAIN.fullmatch(name) else '"' + name.replace('"', '""') + '"'
