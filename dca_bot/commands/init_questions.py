"""The questions of `dca-bot init`.

At a terminal each answer is tried at once, and can be kept although the trial fails: init works without a
network too. From a pipe nothing is tried, as nobody is there to answer.
"""

import sys
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import TypeVar

import typer
from pydantic import BaseModel, ValidationError

from dca_bot.commands import init_trials as trials
from dca_bot.commands.console import say, say_meanwhile
from dca_bot.commands.init_config import Answers, LamassuAnswers
from dca_bot.commands.lamassu_setup import Way, is_name, is_username
from dca_bot.config_sections import BotConfig, DirectoryConfig, LnbitsConfig, NostrConfig, SshConfig
from dca_bot.core.destination_text import is_wallet_key
from dca_bot.errors import DcaBotError
from dca_bot.files.secret_files import read_secret_file
from dca_bot.messages.render import LANGUAGES
from dca_bot.nostr.keys import SecretKey, parse_npub
from dca_bot.operators import EXAMPLE_NPUB

_WAYS = {
    Way.CSV: "a command over SSH, which prints CSV",
    Way.TUNNEL: "PostgreSQL through an SSH tunnel",
    Way.DIRECT: "PostgreSQL directly",
    Way.FOLDER: "a folder into which you export CSV files",
}
_OTHERS = ("root", "postgres", "lamassu")
"""Users of a Lamassu server whose keys and roles are none of the bot's."""
_SSH_ANSWERED = dict.fromkeys(
    ("host", "username", "private_key_file", "known_hosts_file"), "answered"
)
"""The stand-in for other answers while one is checked."""
_Answer = TypeVar("_Answer")


@dataclass(frozen=True, slots=True)
class Questions:
    """Asks for the values without a default; `folder`: where secrets from an earlier init may lie."""

    bot: SecretKey
    folder: Path
    is_terminal: bool

    def ask_all(self) -> Answers:
        """Ask everything; raise typer.Abort at the end of the input."""
        operator = self._ask_operator()
        default = "wss://relay.damus.io wss://nos.lol"
        relays = self._ask(
            "Relays, with spaces between",
            _relays,
            default=default,
            tried=partial(trials.relays_work, self.bot),
        )
        lnbits = trials.LnbitsTrials()
        question = "Address of LNbits, like https://lnbits.example.com"
        url = self._ask(question, _lnbits_url, tried=lnbits.answers)
        admin_key = self._ask_admin_key(lnbits)
        currency = self._ask("Currency", _currency, default="GTQ", tried=lnbits.has_a_price)
        timezone = self._ask(
            "Time zone", _timezone, default="America/Guatemala", tried=trials.time_of_zone
        )
        lamassu = self._ask_lamassu()
        return Answers(
            operator=operator,
            relays=relays,
            url=url,
            admin_key=admin_key,
            currency=currency,
            timezone=timezone,
            lamassu=lamassu,
            language=self._ask_language(),
            is_rehearsal=self._asks_for_rehearsal(),
        )

    def ask_npub(self) -> str:
        """Ask for the operator's npub, which can't be left out."""
        return self._ask("Your npub (the operator's)", partial(_npub, bot=self.bot))

    def _ask_operator(self) -> str:
        """Ask for the operator's npub; at a terminal empty if the operator writes to the bot instead."""
        if not self.is_terminal:
            return self.ask_npub()
        question = "Your npub, the operator's (empty: you'll write to the bot from your app)"
        return self._ask(question, partial(_npub, bot=self.bot, may_wait=True))

    def _ask_admin_key(self, lnbits: trials.LnbitsTrials) -> str:
        path = self.folder / "lnbits.key"
        if path.exists():
            say(f"{path} is there and is used.")
            return ""
        question = "Admin key of the wallet that pays, 32 hex digits (not shown; empty: later)"
        return self._ask(question, _admin_key, tried=lnbits.opens_a_wallet, is_secret=True)

    def _ask_lamassu(self) -> LamassuAnswers:
        say("How is Lamassu read?")
        for number, what in enumerate(_WAYS.values(), start=1):
            say(f"  {number}  {what}")
        way = self._ask("Way, 1 to 4", _way, default="1")
        if way is Way.FOLDER:
            return LamassuAnswers(way, folder=self._ask("Folder", _folder, default="export"))
        if way is Way.DIRECT:
            host = self._ask("PostgreSQL's host", _host, default="127.0.0.1")
            port = self._ask("Port", _port, default="5432")
            database, role, password = self._ask_database()
            return LamassuAnswers(
                way,
                postgres_host=host,
                postgres_port=port,
                database=database,
                role=role,
                password=password,
            )
        host, port = self._ask_ssh()
        username = self._ask("User name there; init's script makes it", _username, default="dca")
        if way is Way.CSV:
            return LamassuAnswers(way, host=host, port=port, username=username)
        database, role, password = self._ask_database()
        return LamassuAnswers(
            way,
            host=host,
            port=port,
            username=username,
            database=database,
            role=role,
            password=password,
        )

    def _ask_ssh(self) -> tuple[str, int]:
        """Ask for the SSH server; both again if the server doesn't answer."""
        while True:
            host = self._ask("Lamassu's host", _host)
            port = self._ask("Port of its SSH", _port, default="22")
            if self._is_kept(partial(trials.ssh_answers, host, port)):
                return host, port

    def _ask_database(self) -> tuple[str, str, str]:
        """Ask for database, role and password; an empty password is to be made."""
        database = self._ask("Database", _name, default="lamassu")
        role = self._ask("Role that may read it", _name, default="dca_readonly")
        path = self.folder / "lamassu.pgpass"
        if path.exists():
            say(f"{path} is there and is used.")
            return database, role, read_secret_file(path, remedy="put the role's password there")
        question = "Its password (not shown; empty: init makes role and password)"
        return database, role, self._ask(question, str, is_secret=True)

    def _ask_language(self) -> str:
        default = str(BotConfig.model_fields["language"].default)
        question = f"Language that the bot writes in ({', '.join(LANGUAGES)})"
        return self._or_default(lambda: self._ask(question, _language, default=default), default)

    def _asks_for_rehearsal(self) -> bool:
        question = "Begin with a rehearsal, which reads everything and pays nothing?"
        return self._or_default(lambda: typer.confirm(question, default=False), default=False)

    def _or_default(self, asked: Callable[[], _Answer], default: _Answer) -> _Answer:
        """Return an answer; a script whose answers have ended gets the default."""
        try:
            return asked()
        except typer.Abort:
            if self.is_terminal:
                raise
            return default

    def _ask(
        self,
        question: str,
        read: Callable[[str], _Answer],
        *,
        default: str = "",
        tried: Callable[[_Answer], str] | None = None,
        is_secret: bool = False,
    ) -> _Answer:
        """Ask until an answer can be read, and passes its trial or is kept all the same."""

        def answered(text: str) -> _Answer:
            # A line made on Windows ends in a character that shows nothing.
            try:
                return read(text.strip() or default)
            except typer.BadParameter as error:
                if is_secret:  # What is wrong with a hidden answer isn't told otherwise.
                    say(f"  {error.message}")
                raise

        while True:
            answer: _Answer = typer.prompt(
                question,
                default=default,
                hide_input=is_secret,
                show_default=bool(default),
                value_proc=answered,
            )
            if tried is None or self._is_kept(partial(tried, answer)):
                return answer

    def _is_kept(self, tried: Callable[[], str]) -> bool:
        """Try an answer at a terminal; tell whether it counts, though the trial may have failed."""
        if not self.is_terminal:
            return True
        say_meanwhile("  …")
        try:
            if found := tried():
                say(f"  ✓ {found}")
        except DcaBotError as error:
            say(f"  ✗ {error}")
            return typer.confirm("  Keep it all the same?", default=False)
        return True


