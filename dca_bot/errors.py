"""The one hierarchy of errors; each message is a sentence that says what to do."""

import traceback


class DcaBotError(Exception):
    """Whatever dca-bot raises by itself; its text is meant for a person."""


class ConfigError(DcaBotError):
    """The configuration or a secret's file can't be used."""


class SourceUnavailable(DcaBotError):
    """Lamassu could not be read this time; nothing was changed, the next poll tries again."""


class ExportBroken(SourceUnavailable):
    """What Lamassu sent is incomplete or lacks columns; nothing of it is used."""


class TableBroken(ExportBroken):
    """A table of Lamassu came whole, but lacks columns that the bot knows, or isn't CSV."""


class LnbitsUnavailable(DcaBotError):
    """LNbits did not answer, or answered with a fault of its own; what was asked may have happened."""


class LnbitsRefused(DcaBotError):
    """LNbits answered that it won't: a wrong key, a wrong amount, an unknown path.

    `status` is the HTTP status.
    """

    def __init__(self, message: str, *, status: int) -> None:
        super().__init__(message)
        self.status = status


class DestinationRefused(DcaBotError):
    """A destination can't be paid as it is (not an address, admin key, unsafe host, wrong invoice)."""


class DestinationUnavailable(DcaBotError):
    """A destination's server could not be reached this time."""


class KeyRefused(DcaBotError):
    """A text is no key of Nostr, or not the kind that is needed."""


class MessageRefused(DcaBotError):
    """An event from a relay failed a check; it is dropped."""


class LedgerError(DcaBotError):
    """The ledger can't be used: held by another bot, of a newer version, readable by others."""


class StateChanged(LedgerError):
    """A compare-and-set found another state than expected; nothing was changed."""


def place_of(error: Exception) -> str:
    """Return where an error was raised, without its text."""
    frames = traceback.extract_tb(error.__traceback__)[-4:]
    return " > ".join(f"{frame.name}:{frame.lineno}" for frame in frames)
