"""The configuration file: read, checked as a whole, and refused with a sentence for each fault."""

import difflib
import re
import tomllib
from datetime import UTC, datetime, time, timedelta
from decimal import Decimal
from pathlib import Path
from typing import Annotated, Literal

from pydantic import (
    AfterValidator,
    BaseModel,
    ConfigDict,
    Field,
    ValidationError,
    model_validator,
)

from dca_bot.config_secrets import refuse_secrets
from dca_bot.config_values import (
    Amount,
    Currency,
    FilePath,
    HttpUrl,
    RelayUrl,
    Sats,
    SshHost,
    StartAt,
    TimeOfDay,
    TimeZone,
    each_once,
    each_relay_once,
)
from dca_bot.core.money import SAT_MAX, minor_digits
from dca_bot.core.ports import DmProtocol
from dca_bot.errors import ConfigError, FileRefused
from dca_bot.files.rights import read_text
from dca_bot.program import command, with_config

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
_PLACE = re.compile(r"(?<!\$)\{[a-z_]+\}")


class _Section(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


class BotConfig(_Section):
    """`[bot]`."""

    data_dir: FilePath = Path("data")
    language: str = "en"
    timezone: TimeZone = "America/Guatemala"
    currency: Currency = "GTQ"


class NostrConfig(_Section):
    """`[nostr]`."""

    private_key_file: FilePath = Path("bot.nsec")
    relays: Annotated[
        tuple[RelayUrl, ...], Field(min_length=1, max_length=10), AfterValidator(each_relay_once)
    ]
    operators: Annotated[tuple[str, ...], Field(min_length=1, max_length=100)]
    operator_protocols: Annotated[tuple[DmProtocol, ...], Field(min_length=1)] = (DmProtocol.NIP17,)
    max_message_age_hours: Annotated[int, Field(ge=1, le=24 * 30)] = 6


class SshConfig(_Section):
    """`[lamassu.ssh]`."""

    host: SshHost
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
        """Return how to encrypt; `auto` demands a proof of the server's identity on a foreign network.

        An attacker who could alter Lamassu's data on the way would decide who is paid.
        """
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

    url: HttpUrl
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
        tuple[TimeOfDay, ...], Field(min_length=1, max_length=24), AfterValidator(each_once)
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
        """Return a path of the configuration relative to the working directory."""
        return self.base / name

    @property
    def backup_dir(self) -> Path:
        """Return the folder for backups; a relative path starts at the data folder."""
        return self.path(self.bot.data_dir / self.backup.path)

    @property
    def message_age_max(self) -> timedelta:
        """Return how old a command may be."""
        return timedelta(hours=self.nostr.max_message_age_hours)

    @property
    def start_at(self) -> datetime | None:
        """Return the configured start, before which cash-outs are never touched; None without one."""
        at = self.lamassu.start_at
        return None if at is None else at.astimezone(UTC)

    @property
    def low_deposit_minor(self) -> int:
        """Return `notifications.low_deposit` in minor units; raise ConfigError for too many decimals."""
        return _minor(
            self.notifications.low_deposit, self.bot.currency, "notifications.low_deposit"
        )

    @property
    def daily_limit_max_minor(self) -> int:
        """Return `fixed.daily_limit_max` in minor units; raise ConfigError for too many decimals."""
        return _minor(self.fixed.daily_limit_max, self.bot.currency, "fixed.daily_limit_max")


def load_config(path: Path) -> Config:
    """Read and check a configuration file; raise ConfigError with every fault."""
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


def _minor(amount: Decimal, currency: str, key: str) -> int:
    minor = amount.scaleb(minor_digits(currency))
    if minor != minor.to_integral_value():
        raise ConfigError(f"{key} = {amount} has more decimals than {currency} has.")
    return int(minor)


def _faults(path: Path, error: ValidationError) -> str:
    faults = error.errors(include_url=False)
    # pydantic also calls a list with faulty entries too short: that fault would mislead.
    entries = {fault["loc"][:-1] for fault in faults}
    faults = [fault for fault in faults if fault["loc"] not in entries]
    lines = [f"{path} has {len(faults)} fault(s):"]
    for fault in faults:
        place = ".".join(str(part) for part in fault["loc"]) or "file"
        message = _IN_WORDS.get(fault["type"], fault["msg"].removeprefix("Value error, "))
        lines.append(f"  {place}: {message}")
    return "\n".join(lines)
