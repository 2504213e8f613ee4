"""Counts the transactions of a database."""

from contextlib import contextmanager


@contextmanager
def counted(database):
    """List the beginnings of the transactions that a database runs meanwhile."""
    run, begun = database._run, []

    async def noted(work, *, begin):
        begun.append(begin)
        return await run(work, begin=begin)

    database._run = noted
    try:
        yield begun
    finally:
        del database._run
