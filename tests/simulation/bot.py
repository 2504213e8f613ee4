"""The bot's process in the simulated world: started, killed at any turn, started again."""

import asyncio
import sqlite3
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from random import Random
from typing import TypeVar

from dca_bot.app import run_jobs
from dca_bot.config import Config
from dca_bot.ledger.store.connection import STATEMENTS_KEPT, Connect
from dca_bot.ledger.store.database import open_database
from dca_bot.outside import Outside, programme_of
from simulation.copies import LEDGER
from simulation.journal import Journal
from simulation.network import Killed, Life
from simulation.promise import Violation
from simulation.virtual_time import VirtualLoop

T = TypeVar("T")
OutsideOf = Callable[[Life], Outside]
AfterChange = Callable[[sqlite3.Connection], None]
_OTHERS_FIRST = 0.3
"""The odds that other tasks go on before the ledger is asked, and then before the task that has asked."""


class DirectConnection:
    """A connection whose functions run at once in the caller's thread; fulfils `connection.Connection`.

    `after_change` is called with the connection after each function that changed something.
    """

    def __init__(self, uri: str, bot: "Bot", life: Life) -> None:
        self._sqlite = _connected(uri) if "?mode=ro" in uri else bot.ledger
        self._bot, self._life, self._changes = bot, life, self._sqlite.total_changes
        self._turns = asyncio.Lock()

    async def run(self, work: Callable[[sqlite3.Connection], T]) -> T:
        """Run a function; the process can be killed before and after, and not within.

        Other tasks go on before the function or before the caller at times, as with a thread of the
        database: transactions that wait meanwhile share its COMMIT.
        """
        async with self._turns:
            if self._bot.random.random() < _OTHERS_FIRST:
                await asyncio.sleep(0)
            else:
                self._bot.loop.step()
            self._life.check()
            result = work(self._sqlite)
        if self._sqlite.total_changes != self._changes:
            self._changes = self._sqlite.total_changes
            self._check()
        if self._bot.random.random() < _OTHERS_FIRST:
            await asyncio.sleep(0)
        else:
            self._bot.loop.step()
        self._life.check()
        return result

    def _check(self) -> None:
        """Call `after_change`; the program catches no error of the checker."""
        try:
            self._bot.after_change(self._sqlite)
        except Exception as error:
            raise Violation(f"the checker can't read the ledger: {error!r}") from error

    async def aclose(self) -> None:
        """Close the file; the ledger that the bot writes stays open, as if the process had been killed."""
        if self._sqlite is not self._bot.ledger:
            self._sqlite.close()


@dataclass
class Bot:
    """The bot of one data folder.

    `kill_within`: each life ends by a kill within so many turns of the loop; 0 for no kills.
    """

    config: Config
    journal: Journal
    loop: VirtualLoop
    random: Random
    outside_of: OutsideOf
    after_change: AfterChange
    kill_within: int = 0
    kills: int = 0
    is_stopped: bool = False
    _lives: int = 0
    _life: Life = field(default_factory=lambda: Life(0))
    _task: "asyncio.Task[None] | None" = None
    _stop: asyncio.Event = field(default_factory=asyncio.Event)
    _ledger: sqlite3.Connection | None = None

    @property
    def ledger(self) -> sqlite3.Connection:
        """Return the connection to the ledger: kept from life to life, with its prepared statements."""
        if self._ledger is None:
            self._ledger = _connected((self.data_dir / LEDGER).absolute().as_uri())
        return self._ledger

    def close_ledger(self) -> None:
        """Close the ledger, as another file takes its place."""
        if self._ledger is not None:
            self._ledger.close()
            self._ledger = None

    @property
    def data_dir(self) -> Path:
        """Return the bot's data folder."""
        return self.config.path(self.config.bot.data_dir)

    async def live(self) -> None:
        """Run one process until a kill or `stop`; raise the error of a process that ends by itself."""
        self._lives += 1
        self.journal.note(f"the bot starts, for the {self._lives}. time")
        self._life, self._stop = Life(self._lives), asyncio.Event()
        self._task = task = asyncio.ensure_future(self._run(self._life))
        if self.kill_within:
            kill_at = self.loop.turns + self.random.randint(1, self.kill_within)
            self.loop.at_turn(kill_at, self.kill)
        await asyncio.wait({task})
        self.loop.at_turn(-1, lambda: None)
        if not self._life.is_over:
            task.result()

    def spare(self) -> None:
        """Kill no process any more."""
        self.kill_within = 0
        self.loop.at_turn(-1, lambda: None)

    def kill(self) -> None:
        """Kill the process that runs, if one does."""
        if self._task is not None and not self._task.done() and not self._life.is_over:
            self._kill(self._task)

    def stop(self) -> None:
        """Ask the process to end, as SIGTERM does."""
        self.is_stopped = True
        self.spare()
        self._stop.set()

    def drop(self) -> None:
        """End the process with the world, without a trace."""
        self._life.is_over = True
        self.close_ledger()

    def connect_of(self, life: Life) -> Connect:
        """Return how a process opens a connection to the ledger."""

        async def connect(uri: str) -> DirectConnection:
            life.check()
            return DirectConnection(uri, self, life)

        return connect

    def _kill(self, task: "asyncio.Task[None]") -> None:
        """End the process at once: no further step of the process has an effect."""
        self._life.is_over = True
        self.kills += 1
        self.journal.note("the bot is killed")
        task.cancel()

    async def _run(self, life: Life) -> None:
        database = None
        try:
            database = await open_database(self.data_dir, connect=self.connect_of(life))
            outside = self.outside_of(life)
            await run_jobs(self.config, programme_of(self.config), database, outside, self._stop)
        except (Killed, BaseExceptionGroup, asyncio.CancelledError):
            if not life.is_over:
                raise
        finally:
            if database is not None:
                await database.aclose()


def _connected(uri: str) -> sqlite3.Connection:
    return sqlite3.connect(
        uri, uri=True, isolation_level=None, timeout=0, cached_statements=STATEMENTS_KEPT
    )
