"""A command is data: its words, its parameters, and the functions that carry it out."""

from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, Generic, TypeVar

from dca_bot.chat.params import ALL, FILTER, LOW, PAGE, Param
from dca_bot.chat.services import Services
from dca_bot.core.files import FileForm
from dca_bot.core.programme import Programme
from dca_bot.ledger.programme.clients import Client
from dca_bot.ledger.store.database import Tx
from dca_bot.messages.notices import Notices
from dca_bot.messages.say import Say, refuse


@dataclass(frozen=True, slots=True)
class Context:
    """The sender of a command, and the tools of a handler; `client` is None for an operator.

    `written_at`: the message's own time, by the clock of the sender's phone. `place`: the number of the
    command within its message, from 0.
    """

    sender: str
    message_id: str
    written_at: datetime
    now: datetime
    client: Client | None
    command_set: "CommandSet"
    programme: Programme
    notices: Notices
    services: Services
    place: int = 0

    @property
    def me(self) -> Client:
        """Return the client who writes; only for commands in the clients' table."""
        assert self.client is not None
        return self.client


@dataclass(frozen=True, slots=True)
class Args:
    """The arguments of a command, by the names of its parameters."""

    values: Mapping[str, str | int]

    def has(self, name: str) -> bool:
        """Tell whether an argument was given."""
        return name in self.values

    def text(self, name: str) -> str:
        """Return a text; empty for an argument that was not given."""
        return str(self.values.get(name, ""))

    def number(self, name: str) -> int:
        """Return a required number or amount."""
        return int(self.values[name])

    @property
    def filter(self) -> str:
        """Return the name that FILTER is; empty for a number, that is a page."""
        typed = self.text(FILTER.name)
        return "" if typed.isdecimal() else typed.removeprefix("@")

    @property
    def page(self) -> int:
        """Return the wanted page, by default the first; a number in place of FILTER is the page.

        Raise CommandRefused for two pages.
        """
        alone = self.text(FILTER.name)
        if not alone.isdecimal():
            return int(self.values.get(PAGE.name, 1))
        if self.has(PAGE.name):
            raise refuse("wrong.page")
        return int(alone)


@dataclass(frozen=True, slots=True)
class Done:
    """The result of a money command: the reply to the sender, and the report to all other operators.

    Without `told_otherwise` the reply is the report too. `counted`: the cash that a batch adds up.
    """

    reply: Say
    told_otherwise: Say | None = None
    counted: "Counted | None" = None


@dataclass(frozen=True, slots=True)
class Counted:
    """Cash of a command, in minor units; `what`: the key of the text that tells the sum of several."""

    what: str
    minor: int
    machine: str = ""


@dataclass(frozen=True, slots=True)
class Attachment:
    """A file beside an answer; `content`: a table's bytes, or the picture of a chart (`core/picture`)."""

    form: FileForm
    content: bytes


Seen = TypeVar("Seen")
"""The result of a command's look."""
Look = Callable[[Services, Args], Awaitable[Seen]]
Answer = Callable[[Tx, Context, Args, Seen], Say | tuple[Say, ...]]
Plan = Callable[[Tx, Context, Args, Seen], Say]
Apply = Callable[[Tx, Context, Args, Seen], Done]
Render = Callable[[Say], str]
"""Writes a saying in the sender's language."""
Attach = Callable[[Tx, Context, Args, Render], Attachment | None]


