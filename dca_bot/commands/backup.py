"""`dca-bot backup` and `dca-bot export`: a copy of a ledger, and tables for a bookkeeper.

The bot may be running.
"""

from pathlib import Path
from zoneinfo import ZoneInfo

from dca_bot.config import load_config
from dca_bot.ledger.reports.export import Form, export_ledger
from dca_bot.ledger.store.backups import copy_ledger
from dca_bot.nostr.keys import npub


def make_copy(config_path: Path, target: Path) -> None:
    """Copy the ledger into a new file; raise LedgerError with one sentence on trouble."""
    config = load_config(config_path)
    copy_ledger(config.path(config.bot.data_dir), target)


def make_export(config_path: Path, folder: Path) -> int:
    """Write the ledger's tables into a new folder and return how many there are; raise LedgerError."""
    config = load_config(config_path)
    zone = ZoneInfo(config.bot.timezone)
    form = Form(config.bot.currency, zone, npub, is_rehearsal=config.bot.rehearsal)
    return len(export_ledger(config.path(config.bot.data_dir), folder, form))
