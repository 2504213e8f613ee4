"""Older copies of the ledger, and how one is put back, as docs/operating.md says."""

import shutil
import sqlite3
from contextlib import closing
from dataclasses import dataclass, field
from pathlib import Path
from random import Random

LEDGER = "ledger.sqlite3"


@dataclass
class Copies:
    """The copies of one data folder: somebody's, and the bot's own, which have a mark."""

    data_dir: Path
    random: Random
    folder: Path
    made: list[Path] = field(default_factory=list)
    put_back: int = 0

    def copy(self) -> None:
        """Copy the ledger as it is now, without the bot's mark."""
        target = self.folder / f"copy-{len(self.made)}.sqlite3"
        source = f"file:{self.data_dir / LEDGER}?mode=ro"
        with (
            closing(sqlite3.connect(source, uri=True)) as ledger,
            closing(sqlite3.connect(target)) as copy,
        ):
            ledger.backup(copy)
        self.made.append(target)

    def put_one_back(self) -> Path | None:
        """Put a copy of the last days in the ledger's place; return the copy, None if there is none."""
        own = sorted((self.data_dir / "backups").glob("ledger-*.sqlite3"))
        choice = [*self.made[-6:], *own[-2:]]
        if not choice:
            return None
        copy = self.random.choice(choice)
        for name in (LEDGER, f"{LEDGER}-wal", f"{LEDGER}-shm"):
            self.data_dir.joinpath(name).unlink(missing_ok=True)
        target = self.data_dir / LEDGER
        shutil.copyfile(copy, target)
        target.chmod(0o600)
        self.put_back += 1
        return copy
