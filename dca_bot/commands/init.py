"""`dca-bot init`: a first configuration and the bot's key."""

import json
import os
import sys
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path

import segno
import typer
from pydantic import BaseModel, ValidationError

from dca_bot.commands.console import can_write, columns, say
from dca_bot.config_sections import BotConfig, LnbitsConfig, NostrConfig, SshConfig
from dca_bot.core.destination_text import is_wallet_key
from dca_bot.core.relay_urls import normalize
from dca_bot.errors import ConfigError, DcaBotError
from dca_bot.files.rights import refuse_unfit_new_file
from dca_bot.files.secret_files import NOSTR_KEY_VARIABLE, write_secret
from dca_bot.messages.render import LANGUAGES
from dca_bot.nostr.announcement.own_events import INBOX_RELAYS_MAX
from dca_bot.nostr.keys import SecretKey, generate, nprofile, parse_npub, parse_secret_key
from dca_bot.operators import EXAMPLE_NPUB
from dca_bot.program import command, with_config

_TEMPLATE = """\
# Made by `dca-bot init`. Every key with its meaning: config.example.toml

[bot]
data_dir = "data"
timezone = {timezone}
currency = {currency}
language = {language}

[nostr]
private_key_file = "bot.nsec"
relays = {relays}
operators = [{operator}]

[lamassu]
{lamassu}
[lnbits]
url = {url}
source_admin_key_file = "lnbits.key"
"""
_DIRECTORY = """\
source = "directory"

[lamassu.directory]
path = {path}
"""
_SSH = """\
source = {source}

[lamassu.ssh]
host = {host}
port = {port}
username = {username}
private_key_file = "lamassu.key"
known_hosts_file = "known_hosts"
"""
_POSTGRES = """
[lamassu.postgres]
database = {database}
user = {user}
password_file = "lamassu.pgpass"
"""
_SSH_ANSWERED = dict.fromkeys(
    ("host", "username", "private_key_file", "known_hosts_file"), "answered"
)
"""What stands for other answers while one is checked."""


@dataclass(frozen=True, slots=True)
class _Answers:
    """What was answered: the configuration as text, and the secrets, which are empty if they come later."""

    config: str
    relays: list[str]
    admin_key: str = field(repr=False)
    password: str = field(repr=False)


def ask_and_write(config_path: Path) -> None:
    """Ask for the values without a default, then write the configuration and the key.

    Existing files are never overwritten. Raise DcaBotError.
    """
    folder = config_path.parent
    key_path, wallet_path = folder / "bot.nsec", folder / "lnbits.key"
    _refuse_existing(config_path, key_path)
    own = os.environ.get(NOSTR_KEY_VARIABLE)
    key = _key_of_environment(own) if own else generate()
    answers = _ask_all(key)
    others = {wallet_path: answers.admin_key, folder / "lamassu.pgpass": answers.password}
    files = ({} if own else {key_path: key.nsec()}) | {config_path: answers.config.rstrip()}
    files |= {
        path: secret for path, secret in others.items() if secret and not os.path.lexists(path)
    }
    _write_all(files)
    say(f"\nWrote {', '.join(str(path) for path in files)}.")
    say(f"Keep a copy of {NOSTR_KEY_VARIABLE if own else key_path}: it is the bot's identity.")
    if not wallet_path.exists():
        say(f"Put the source wallet's admin key into {wallet_path} (chmod 600).")
    relays = [url for url in map(normalize, answers.relays) if url is not None]
    address = nprofile(key.public_key, relays[:INBOX_RELAYS_MAX])
    say(f"\nThe bot's npub, for your clients and yourself:\n{key.npub}")
    say(f"\nWith its relays, for apps that don't find it, and in the QR code:\n{address}\n")
    _show_qr(f"nostr:{address}")
    say(f"\nNext: {command('check', *with_config(config_path))}")


def _refuse_existing(config_path: Path, key_path: Path) -> None:
    """Raise ConfigError if the configuration or the key is there already, or can't be made."""
    refuse_unfit_new_file(config_path)
    for path in (config_path, key_path):
        if os.path.lexists(path):
            make_key = command("chat", "--new", "--key", key_path)
            alone = f" A key alone is made by: {make_key}"
            raise ConfigError(
                f"{path} is there already; move it away, or use it as it is."
                + ("" if os.path.lexists(key_path) else alone)
            )


