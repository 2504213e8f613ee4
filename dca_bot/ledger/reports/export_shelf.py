"""Exports ordered over chat: each in a folder of its own beside the ledger, the newest are kept."""

import re
import threading
from contextlib import suppress
from datetime import UTC, datetime
from pathlib import Path

from dca_bot.errors import LedgerError, LedgerFault
from dca_bot.ledger.reports.export import Form, export_ledger, is_being_written
from dca_bot.ledger.reports.export_tables import TABLES
from dca_bot.ledger.store.faults import fault_of
from dca_bot.ledger.store.private_files import make_private_folder

_SHELF = "exports"
KEPT = 5
_PART = ".part"
_NAME = re.compile(r"\d{4}-\d\d-\d\dT\d{6}Z(\.part)?")


def export_to_shelf(data_dir: Path, form: Form, now: datetime, stop: threading.Event) -> Path:
    """Write an export into `exports/2026-11-24T080000Z` below `data_dir` and return the folder.

    The folder has this name only once the export is whole. KEPT - 1 older exports stay; other files stay too.
    Raise LedgerError as `export_ledger` does.
    """
    shelf = data_dir.joinpath(_SHELF)
    make_private_folder(shelf, setting="bot.data_dir")
    folder = shelf.joinpath(f"{now.astimezone(UTC):%Y-%m-%dT%H%M%SZ}")
    part = folder.with_name(f"{folder.name}{_PART}")
    if folder.exists() or (part.exists() and is_being_written(part)):
        raise LedgerError(
            f"{folder} is just being made; look there, or try again in a moment.",
            LedgerFault.BEING_WRITTEN,
            path=str(folder),
        )
    try:
        export_ledger(data_dir, part, form, stop=stop)
        part.rename(folder)
        _prune(shelf, folder.name)
    except OSError as error:
        text = f"{folder} could not be made ({error.strerror})."
        raise LedgerError(text, fault_of(error), path=str(folder)) from error
    finally:
        with suppress(OSError):
            part.rmdir()
    return folder.absolute()


def _prune(shelf: Path, newest: str) -> None:
    """Remove the oldest exports; folders of killed exports don't count.

    Names from the future come last in the order: a clock that was ahead made them.
    """
    ours = [path for path in shelf.iterdir() if _NAME.fullmatch(path.name)]
    for part in [path for path in ours if path.suffix == _PART]:
        ours.remove(part)
        if not is_being_written(part):
            _remove(part)
    ranked = sorted(sorted(ours, reverse=True), key=lambda folder: folder.name > newest)
    for folder in ranked[KEPT:]:
        _remove(folder)


def _remove(folder: Path) -> None:
    """Remove the files of an export, and the folder unless other files stand there."""
    for table in TABLES:
        folder.joinpath(f"{table.name}.csv").unlink(missing_ok=True)
    with suppress(OSError):
        folder.rmdir()
