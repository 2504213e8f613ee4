"""A command is data: its words, its parameters, and the functions that carry it out.

Parsing is pure. What a person wrote is never told back, as it may hold a key.
"""

import difflib
import re
import sqlite3
import unicodedata
from collections.abc import Awaitable, Callable, Collection, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, Generic, TypeVar

from dca_bot.chat.amounts import PERCENT, other_unit, take_amount
from dca_bot.chat.services import Services
from dca_bot.core.commission import parse_percent
from dca_bot.core.currencies import SATS
from dca_bot.core.money import parse_fiat, parse_sat
from dca_bot.core.names import mixes_scripts, skeleton, visible
from dca_bot.core.programme import Programme
from dca_bot.errors import DcaBotError, OtherUnit
from dca_bot.ledger.programme.clients import Client
from dca_bot.messages.notices import Notices
from dca_bot.messages.say import CommandRefused, Say, refuse

NAME_LENGTH_MAX = 32
NOTE_LENGTH_MAX = 200
NUMBER_MAX = 10**9
PAGE_MAX = 1000
_UP_TO_999 = re.compile(r"\D*[0-9]{1,3}")
_NEXT_THREE = re.compile(r"[0-9]{3}(?![0-9])")
_NAME = re.compile(r"\w[\w.-]*")
_MARKS = "\u00ad\u061c\u200b\u200e\u200f\u202a\u202b\u202c\u2060\u2066\u2067\u2068\u2069\ufeff"
"""Characters of no width that apps put around what is copied; the joiners of emoji are not among them."""
_WITHOUT_MARKS = str.maketrans("", "", _MARKS)
_ENDS = re.compile(rf"\A[\s{_MARKS}]+|[\s{_MARKS}]+\Z")
_WORDS = (
    "accept add all audit balance broadcast cancel cash chart client clients close commission confirm"
    " count daily deposit deposits each en es export fixed flow funds help history hold holds ignore"
    " language limit log mode notify npub off pause payout payouts pending poll remove resume retry"
    " run set settings stats status stuck topup tx txs void wallet weekly withdraw"
)
COMMAND_WORDS = frozenset(_WORDS.split())
"""No client is named like one of these, so a command's words never stand for a name."""


@dataclass(frozen=True, slots=True)
class Context:
    """Who gives a command, and with what it works; `client` is None for an operator."""

    sender: str
    message_id: str
    now: datetime
    client: Client | None
    command_set: "CommandSet"
    programme: Programme
    notices: Notices
    services: Services

    @property
    def me(self) -> Client:
        """Return the client who writes; only for commands in the clients' table."""
        assert self.client is not None
        return self.client


@dataclass(frozen=True, slots=True)
class Args:
    """What was given, by the parameters' names."""

    values: Mapping[str, str | int]

    def has(self, name: str) -> bool:
        """Tell whether a parameter was given."""
        return name in self.values

    def text(self, name: str) -> str:
        """Return a text, empty if it was not given."""
        return str(self.values.get(name, ""))

    def number(self, name: str) -> int:
        """Return a number or amount that is required."""
        return int(self.values[name])

    @property
    def page(self) -> int:
        """Return the page asked for, the first if none."""
        return int(self.values.get("PAGE", 1))


@dataclass(frozen=True, slots=True)
class Param:
    """A parameter: how it is shown and read; only the last ones may be optional.

    The last one may take the `rest` of the words, or all that is left `verbatim`, line breaks too.
    `takes_key` tells whether a text is a key that belongs here; elsewhere it is a secret, sent by mistake.
    """

    name: str
    read: Callable[[str, str], str | int]
    optional: bool = False
    rest: bool = False
    verbatim: bool = False
    takes_key: Callable[[str], bool] = lambda _text: False


@dataclass(frozen=True, slots=True)
class Done:
    """A money command that was carried out: the reply, and what all other operators are told.

    That is the reply too unless they are told otherwise.
    """

    reply: Say
    told_otherwise: Say | None = None

    @property
    def report(self) -> Say:
        """Return what all other operators are told."""
        return self.told_otherwise or self.reply


Seen = TypeVar("Seen")
"""What a command's look has found."""
Look = Callable[[Services, Args], Awaitable[Seen]]
Answer = Callable[[sqlite3.Connection, Context, Args, Seen], Say | tuple[Say, ...]]
Plan = Callable[[sqlite3.Connection, Context, Args, Seen], Say]
Apply = Callable[[sqlite3.Connection, Context, Args, Seen], Done]