def _ask_all(key: SecretKey) -> _Answers:
    operator = _ask("Your npub (the operator's)", partial(_npub, bot=key))
    relays: list[str] = typer.prompt(
        "Relays, with spaces between",
        default="wss://relay.damus.io wss://nos.lol",
        value_proc=_relays,
    )
    url = typer.prompt(
        "Address of LNbits", default="https://lnbits.example.com", value_proc=_lnbits_url
    )
    admin_key = typer.prompt(
        "Admin key of the wallet that pays, 32 hex digits (empty: later)",
        default="",
        hide_input=True,
        show_default=False,
        value_proc=_admin_key,
    )
    currency = typer.prompt("Currency", default="GTQ", value_proc=_currency)
    timezone = typer.prompt("Time zone", default="America/Guatemala", value_proc=_timezone)
    lamassu, password = _ask_lamassu()
    language = _ask_language()
    text = _TEMPLATE.format(
        timezone=_toml(timezone),
        currency=_toml(currency),
        language=_toml(language),
        relays=_toml(relays),
        operator=_toml(operator),
        lamassu=lamassu,
        url=_toml(url),
    )
    return _Answers(text, relays, admin_key, password)


def _toml(value: str | list[str]) -> str:
    """Write a text, or a list of texts, as TOML; a surrogate pair of JSON's is no escape of TOML."""
    return json.dumps(value, ensure_ascii=False).replace("\x7f", r"\u007f")


def _show_qr(text: str) -> None:
    """Print a QR code, or a line with the reason why none can be shown."""
    code = segno.make(text, error="l")
    width, _ = code.symbol_size()
    if not can_write("█▀▄"):
        say("(No QR code: this terminal's encoding has no blocks.)")
    elif 0 < columns() < width:
        say(f"(No QR code: it needs a terminal of {width} columns.)")
    else:
        code.terminal(compact=True)


def _write_all(files: Mapping[Path, str]) -> None:
    """Write all of the new files, or none: a failed `init` leaves the folder as before."""
    written: list[Path] = []
    try:
        for path, content in files.items():
            write_secret(path, content)
            written.append(path)
    except BaseException as error:
        for path in written:
            path.unlink()
        if isinstance(error, FileExistsError):
            raise ConfigError(
                f"{error.filename} has just been made by another; try again."
            ) from error
        raise


def _ask_lamassu() -> tuple[str, str]:
    """Ask for the way to Lamassu; return the section, and the database's password or an empty text."""
    if not typer.confirm("Is Lamassu reached over SSH? (no: a folder with exported CSV files)"):
        return _DIRECTORY.format(path=_toml(typer.prompt("Folder", default="export"))), ""
    host = _ask("Lamassu's host", _host)
    port = typer.prompt("Port", default="22", value_proc=_port)
    username = typer.prompt("User name", default="dca")
    postgres, password = _ask_postgres()
    text = _SSH.format(
        source=_toml("postgres" if postgres else "ssh-csv"),
        host=_toml(host),
        port=port,
        username=_toml(username),
    )
    return text + postgres, password


def _ask_language() -> str:
    """Ask for the language of the bot's messages; a script whose answers have ended gets the default."""
    default = BotConfig.model_fields["language"].default
    try:
        answer: str = typer.prompt(
            f"Language that the bot writes in ({', '.join(LANGUAGES)})",
            default=default,
            value_proc=_language,
        )
    except typer.Abort:
        if sys.stdin.isatty():
            raise
        return str(default)
    return answer


def _ask_postgres() -> tuple[str, str]:
    """Ask for the database; return the section and the password, both empty for an export command."""
    if not typer.confirm("Read PostgreSQL through it? (no: a command exports CSV)", default=False):
        return "", ""
    text = _POSTGRES.format(
        database=_toml(typer.prompt("Database", default="lamassu")),
        user=_toml(typer.prompt("Role that may read it", default="dca_readonly")),
    )
    password = typer.prompt(
        "Its password (empty: later, into lamassu.pgpass)",
        default="",
        hide_input=True,
        show_default=False,
    )
    return text, password


def _key_of_environment(text: str) -> SecretKey:
    try:
        return parse_secret_key(text)
    except DcaBotError as error:
        raise ConfigError(f"{NOSTR_KEY_VARIABLE}: {error}") from None


def _ask(question: str, read: Callable[[str], str]) -> str:
    """Ask for a value without a default; raise DcaBotError at the end of the input."""
    answer: str = typer.prompt(question, default="", show_default=False, value_proc=read)
    return answer


def _npub(text: str, *, bot: SecretKey) -> str:
    if not text.strip():
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
    _check(NostrConfig, relays=text.split(), operators=["later"])
    return text.split()


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


def _port(text: str) -> int:
    _check(SshConfig, **_SSH_ANSWERED | {"port": text})
    return int(text)


def _host(text: str) -> str:
    if not text.strip():
        raise typer.BadParameter("It is needed: a name or an address, like lamassu.example.com")
    _check(SshConfig, **_SSH_ANSWERED | {"host": text.strip()})
    return text.strip()


def _check(section: type[BaseModel], **values: object) -> None:
    """Validate an answer as the configuration does, so that a wrong answer is asked again."""
    try:
        section.model_validate(values)
    except ValidationError as error:
        fault = error.errors(include_url=False)[0]
        raise typer.BadParameter(fault["msg"].removeprefix("Value error, ")) from error
