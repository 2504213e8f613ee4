"""The sections of the configuration file: their keys, defaults and rules."""

import difflib
import re
from datetime import time
from decimal import Decimal
from pathlib import Path
from typing import Annotated, Literal

from pydantic import AfterValidator, BaseModel, ConfigDict, Field, model_validator

from dca_bot.config_values import (
    Access,
    Amount,
    CopyPlaceText,
    Currency,
    FilePath,
    HttpUrl,
    Lud16,
    MaybeHttpUrl,
    MaybeLoopback,
    MaybePrivateFile,
    Nip05,
    OneLine,
    PageUrl,
    PrivateFile,
    PublicFile,
    RelayUrl,
    Sats,
    SshHost,
    StartAt,
    TimeOfDay,
    TimeZone,
    each_once,
    each_place_once,
    each_relay_once,
)
from dca_bot.core.money import SAT_MAX
from dca_bot.core.ports import DmProtocol
from dca_bot.core.slash_commands import ManifestFormat

_PLACE = re.compile(r"(?<!\$)\{[a-z_]+\}")


class Section(BaseModel):
    """A section of the file: unknown keys are refused, values never change."""

    model_config = ConfigDict(extra="forbid", frozen=True)


class BotConfig(Section):
    """`[bot]`."""

    data_dir: FilePath = Path("data")
    language: str = "en"
    timezone: TimeZone = "America/Guatemala"
    currency: Currency = "GTQ"
    rehearsal: bool = False


class ProfileConfig(Section):
    """`[nostr.profile]`; None for a key that is left out."""

    name: OneLine | None = None
    about: Annotated[str, Field(max_length=1_000)] | None = None
    picture: PageUrl | None = None
    banner: PageUrl | None = None
    website: PageUrl | None = None
    nip05: Nip05 | None = None
    lud16: Lud16 | None = None


class NostrConfig(Section):
    """`[nostr]`."""

    private_key_file: PrivateFile = Path("bot.nsec")
    relays: Annotated[
        tuple[RelayUrl, ...], Field(min_length=1, max_length=10), AfterValidator(each_relay_once)
    ]
    operators: Annotated[tuple[str, ...], Field(min_length=1, max_length=100)]
    operator_protocols: Annotated[tuple[DmProtocol, ...], Field(min_length=1)] = (DmProtocol.NIP17,)
    max_message_age_hours: Annotated[int, Field(ge=1, le=24 * 30)] = 6
    discovery_relays: Annotated[
        tuple[RelayUrl, ...], Field(max_length=10), AfterValidator(each_relay_once)
    ] = ("wss://purplepag.es", "wss://relay.damus.io")
    command_manifest: ManifestFormat = ManifestFormat.OFF
    profile: ProfileConfig = ProfileConfig()


class SshConfig(Section):
    """`[lamassu.ssh]`."""

    host: SshHost
    port: Annotated[int, Field(ge=1, le=65535)] = 22
    username: Annotated[str, Field(min_length=1)]
    private_key_file: PrivateFile
    known_hosts_file: PublicFile


class CsvConfig(Section):
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


class DirectoryConfig(Section):
    """`[lamassu.directory]`."""

    path: FilePath = Path("export")


class PostgresConfig(Section):
    """`[lamassu.postgres]`."""

    host: str = "127.0.0.1"
    port: Annotated[int, Field(ge=1, le=65535)] = 5432
    database: str = "lamassu"
    user: str = "dca_readonly"
    password_file: PrivateFile = Path("lamassu.pgpass")
    tunnel: bool = True
    tls: Literal["auto", "disable", "require", "verify-full"] = "auto"
    ca_file: Annotated[FilePath | None, Access.ANYBODY] = None
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


class LamassuConfig(Section):
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


class LnbitsConfig(Section):
    """`[lnbits]`."""

    url: HttpUrl
    source_admin_key_file: PrivateFile = Path("lnbits.key")
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


class FlowConfig(Section):
    """`[flow]`."""

    enabled: bool = True


class FixedConfig(Section):
    """`[fixed]`."""

    enabled: bool = True
    times: Annotated[
        tuple[TimeOfDay, ...], Field(min_length=1, max_length=24), AfterValidator(each_once)
    ] = (time(9), time(18))
    daily_limit_max: Amount = Decimal(2000)
    rate_source: Literal["lnbits", "lamassu"] = "lnbits"
    rate_deviation_percent_max: Annotated[int, Field(ge=0, le=100)] = 5
    rate_age_minutes_max: Annotated[int, Field(ge=1, le=60 * 24 * 366)] = 60
    margin_percent: Annotated[Decimal, Field(ge=0, lt=100, decimal_places=2)] = Decimal(0)


class LimitsConfig(Section):
    """`[limits]`."""

    payout_max_sat: Annotated[int, Field(ge=1, le=SAT_MAX)] = 1_000_000
    day_max_sat: Annotated[int, Field(ge=1, le=SAT_MAX)] = 10_000_000


class NotificationsConfig(Section):
    """`[notifications]`."""

    low_deposit: Amount = Decimal(200)
    offline_alert_minutes: Annotated[int, Field(ge=1, le=24 * 60)] = 15
    digest_time: TimeOfDay = time(19)
    summary_time: TimeOfDay = time(8)


class FilesConfig(Section):
    """`[files]`."""

    blossom: MaybeHttpUrl = ""


class MonitoringConfig(Section):
    """`[monitoring]`; None for a file that is left out."""

    heartbeat_url_file: MaybePrivateFile = None
    metrics_listen: MaybeLoopback = None
    alert_url_file: MaybePrivateFile = None


class BackupConfig(Section):
    """`[backup]`."""

    path: FilePath = Path("backups")
    every_hours: Annotated[int, Field(ge=0, le=24 * 7)] = 24
    keep: Annotated[int, Field(ge=1, le=1000)] = 14
    to: Annotated[
        tuple[CopyPlaceText, ...], Field(max_length=10), AfterValidator(each_place_once)
    ] = ()
    recipients_file: PublicFile = Path("recovery.pub")
    ssh_key_file: PrivateFile = Path("backup.key")
    ssh_known_hosts_file: PublicFile = Path("known_hosts")

    @model_validator(mode="after")
    def _has_copies(self) -> "BackupConfig":
        if self.to and not self.every_hours:
            raise ValueError("to sends away the copies that are made: every_hours must not be 0")
        return self
