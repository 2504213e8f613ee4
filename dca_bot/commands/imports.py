"""`dca-bot import`: reads a source, tries the import or carries it out, and reports."""

import asyncio
from json import dumps
from pathlib import Path

from dca_bot.commands.console import say
from dca_bot.commands.import_clients import read_clients
from dca_bot.commands.import_report import report_lines, report_values
from dca_bot.commands.import_satmachine import Found, Place, find
from dca_bot.commands.moving_in import Moved, Source, move_in
from dca_bot.config import Config, load_config
from dca_bot.core.moving_in import Unit, Units
from dca_bot.errors import DcaBotError


def import_from_csv(config_path: Path, file: Path, *, commit: bool, json: bool) -> None:
    """Import clients out of a CSV file; raise DcaBotError, and import nothing, if a line is wrong."""
    config = load_config(config_path)
    source, problems = read_clients(file, config.bot.currency)
    moved = asyncio.run(move_in(config, source, problems, commit=commit))
    _report(config, source, moved, commit=commit, json=json)


def import_from_satmachine(
    config_path: Path,
    people: Path,
    place: Place,
    units: tuple[Unit, Unit],
    *,
    commit: bool,
    json: bool,
) -> None:
    """Import satmachineadmin's books; `units`: of its deposits and of its payments. Raise DcaBotError."""
    config = load_config(config_path)

    async def run() -> tuple[Found, Moved]:
        found = await find(config, place, people, Units(*units, config.bot.currency))
        problems = [*found.problems, *([found.runs] if commit and found.runs else [])]
        return found, await move_in(config, found.source, problems, commit=commit)

    found, moved = asyncio.run(run())
    _report(config, found.source, moved, commit=commit, json=json, found=found)


def _report(
    config: Config,
    source: Source,
    moved: Moved,
    *,
    commit: bool,
    json: bool,
    found: Found | None = None,
) -> None:
    """Print the report; raise DcaBotError if nothing was, or would be, imported because of a problem."""
    if json:
        say(dumps(report_values(source, moved, committed=commit, found=found)))
    else:
        for line in report_lines(source, moved, config.bot.currency, found=found):
            say(line)
        for problem in moved.problems:
            say(f"✗ {problem}")
    if moved.problems:
        raise DcaBotError(
            f"{len(moved.problems)} problem(s), so nothing is imported. Mend each ✗, then try again."
        )
    if not json:
        say((_REHEARSED if config.bot.rehearsal else _DONE) if commit else _TRIED)


_DONE = (
    "Imported. Start the bot within a week: it greets each client and asks for the wallet, before which"
    " nobody gets a share. Then count the machines (cash count MACHINE AMOUNT): in which machine the cash"
    " lies is not known yet."
)
_REHEARSED = "Imported into the rehearsal: nobody is written to, and wallets count as they are."
_TRIED = (
    "Tried on a copy: nothing is changed. To carry it out, switch the other programme off, stop the bot, and"
    " write the same command with --commit."
)
