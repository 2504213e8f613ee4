"""What happened in a world, line by line: a failing seed's story, and proof that a seed is played alike."""

import hashlib
from dataclasses import dataclass, field
from datetime import datetime

from simulation.virtual_time import WorldTime


@dataclass
class Journal:
    """The lines of one world, each with the true time."""

    time: WorldTime
    lines: list[tuple[datetime, str]] = field(default_factory=list)

    def note(self, what: str) -> None:
        """Write a line."""
        self.lines.append((self.time.now(), what))

    def digest(self) -> str:
        """Return a digest of all lines: equal for two plays of a seed."""
        return hashlib.sha256("\n".join(map(_told, self.lines)).encode()).hexdigest()[:16]

    def texts(self) -> list[str]:
        """Return the lines as text."""
        return list(map(_told, self.lines))


def _told(line: tuple[datetime, str]) -> str:
    at, what = line
    return f"{at:%d %b %H:%M:%S.%f} {what}"
