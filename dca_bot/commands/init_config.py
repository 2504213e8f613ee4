"""The answers of `dca-bot init`, and the configuration that they make. Pure."""

import json
from dataclasses import dataclass, field

from dca_bot.commands.lamassu_setup import Way
from dca_bot.core.relay_urls import may_be_public, normalize

_HEAD = """\
# Made by `dca-bot init`. Every key with its meaning: config.example.toml

[bot]
data_dir = {data_dir}
timezone = {timezone}
currency = {currency}
language = {language}
{rehearsal}
[nostr]
private_key_file = "bot.nsec"
relays = {relays}
{no_discovery}operators = [{operator}]

[lamassu]
source = {source}
"""
_REHEARSAL = "rehearsal = true\n"
_NO_DISCOVERY = "discovery_relays = []\n"
_SSH = """
[lamassu.ssh]
host = {host}
port = {port}
username = {username}
private_key_file = "lamassu.key"
known_hosts_file = "known_hosts"
"""
_CSV = """
[lamassu.csv]
command = "{{table}} {{since}}"
"""
_POSTGRES = """
[lamassu.postgres]
host = {postgres_host}
port = {postgres_port}
database = {database}
user = {role}
password_file = "lamassu.pgpass"
tunnel = {tunnel}
"""
_DIRECTORY = """
[lamassu.directory]
path = {folder}
"""
_LNBITS = """
[lnbits]
url = {url}
source_admin_key_file = "lnbits.key"
"""
_SECTIONS = {
    Way.CSV: (_HEAD, _SSH, _CSV, _LNBITS),
    Way.TUNNEL: (_HEAD, _SSH, _POSTGRES, _LNBITS),
    Way.DIRECT: (_HEAD, _POSTGRES, _LNBITS),
    Way.FOLDER: (_HEAD, _DIRECTORY, _LNBITS),
}


@dataclass(frozen=True, slots=True)
class LamassuAnswers:
    """Where Lamassu is read; which values count depends on `way`.

    An empty `password` stands for a role that doesn't exist yet.
    """

    way: Way
    folder: str = "export"
    host: str = ""
    port: int = 22
    username: str = "dca"
    postgres_host: str = "127.0.0.1"
    postgres_port: int = 5432
    database: str = "lamassu"
    role: str = "dca_readonly"
    password: str = field(default="", repr=False)

    @property
    def server(self) -> str:
        """Name the computer that the bot needs access to."""
        host = self.host if self.way.uses_ssh else self.postgres_host
        return "this computer" if host in ("127.0.0.1", "::1", "localhost") else host


@dataclass(frozen=True, slots=True)
class Answers:
    """What was answered; an empty `operator` is still to be found, an empty `admin_key` comes later."""

    operator: str
    relays: list[str]
    url: str
    admin_key: str = field(repr=False)
    currency: str
    timezone: str
    lamassu: LamassuAnswers
    language: str
    is_rehearsal: bool = False


def config_text(answers: Answers) -> str:
    """Write the configuration; only values without a default, and those that people look for."""
    lamassu = answers.lamassu
    source = "postgres" if lamassu.way is Way.TUNNEL else lamassu.way
    values: dict[str, str | int | list[str]] = {
        "data_dir": "data-rehearsal" if answers.is_rehearsal else "data",
        "timezone": answers.timezone,
        "currency": answers.currency,
        "language": answers.language,
        "relays": answers.relays,
        "operator": answers.operator,
        "source": str(source),
        "host": lamassu.host,
        "port": lamassu.port,
        "username": lamassu.username,
        "postgres_host": lamassu.postgres_host,
        "postgres_port": lamassu.postgres_port,
        "database": lamassu.database,
        "role": lamassu.role,
        "tunnel": lamassu.way is Way.TUNNEL,
        "folder": lamassu.folder,
        "url": answers.url,
    }
    written = {name: _toml(value) for name, value in values.items()}
    # Public relays need not know of a bot that nobody out there can reach.
    is_public = any(may_be_public(url) for url in map(normalize, answers.relays) if url)
    written |= {
        "rehearsal": _REHEARSAL if answers.is_rehearsal else "",
        "no_discovery": "" if is_public else _NO_DISCOVERY,
    }
    return "".join(_SECTIONS[lamassu.way]).format(**written).rstrip()


def _toml(value: str | int | list[str]) -> str:
    """Write a value as TOML; a surrogate pair of JSON's is no escape of TOML."""
    return json.dumps(value, ensure_ascii=False).replace("\x7f", r"\u007f")
