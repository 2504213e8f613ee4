"""Takes the bot's disk away at ten moments, and restores the bot from its copy elsewhere: `make lost-disk`.

Real parts: LNbits, a relay, the bot as a process that is killed at one of its points, a copy in another
folder. Each world loses the data folder and the bot's key after the copy, is restored with the recovery key,
resumed with a code, and held against LNbits' rows.
"""

import argparse
import asyncio
import json
import logging
import os
import re
import shutil
import sys
import tempfile
from dataclasses import dataclass, field
from pathlib import Path

TESTS = Path(__file__).parents[1]
if __name__ == "__main__":  # the rooms of the tests, as pytest finds them
    sys.path[:0] = [str(TESTS), str(TESTS / "e2e")]

from crash.checker import Outcome, compare_payments  # noqa: E402 - after the paths
from crash.parts import Parts, parts  # noqa: E402 - after the paths
from crash.scenarios import BALANCES, order  # noqa: E402 - after the paths
from crash.world import LIMIT_S, Strike, crash_world  # noqa: E402 - after the paths
from lnbits_servers import SQLITE  # noqa: E402 - after the paths

from dca_bot.demo import lnbits_process  # noqa: E402 - after the paths
from dca_bot.offsite.sealing import generate_key  # noqa: E402 - after the paths

PLACE = """\
to = ["usb"]
"""
KEY = generate_key()
COPY = re.compile(r"rename dca-bot-.*\.age\.part")
_POST = r"request POST /api/v1/payments"
MOMENTS = (
    ("the copy has just left", r"request GET .*/paginated", 1, "after"),
    ("a sale is read, not recorded", r"commit .*cash_out\b", 1, "before"),
    ("the sale is shared out", r"commit .*cash_out\b", 1, "after"),
    ("the first invoice is made, not recorded", _POST, 2, "after"),
    ("the first payment is announced, not sent", _POST, 3, "before"),
    ("the first payment is on its way", _POST, 3, "sent"),
    ("the first payment is made, not recorded", _POST, 3, "after"),
    ("one of two clients is paid", _POST, 4, "before"),
    ("both are paid, not recorded", r"commit .*\bpayout,posting$", 1, "before"),
    ("all is over, and a deposit confirmed", "", 0, ""),
)
"""What is happening, and the point: its kind, which one of them after the copy has left, and the side."""
HOLDS = "SELECT hold.kind, hold.reason FROM hold WHERE closed_at IS NULL ORDER BY id"
HEADS = (
    "the disk is lost when",
    "restored",
    "paid twice",
    "lost",
    "held, and why",
    "to repeat",
    "audit",
)


@dataclass
class Row:
    """A line of the table."""

    moment: str
    restored: bool = False
    outcome: Outcome = field(default_factory=Outcome)
    held: list[str] = field(default_factory=list)
    listed: int = 0
    findings: int = -1
    error: str = ""

    @property
    def is_clean(self) -> bool:
        found = self.outcome
        return self.restored and found.doubled_sat == found.lost_sat == self.findings == 0

    def cells(self) -> list[str]:
        held = ", ".join(self.held) or "nothing"
        return [
            self.moment,
            "yes" if self.restored else f"no: {self.error}",
            f"{self.outcome.doubled_sat} sat",
            f"{self.outcome.lost_sat} sat",
            held,
            str(self.listed),
            f"{self.findings} findings",
        ]


async def lose(shared: Parts, moment: tuple[str, str, int, str], points: list[str] | None) -> Row:
    """Play a world until the moment, take the disk away, restore and judge."""
    row = Row(moment[0])
    strikes = [] if points is None else [strike_of(moment, points)]
    async with crash_world(shared, strikes, backup_hours=24) as world:
        await _prepare(world)
        world.start()
        play = asyncio.create_task(_play(world))
        while not play.done() and world.process.poll() is None:  # noqa: ASYNC110 - another process
            await asyncio.sleep(0.05)
        if points is None:
            await play
            row.held = world.points()
        play.cancel()
        await asyncio.gather(play, return_exceptions=True)
        if world.process.poll() is None:
            world.process.kill()
            world.process.wait()
        if points is None:
            return row
        try:
            await _restore(world, row)
        except (AssertionError, TimeoutError) as error:
            row.error = str(error)[:500]
    return row


async def _prepare(world) -> None:
    for name in BALANCES:
        await world.person(name)
    await world.fill(BALANCES)
    config = world.folder / "config.toml"
    config.write_text(config.read_text(encoding="utf-8") + PLACE, encoding="utf-8")
    (world.folder / "usb").mkdir()
    (world.folder / "recovery.pub").write_text(KEY.public, encoding="utf-8")
    (world.folder / "recovery.key").write_text(KEY.secret, encoding="utf-8")
    (world.folder / "recovery.key").chmod(0o600)
    world.sell(500)
    async with world.earlier_life():
        await world.until(lambda: world.is_settled(1) and list((world.folder / "usb").iterdir()))
    # The next start makes a copy that has the first sale in it.
    for folder in (world.data / "backups", world.folder / "usb"):
        for path in folder.iterdir():
            path.unlink()


