"""`files`: whether a client gets pictures and tables as files beside the text of answers, and which pictures.

Nobody can tell whether an app shows files: a client says so by switching them on.
"""

from dca_bot.chat.command import Args, Command, Context
from dca_bot.chat.params import choice
from dca_bot.core.files import FilesWish
from dca_bot.ledger.correspondence import files
from dca_bot.ledger.store.database import Tx
from dca_bot.messages.say import NOTHING, Say, Word, refuse

_ON = "on"


def files_wish(ctx: Context) -> Say:
    """Say in a line of the settings whether the client gets files; nothing where there are none."""
    if not ctx.programme.sends_files:
        return NOTHING
    return Say("files.setting", how=Word("files", ctx.me.files))


def _files_answer(tx: Tx, ctx: Context, args: Args, _seen: object) -> Say:
    """Set whether the client gets files, and which pictures; without an argument tell the wish."""
    if not ctx.programme.sends_files:
        return Say("files.not_offered")
    wanted, present = args.text(_WHICH.name), ctx.me.files
    if not wanted:
        return Say("files.shown", how=Word("files", present))
    if wanted == _ON:
        wanted = FilesWish.LIGHT if present is FilesWish.OFF else present
    wish = FilesWish(wanted)
    if wish is present:
        return Say("files.already", how=Word("files", wish))
    files.set_wish(tx, ctx.me.id, wish)
    if wish is FilesWish.OFF:
        return Say("files.off")
    if not files.can_get(tx, ctx.sender):
        return Say("files.older_app")
    return Say("files.on" if ctx.programme.draws_charts else "files.on_tables")


_WHICH = choice(_ON, *FilesWish, wrong=lambda: refuse("files.unknown"))
FILES = Command(("files",), (_WHICH,), answer=_files_answer)
