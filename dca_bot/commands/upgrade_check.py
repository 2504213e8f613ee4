"""`dca-bot upgrade-check`: the next start of the ledger, tried on a copy.

The ledger itself is only read, so a bot may be running. The copy lies in a private folder of its own. The
folder is removed at the end; the next check removes the folder of a check that was killed.
"""

import asyncio
import shutil
import sqlite3
import tempfile
import time
from contextlib import closing, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from dca_bot import __version__
from dca_bot.commands.console import say
from dca_bot.commands.status import in_english, read_status
from dca_bot.commands.trial_folder import trial_folder
from dca_bot.config import Config, load_config
from dca_bot.core.money import sat_text
from dca_bot.errors import DcaBotError, LedgerError
from dca_bot.files.rights import refuse_unfit_file
from dca_bot.ledger.audit.audit import LedgerAudit, audit_ledger
from dca_bot.ledger.store.backups import copy_ledger, name_before
from dca_bot.ledger.store.database import open_database
from dca_bot.ledger.store.ledger_files import LEDGER_FILE, has_ledger
from dca_bot.ledger.store.migrate import is_repaired_first, opened_by
from dca_bot.ledger.store.schema import MIGRATIONS, VERSION, version_of
from dca_bot.outside import programme_of
from dca_bot.program import command, with_config

_ROOM_FACTOR = 4
"""Copy, migrated copy and its journal take at most so many times the ledger's size."""
_SUMS = "SELECT kind, coalesce(client_id, 0), unit, balance FROM account WHERE balance <> 0 ORDER BY 1, 2"


@dataclass(frozen=True, slots=True)
class _Glance:
    """The version and program that a ledger of any version names."""

    version: int
    program: str
    is_repaired: bool
    sums: list[tuple[Any, ...]]
    states: dict[str, int]


def check_upgrade(config_path: Path) -> None:
    """Report the start of this program on a copy of the configured ledger.

    Raise DcaBotError if a start would fail.
    """
    config = load_config(config_path)
    programme_of(config)
    _refuse_unfit_files(config)
    say(f"✓ {config_path} is complete for dca-bot {__version__}")
    data_dir = config.path(config.bot.data_dir)
    if not has_ledger(data_dir):
        say(
            f"· There is no ledger in {data_dir} yet: the first start makes one, of version {VERSION}."
        )
        return
    again = command("upgrade-check", *with_config(config_path))
    _refuse_small(data_dir, Path(tempfile.gettempdir()), f"TMPDIR={config.base.absolute()} {again}")
    with trial_folder() as folder:
        try:
            _try_on_copy(config, data_dir, folder)
        except LedgerError as error:
            # What is wrong with the copy is wrong with the ledger.
            said = str(error).replace("The copy ", "The copy of ")
            raise LedgerError(said.replace(str(folder), str(data_dir))) from error


def _refuse_unfit_files(config: Config) -> None:
    """Raise FileRefused for a key's file that this program doesn't take; a missing file may be meant."""
    for path, is_private in config.named_files():
        with suppress(FileNotFoundError):
            refuse_unfit_file(path, private=is_private)


def _refuse_small(data_dir: Path, temporary: Path, again: str) -> None:
    """Raise DcaBotError if a disk has no room for copies of the ledger."""
    needed = _ROOM_FACTOR * (data_dir / LEDGER_FILE).stat().st_size
    for place, remedy in (
        (data_dir, "Free some space before you start the new version."),
        (temporary, f"Name a roomier folder: {again}"),
    ):
        free = shutil.disk_usage(place).free
        if free < needed:
            raise DcaBotError(
                f"{place} has {_megabytes(free)} left, and {_megabytes(needed)} are needed. {remedy}"
            )


def _try_on_copy(config: Config, data_dir: Path, folder: Path) -> None:
    copy_ledger(data_dir, folder / LEDGER_FILE, traceless=True)
    before = _glance(folder)
    kept = name_before(folder / LEDGER_FILE, data_dir, VERSION)
    began = time.monotonic()
    found = asyncio.run(_migrate_and_audit(folder))
    took_s = time.monotonic() - began
    after = _glance(folder)
    say(f"✓ The ledger was opened last by {before.program}; {_change_text(before)}")
    for migration in MIGRATIONS[before.version :]:
        say(f"  {migration.file}: {migration.changes}")
    if found.findings:
        for finding in in_english(config, found.findings):
            say(f"✗ {finding}")
        raise DcaBotError(
            f"The migrated copy has {len(found.findings)} finding(s). Don't install this version; is"
            " dca-bot audit of the one that runs in order?"
        )
    if before.sums != after.sums:
        raise DcaBotError(
            "Balances would change by it. Don't install this version, and report this."
        )
    say(f"✓ {_same_text(config, folder, found)}")
    if before.states != after.states:
        say(f"· Payouts by state: {_states_text(before)}; then {_states_text(after)}")
    say(
        f"· It took {took_s:.1f} s on a copy of {_megabytes((folder / LEDGER_FILE).stat().st_size)}"
    )
    say(f"· {_way_back(before, kept)}")
    say(f"✓ dca-bot {__version__} can be started")


async def _migrate_and_audit(folder: Path) -> LedgerAudit:
    """Open a copy as a start does, with its migration, and audit the copy."""
    database = await open_database(folder)
    try:
        return await database.read(audit_ledger)
    finally:
        await database.aclose()


def _glance(folder: Path) -> _Glance:
    with closing(sqlite3.connect(folder / LEDGER_FILE, isolation_level=None)) as ledger:
        program = opened_by(ledger)
        return _Glance(
            version=version_of(ledger),
            program=f"dca-bot {program}" if program else "a dca-bot before 0.2.0",
            is_repaired=is_repaired_first(ledger),
            sums=ledger.execute(_SUMS).fetchall(),
            states=dict(
                ledger.execute("SELECT state, count(*) FROM payout GROUP BY state ORDER BY state")
            ),
        )


def _change_text(before: _Glance) -> str:
    if before.is_repaired:
        return (
            f"version {before.version}, with tables of an unfinished build: the start repairs them"
            f" and brings it to version {VERSION}"
        )
    if before.version < VERSION:
        return f"version {before.version}: the start brings it to version {VERSION}"
    return f"it has version {VERSION} and stays as it is"


def _same_text(config: Config, folder: Path, found: LedgerAudit) -> str:
    """Open the migrated copy as `status` does and describe its content."""
    bot = config.bot.model_copy(update={"data_dir": folder})
    values = asyncio.run(read_status(config.model_copy(update={"bot": bot})))
    return (
        f"{values['clients']} clients, balances of {values['balances']} in all and"
        f" {sat_text(values['paid_sat'])} paid are as before; {found.entries} entries,"
        f" {found.distributions} distributions and {found.payouts} payouts add up"
    )


def _states_text(one: _Glance) -> str:
    return ", ".join(f"{count} {state}" for state, count in one.states.items())


def _way_back(before: _Glance, kept: Path) -> str:
    if before.version == VERSION and not before.is_repaired:
        return f"Going back is possible: install {before.program} again"
    return (
        "Going back is possible with the copy that the start makes first,"
        f" {kept}, and {before.program}: put it in the ledger's"
        " place. What happens after the start is lost by that"
    )


def _megabytes(size: int) -> str:
    return f"{size / 1e6:.1f} MB"
