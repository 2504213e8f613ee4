"""The cells of PostgreSQL: what a login, a session or a table may come to, directly and through SSH."""

import asyncio
from collections.abc import Awaitable, Callable, Iterator
from contextlib import suppress
from functools import partial

import asyncpg
from postgres_process import PASSWORD, READER, PostgresProcess

from faults.poll_cells import (
    CUTS,
    KEPT,
    LOGIN,
    PollSeries,
    PollStrike,
    cut_between,
    cut_new,
    greet,
    refuse,
    restart_ssh,
)
from faults.polls import TABLES, PollWorld, in_postgres

_HTTP = b"HTTP/1.1 400 Bad Request\r\n\r\n"


def postgres_series(postgres: PostgresProcess, *, tunnel: bool) -> Iterator[PollSeries]:
    enter = partial(in_postgres, postgres=postgres, tunnel=tunnel)
    found = [*_of_postgres_logins(tunnel=tunnel), *_of_postgres_tables()]
    yield PollSeries(enter, found)


def _of_postgres_logins(*, tunnel: bool) -> Iterator[PollStrike]:
    yield PollStrike(LOGIN, "connection refused", refuse)
    yield PollStrike(LOGIN, "PostgreSQL stopped", _stop_postgres)
    yield PollStrike(LOGIN, "password changed", _change_password)
    yield PollStrike(LOGIN, "role may not log in", _forbid_login)
    yield PollStrike(LOGIN, "no room for connections", _no_room)
    yield PollStrike(LOGIN, "no PostgreSQL but HTTP", partial(greet, greeting=_HTTP, waits_for=8))
    for cut_after in CUTS:
        yield PollStrike(LOGIN, f"cut after {cut_after} bytes", partial(cut_new, after=cut_after))
    yield PollStrike(KEPT, "session ended", _end_between)
    yield PollStrike(KEPT, "restarted, fast", partial(_restart_between, how="fast"))
    yield PollStrike(KEPT, "restarted, as by a crash", partial(_restart_between, how="immediate"))
    if tunnel:
        yield PollStrike(KEPT, "tunnel cut between two polls", cut_between)
        yield PollStrike(LOGIN, "SSH refused", _refuse_ssh)
        yield PollStrike(LOGIN, "forwarding forbidden", _forbid_forwarding)


def _of_postgres_tables() -> Iterator[PollStrike]:
    for table in TABLES:
        yield PollStrike(table, "backend terminated", partial(_in_the_middle, table=table, do=_end))
        yield PollStrike(
            table, "restarted in the middle", partial(_in_the_middle, table=table, do=_crash)
        )
        yield PollStrike(
            table, "network cut", partial(_in_the_middle, table=table, do=_cut_network)
        )
        yield PollStrike(table, "statement timeout", partial(_in_the_middle, table=table, do=_wait))
        yield PollStrike(table, "no right to read", partial(_revoke, table=table))
        yield PollStrike(table, "no such table", partial(_rename, table=table))
        yield PollStrike(table, "column missing", partial(_rename_column, table=table))


async def _in_the_middle(
    world: PollWorld, *, table: str, do: Callable[[PollWorld], Awaitable[None]]
) -> None:
    """Do something while the bot waits for a table that somebody else has locked."""
    # The lock's own session may be ended too.
    with suppress(OSError, asyncpg.PostgresError, asyncpg.InterfaceError):
        async with world.server.locked(table) as waited_for:
            polling = asyncio.create_task(world.poll())
            await waited_for()
            await do(world)
            await polling


async def _end(world: PollWorld) -> None:
    world.server.end_sessions()


async def _crash(world: PollWorld) -> None:
    world.server.postgres.restart("immediate")


async def _cut_network(world: PollWorld) -> None:
    world.wire.cut()


async def _wait(_world: PollWorld) -> None:
    """Let the statement's time run out."""


async def _stop_postgres(world: PollWorld) -> None:
    world.server.postgres.stop("immediate")
    await world.poll()
    world.server.postgres.start()


async def _restart_between(world: PollWorld, *, how: str) -> None:
    world.server.postgres.restart(how)
    await world.poll()


async def _end_between(world: PollWorld) -> None:
    world.server.end_sessions()
    await world.poll()


async def _with(world: PollWorld, script: str, undo: str) -> None:
    """Change the database for one poll, with a new session of the bot."""
    await world.listening.aclose()
    world.server.sql(script)
    await world.poll()
    world.server.sql(undo)


async def _change_password(world: PollWorld) -> None:
    await _with(
        world,
        f"ALTER ROLE {READER} PASSWORD 'another'",
        f"ALTER ROLE {READER} PASSWORD '{PASSWORD}'",
    )


async def _forbid_login(world: PollWorld) -> None:
    await _with(world, f"ALTER ROLE {READER} NOLOGIN", f"ALTER ROLE {READER} LOGIN")


async def _no_room(world: PollWorld) -> None:
    await _with(
        world,
        f"ALTER ROLE {READER} CONNECTION LIMIT 0",
        f"ALTER ROLE {READER} CONNECTION LIMIT -1",
    )


async def _revoke(world: PollWorld, *, table: str) -> None:
    await _with(
        world, f"REVOKE SELECT ON {table} FROM {READER}", f"GRANT SELECT ON {table} TO {READER}"
    )


async def _rename(world: PollWorld, *, table: str) -> None:
    await _with(world, f"ALTER TABLE {table} RENAME TO away", f"ALTER TABLE away RENAME TO {table}")


async def _rename_column(world: PollWorld, *, table: str) -> None:
    column = "name" if table == "devices" else "created"
    await _with(
        world,
        f"ALTER TABLE {table} RENAME {column} TO away",
        f"ALTER TABLE {table} RENAME away TO {column}",
    )


async def _refuse_ssh(world: PollWorld) -> None:
    await world.server.stop()
    await world.poll()
    await world.server.start()


async def _forbid_forwarding(world: PollWorld) -> None:
    server = world.server
    elsewhere = 'restrict,port-forwarding,permitopen="127.0.0.1:1"'
    options, server.options = server.options, elsewhere
    await restart_ssh(world)
    server.options = options
    await server.stop()
    await server.start()
