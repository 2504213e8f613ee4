"""What the command line keeps of a ledger: a copy of it. The bot may be running."""

from pathlib import Path

from dca_bot.config import load_config
from dca_bot.ledger.backup import copy_ledger


def make_copy(config_path: Path, target: Path) -> None:
    """Copy the ledger into a new file; raise LedgerError with one sentence on trouble."""
    config = load_config(config_path)
    copy_ledger(config.path(config.bot.data_dir), target)
