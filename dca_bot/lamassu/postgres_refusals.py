"""Explains errors of PostgreSQL and of the network to the operator: cause and remedy in a sentence."""

import re
import ssl

import asyncpg

from dca_bot.errors import SourceUnavailable, in_words
from dca_bot.lamassu.postgres_login import PostgresLimits, PostgresServer, TableUnreadable

# The connection, and with it the session, is gone; the next poll makes another connection.
_LOST = (
    asyncpg.PostgresConnectionError,
    asyncpg.AdminShutdownError,
    asyncpg.CrashShutdownError,
    asyncpg.DatabaseDroppedError,
    asyncpg.IdleSessionTimeoutError,
    asyncpg.IdleInTransactionSessionTimeoutError,
    asyncpg.TransactionTimeoutError,
    asyncpg.InterfaceError,
    ConnectionResetError,
    BrokenPipeError,
)
_PLAIN = re.compile(r"[a-z_][a-z0-9_]*")


def refusal(
    error: Exception, server: PostgresServer, limits: PostgresLimits, table: str
) -> SourceUnavailable:
    """Return the error to raise, with a sentence on cause and remedy.

    `table`: the table that was being read, if any. An error about that table alone is a
    TableUnreadable.
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
        case _ if isinstance(error, _LOST):
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


def _identifier(name: str) -> str:
    """Write a name as an SQL identifier, quoted if needed."""
    return name if _PLAIN.fullmatch(name) else '"' + name.replace('"', '""') + '"'
