"""The configuration file: read, checked as a whole, and refused with a sentence for each fault."""

import tomllib
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from pathlib import Path

from pydantic import BaseModel, Field, ValidationError

from dca_bot.config_secrets import refuse_secrets
from dca_bot.config_sections import (
    BackupConfig,
    BotConfig,
    FilesConfig,
    FixedConfig,
    FlowConfig,
    LamassuConfig,
    LimitsConfig,
    LnbitsConfig,
    MonitoringConfig,
    NostrConfig,
    NotificationsConfig,
    Section,
)
from dca_bot.config_values import Access
from dca_bot.core.money import minor_digits
from dca_bot.errors import ConfigError, FileRefused
from dca_bot.files.credentials import credential_or
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


class Config(Section):
    """The whole file; relative paths start at the file's folder."""

    bot: BotConfig = BotConfig()
    nostr: NostrConfig
    lamassu: LamassuConfig
    lnbits: LnbitsConfig
    flow: FlowConfig = FlowConfig()
    fixed: FixedConfig = FixedConfig()
    limits: LimitsConfig = LimitsConfig()
    notifications: NotificationsConfig = NotificationsConfig()
    files: FilesConfig = FilesConfig()
    backup: BackupConfig = BackupConfig()
    monitoring: MonitoringConfig = MonitoringConfig()
    base: Path = Field(default=Path(), exclude=True)

    def path(self, name: Path) -> Path:
        """Return a path of the configuration relative to the working directory."""
        return self.base / name

    def secret_path(self, name: Path) -> Path:
        """Return the path of a secret: of the credential with that file name, if systemd hands one over."""
        return credential_or(self.path(name))

    def named_files(self) -> Iterator[tuple[Path, bool]]:
        """Yield each file that the configuration names, and whether only the owner may read the file."""
        for name, access in _files_of(self):
            is_private = access is Access.OWNER
            yield self.secret_path(name) if is_private else self.path(name), is_private

    @property
    def backup_dir(self) -> Path:
        """Return the folder for backups; a relative path starts at the data folder."""
        return self.path(self.bot.data_dir / self.backup.path)

    @property
    def is_watched(self) -> bool:
        """Tell whether anybody watches the bot from outside."""
        return self.monitoring != MonitoringConfig()

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

    @property
    def margin_bp(self) -> int:
        """Return `fixed.margin_percent` in basis points."""
        return int(self.fixed.margin_percent * 100)


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


def _files_of(section: BaseModel) -> Iterator[tuple[Path, Access]]:
    """Yield the values of a section whose type says who may read the file; inner sections too."""
    for key, field in type(section).model_fields.items():
        value = getattr(section, key)
        if isinstance(value, BaseModel):
            yield from _files_of(value)
        for access in field.metadata:
            if isinstance(access, Access) and value is not None:
                yield value, access


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
