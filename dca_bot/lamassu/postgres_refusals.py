"""Explains errors of PostgreSQL and of the network to the operator: cause and remedy in a sentence."""

import re
import ssl

import asyncpg

from dca_bot.errors import SourceUnavailable, in_words
from dca_bot.faults import SourceFault
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


def refusal(  # noqa: PLR0911 - one return for each kind of error
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
                " the database, or raise [lamassu.postgres] statement_timeout_seconds.",
                fault=SourceFault.SLOW,
                table=what,
            )
        case asyncpg.ProtocolViolationError():
            return _session_refused(said, server)
        case _ if isinstance(error, _LOST):
            return SourceUnavailable(
                f"The connection to {server.address} broke while {what} was read ({said}); the next"
                " poll tries again.",
                fault=SourceFault.CONNECTION_LOST,
                address=server.address,
            )
        case asyncpg.PostgresError() if table:
            return _table_failed(table, said, server)
        case asyncpg.PostgresError():
            return _login_refused(error, said, server)
        case OSError():
            return _unreachable(error, said, server)
        case _:
            text = f"Reading {what} from {server.address} failed ({said}); report it."
            return _database_refused(text, said, server)


def _no_privilege(said: str, server: PostgresServer, table: str) -> SourceUnavailable:
    role = _identifier(server.user)
    if not table:
        grant = f"GRANT CONNECT ON DATABASE {_identifier(server.database)} TO {role};"
        return SourceUnavailable(
            f"{server.user} may not use the database {server.database} ({said}): run there, as its"
            f" owner: {grant}",
            fault=SourceFault.NO_DATABASE_RIGHT,
            user=server.user,
            database=server.database,
            grant=grant,
        )
    grant = f"GRANT SELECT ON {table} TO {role};"
    return TableUnreadable(
        f"{server.user} may not read {table} ({said}): run in the database {server.database}, as"
        f" its owner: {grant}",
        fault=SourceFault.NO_TABLE_RIGHT,
        user=server.user,
        table=table,
        database=server.database,
        grant=grant,
    )


def _table_failed(table: str, said: str, server: PostgresServer) -> SourceUnavailable:
    return TableUnreadable(
        f"PostgreSQL at {server.address} failed to read {table} ({said}); try to read it"
        f" there as {server.user}.",
        fault=SourceFault.TABLE_FAILED,
        address=server.address,
        table=table,
        user=server.user,
        said=said,
    )


def _session_refused(said: str, server: PostgresServer) -> SourceUnavailable:
    text = (
        f"{server.address} doesn't take the bot's session ({said}): where PgBouncer stands"
        " before PostgreSQL, put the parameter that it names into"
        " ignore_startup_parameters in pgbouncer.ini, or connect past it."
    )
    return _database_refused(text, said, server)


def _database_refused(text: str, said: str, server: PostgresServer) -> SourceUnavailable:
    return SourceUnavailable(
        text, fault=SourceFault.DATABASE_REFUSED, address=server.address, said=said
    )


def _login_refused(
    error: asyncpg.PostgresError, said: str, server: PostgresServer
) -> SourceUnavailable:
    match error:
        case asyncpg.InvalidPasswordError():
            return SourceUnavailable(
                f"PostgreSQL at {server.address} refuses {server.user} or the password: put the"
                " right one, and nothing else, into [lamassu.postgres] password_file.",
                fault=SourceFault.LOGIN_REFUSED,
                address=server.address,
                user=server.user,
            )
        case asyncpg.InvalidAuthorizationSpecificationError():
            unencrypted = ', or set tls = "require" if it wants encryption'
            return SourceUnavailable(
                f"PostgreSQL at {server.address} doesn't let {server.user} in ({said}): make the"
                " role, or allow it in pg_hba.conf"
                f"{unencrypted if server.tls == 'disable' else ''}.",
                fault=SourceFault.ROLE_REFUSED,
                address=server.address,
                user=server.user,
                said=said,
            )
        case asyncpg.InvalidCatalogNameError():
            return SourceUnavailable(
                f"There is no database {server.database} at {server.address}; correct"
                " [lamassu.postgres] database.",
                fault=SourceFault.NO_DATABASE,
                address=server.address,
                database=server.database,
            )
        case asyncpg.TooManyConnectionsError() | asyncpg.CannotConnectNowError():
            ending = f"takes no connection now ({said}); the next poll tries again."
        case _:
            ending = f"refused to be read ({said}); check [lamassu.postgres]."
    text = f"PostgreSQL at {server.address} {ending}"
    return _database_refused(text, said, server)


def _unreachable(error: OSError, said: str, server: PostgresServer) -> SourceUnavailable:
    address = server.address
    match error:
        case ssl.SSLCertVerificationError():
            return SourceUnavailable(
                f"The certificate of {address} proves nothing ({error.verify_message}): put"
                " that of whoever signed it into [lamassu.postgres] ca_file, and write host as the"
                " certificate does. If it was accepted before and nobody changed the server,"
                " somebody may be listening: change nothing.",
                fault=SourceFault.CERTIFICATE_UNPROVEN,
                address=address,
            )
        case TimeoutError():
            return SourceUnavailable(
                f"PostgreSQL at {address} did not answer in time; check host, port, firewall"
                " and the load of the server.",
                fault=SourceFault.NO_ANSWER,
                address=address,
            )
        case _ if isinstance(error, ssl.SSLError) or "SSL upgrade" in said:
            return SourceUnavailable(
                f"{address} doesn't do TLS as asked ({said}): turn it on there (ssl = on),"
                " or use tunnel = true.",
                fault=SourceFault.NO_TLS,
                address=address,
            )
        case _:
            return SourceUnavailable(
                f"PostgreSQL at {address} can't be reached ({said}); check host, port and"
                " network, and that it listens there (listen_addresses).",
                fault=SourceFault.UNREACHABLE,
                address=address,
            )


def _identifier(name: str) -> str:
    """Write a name as an SQL identifier, quoted if needed."""
    return name if _PLAIN.fullmatch(name) else '"' + name.replace('"', '""') + '"'