@dataclass(frozen=True, slots=True)
class Command(Generic[Seen]):
    """One row of a role's table.

    `look` reads the world before the transaction, and may be repeated. `answer` replies at once,
    in several messages if there is much to tell.
    With a `plan` the command moves or promises money: the plan tells the effect, a code is bound to
    it, and `apply` does it. If `code_with` names a parameter, that is so, and there is a look, only
    where it was given; else there is an answer. `code_if` limits it to ledgers of which it is true.
    `then` sets signals after the transaction.
    """

    words: tuple[str, ...]
    params: tuple[Param, ...] = ()
    look: Look[Seen] | None = None
    answer: Answer[Seen] | None = None
    plan: Plan[Seen] | None = None
    apply: Apply[Seen] | None = None
    code_with: str = ""
    code_if: Callable[[sqlite3.Connection], bool] | None = None
    then: Callable[[Services], None] | None = None

    @property
    def name(self) -> str:
        """Return the words as they are written."""
        return " ".join(self.words)

    @property
    def key(self) -> str:
        """Return where the catalogue has this command's summary and example."""
        return f"command.{'_'.join(self.words)}"

    @property
    def usage(self) -> str:
        """Return the command with its parameters: `deposit NAME AMOUNT [NOTE]`."""
        shown = [f"[{param.name}]" if param.optional else param.name for param in self.params]
        return " ".join([*self.words, *shown])

    @property
    def shortest(self) -> str:
        """Return the command with what it needs: `deposit NAME AMOUNT`."""
        return " ".join([*self.words, *(p.name for p in self.params if not p.optional)])

    def takes(self, count: int) -> bool:
        """Tell whether so many words can be its arguments."""
        required = sum(not param.optional for param in self.params)
        is_open = bool(self.params) and (self.params[-1].rest or self.params[-1].verbatim)
        return required <= count and (is_open or count <= len(self.params))

    def needs_code(self, args: Args) -> bool:
        """Tell whether the effect is told first and confirmed by a code."""
        return self.plan is not None and (not self.code_with or args.has(self.code_with))

    def is_coded(self, tx: sqlite3.Connection, args: Args) -> bool:
        """Tell whether, as the ledger is now, the effect is told first and confirmed by a code."""
        return self.needs_code(args) and (self.code_if is None or self.code_if(tx))

    def needs_look(self, args: Args) -> bool:
        """Tell whether the world outside is read first."""
        return self.look is not None and (self.plan is None or self.needs_code(args))


@dataclass(frozen=True, slots=True)
class CommandSet:
    """What a person can write: the commands, and other words for some of them.

    `of_clients` has the clients' commands for an operator, who is told whose they are. `groups` has
    the table in parts, by the keys of their headings, where it is too long to be shown whole.
    """

    table: Sequence[Command[Any]]
    aliases: Mapping[str, str] = field(default_factory=dict)
    of_clients: Sequence[Command[Any]] = ()
    groups: Mapping[str, Sequence[Command[Any]]] = field(default_factory=dict)

    def spell_out(self, text: str) -> str:
        """Take off what stands around a message, and put the command's name for another word for it."""
        line = _ENDS.sub("", text).removeprefix("/")
        first, *rest = line.split(maxsplit=1) or [""]
        word = first.translate(_WITHOUT_MARKS).lower().strip("¡!¿?.,")
        return " ".join([self.aliases[word], *rest]) if word in self.aliases else line

    def match(self, words: Sequence[str]) -> Command[Any] | None:
        """Find the command with the most words that the message begins with."""
        found = [c for c in self.table if tuple(words[: len(c.words)]) == c.words]
        return max(found, key=lambda command: len(command.words), default=None)

    def find_foreign(self, words: Sequence[str]) -> Command[Any] | None:
        """Find the client's command that an operator has written."""
        own = {command.words[0] for command in self.table}
        found = (c for c in self.of_clients if list(c.words) == [*words[: len(c.words)]])
        return None if words and words[0] in own else next(found, None)


@dataclass(frozen=True, slots=True)
class Invocation:
    """A command with its arguments, as read from `line`."""

    command: Command[Any]
    args: Args
    line: str


