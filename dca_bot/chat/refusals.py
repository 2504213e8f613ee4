"""Words the refusals of the understanding: why the arguments of a command can't be taken."""

from dca_bot.chat.client.language import offered
from dca_bot.chat.command import CommandSet
from dca_bot.chat.params import NOTE_LENGTH_MAX
from dca_bot.chat.parsing import usage
from dca_bot.chat.secret_warnings import warning
from dca_bot.chat.senders import Role
from dca_bot.core.destination_text import Form
from dca_bot.core.secrets import Secret
from dca_bot.messages.say import Say, Word

_FORM, _SECRET = "form.", "secret."
NO_COMMAND = Say("unknown.nothing")
NOTHING_SAID = frozenset({NO_COMMAND.key, "unknown.nearest", "wrong.lines"})
"""The parser's refusals that say no more than that the message is no command."""


def refusal(why: str, name: str, command_set: CommandSet, currency: str) -> Say:
    """Say why a command isn't carried out; `why`: the key of the reason, `name`: the command's, or ''."""
    if why.startswith(_SECRET):
        role = Role.OPERATOR if command_set.of_clients else Role.CLIENT
        return warning(Secret(why.removeprefix(_SECRET)), role)
    if why == f"{_FORM}{Form.UNKNOWN}":
        return Say("destination.unreadable")
    if why.startswith(_FORM):
        return Say("destination.other_form", what=Word("form", why.removeprefix(_FORM)))
    command = next((one for one in command_set.table if one.name == name), None)
    if why == "usage" and command is not None:
        return usage(command)
    reason = Say(why, unit=currency, max=NOTE_LENGTH_MAX, languages=offered())
    return reason if command is None else Say("wrong.argument", why=reason, usage=usage(command))