@dataclass(frozen=True, slots=True)
class Command(Generic[Seen]):
    """A row of a role's table.

    `look` reads the world before the transaction, and may be repeated. The result is the last argument of
    `answer`, `plan` and `apply`; without a look that argument is None.
    `answer` replies at once, with a message or several.
    A command with a `plan` moves or promises money: `plan` words the effect, the sender gets a code for these
    words, and `apply` carries the effect out.
    `code_when` limits the code, and the look, to some arguments; with other arguments the command has only
    an answer. `code_if` limits the code of a command as written to ledgers and messages for which the
    function returns True; else the command as written has only an answer. Plain words always get a code.
    `always_looks`: an answer in place of an effect needs the look too.
    `numbers`: the numbers that the argument ID means if these are several; None for a single ID.
    `texts`: the catalogue's name of the command's texts, where the other role has the same words.
    `attach` makes a file for a client who wants files, beside an answer; None for nothing to show.
    `then` sets signals after the transaction. `acts_outside`: the look changes something outside the ledger.
    `leaves`: the command is for a payment, an invoice or a message to clients; a rehearsal refuses it.
    """

    words: tuple[str, ...]
    params: tuple[Param, ...] = ()
    look: Look[Seen] | None = None
    answer: Answer[Seen] | None = None
    plan: Plan[Seen] | None = None
    apply: Apply[Seen] | None = None
    code_when: Callable[[Args], bool] | None = None
    code_if: Callable[[Tx, Context], bool] | None = None
    numbers: Callable[[Tx, Args], Sequence[int] | None] | None = None
    attach: Attach | None = None
    then: Callable[[Services], None] | None = None
    acts_outside: bool = False
    leaves: bool = False
    always_looks: bool = False
    texts: str = ""

    @property
    def name(self) -> str:
        """Return the command's words as people write them."""
        return " ".join(self.words)

    @property
    def key(self) -> str:
        """Return the prefix of the catalogue's keys for the command's summary and example."""
        return f"command.{self.texts or '_'.join(self.words)}"

    @property
    def usage(self) -> str:
        """Return the command with its parameters: `deposit NAME AMOUNT [NOTE]`."""
        shown = [f"[{param.name}]" if param.optional else param.name for param in self.params]
        return " ".join([*self.words, *shown])

    @property
    def shortest(self) -> str:
        """Return the command with its required parameters: `deposit NAME AMOUNT`."""
        return " ".join([*self.words, *(p.name for p in self.params if not p.optional)])

    @property
    def passes_on(self) -> bool:
        """Tell whether the last argument is a text with its line breaks."""
        return bool(self.params) and self.params[-1].verbatim

    def takes(self, count: int) -> bool:
        """Tell whether the command can have `count` words as arguments."""
        required = sum(not param.optional for param in self.params)
        is_open = bool(self.params) and (self.params[-1].rest or self.passes_on)
        return required <= count and (is_open or count <= len(self.params))

    def needs_code(self, args: Args) -> bool:
        """Tell whether the effect needs a code in plain words, and on ledgers that `code_if` chooses."""
        return self.plan is not None and (self.code_when is None or self.code_when(args))

    def is_coded(self, tx: Tx, ctx: Context, args: Args, *, is_plain: bool) -> bool:
        """Tell whether the command's effect needs a code on this ledger."""
        is_at_once = self.code_if is not None and not is_plain and not self.code_if(tx, ctx)
        return self.needs_code(args) and not is_at_once

    def needs_look(self, args: Args) -> bool:
        """Tell whether the command needs the look; without `always_looks` only an effect needs the look."""
        is_effect = self.plan is None or self.needs_code(args)
        return self.look is not None and (is_effect or self.always_looks)


@dataclass(frozen=True, slots=True)
class CommandSet:
    """The commands of a role.

    `of_clients`: the clients' commands in the set of operators, who are told that only clients have these
    commands. `groups`: the table in parts, by the keys of their headings, if the table is too long.
    """

    table: Sequence[Command[Any]]
    of_clients: Sequence[Command[Any]] = ()
    groups: Mapping[str, Sequence[Command[Any]]] = field(default_factory=dict)

    @property
    def role(self) -> str:
        """Return the role: `client` or `operator`."""
        return "operator" if self.of_clients else "client"

    @property
    def words(self) -> frozenset[str]:
        """Return the words that no new client gets as a name: of commands, choices and groups of readers."""
        commands = (*self.table, *self.of_clients)
        choices = (word for one in commands for param in one.params for word in param.choices)
        return frozenset((*(word for one in commands for word in one.words), *choices, ALL, LOW))
