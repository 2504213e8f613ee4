"""Plays the fault matrix on real parts and prints it: `python tests/faults/matrix.py` (make faults).

Each cell has a ledger, a proxy and wallets of its own; LNbits, PostgreSQL and this process are shared.
"""

import argparse
import asyncio
import logging
import sys
from collections.abc import AsyncIterator, Callable, Iterator, Sequence
from dataclasses import dataclass, field, replace
from itertools import count
from pathlib import Path
from tempfile import TemporaryDirectory
from time import monotonic
from typing import Any, TextIO

if __name__ == "__main__":  # the rooms of the tests, as pytest finds them
    for room in ("", "jobs/payouts", "jobs/lamassu", "e2e"):
        sys.path.insert(0, str(Path(__file__).parents[1] / room))

from postgres_process import postgres_process
from reach.matrix import names_of_the_tests

from dca_bot.demo.lnbits_process import fake_funding, find_lnbits, start_lnbits
from dca_bot.demo.price_stub import PriceStub
from faults.asks import ask_series
from faults.cells import Cell, table
from faults.http_faults import HTTP_FAULTS
from faults.payout_cells import KINDS, payout_series, refused_series
from faults.postgres_cells import postgres_series
from faults.ssh_cells import ssh_series
from faults.tls_cells import tls_series

AT_ONCE = 4
WAITING_AT_ONCE = 40
"""Series that wait for a time limit cost nothing meanwhile."""
ROOMS = ("lnbits", "ssh", "postgres")

Cells = AsyncIterator[Cell]


@dataclass(slots=True)
class Stage:
    """The real parts of a run, and how much is played at the same time."""

    options: argparse.Namespace
    folder: Path
    numbers: Iterator[int] = field(default_factory=count)
    brisk: asyncio.Semaphore = field(default_factory=lambda: asyncio.Semaphore(AT_ONCE))
    waiting: asyncio.Semaphore = field(default_factory=lambda: asyncio.Semaphore(WAITING_AT_ONCE))

    async def play_all(self, *, price: PriceStub) -> list[Cell]:
        """Play all rooms that were chosen, and return the cells in the order of the table."""
        plays = {"lnbits": self._lnbits(price), "ssh": self._ssh(), "postgres": self._postgres()}
        chosen = [play for name, play in plays.items() if self.options.room in ("", name)]
        for name, play in plays.items():
            if self.options.room not in ("", name):
                play.close()
        return [cell for cells in await asyncio.gather(*chosen) for cell in cells]

    async def _lnbits(self, price: PriceStub) -> list[Cell]:
        data = self.folder / "lnbits"
        with (
            names_of_the_tests() as authority,
            start_lnbits(find_lnbits(), data, price=price, funding=fake_funding()) as lnbits,
        ):
            series: list[Any] = [one for kind in KINDS for one in payout_series(kind, HTTP_FAULTS)]
            series += [await refused_series(lnbits, self.place()), *ask_series(HTTP_FAULTS)]
            series += tls_series(authority)
            return await self._all(series, lambda one: one.play(lnbits, self.place()))

    async def _ssh(self) -> list[Cell]:
        return await self._all(list(ssh_series()), lambda one: one.play(self.place()))

    async def _postgres(self) -> list[Cell]:
        """Play both ways to PostgreSQL, one after the other: the faults are the whole server's."""
        found = []
        with postgres_process() as postgres:
            for tunnel in (False, True):
                series = list(postgres_series(postgres, tunnel=tunnel))
                found += await self._all(series, lambda one: one.play(self.place()))
        return found

    async def _all(self, series: Sequence[Any], play: Callable[[Any], Cells]) -> list[Cell]:
        chosen = [self._chosen(one) for one in series]
        played = await asyncio.gather(*(self._one(one, play) for one in chosen if one.strikes))
        return [cell for cells in played for cell in cells]

    async def _one(self, series: Any, play: Callable[[Any], Cells]) -> list[Cell]:
        found = []
        async with self.waiting if series.waits else self.brisk:
            async for cell in play(series):
                found.append(cell)
                if not cell.is_right or self.options.verbose:
                    _say(cell.line(), file=sys.stderr)
        return found

    def _chosen(self, series: Any) -> Any:
        """Return a series with those of its strikes that the options name."""
        options = self.options
        strikes = [
            one
            for one in series.strikes
            if _named(options.kind, one.kind) and _named(options.fault, one.fault)
        ]
        return replace(series, strikes=[] if options.quick and series.waits else strikes)

    def place(self) -> Path:
        """Return a folder that isn't there yet."""
        return self.folder / f"{next(self.numbers)}"


def main(arguments: Sequence[str] | None = None) -> int:
    """Play and print; 1 if a cell is wrong."""
    options = _options(arguments)
    logging.disable(logging.CRITICAL)
    began, price = monotonic(), PriceStub()
    with TemporaryDirectory(prefix="dca-bot-faults-", dir=_memory()) as name:
        cells = asyncio.run(Stage(options, Path(name)).play_all(price=price))
    price.close()
    _say(f"{table(cells)}, {monotonic() - began:.0f} s")
    return int(not all(cell.is_right for cell in cells))


def _named(letters: Sequence[str] | None, name: str) -> bool:
    return not letters or any(one in name for one in letters)


def _say(text: str, *, file: TextIO = sys.stdout) -> None:
    file.write(f"{text}\n")
    file.flush()


def _memory() -> Path | None:
    in_memory = Path("/dev/shm")  # noqa: S108 - fsync costs nothing there
    return in_memory if in_memory.is_dir() else None


def _options(arguments: Sequence[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--room", default="", choices=("", *ROOMS), help="one part alone")
    parser.add_argument(
        "--kind", action="append", help="kinds of requests with these letters alone"
    )
    parser.add_argument("--fault", action="append", help="faults with these letters alone")
    parser.add_argument(
        "--quick", action="store_true", help="without the faults that wait a minute"
    )
    parser.add_argument("--verbose", action="store_true", help="tell each cell when it is played")
    return parser.parse_args(arguments)


if __name__ == "__main__":
    sys.exit(main())
