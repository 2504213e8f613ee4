"""Migrates a ledger to the version of this program, and refuses a ledger with tables of another program.

Each step is one transaction. The ledger records the version of the last dca-bot that opened the ledger, and
the schema after that opening:

    empty ──▶ this version          tables of an earlier build ──repair──▶ tables of the version ───┐
    earlier version ──copy──▶ migrations, one after the other ──▶ this version ◀────────────────────┘
    newer version, tables of another build, tables altered by another program: refused, unchanged
"""

import logging
import re
import sqlite3
from collections.abc import Callable
from pathlib import Path

from dca_bot import __version__
from dca_bot.errors import LedgerError, LedgerFault, LedgerOutdated
from dca_bot.ledger.store import bot_state
from dca_bot.ledger.store.repair import is_repairable, repair
from dca_bot.ledger.store.schema import (
    MIGRATIONS,
    VERSION,
    differences,
    fingerprint,
    run_script,
    text_digest,
    version_of,
)
from dca_bot.program import command

Tx = sqlite3.Connection
_NAMED_MAX = 3
_KEPT = re.compile(r"before-version-(\d+)(?:-(\d+))?\.sqlite3")
_log = logging.getLogger(__name__)


def migrate(
    tx: Tx,
    keep_copy: Callable[[int], None] | None = None,
    refuse: Callable[[Tx], None] | None = None,
) -> None:
    """Migrate a ledger; raise LedgerError if the tables don't belong to the ledger's version.

    `keep_copy` is called with the new version, before any change to a filled ledger. `refuse` is called
    before that, and raises LedgerError for a filled ledger that is not to be opened.
    """
    version = version_of(tx)
    refuse_newer(tx)
    if version and refuse:
        refuse(tx)
    is_as_noted = _is_as_noted(tx, version)
    broken = not is_as_noted and _needs_repair(tx, version)
    if version and keep_copy and (broken or version < VERSION):
        keep_copy(VERSION)
    if broken:
        repair(tx, version)
        _log.info("ledger repaired version=%d", version)
    for number in range(version + 1, VERSION + 1):
        _step(tx, number)
    if not is_as_noted or version < VERSION or opened_by(tx) != __version__:
        _note_opened(tx)


def refuse_other_version(tx: Tx) -> None:
    """Raise LedgerError unless a ledger has exactly the tables of this program.

    Raise LedgerOutdated, a LedgerError, for a ledger that `migrate` would change.
    """
    refuse_newer(tx)
    version = version_of(tx)
    broken = not _is_as_noted(tx, version) and _needs_repair(tx, version)
    if broken or version != VERSION:
        raise LedgerOutdated(
            f"{_file(tx)} is a ledger of an earlier dca-bot, of version {version}; the next start brings"
            f" it to version {VERSION}. What that changes, says: {command('upgrade-check')}",
            LedgerFault.OTHER_VERSION,
            path=_file(tx),
        )


def refuse_newer(tx: Tx) -> None:
    """Raise LedgerError if the version of a ledger is newer than this program."""
    version = version_of(tx)
    if version <= VERSION:
        return
    program = opened_by(tx)
    copy = _copy_from_before(Path(_file(tx)).parent)
    raise LedgerError(
        f"{_file(tx)} has version {version}, and dca-bot {__version__} knows {VERSION}: install the newer"
        f" dca-bot{f' {program}' if program else ''} again, or put back a copy from before it"
        f"{f' ({copy})' if copy else ''}.",
        LedgerFault.OTHER_VERSION,
        path=_file(tx),
    )


def opened_by(tx: Tx) -> str | None:
    """Return the version of the dca-bot that opened a ledger last; None for a dca-bot before 0.2.0."""
    try:
        return bot_state.get(tx, bot_state.PROGRAM)
    except sqlite3.Error:  # no table `fact`: a ledger of a later version, or an empty file
        return None


def is_repaired_first(tx: Tx) -> bool:
    """Tell whether a ledger has the tables of a build that `migrate` repairs."""
    return is_repairable(version_of(tx), fingerprint(tx))


