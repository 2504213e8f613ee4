"""`export`: the tables for the bookkeeper, as files beside the bot."""

from pathlib import Path

from dca_bot.chat.command import Args, Command, Context
from dca_bot.chat.services import Services
from dca_bot.errors import LedgerError
from dca_bot.ledger.reports.export_shelf import KEPT
from dca_bot.ledger.store.database import Tx
from dca_bot.messages import describe
from dca_bot.messages.say import Say, refuse


async def _look_tables(services: Services, _args: Args) -> Path:
    """Write the files, outside the command's transaction; raise CommandRefused on failure."""
    try:
        return await services.export_tables()
    except LedgerError as error:
        raise refuse("export.failed", why=describe.ledger_fault(error)) from None


def _tables_answer(_tx: Tx, _ctx: Context, _args: Args, folder: Path) -> Say:
    """Tell the folder of the files."""
    return Say("export.done", folder=str(folder), kept=KEPT)


TABLES_EXPORT = Command(("export",), look=_look_tables, answer=_tables_answer)
