"""Builds the outside parts from the configuration: LNbits, Nostr, keys, the operator's rules.

Lamassu's readers are built in `lamassu_source`: asyncssh and asyncpg are loaded for them alone.
"""

import secrets
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import timedelta
from random import Random
from zoneinfo import ZoneInfo

from dca_bot.blossom.server import BlossomServer, Tags
from dca_bot.charts.painter import painter
from dca_bot.chat.slash_commands import slash_commands
from dca_bot.config import Config
from dca_bot.core.destination_text import is_wallet_key
from dca_bot.core.ports import (
    Addresses,
    Alert,
    Beat,
    CashOutSource,
    Clock,
    CopyPlace,
    Draw,
    FileServer,
    Messenger,
    Metrics,
    PastReading,
    Seal,
    Wallet,
)
from dca_bot.core.programme import FixedModeRules, Programme
from dca_bot.core.slash_commands import ManifestFormat
from dca_bot.errors import ConfigError, KeyRefused
from dca_bot.files.secret_files import (
    LNBITS_KEY_VARIABLE,
    NOSTR_KEY_VARIABLE,
    read_secret,
    read_secret_file,
    secret_place,
)
from dca_bot.ledger.store.connection import Connect, open_in_thread
from dca_bot.lnbits.client import LnbitsWallet
from dca_bot.messages.render import LANGUAGES, load_texts
from dca_bot.messages.say import Say
from dca_bot.monitoring.alerts import Alerter, parse_urls
from dca_bot.monitoring.heartbeat import Heartbeat, checked_url
from dca_bot.nostr.announcement.presence import Presence
from dca_bot.nostr.events import sign
from dca_bot.nostr.keys import SecretKey, parse_secret_key
from dca_bot.nostr.people.dns import find_public
from dca_bot.nostr.pool import NostrMessenger
from dca_bot.nostr.relays.relay_socket import Endpoint
from dca_bot.operators import parse_operators, refuse_deaf_entries
from dca_bot.program import command
from dca_bot.stalls import StallWatch
from dca_bot.system_clock import SystemClock
from dca_bot.systemd import Supervisor

BOT_NAME = "dca-bot"
_ECHO_EVERY_S_WATCHED = 120
"""A deaf relay is to be noticed from outside within five minutes."""
_ECHO_EVERY_S = 900


@dataclass(frozen=True, slots=True)
class Outside:
    """The outside parts of a bot; a simulated world hands in parts of its own."""

    source: CashOutSource
    wallet: Wallet
    addresses: Addresses
    messenger: Messenger
    clock: Clock
    random: Random
    supervisor: Supervisor = field(default_factory=Supervisor)
    stalls: StallWatch | None = None
    bot: str = ""
    """The bot's public key: two bots with the same key never pay from one wallet."""
    host: str = "?"
    connect: Connect = open_in_thread
    """Opens each further connection to the ledger."""
    file_server: FileServer | None = None
    draw: Draw | None = None
    beat: Beat | None = None
    alert: Alert | None = None
    metrics: Metrics | None = None
    copy_places: Sequence[CopyPlace] = ()
    seal: Seal | None = None
    """Encrypts the copies of the ledger that are sent to `copy_places`."""


def programme_of(config: Config) -> Programme:
    """Return the operator's rules; raise ConfigError for an unknown language or a broken operator's key."""
    if config.bot.language not in LANGUAGES:
        raise ConfigError(
            f"bot.language: {config.bot.language!r} has no texts; write {' or '.join(LANGUAGES)}."
        )
    return Programme(
        currency=config.bot.currency,
        timezone=ZoneInfo(config.bot.timezone),
        language=config.bot.language,
        operators=parse_operators(config.nostr.operators),
        operator_protocols=frozenset(config.nostr.operator_protocols),
        message_age_max=config.message_age_max,
        flow_enabled=config.flow.enabled,
        low_deposit_minor=config.low_deposit_minor,
        payout_max_sat=config.limits.payout_max_sat,
        day_max_sat=config.limits.day_max_sat,
        top_up_to_sat=config.lnbits.top_up_to_sat,
        low_balance_sat=config.lnbits.low_balance_sat,
        fixed=FixedModeRules(
            enabled=config.fixed.enabled,
            times=config.fixed.times,
            daily_limit_max_minor=config.daily_limit_max_minor,
            rate_source=config.fixed.rate_source,
            deviation_percent_max=config.fixed.rate_deviation_percent_max,
            rate_age_max=timedelta(minutes=config.fixed.rate_age_minutes_max),
            margin_bp=config.margin_bp,
        ),
        digest_time=config.notifications.digest_time,
        summary_time=config.notifications.summary_time,
        sends_files=bool(config.files.blossom) and not config.bot.rehearsal,
        draws_charts=painter() is not None,
        is_rehearsal=config.bot.rehearsal,
    )


