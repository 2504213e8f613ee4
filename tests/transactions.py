"""Counts the transactions that a database is asked for."""

from contextlib import contextmanager


@contextmanager
def counted(database):
    """Yield a list that gets the transaction's kind, as each is handed in: "read" or "write"."""
    run, begun = database._run, []

    async def noted(one):
        begun.append("write" if one.writes else "read")
        return await run(one)

    database._run = noted
    try:
        yield begun
    finally:
        del database._run
