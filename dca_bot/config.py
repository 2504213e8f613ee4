"""The configuration file: read, validated as a whole, and refused with a sentence for each fault."""

import difflib
import os
import re
import tomllib
from collections.abc import Mapping
from datetime import UTC, datetime, time, timedelta
from decimal import Decimal
from pathlib import Path
from typing import Annotated, Literal
from urllib.parse import SplitResult, urlsplit, urlunsplit
from zoneinfo import ZoneInfo

from pydantic import (
    AfterValidator,
    AwareDatetime,
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Field,
    ValidationError,
    model_validator,
)

from dca_bot.config_secrets import refuse_secrets
from dca_bot.core.money import SAT_MAX, checked_currency, minor_digits
from dca_bot.core.ports import DmProtocol
from dca_bot.errors import ConfigError, DcaBotError, FileRefused, in_words
from dca_bot.files.rights import read_text, refuse_unfit_new_file
from dca_bot.program import command, with_config

NOSTR_KEY_VARIABLE = "DCA_BOT_NOSTR_KEY"
LNBITS_KEY_VARIABLE = "DCA_BOT_LNBITS_ADMIN_KEY"
POSTGRES_PASSWORD_VARIABLE = "DCA_BOT_POSTGRES_PASSWORD"  # noqa: S105 (the variable's name)


