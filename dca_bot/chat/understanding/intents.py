"""The effect of each command that plain words mean: to tell, to change a setting, to wait for a code.

The invariant: words of a negation, a question, a quotation or a conditional become at most the command that
tells something instead.
"""

from dataclasses import dataclass
from enum import Enum, auto

THANKS, NONE, REFUSED, HELP, CONTACT = "thanks", "none", "refused", "help", "contact"


class Effect(Enum):
    """The effect of a command.

    SETTING runs at once only as an exact command; CODED waits for a code; TEXT passes a text on.
    """

    TELLS = auto()
    SETTING = auto()
    CODED = auto()
    CHANGES = auto()
    """Changes something harmless, which the answer shows: the language."""
    TEXT = auto()


@dataclass(frozen=True, slots=True)
class Intent:
    """The effect of a command. `tells`: the command that a question about the effect gets instead.

    `bare_tells`: whether the command without arguments only tells how.
    """

    effect: Effect
    tells: str = ""
    bare_tells: bool = False


_TELLS = Intent(Effect.TELLS)
_CLIENT = {
    "mode": Intent(Effect.SETTING, "mode", bare_tells=True),
    "limit": Intent(Effect.SETTING, "limit", bare_tells=True),
    "notify": Intent(Effect.SETTING, "notify", bare_tells=True),
    "files": Intent(Effect.SETTING, "files", bare_tells=True),
    "statements": Intent(Effect.SETTING, "statements", bare_tells=True),
    "cap": Intent(Effect.SETTING, "cap", bare_tells=True),
    "pause": Intent(Effect.SETTING),
    "resume": Intent(Effect.SETTING),
    "language": Intent(Effect.CHANGES, "language", bare_tells=True),
    "wallet": Intent(Effect.CODED, "wallet", bare_tells=True),
    "withdraw": Intent(Effect.CODED, "withdraw", bare_tells=True),
    "confirm": Intent(Effect.CODED),
    "contact": Intent(Effect.TEXT, "contact", bare_tells=True),
}
_OPERATOR = {
    "client add": Intent(Effect.CODED, "clients"),
    "client pause": Intent(Effect.SETTING, "client"),
    "client resume": Intent(Effect.SETTING, "client"),
    "client close": Intent(Effect.CODED, "client"),
    "client wallet": Intent(Effect.CODED, "client"),
    "client npub": Intent(Effect.CODED, "client"),
    "client rename": Intent(Effect.CODED, "client"),
    "client mode": Intent(Effect.SETTING, "client"),
    "client limit": Intent(Effect.SETTING, "client"),
    "client language": Intent(Effect.SETTING, "client"),
    "client notify": Intent(Effect.SETTING, "client"),
    "client note": Intent(Effect.SETTING, "client"),
    "deposit": Intent(Effect.CODED, "deposits"),
    "deposit confirm": Intent(Effect.CODED, "deposits pending"),
    "deposit void": Intent(Effect.CODED, "deposits"),
    "deposit edit": Intent(Effect.CODED, "deposits"),
    "withdraw": Intent(Effect.CODED),
    "tx add": Intent(Effect.CODED, "txs"),
    "hold accept": Intent(Effect.CODED, "holds"),
    "hold ignore": Intent(Effect.CODED, "holds"),
    "commission set": Intent(Effect.CODED, "commission"),
    "commission remove": Intent(Effect.CODED, "commission"),
    "fixed run": Intent(Effect.CODED, "fixed"),
    "topup": Intent(Effect.TELLS),
    "payout retry": Intent(Effect.CODED, "payouts stuck"),
    "payout cancel": Intent(Effect.CODED, "payouts"),
    "cash count": Intent(Effect.CODED, "cash"),
    "pause all": Intent(Effect.CODED),
    "resume all": Intent(Effect.CODED),
    "settle": Intent(Effect.CODED, "client"),
    "broadcast": Intent(Effect.TEXT, "broadcast", bare_tells=True),
    "message": Intent(Effect.TEXT),
    "reply": Intent(Effect.TEXT),
    "language": Intent(Effect.CHANGES, "language", bare_tells=True),
    "confirm": Intent(Effect.CODED),
}
_OF_ROLE = {"client": _CLIENT, "operator": _OPERATOR}
OF_ALL = frozenset({"pause all", "resume all"})
"""Commands for the whole programme, which a message with a client's name never means."""


def intent_of(role: str, name: str) -> Intent:
    """Return the effect of a command of a role; a command that isn't listed only tells something."""
    return _OF_ROLE[role].get(name, _TELLS)


def changes(role: str, name: str) -> bool:
    """Tell whether a command changes something, or passes a text on."""
    return intent_of(role, name).effect is not Effect.TELLS