def bot_key(config: Config, environment: Mapping[str, str]) -> SecretKey:
    """Read the bot's Nostr key.

    Raise ConfigError if the key is missing or broken, and if an operator has the same key.
    """
    path = config.secret_path(config.nostr.private_key_file)
    remedy = f"make one with: {command('chat', '--new', '--key', path)}, or put one there"
    text = read_secret(path, NOSTR_KEY_VARIABLE, environment, remedy=remedy)
    try:
        key = parse_secret_key(text)
    except KeyRefused as error:
        place = secret_place(path, NOSTR_KEY_VARIABLE, environment)
        raise ConfigError(f"{place}: {error}") from None
    refuse_deaf_entries(config.nostr.operators, key.public_key)
    return key


def build_wallet(config: Config, environment: Mapping[str, str]) -> LnbitsWallet:
    """Make the client of the source wallet, in a rehearsal one that only reads.

    Raise ConfigError if the admin key is missing or broken.
    """
    path = config.secret_path(config.lnbits.source_admin_key_file)
    remedy = "put the source wallet's admin key there"
    admin_key = read_secret(path, LNBITS_KEY_VARIABLE, environment, remedy=remedy)
    if not is_wallet_key(admin_key):
        # Another text, perhaps an nsec, must not leave this computer: LNbits isn't asked.
        place = secret_place(path, LNBITS_KEY_VARIABLE, environment)
        raise ConfigError(
            f"{place} has no key of LNbits, which is 32 hex digits and nothing else; {remedy}."
        )
    return LnbitsWallet(config.lnbits.url, admin_key=admin_key, reads_only=config.bot.rehearsal)


def build_file_server(config: Config, key: SecretKey) -> BlossomServer:
    """Make the client of the file server.

    Without a configured server, files are deleted where they were uploaded before.
    """

    def sign_token(kind: int, created_at: int, tags: Tags, content: str) -> str:
        return sign(key, kind=kind, created_at=created_at, tags=tags, content=content).to_json()

    return BlossomServer(
        config.files.blossom, sign_token, clock=SystemClock(), random=secrets.SystemRandom()
    )


def build_heartbeat(config: Config) -> Heartbeat | None:
    """Make the caller of the heartbeat's URL, None without one; raise ConfigError for an unusable file."""
    file = config.monitoring.heartbeat_url_file
    if file is None:
        return None
    path = config.secret_path(file)
    remedy = "put the URL there that the service shows for this check"
    return Heartbeat(checked_url(read_secret_file(path, remedy=remedy), str(path)))


def build_metrics(config: Config) -> Metrics | None:
    """Make the server of metrics; None without a configured address."""
    if config.monitoring.metrics_listen is None:
        return None
    # prometheus_client takes 12 MB.
    from dca_bot.monitoring.metrics_server import MetricsServer  # noqa: PLC0415

    host, port = config.monitoring.metrics_listen
    return MetricsServer(host, port)


def build_alerter(config: Config) -> Alerter | None:
    """Make the sender of alerts, None without one; raise ConfigError for an unusable file."""
    file = config.monitoring.alert_url_file
    if file is None:
        return None
    path = config.secret_path(file)
    remedy = "put the places there that alerts go to, as URLs, one a line: docs/monitoring.md"
    return Alerter(parse_urls(read_secret_file(path, remedy=remedy), str(path)))


def build_messenger(
    config: Config,
    key: SecretKey,
    past: PastReading | None,
    *,
    find_endpoint: Callable[[str], Awaitable[Endpoint | None]] = find_public,
) -> NostrMessenger:
    """Make the bot's messenger, which reads on from where earlier runs of the bot have read to.

    A rehearsal publishes nothing of itself. `find_endpoint` decides which relays of other people may be
    connected to.
    """
    messenger = NostrMessenger(
        key,
        config.nostr.relays,
        SystemClock(),
        past=past,
        random=secrets.SystemRandom(),
        presence=None if config.bot.rehearsal else _presence(config),
        discovery=config.nostr.discovery_relays,
        find_endpoint=find_endpoint,
    )
    messenger.measure_hearing(every_s=_ECHO_EVERY_S_WATCHED if config.is_watched else _ECHO_EVERY_S)
    return messenger


def _presence(config: Config) -> Presence:
    """Collect what the bot says of itself, in the bot's language."""
    texts, language = load_texts(programme_of(config)), config.bot.language
    manifest = config.nostr.command_manifest
    return Presence(
        profile=config.nostr.profile.model_dump(exclude_none=True),
        first_profile={"name": BOT_NAME, "about": texts.render(Say("profile.about"), language)},
        manifest=manifest,
        commands=() if manifest is ManifestFormat.OFF else slash_commands(texts, language),
    )
