"""Rejects messages: floods, secrets, messages that are too old or too long.

The invariant: a flood from one person costs other people nothing.
"""

from dataclasses import dataclass, field
from datetime import datetime, timedelta
from enum import Enum, auto

from dca_bot.chat.command import CommandSet
from dca_bot.chat.secret_warnings import secret_in, warning
from dca_bot.chat.senders import Role, Sender
from dca_bot.chat.services import Services
from dca_bot.chat.timing import time_problem
from dca_bot.chat.understanding.arguments import is_media
from dca_bot.core.ports import IncomingMessage
from dca_bot.core.programme import Programme
from dca_bot.core.secrets import Secret
from dca_bot.messages.say import Say

PEOPLE_MAX = 5000
_TEXT_LENGTH_MAX = 2000


@dataclass(frozen=True, slots=True)
class Rejection:
    """A message that runs nothing: the inbox row's command, and the reply; None is silence."""

    command: str
    reply: Say | None


class Admission:
    """Admits messages by sender, time, and the number of the sender's messages."""

    def __init__(self, programme: Programme, services: Services) -> None:
        self._programme = programme
        self._services = services
        self._commands = RateLimit(burst=40, per=timedelta(seconds=2))
        self._problems = RateLimit(burst=3, per=timedelta(minutes=10))
        self._files = RateLimit(burst=1, per=timedelta(hours=1))

    async def reject(
        self, message: IncomingMessage, sender: Sender, command_set: CommandSet, now: datetime
    ) -> Rejection | None:
        """Return the rejection of a client's or an operator's message; None where the message may run."""
        if message.is_file or is_media(message.text):
            return self._reject_file(message, now)
        # A search for secrets takes time; a flood is never stored, so nobody looks for secrets in it.
        is_flood = self._commands.is_silent(message.sender, now)
        operators = self._programme.operators if sender.client is None else frozenset[str]()
        secret = None
        if not is_flood:
            secret = await secret_in(message.text, command_set, self._services, operators)
        problem = self._problem(message, sender, secret, now)
        limit = self._problems if problem and secret is None else self._commands
        match limit.judge(message.sender, now):
            case Ruling.SILENCE:
                return Rejection("limited", None)
            case Ruling.NOTICE if secret is None:
                return Rejection("limited", _limited(limit.per))
            case _:
                return Rejection("refused", problem) if problem else None

    def count_further(self, sender: str, commands: int, now: datetime) -> None:
        """Count the further commands of an admitted message: each costs as much as a message."""
        self._commands.count(sender, commands, now)

    def time_problem(self, message: IncomingMessage, sender: Sender, now: datetime) -> Say | None:
        """Say why a message may change nothing by its own time; None for a message that may."""
        return time_problem(message, sender, now, age_max=self._programme.message_age_max)

    def _reject_file(self, message: IncomingMessage, now: datetime) -> Rejection:
        """Tell a sender of files at most once an hour that the bot reads text only."""
        is_told = self._files.judge(message.sender, now) is Ruling.PASS
        return Rejection("file", Say("problem.file") if is_told else None)

    def _problem(
        self, message: IncomingMessage, sender: Sender, secret: Secret | None, now: datetime
    ) -> Say | None:
        """Say why a message may not run, however few messages the sender writes."""
        if secret is not None:
            return warning(secret, sender.role)
        # A message that comes as new may still ask: see `timing`.
        by_time = self.time_problem(message, sender, now) if message.arrived_at is None else None
        if by_time is not None:
            return by_time
        is_operator = sender.role is Role.OPERATOR
        if is_operator and message.protocol not in self._programme.operator_protocols:
            return Say("problem.protocol")
        return Say("problem.too_long") if len(message.text) > _TEXT_LENGTH_MAX else None


class Ruling(Enum):
    """The fate of a message: PASS, NOTICE for the first stopped message, SILENCE for the next."""

    PASS = auto()
    NOTICE = auto()
    SILENCE = auto()


@dataclass(slots=True)
class RateLimit:
    """A bucket of `burst` messages for each person; after each `per` there is room for another.

    A person gets a single notice until the bucket has been full again. Only the instant at which the bucket
    will be full again is kept. A clock that is set back by more than the time to fill a bucket fills the
    bucket.
    """

    burst: int
    per: timedelta
    _full_at: dict[str, datetime] = field(default_factory=dict, init=False)
    _noticed: set[str] = field(default_factory=set, init=False)

    def judge(self, person: str, now: datetime) -> Ruling:
        """Count a message of a person, and return the fate of the message."""
        full_at = self._full_again(person, now)
        if full_at == now:
            self._noticed.discard(person)
        passes = self._passes(full_at, now)
        self._full_at.pop(person, None)
        self._keep(person, full_at + self.per if passes else full_at)
        if passes:
            return Ruling.PASS
        if person in self._noticed:
            return Ruling.SILENCE
        self._noticed.add(person)
        return Ruling.NOTICE

    def count(self, person: str, messages: int, now: datetime) -> None:
        """Count messages of a person that pass in any case; a bucket takes no more than fills the bucket."""
        full_at = self._full_again(person, now) + messages * self.per
        self._full_at.pop(person, None)
        self._keep(person, min(full_at, now + self.burst * self.per))

    def is_silent(self, person: str, now: datetime) -> bool:
        """Tell whether `judge` would now return SILENCE; nothing is counted."""
        return person in self._noticed and not self._passes(self._full_again(person, now), now)

    def _full_again(self, person: str, now: datetime) -> datetime:
        full_at = self._full_at.get(person, now)
        was_set_back = full_at > now + self.burst * self.per
        return now if was_set_back else max(full_at, now)

    def _passes(self, full_at: datetime, now: datetime) -> bool:
        return full_at - now <= (self.burst - 1) * self.per

    def _keep(self, person: str, full_at: datetime) -> None:
        self._full_at[person] = full_at
        if len(self._full_at) > PEOPLE_MAX:
            oldest = next(iter(self._full_at))
            del self._full_at[oldest]
            self._noticed.discard(oldest)


def _limited(per: timedelta) -> Say:
    """Say that the sender writes too much, and how often a message is taken meanwhile."""
    if per < timedelta(minutes=1):
        return Say("limited", pace=Say("pace.seconds", n=per.seconds))
    return Say("limited", pace=Say("pace.minutes", n=per.seconds // 60))