def parse(
    text: str, command_set: CommandSet, currency: str, names: Collection[str] = ()
) -> Invocation:
    """Read a message; raise CommandRefused with the nearest command or the right usage.

    A command is one line, but for what a parameter takes verbatim; another line is refused, not read.
    `names` are names that read like a command's words: `client pause` shows the client `pause` where
    there is one.
    """
    line = command_set.spell_out(text)
    tokens = line.translate(_WITHOUT_MARKS).split()
    words = [token.lower() for token in tokens]
    command = command_set.match(words)
    if command is None:
        raise CommandRefused(_unknown(words, command_set))
    if command.words[-1] in names and not command.takes(len(words) - len(command.words)):
        shorter = command_set.match(words[: len(command.words) - 1])
        is_meant = shorter is not None and shorter.takes(len(words) - len(shorter.words))
        command = shorter if shorter is not None and is_meant else command
    if command.params and command.params[-1].verbatim:
        before = len(command.words)
        parts = line.split(maxsplit=before + len(command.params) - 1)
        return Invocation(command, _read(command, parts[before:], currency), line)
    if len(_ENDS.sub("", text).splitlines()) > 1:
        raise refuse("wrong.lines")
    given = tokens[len(command.words) :]
    return Invocation(command, _read(command, given, currency), " ".join(tokens))


def stray_word(text: str, command_set: CommandSet) -> str:
    """Return the one word that a message consists of, if it is the beginning of no command."""
    line = command_set.spell_out(text)
    firsts = {command.words[0] for command in (*command_set.table, *command_set.of_clients)}
    return "" if len(line.split()) != 1 or line.lower() in firsts else line


def usage(command: Command[Any]) -> Say:
    """Say how a command is written, with an example."""
    return Say("usage", usage=command.usage, example=Say(f"{command.key}.example"))


def wrong_argument(command: Command[Any], refused: CommandRefused) -> CommandRefused:
    """Make the refusal of an argument, with how its command is written."""
    return refuse("wrong.argument", why=refused.say, usage=usage(command))


def without_key_taken(text: str, command_set: CommandSet, currency: str) -> str:
    """Return a message without the key that stands where its command takes one: `wallet KEY`."""
    line = command_set.spell_out(text)
    tokens = line.translate(_WITHOUT_MARKS).split()
    command = command_set.match([token.lower() for token in tokens])
    if command is None or len(line.splitlines()) > 1:
        return text
    try:
        given = _join_units(command, tokens[len(command.words) :], currency)
    except CommandRefused:
        return text
    for place, param in enumerate(command.params[: len(given)]):
        end = len(given) if param.rest else place + 1
        if param.takes_key(" ".join(given[place:end])):
            return " ".join([*given[:place], *given[end:]])
    return text


# Readers: text and currency in, value out; what can't be read raises DcaBotError or CommandRefused.


def read_name(text: str, _currency: str) -> str:
    """Read a name that somebody may have, as people write it to one: `@maria`, `maria:`."""
    name = unicodedata.normalize("NFC", text.removeprefix("@").rstrip(",:;"))
    _refuse_no_name(visible(name))
    return name


def read_new_name(text: str, _currency: str) -> str:
    """Read the name of somebody new: one word of one script, that reads like no command's."""
    name = unicodedata.normalize("NFKC", visible(text))
    _refuse_no_name(name)
    if skeleton(name) in COMMAND_WORDS:
        raise refuse("wrong.name_taken_by_command")
    if mixes_scripts(name):
        raise refuse("wrong.name_scripts")
    return name


def read_word(text: str, _currency: str) -> str:
    """Read a word that is checked elsewhere: a key, a destination, the beginning of an id."""
    return text


def read_note(text: str, _currency: str) -> str:
    """Read free text, which is stored."""
    if len(text) > NOTE_LENGTH_MAX:
        raise refuse("wrong.note_long", max=NOTE_LENGTH_MAX)
    return text


def read_fiat(text: str, currency: str) -> int:
    """Read an amount in minor units."""
    return _read_fiat(text, currency, minor_min=1)


def read_fiat_or_zero(text: str, currency: str) -> int:
    """Read an amount in minor units, which may be 0."""
    return _read_fiat(text, currency, minor_min=0)