class _Section(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


def _known_zone(name: str) -> str:
    try:
        ZoneInfo(name)
    except (KeyError, ValueError, OSError):
        raise ValueError(f"{name!r} is no time zone; write one like America/Guatemala") from None
    return name


def _relay_url(url: str) -> str:
    if _parts(url, "wss", "ws") is None:
        shown = url.partition("?")[0]
        raise ValueError(f"{shown!r} is no relay; write one like wss://relay.example.com")
    return url


def _each_relay_once(urls: tuple[str, ...]) -> tuple[str, ...]:
    """Remove repeated relays; a slash at the end makes no difference."""
    first: dict[str, str] = {}
    for url in urls:
        scheme, host, *rest = urlsplit(url.rstrip("/"))
        first.setdefault(urlunsplit((scheme, host.lower(), *rest)), url)
    return tuple(first.values())


def _http_url(url: str) -> str:
    parts = _parts(url, "https", "http")
    if parts is None:
        raise ValueError(f"{url!r} is no web address; write one like https://lnbits.example.com")
    if parts.path.strip("/") or parts.query or parts.fragment:
        raise ValueError(f"{url!r} is a page of it; write {parts.scheme}://{parts.netloc} only")
    return url.rstrip("/")


def _ssh_host(host: str) -> str:
    """Validate a host name or an address without a port: one colon parts a port, several are IPv6."""
    if not host or host.count(":") == 1 or _NOT_OF_HOST.search(host):
        raise ValueError(
            f"{host!r} is no host; write the name or address only, like lamassu.example.com: port and"
            " username are keys of their own"
        )
    return host


def _parts(url: str, *schemes: str) -> SplitResult | None:
    """Split an address into its parts; None if no connection could ever be made."""
    try:
        parts = urlsplit(url)
        _ = parts.port  # raises for one that is no number of a port
    except ValueError:
        return None
    is_host = _HOST.fullmatch(parts.hostname or "") is not None
    is_sound = url.isprintable() and " " not in url and "@" not in parts.netloc
    return parts if parts.scheme in schemes and is_host and is_sound else None


def _since_bitcoin(at: datetime) -> datetime:
    if not _FIRST_BLOCK <= at < _FAR:
        raise ValueError("lies before 2009 or after 2100; look at the year")
    return at


def _time_of_day(value: object) -> time:
    """Read a time of day from TOML's text or time; seconds are refused."""
    text = value.isoformat().removesuffix(":00") if isinstance(value, time) else value
    if not isinstance(text, str) or not _CLOCK.fullmatch(text):
        raise ValueError(f"{text!r} is no time of day; write one like 09:00")
    return time.fromisoformat(text)


def _each_once(times: tuple[time, ...]) -> tuple[time, ...]:
    if len(set(times)) < len(times):
        raise ValueError("a time stands there twice")
    return tuple(sorted(times))


def _plain_path(path: Path) -> Path:
    """Refuse a path that only a shell would expand (`~`, `$HOME`): the bot would make a folder named `~`."""
    if "\0" in str(path):
        raise ValueError("has a character in it that no path can have")
    if str(path).startswith(("~", "$")):
        raise ValueError(f"{str(path)!r} is taken as it is written; write the whole path, from /")
    return path


def _currency(code: str) -> str:
    try:
        return checked_currency(code)
    except DcaBotError as error:
        raise ValueError(str(error).rstrip(".")) from None


_IN_WORDS = {
    "extra_forbidden": "there is no such key; look at config.example.toml",
    "missing": "is missing; look at config.example.toml",
    "too_short": "needs at least one entry",
    "too_long": "has too many entries",
    "tuple_type": 'is a list; write it like ["..."]',
    "string_type": 'is a text; write it in quotation marks, like "..."',
    "bool_type": "is true or false",
    "timezone_aware": "needs a time zone, like 2026-01-01T00:00:00Z",
    "datetime_type": "is a time with its offset, without quotation marks: 2026-01-01T00:00:00Z",
}
_CLOCK = re.compile(r"([01][0-9]|2[0-3]):[0-5][0-9]")
_HOST = re.compile(r"[\w-]+(\.[\w-]+)*\.?|[0-9a-f:.]+")
_FIRST_BLOCK, _FAR = datetime(2009, 1, 1, tzinfo=UTC), datetime(2100, 1, 1, tzinfo=UTC)
_NOT_OF_HOST = re.compile(r"[\s/@\[\]]")
_PLACE = re.compile(r"(?<!\$)\{[a-z_]+\}")
FilePath = Annotated[Path, AfterValidator(_plain_path)]
TimeOfDay = Annotated[time, BeforeValidator(_time_of_day)]
StartAt = Annotated[AwareDatetime, Field(strict=True), AfterValidator(_since_bitcoin)]
RelayUrl = Annotated[str, AfterValidator(_relay_url)]
Amount = Annotated[Decimal, Field(ge=0, lt=10**12)]
Sats = Annotated[int, Field(ge=0, le=SAT_MAX)]


class BotConfig(_Section):
    """`[bot]`."""

    data_dir: FilePath = Path("data")
    language: str = "en"
    timezone: Annotated[str, AfterValidator(_known_zone)] = "America/Guatemala"
    currency: Annotated[str, AfterValidator(_currency)] = "GTQ"


class NostrConfig(_Section):
    """`[nostr]`."""

    private_key_file: FilePath = Path("bot.nsec")
    relays: Annotated[
        tuple[RelayUrl, ...], Field(min_length=1, max_length=10), AfterValidator(_each_relay_once)
    ]
    operators: Annotated[tuple[str, ...], Field(min_length=1, max_length=100)]
    operator_protocols: Annotated[tuple[DmProtocol, ...], Field(min_length=1)] = (DmProtocol.NIP17,)
    max_message_age_hours: Annotated[int, Field(ge=1, le=24 * 30)] = 6


class SshConfig(_Section):
    """`[lamassu.ssh]`."""

    host: Annotated[str, AfterValidator(_ssh_host)]
    port: Annotated[int, Field(ge=1, le=65535)] = 22
    username: Annotated[str, Field(min_length=1)]
    private_key_file: FilePath
    known_hosts_file: FilePath


class CsvConfig(_Section):
    """`[lamassu.csv]`."""

    command: str = (
        "PGDATESTYLE=ISO psql lamassu -v ON_ERROR_STOP=1 -c"
        " \"\\copy (select * from {table} where created >= '{since}') to stdout csv header\""
    )

    @model_validator(mode="after")
    def _has_places(self) -> "CsvConfig":
        if "{table}" not in self.command:
            raise ValueError("the command needs {table} where the table's name goes")
        # Other braces are the shell's or awk's.
        others = set(_PLACE.findall(self.command)) - {"{table}", "{since}"}
        for misspelt in difflib.get_close_matches("{since}", others, n=1):
            raise ValueError(f"the command has {misspelt}; write {{since}}, the time to read from")
        return self


class DirectoryConfig(_Section):
    """`[lamassu.directory]`."""

    path: FilePath = Path("export")


class PostgresConfig(_Section):
    """`[lamassu.postgres]`."""

    host: str = "127.0.0.1"
    port: Annotated[int, Field(ge=1, le=65535)] = 5432
    database: str = "lamassu"
    user: str = "dca_readonly"
    password_file: FilePath = Path("lamassu.pgpass")
    tunnel: bool = True
    tls: Literal["auto", "disable", "require", "verify-full"] = "auto"
    ca_file: FilePath | None = None
    statement_timeout_seconds: Annotated[int, Field(ge=1, le=3600)] = 60

    @model_validator(mode="after")
    def _encrypts_once(self) -> "PostgresConfig":
        if self.tunnel and self.tls not in ("auto", "disable"):
            raise ValueError(
                "a tunnel is encrypted already; leave tls out, or write tunnel = false"
            )
        if self.ca_file is not None and self.tls_mode == "disable":
            raise ValueError('ca_file counts with tls = "verify-full" or "require" only')
        return self

    @property
    def tls_mode(self) -> Literal["disable", "require", "verify-full"]:
        """Return the mode of encryption: data altered on the way would decide who is paid."""
        if self.tls != "auto":
            return self.tls
        here = self.host in ("127.0.0.1", "::1", "localhost") or self.host.startswith("/")
        return "disable" if self.tunnel or here else "verify-full"


class LamassuConfig(_Section):
    """`[lamassu]`."""

    source: Literal["ssh-csv", "postgres", "directory"]
    poll_seconds: Annotated[int, Field(ge=1, le=3600)] = 60
    lookback_days: Annotated[int, Field(ge=3, le=366)] = 14
    start_at: StartAt | None = None
    ssh: SshConfig | None = None
    csv: CsvConfig = CsvConfig()
    directory: DirectoryConfig = DirectoryConfig()
    postgres: PostgresConfig = PostgresConfig()

    @model_validator(mode="after")
    def _has_ssh(self) -> "LamassuConfig":
        if self.source == "ssh-csv" and self.ssh is None:
            raise ValueError('source = "ssh-csv" needs a section [lamassu.ssh]')
        if self.source == "postgres" and self.postgres.tunnel and self.ssh is None:
            raise ValueError(
                'source = "postgres" needs a section [lamassu.ssh], or tunnel = false in'
                " [lamassu.postgres]"
            )
        return self


class LnbitsConfig(_Section):
    """`[lnbits]`."""

    url: Annotated[str, AfterValidator(_http_url)]
    source_admin_key_file: FilePath = Path("lnbits.key")
    low_balance_sat: Sats = 500_000
    top_up_to_sat: Sats = 2_000_000

    @model_validator(mode="after")
    def _tops_up_beyond_low(self) -> "LnbitsConfig":
        if self.low_balance_sat > self.top_up_to_sat:
            raise ValueError(
                "low_balance_sat is above top_up_to_sat, so no top-up would be enough;"
                " lower the one or raise the other"
            )
        return self


class FlowConfig(_Section):
    """`[flow]`."""

    enabled: bool = True


class FixedConfig(_Section):
    """`[fixed]`."""

    enabled: bool = True
    times: Annotated[
        tuple[TimeOfDay, ...], Field(min_length=1, max_length=24), AfterValidator(_each_once)
    ] = (time(9), time(18))
    daily_limit_max: Amount = Decimal(2000)
    rate_source: Literal["lnbits", "lamassu"] = "lnbits"
    rate_deviation_percent_max: Annotated[int, Field(ge=0, le=100)] = 5
    rate_age_minutes_max: Annotated[int, Field(ge=1, le=60 * 24 * 366)] = 60


class LimitsConfig(_Section):
    """`[limits]`."""

    payout_max_sat: Annotated[int, Field(ge=1, le=SAT_MAX)] = 1_000_000
    day_max_sat: Annotated[int, Field(ge=1, le=SAT_MAX)] = 10_000_000


class NotificationsConfig(_Section):
    """`[notifications]`."""

    low_deposit: Amount = Decimal(200)
    offline_alert_minutes: Annotated[int, Field(ge=1, le=24 * 60)] = 15
    digest_time: TimeOfDay = time(19)
    summary_time: TimeOfDay = time(8)


class BackupConfig(_Section):
    """`[backup]`."""

    path: FilePath = Path("backups")
    every_hours: Annotated[int, Field(ge=0, le=24 * 7)] = 24
    keep: Annotated[int, Field(ge=1, le=1000)] = 14


class Config(_Section):
    """The whole file; relative paths start at the file's folder."""

    bot: BotConfig = BotConfig()
    nostr: NostrConfig
    lamassu: LamassuConfig
    lnbits: LnbitsConfig
    flow: FlowConfig = FlowConfig()
    fixed: FixedConfig = FixedConfig()
    limits: LimitsConfig = LimitsConfig()
    notifications: NotificationsConfig = NotificationsConfig()
    backup: BackupConfig = BackupConfig()
    base: Path = Field(default=Path(), exclude=True)

    def path(self, name: Path) -> Path:
        """Return a path of the file, resolved against the file's folder."""
        return self.base / name

    @property
    def backup_dir(self) -> Path:
        """Return the folder for copies of the ledger; a relative path starts at the data folder."""
        return self.path(self.bot.data_dir / self.backup.path)

    @property
    def message_age_max(self) -> timedelta:
        """Return the maximum age of a command."""
        return timedelta(hours=self.nostr.max_message_age_hours)

    @property
    def start_at(self) -> datetime | None:
        """Return the configured instant before which cash-outs are never touched; None if not set."""
        at = self.lamassu.start_at
        return None if at is None else at.astimezone(UTC)

    @property
    def low_deposit_minor(self) -> int:
        """Return `notifications.low_deposit` in minor units."""
        return _minor(
            self.notifications.low_deposit, self.bot.currency, "notifications.low_deposit"
        )

    @property
    def daily_limit_max_minor(self) -> int:
        """Return `fixed.daily_limit_max` in minor units."""
        return _minor(self.fixed.daily_limit_max, self.bot.currency, "fixed.daily_limit_max")


def load_config(path: Path) -> Config:
    """Read and validate a configuration file; raise ConfigError with every fault."""
    try:
        text = read_text(path, private=False)
    except FileNotFoundError:
        raise ConfigError(
            f"There is no {path}. Make one with `{command('init', *with_config(path))}`, or copy"
            " config.example.toml."
        ) from None
    except FileRefused as error:
        raise ConfigError(str(error)) from error
    try:
        values = tomllib.loads(text)
    except tomllib.TOMLDecodeError as error:
        raise ConfigError(f"{path} is no valid TOML: {error}") from error
    refuse_secrets(path, values)
    try:
        config = Config.model_validate(values)
    except ValidationError as error:
        raise ConfigError(_faults(path, error)) from None
    config = config.model_copy(update={"base": path.parent})
    _ = config.low_deposit_minor, config.daily_limit_max_minor
    return config


def read_secret(path: Path, variable: str, environment: Mapping[str, str], *, remedy: str) -> str:
    """Return a secret from an environment variable, or from a file that only its owner can read.

    `remedy`: how to make the file, for the error's text. Raise ConfigError.
    """
    if environment.get(variable):
        return environment[variable].strip()
    return read_secret_file(path, remedy=f"{remedy}, or into {variable}")


def secret_place(path: Path, variable: str, environment: Mapping[str, str]) -> str:
    """Name the place of a secret: the variable or the file."""
    return variable if environment.get(variable) else str(path)


def read_secret_file(path: Path, *, remedy: str) -> str:
    """Return a secret from a file that only its owner can read; raise ConfigError with `remedy` otherwise."""
    try:
        text = read_text(path, private=True).strip()
    except FileNotFoundError:
        raise ConfigError(f"There is no {path}; {remedy}.") from None
    except FileRefused as error:
        raise ConfigError(str(error)) from error
    if not text:
        raise ConfigError(f"{path} is empty. Remove it, then {remedy}.")
    return text


def write_secret(path: Path, text: str) -> None:
    """Make a file of mode 600; raise FileExistsError if the path is taken.

    Raise ConfigError and leave nothing if the text can't be written whole. Raise UnicodeEncodeError, before
    a file is made, for a text that can't be encoded.
    """
    content = f"{text}\n".encode()
    try:
        refuse_unfit_new_file(path)
        descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    except FileExistsError:
        raise
    except (FileRefused, OSError) as error:
        raise _not_written(path, error) from error
    try:
        with os.fdopen(descriptor, "wb") as file:
            file.write(content)
    except OSError as error:
        path.unlink()
        raise _not_written(path, error) from error


def _not_written(path: Path, error: Exception) -> ConfigError:
    if isinstance(error, FileRefused):
        return ConfigError(str(error))
    return ConfigError(f"{path} can't be written ({in_words(error)}).")


def _minor(amount: Decimal, currency: str, key: str) -> int:
    minor = amount.scaleb(minor_digits(currency))
    if minor != minor.to_integral_value():
        raise ConfigError(f"{key} = {amount} has more decimals than {currency} has.")
    return int(minor)


def _faults(path: Path, error: ValidationError) -> str:
    faults = error.errors(include_url=False)
    # A list whose entries are faulty counts as too short as well; that is no fault of its own.
    entries = {fault["loc"][:-1] for fault in faults}
    faults = [fault for fault in faults if fault["loc"] not in entries]
    lines = [f"{path} has {len(faults)} fault(s):"]
    for fault in faults:
        place = ".".join(str(part) for part in fault["loc"]) or "file"
        message = _IN_WORDS.get(fault["type"], fault["msg"].removeprefix("Value error, "))
        lines.append(f"  {place}: {message}")
    return "\n".join(lines)
