"""`language`: the language of a client's messages."""

from dca_bot.chat.command import Args, Command, Context
from dca_bot.chat.params import choice
from dca_bot.ledger.programme import clients
from dca_bot.ledger.store.database import Tx
from dca_bot.messages.render import LANGUAGES
from dca_bot.messages.say import LanguageName, Say, refuse


def _language_answer(tx: Tx, ctx: Context, args: Args, _seen: object) -> Say:
    """Set the client's language, beginning with this answer; without an argument tell the language."""
    language = args.text(LANGUAGE_CHOICE.name)
    if not language:
        present = LanguageName(ctx.me.language)
        return Say("language.shown", language=present, languages=offered())
    name = LanguageName(language)
    if language == ctx.me.language:
        return Say("language.already", language=name)
    clients.set_language(tx, ctx.me.id, language)
    return Say("language.done", language=name)


def offered() -> tuple[Say, ...]:
    """Say each language that the bot offers, with the command that chooses the language."""
    return tuple(Say("language.line", code=code, language=LanguageName(code)) for code in LANGUAGES)


LANGUAGE_CHOICE = choice(*LANGUAGES, wrong=lambda: refuse("language.unknown", languages=offered()))
LANGUAGE = Command(("language",), (LANGUAGE_CHOICE,), answer=_language_answer)