def read_sat(text: str, _currency: str) -> int:
    """Read an amount in sats."""
    try:
        return parse_sat(text)
    except OtherUnit as error:
        raise other_unit(error.unit) from None
    except DcaBotError:
        raise refuse("wrong.sats") from None


def read_percent(text: str, _currency: str) -> int:
    """Read a percentage in basis points."""
    try:
        return parse_percent(text)
    except DcaBotError:
        raise refuse("wrong.percent") from None


def read_number(text: str, _currency: str) -> int:
    """Read the number of a deposit or hold: `5` or `#5`."""
    digits = text.removeprefix("#")
    if not (digits.isascii() and digits.isdigit() and len(digits) <= 12):
        raise refuse("wrong.number")
    if not 0 < int(digits) <= NUMBER_MAX:
        raise refuse("wrong.number")
    return int(digits)


def read_page(text: str, currency: str) -> int:
    """Read the number of a page."""
    try:
        return min(read_number(text, currency), PAGE_MAX)
    except CommandRefused:
        raise refuse("wrong.page") from None


def _refuse_no_name(name: str) -> None:
    if len(name) > NAME_LENGTH_MAX or not _NAME.fullmatch(name):
        raise refuse("wrong.name")


def _read_fiat(text: str, currency: str, *, minor_min: int) -> int:
    try:
        return parse_fiat(text, currency, minor_min=minor_min)
    except OtherUnit as error:
        raise other_unit(error.unit) from None
    except DcaBotError:
        raise refuse("wrong.amount") from None


def _read(command: Command[Any], words: Sequence[str], currency: str) -> Args:
    if words and not command.params:
        raise refuse("unknown.nearest", usage=command.shortest)
    try:
        given = _join_units(command, words, currency)
    except CommandRefused as refused:
        raise wrong_argument(command, refused) from None
    required = sum(not param.optional for param in command.params)
    takes_rest = bool(command.params) and command.params[-1].rest
    if len(given) < required or (len(given) > len(command.params) and not takes_rest):
        raise CommandRefused(usage(command))
    values: dict[str, str | int] = {}
    for place, param in enumerate(command.params[: len(given)]):
        text = " ".join(given[place:]) if param.rest else given[place]
        if param.rest and place and _is_split(command.params[place - 1], given[place - 1], text):
            raise refuse("wrong.amount_split")
        try:
            values[param.name] = param.read(text, currency)
        except CommandRefused as refused:
            raise wrong_argument(command, refused) from None
    return Args(values)


def _join_units(command: Command[Any], words: Sequence[str], currency: str) -> list[str]:
    """Take off the unit that stands by itself beside an amount: `1500 GTQ`, `Q 1500`, `40 %`."""
    given, left = [], list(words)
    for param in command.params:
        unit = _unit(param, currency)
        if unit and left:
            amount, used = take_amount(left, unit, has_note=command.params[-1].rest)
            given.append(amount)
            left = left[used:]
        elif not param.rest and not param.verbatim:
            given, left = [*given, *left[:1]], left[1:]
    return [*given, *left]


def _unit(param: Param, currency: str) -> str:
    """Return the unit of an amount, empty for what is none."""
    if param.read in (read_fiat, read_fiat_or_zero):
        return currency
    if param.read is read_sat:
        return SATS
    return PERCENT if param.read is read_percent else ""


def _is_split(before: Param, amount: str, note: str) -> bool:
    """Tell whether a note begins with what may be the rest of the amount before it: `1 500`."""
    is_short = before.read in (read_fiat, read_sat) and _UP_TO_999.fullmatch(amount)
    return bool(is_short and _NEXT_THREE.match(note))


def _unknown(words: Sequence[str], command_set: CommandSet) -> Say:
    if command_set.find_foreign(words):
        return Say("unknown.of_client")
    names = {command.name: command for command in command_set.table}
    for length in (2, 1):
        wanted = " ".join(words[:length])
        nearest = difflib.get_close_matches(wanted[:40], names, n=1, cutoff=0.7)
        if nearest:
            return Say("unknown.nearest", usage=names[nearest[0]].shortest)
    starting = [c for c in command_set.table if words and c.words[0] == words[0]]
    if starting:
        return Say("unknown.nearest", usage=starting[0].shortest)
    return Say("unknown.nothing")