def is_terminal() -> bool:
    """Tell whether a person answers."""
    return sys.stdin.isatty()


def _npub(text: str, *, bot: SecretKey, may_wait: bool = False) -> str:
    if not text.strip():
        if may_wait:
            return ""
        raise typer.BadParameter(
            "It is needed, as nobody else may command the bot: your app's profile page shows it, npub1…"
        )
    try:
        pubkey = parse_npub(text)
    except DcaBotError as error:
        raise typer.BadParameter(str(error)) from error
    if pubkey == bot.public_key:
        raise typer.BadParameter("That is the bot's own npub; yours is needed here.")
    if pubkey == parse_npub(EXAMPLE_NPUB):
        raise typer.BadParameter("That is the example's npub, which is nobody's; write your own.")
    return text.strip()


def _relays(text: str) -> list[str]:
    urls = text.replace(",", " ").split()
    _check(NostrConfig, relays=urls, operators=["later"])
    return urls


def _lnbits_url(text: str) -> str:
    _check(LnbitsConfig, url=text.strip())
    return text.strip()


def _admin_key(text: str) -> str:
    if text.strip() and not is_wallet_key(text.strip()):
        raise typer.BadParameter("A key of LNbits has 32 hex digits; copy it from its API info.")
    return text.strip()


def _currency(text: str) -> str:
    _check(BotConfig, currency=text.strip().upper())
    return text.strip().upper()


def _language(text: str) -> str:
    code = text.strip().lower()
    if code not in LANGUAGES:
        raise typer.BadParameter(f"The bot writes in these: {', '.join(LANGUAGES)}.")
    return code


def _timezone(text: str) -> str:
    _check(BotConfig, timezone=text.strip())
    return text.strip()


def _way(text: str) -> Way:
    ways = tuple(_WAYS)
    typed = text.strip().lower()
    for number, way in enumerate(ways, start=1):
        if typed in (str(number), way):
            return way
    raise typer.BadParameter(f"Type 1, 2, 3 or 4 (or {', '.join(ways)}).")


def _folder(text: str) -> str:
    _check(DirectoryConfig, path=text.strip())
    return text.strip()


def _port(text: str) -> int:
    if not text.isdecimal():
        raise typer.BadParameter("A port is a number, from 1 to 65535.")
    _check(SshConfig, **_SSH_ANSWERED | {"port": text})
    return int(text)


def _host(text: str) -> str:
    if not text.strip():
        raise typer.BadParameter("It is needed: a name or an address, like lamassu.example.com")
    _check(SshConfig, **_SSH_ANSWERED | {"host": text.strip()})
    return text.strip()


def _username(text: str) -> str:
    if not is_username(text.strip()):
        raise typer.BadParameter("A user's name has small letters, digits, _ and -, like dca.")
    if text.strip() in _OTHERS:
        raise typer.BadParameter(
            "The script makes a user for the bot alone: choose a new name, like dca."
        )
    return text.strip()


def _name(text: str) -> str:
    if not is_name(text.strip()):
        raise typer.BadParameter("Use letters, digits, _ and - only, like lamassu.")
    return text.strip()


def _check(section: type[BaseModel], **values: object) -> None:
    """Validate an answer as the configuration does, so that a wrong answer is asked again."""
    try:
        section.model_validate(values)
    except ValidationError as error:
        fault = error.errors(include_url=False)[0]
        raise typer.BadParameter(fault["msg"].removeprefix("Value error, ")) from error