def _copy_from_before(folder: Path) -> str | None:
    """Return the name of the newest copy from before a migration that the program can open."""
    kept = []
    for path in folder.glob("before-version-*.sqlite3"):
        numbers = _KEPT.fullmatch(path.name)
        if numbers and 0 < _version_in(path) <= VERSION:
            kept.append((int(numbers[1]), int(numbers[2] or 1), path.name))
    return max(kept)[-1] if kept else None


def _version_in(path: Path) -> int:
    """Return `user_version` from the header of a closed ledger; 0 for an unreadable file."""
    try:
        with path.open("rb") as file:
            return int.from_bytes(file.read(64)[60:], "big")
    except OSError:
        return 0


def _step(tx: Tx, number: int) -> None:
    try:
        run_script(tx, number)
    except sqlite3.IntegrityError as error:
        raise LedgerError(
            f"{_file(tx)} could not be brought to version {number}, and is as it was ({error}). Install"
            " the dca-bot from before again, and report this."
        ) from error
    _log.info("ledger migrated version=%d", number)


def _needs_repair(tx: Tx, version: int) -> bool:
    """Tell whether `repair` has to mend the tables; raise LedgerError for tables of another program."""
    if version == 0:
        _refuse_unnumbered(tx)
        return False
    found = fingerprint(tx)
    if is_repairable(version, found):
        return True
    is_known = found == MIGRATIONS[version - 1].fingerprint
    if not is_known and (parts := differences(tx, version)):
        text = _altered(tx, version, parts)
        raise LedgerError(text, LedgerFault.OTHER_VERSION, path=_file(tx))
    return False


def _is_as_noted(tx: Tx, version: int) -> bool:
    """Tell whether the schema is, letter by letter, as the last opening noted: quicker than a fingerprint."""
    if version == 0:
        return False
    noted = f"{MIGRATIONS[version - 1].fingerprint} {text_digest(tx)}"
    return bot_state.get(tx, bot_state.SCHEMA) == noted


def _refuse_unnumbered(tx: Tx) -> None:
    if tx.execute("SELECT 1 FROM sqlite_schema WHERE name = 'posting'").fetchone():
        raise LedgerError(
            f"{_file(tx)} has lost its version: another program has written it anew (as .dump and"
            " .recover of sqlite3 do). Put back the last copy that the bot has made.",
            LedgerFault.OTHER_VERSION,
            path=_file(tx),
        )


def _altered(tx: Tx, version: int, parts: list[str]) -> str:
    """Word the refusal: the differing parts, the likely cause (another build or program), the remedy."""
    named = ", ".join(parts[:_NAMED_MAX]) + (" …" if len(parts) > _NAMED_MAX else "")
    kept = (bot_state.get(tx, bot_state.SCHEMA) or "").partition(" ")[0]
    if not kept or kept == MIGRATIONS[version - 1].fingerprint:
        return (
            f"{_file(tx)} isn't as dca-bot made it: another program, or an unfinished dca-bot, has altered"
            f" {named}. Put back the last copy from before that."
        )
    program = opened_by(tx)
    return (
        f"{_file(tx)} has the tables of another build, dca-bot {program} ({named}): install that"
        f" build again, or put back the last copy from before it."
    )


def _note_opened(tx: Tx) -> None:
    """Record the program's version and the schema; write nothing if the ledger has both already."""
    opened = {
        bot_state.PROGRAM: __version__,
        bot_state.SCHEMA: f"{MIGRATIONS[-1].fingerprint} {text_digest(tx)}",
    }
    changed = {name: value for name, value in opened.items() if bot_state.get(tx, name) != value}
    if not changed:
        return
    tx.execute("BEGIN IMMEDIATE")
    for name, value in changed.items():
        bot_state.put(tx, name, value)
    tx.execute("COMMIT")


def _file(tx: Tx) -> str:
    return str(tx.execute("PRAGMA database_list").fetchone()[2]) or "The ledger"
