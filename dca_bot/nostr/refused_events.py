"""Remembers the events that can never be accepted, so that stored junk is verified once.

An event is known by the SHA-256 of the whole event. The id alone doesn't cover the signature: a forged copy
would suppress the real event.
"""

from collections.abc import Iterable

REMEMBERED = 100_000
"""The newest refused events that are remembered at least; twice as many are remembered at most."""


class RefusedEvents:
    """The digests of refused events, also of earlier runs of the bot (`known`)."""

    def __init__(self, known: Iterable[bytes] = ()) -> None:
        self._older: set[bytes] = set(known)
        self._newer: set[bytes] = set()
        self._unrecorded: list[bytes] = []

    def __contains__(self, digest: bytes) -> bool:
        """Tell whether an event was refused; a refusal of long ago is forgotten."""
        if digest in self._newer:
            return True
        if digest not in self._older:
            return False
        self._remember(digest)
        return True

    def add(self, digest: bytes) -> None:
        """Remember a refused event."""
        self._remember(digest)
        if len(self._unrecorded) < REMEMBERED:
            self._unrecorded.append(digest)

    def take_unrecorded(self, count: int) -> list[bytes]:
        """Return refused events that no earlier call has returned, `count` at most."""
        taken, self._unrecorded = self._unrecorded[:count], self._unrecorded[count:]
        return taken

    def _remember(self, digest: bytes) -> None:
        if len(self._newer) >= REMEMBERED:
            self._older, self._newer = self._newer, set()
        self._newer.add(digest)