async def _play(world) -> None:
    await world.until(lambda: list((world.folder / "usb").glob("*.age")))
    await order(world, "client note ana her phone is 5555 0123", has_code=False)
    world.sell(300)
    await world.until(lambda: world.is_settled(2))
    await order(world, "deposit ana 500")
    await order(world, "deposit confirm 3")


async def _restore(world, row: Row) -> None:
    """Put everything back on a computer that has the configuration and LNbits' key alone."""
    shutil.rmtree(world.data)
    (world.folder / "bot.nsec").unlink()
    words = ("restore", "--key", "recovery.key", "--bot", world.bot.npub)
    done = await asyncio.to_thread(world.run, *words)
    assert done.returncode == 0, done.stdout + done.stderr
    row.listed = int(re.search(r"to be repeated: (\d+)", done.stdout)[1])
    row.restored = True
    before = len(await world.operator.received())
    world.start()
    alive = asyncio.create_task(world.keep_alive())
    try:
        await world.until(lambda: "running start_at" in world.log_of_life())
        await world.operator.wait(lambda texts: any("put back" in one for one in texts[before:]))
        assert world.rows("SELECT count(*) FROM fact WHERE name = 'paused'") == [(1,)]
        await order(world, "resume all", is_polled=False)
        sold = "SELECT count(*) FROM cash_out"
        await world.until(lambda: world.rows(sold)[0][0] == len(world.sold) and _is_quiet(world))
        row.held = [f"{kind} ({reason})" for kind, reason in world.rows(HOLDS)]
        for (number,) in world.rows("SELECT id FROM hold WHERE closed_at IS NULL ORDER BY id"):
            await order(world, f"hold accept {number}")
        await world.until(lambda: world.is_settled(len(world.sold)))
        await world.stop()
    finally:
        alive.cancel()
        await asyncio.gather(alive, return_exceptions=True)
    compare_payments(world, row.outcome)
    audit = world.run("audit", "--json").stdout
    row.findings = len(json.loads(audit)["findings"])


def _is_quiet(world) -> bool:
    """Tell whether each sale is held, or shared out and paid."""
    query = (
        "SELECT (SELECT count(*) FROM hold WHERE closed_at IS NULL AND kind = 'cash-out')"
        " + (SELECT count(*) FROM distribution), (SELECT count(*) FROM payout WHERE state NOT IN"
        " ('DONE', 'CANCELLED', 'MERGED'))"
    )
    return world.rows(query) == [(len(world.sold), 0)]


def strike_of(moment: tuple[str, str, int, str], points: list[str]) -> Strike:
    """Return where a moment strikes, by the points of a run without a strike; nowhere for the last moment."""
    _, pattern, number, side = moment
    if not pattern:
        return Strike()
    left = next(n for n, name in enumerate(points) if COPY.match(name))
    found = [name for name in points[left:] if re.search(pattern, name.rpartition(" #")[0])]
    return Strike(found[number - 1], side)


def table(rows: list[Row]) -> str:
    lines = [list(HEADS), ["---"] * len(HEADS), *(row.cells() for row in rows)]
    return "\n".join(f"| {' | '.join(line)} |" for line in lines)


async def main(options: argparse.Namespace) -> int:
    with (
        tempfile.TemporaryDirectory(prefix="dca-bot-lost-") as folder,
        parts(SQLITE, Path(folder)) as shared,
    ):
        points = (await lose(shared, MOMENTS[-1], None)).held
        if options.points:
            tell("\n".join(points))
        room = asyncio.Semaphore(options.jobs)

        async def one(moment: tuple[str, str, int, str]) -> Row:
            async with room:
                row = await lose(shared, moment, points)
            tell(" · ".join(row.cells()))
            return row

        rows = await asyncio.gather(*(one(moment) for moment in MOMENTS[: options.moments]))
    tell(f"\n{table(rows)}")
    return int(not all(row.is_clean for row in rows))


def tell(text: str) -> None:
    print(text, flush=True)  # noqa: T201 - a program that prints


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--jobs", type=int, default=4, help="worlds at the same time")
    parser.add_argument("--moments", type=int, default=len(MOMENTS), help="so many of the moments")
    parser.add_argument("--points", action="store_true", help="print the points of a run")
    return parser.parse_args()


if __name__ == "__main__":
    logging.disable(logging.CRITICAL)
    memory = Path("/dev/shm")  # noqa: S108 - a file system; a folder of its own is made there
    if memory.is_dir() and "TMPDIR" not in os.environ:
        os.environ["TMPDIR"] = tempfile.tempdir = str(memory)
    lnbits_process._START_LIMIT_S = LIMIT_S
    sys.exit(asyncio.run(main(_options())))
