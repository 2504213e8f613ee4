"""Builds all parts and joins the parts; no other module knows adapters, jobs and chat."""

import asyncio
import logging
import os
import secrets
import signal
import socket
import time
from collections.abc import Mapping
from contextlib import AsyncExitStack
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from functools import cache, partial
from pathlib import Path
from random import Random
from zoneinfo import ZoneInfo

from dca_bot.chat.command import Args
from dca_bot.chat.command_sets import COMMAND_WORDS
from dca_bot.chat.conversation import Conversation
from dca_bot.chat.operator.names import tell_of_client_operators, tell_of_unclear_names
from dca_bot.chat.operator.status import look_around
from dca_bot.chat.services import Services
from dca_bot.config import (
    LNBITS_KEY_VARIABLE,
    NOSTR_KEY_VARIABLE,
    POSTGRES_PASSWORD_VARIABLE,
    Config,
    read_secret,
    secret_place,
)
from dca_bot.core.destination_text import is_wallet_key
from dca_bot.core.lease import Party, public_id, short_name
from dca_bot.core.ports import Addresses, CashOutSource, Clock, Messenger, Uptime, Wallet
from dca_bot.core.programme import FixedModeRules, Programme
from dca_bot.errors import ConfigError, KeyRefused
from dca_bot.jobs.alarms import Alarms
from dca_bot.jobs.backups import Backups
from dca_bot.jobs.clock import look_at_clock
from dca_bot.jobs.daily_summary import DailySummary
from dca_bot.jobs.digests import Digests
from dca_bot.jobs.fixed_mode import Schedule
from dca_bot.jobs.inbox import answer_messages
from dca_bot.jobs.lamassu.ingest import Ingest
from dca_bot.jobs.outbox import Outbox
from dca_bot.jobs.payouts.context import PayoutContext
from dca_bot.jobs.payouts.funds import Funds
from dca_bot.jobs.payouts.lease import Lease
from dca_bot.jobs.payouts.verify import Verifier
from dca_bot.jobs.payouts.worker import PayoutWorker
from dca_bot.jobs.signals import Signals
from dca_bot.jobs.threads import aside
from dca_bot.lamassu.directory import DirectorySource
from dca_bot.lamassu.postgres import PostgresSource
from dca_bot.lamassu.postgres_login import PostgresLimits, PostgresServer
from dca_bot.lamassu.ssh import SshCsvSource
from dca_bot.lamassu.ssh_login import SshServer
from dca_bot.ledger.audit.audit import audit_beside
from dca_bot.ledger.programme import start
from dca_bot.ledger.reports.export import Form
from dca_bot.ledger.reports.export_shelf import export_to_shelf
from dca_bot.ledger.store import bot_state
from dca_bot.ledger.store.backups import keep_before
from dca_bot.ledger.store.clock import begin_copy
from dca_bot.ledger.store.database import Database, Tx, open_database, reading_beside
from dca_bot.ledger.store.instances import note_instance
from dca_bot.lnbits.client import LnbitsWallet
from dca_bot.lnbits.lnurl import LightningAddresses
from dca_bot.messages.notices import Notices
from dca_bot.messages.render import LANGUAGES, load_texts
from dca_bot.nostr.keys import SecretKey, npub, parse_npub, parse_secret_key
from dca_bot.nostr.pool import NostrMessenger
from dca_bot.operators import parse_operators, refuse_deaf_entries
from dca_bot.program import command
from dca_bot.systemd import Supervisor, supervisor_of

NAME = "dca-bot"
ABOUT = "Savings in bitcoin. Send me a direct message: help"
_log = logging.getLogger(__name__)


@cache
def _boot() -> str:
    """Name this start of the computer; without the system's name, this start of the bot."""
    try:
        return Path("/proc/sys/kernel/random/boot_id").read_text(encoding="ascii").strip()
    except OSError:
        return secrets.token_hex(16)


class SystemClock:
    """The machine's own time."""

    def now(self) -> datetime:
        """Return the present instant, aware and in UTC."""
        return datetime.now(UTC)

    def uptime(self) -> Uptime:
        """Return how long the computer has run, sleep included if the system counts sleep."""
        which = getattr(time, "CLOCK_BOOTTIME", time.CLOCK_MONOTONIC)
        return Uptime(_boot(), timedelta(microseconds=time.clock_gettime_ns(which) // 1000))

    async def sleep(self, delay_s: float) -> None:
        """Wait for `delay_s` seconds."""
        await asyncio.sleep(delay_s)


@dataclass(frozen=True, slots=True)
class Outside:
    """All that isn't the program itself: adapters, clock, randomness. A simulation hands in its own."""

    source: CashOutSource
    wallet: Wallet
    addresses: Addresses
    messenger: Messenger
    clock: Clock
    random: Random
    supervisor: Supervisor = field(default_factory=Supervisor)
    bot: str = ""
    """The bot's public key: two bots that share it never pay from one wallet."""
    host: str = "?"


@dataclass(frozen=True, slots=True)
class Jobs:
    """The jobs, built and joined, not started."""

    conversation: Conversation
    ingest: Ingest
    schedule: Schedule
    payout_worker: PayoutWorker
    verifier: Verifier
    outbox: Outbox
    alarms: Alarms
    backups: Backups
    digests: Digests
    daily_summary: DailySummary


def programme_of(config: Config) -> Programme:
    """Return the operator's rules; raise ConfigError for an unknown language or an entry that is no key."""
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
        ),
        digest_time=config.notifications.digest_time,
        summary_time=config.notifications.summary_time,
    )


def bot_key(config: Config, environment: Mapping[str, str]) -> SecretKey:
    """Read the bot's Nostr key; raise ConfigError if missing, or if the key is an operator's too."""
    path = config.path(config.nostr.private_key_file)
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
    """Make the client of the source wallet; raise ConfigError without a usable admin key."""
    path = config.path(config.lnbits.source_admin_key_file)
    remedy = "put the source wallet's admin key there"
    admin_key = read_secret(path, LNBITS_KEY_VARIABLE, environment, remedy=remedy)
    if not is_wallet_key(admin_key):
        # Anything else, an nsec for one, is told to nobody, LNbits included.
        place = secret_place(path, LNBITS_KEY_VARIABLE, environment)
        raise ConfigError(
            f"{place} has no key of LNbits, which is 32 hex digits and nothing else; {remedy}."
        )
    return LnbitsWallet(config.lnbits.url, admin_key=admin_key)


def build_source(config: Config, environment: Mapping[str, str]) -> CashOutSource:
    """Make the reader of the Lamassu server; raise ConfigError without the files that it needs."""
    lamassu = config.lamassu
    if lamassu.source == "directory":
        return DirectorySource(config.path(lamassu.directory.path))
    if lamassu.source == "postgres":
        return build_postgres(config, environment)
    return SshCsvSource(ssh_server(config), lamassu.csv.command)


def build_postgres(config: Config, environment: Mapping[str, str]) -> PostgresSource:
    """Make the reader of Lamassu's database; raise ConfigError without a password."""
    postgres = config.lamassu.postgres
    password_path = config.path(postgres.password_file)
    server = PostgresServer(
        host=postgres.host,
        port=postgres.port,
        database=postgres.database,
        user=postgres.user,
        password=read_secret(
            password_path,
            POSTGRES_PASSWORD_VARIABLE,
            environment,
            remedy=f"put the password of {postgres.user} there",
        ),
        tls=postgres.tls_mode,
        ca_file=None if postgres.ca_file is None else config.path(postgres.ca_file),
    )
    tunnel = ssh_server(config) if postgres.tunnel else None
    return PostgresSource(
        server, tunnel, PostgresLimits(statement_s=postgres.statement_timeout_seconds)
    )


def ssh_server(config: Config) -> SshServer:
    """Return the SSH server of a configuration that has one."""
    ssh = config.lamassu.ssh
    assert ssh is not None
    return SshServer(
        host=ssh.host,
        port=ssh.port,
        username=ssh.username,
        private_key_file=config.path(ssh.private_key_file),
        known_hosts_file=config.path(ssh.known_hosts_file),
    )


def build_messenger(config: Config, key: SecretKey, *, since: datetime | None) -> NostrMessenger:
    """Make the bot's Nostr messenger; `since`: when the bot last listened."""
    return NostrMessenger(
        key,
        config.nostr.relays,
        SystemClock(),
        since=since,
        random=secrets.SystemRandom(),
        name=NAME,
        about=ABOUT,
    )


async def run(config: Config) -> None:
    """Run the bot until SIGTERM or SIGINT; raise DcaBotError if a start fails."""
    stop = asyncio.Event()
    loop = asyncio.get_running_loop()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, stop.set)
    programme = programme_of(config)
    async with AsyncExitStack() as exits:
        wallet = await exits.enter_async_context(build_wallet(config, os.environ))
        addresses = await exits.enter_async_context(LightningAddresses(config.lnbits.url))
        source = build_source(config, os.environ)
        exits.push_async_callback(source.aclose)
        key = bot_key(config, os.environ)
        # No ledger is made or migrated before all secrets could be read.
        data_dir = config.path(config.bot.data_dir)
        database = await open_database(data_dir, keep_copy=partial(keep_before, data_dir))
        exits.push_async_callback(database.aclose)
        listened_at = await database.read(lambda tx: bot_state.moment(tx, bot_state.LISTENED_AT))
        if listened_at is not None and listened_at > SystemClock().now():
            # The clock was ahead, so nobody knows; what is older isn't carried out any more.
            listened_at = SystemClock().now() - config.message_age_max
        outside = Outside(
            source=source,
            wallet=wallet,
            addresses=addresses,
            messenger=build_messenger(config, key, since=listened_at),
            clock=SystemClock(),
            random=secrets.SystemRandom(),
            supervisor=supervisor_of(os.environ),
            bot=key.public_key,
            host=socket.gethostname(),
        )
        await run_jobs(config, programme, database, outside, stop)
    _log.info("stopped")


async def run_jobs(
    config: Config, programme: Programme, database: Database, outside: Outside, stop: asyncio.Event
) -> None:
    """Run all jobs on the given outside until `stop` is set; a job that fails ends all jobs."""
    jobs = await build_jobs(config, programme, database, outside)
    messenger, is_alive = outside.messenger, partial(database.read, lambda _tx: None)
    async with asyncio.TaskGroup() as group:
        tasks = [
            group.create_task(messenger.run(), name="messenger"),
            group.create_task(answer_messages(messenger, jobs.conversation), name="inbox"),
            group.create_task(jobs.ingest.run(), name="ingest"),
            group.create_task(jobs.schedule.run(), name="schedule"),
            group.create_task(jobs.payout_worker.run(), name="settle"),
            group.create_task(jobs.verifier.run(), name="verify"),
            group.create_task(jobs.outbox.run(), name="outbox"),
            group.create_task(jobs.alarms.run(), name="alarms"),
            group.create_task(jobs.backups.run(), name="backups"),
            group.create_task(jobs.digests.run(), name="digests"),
            group.create_task(jobs.daily_summary.run(), name="daily_summary"),
            group.create_task(outside.supervisor.run(outside.clock, is_alive), name="supervisor"),
        ]
        _log.info("running start_at=%s", jobs.ingest.start_at.isoformat())
        await stop.wait()
        for task in tasks:
            task.cancel()


async def build_jobs(
    config: Config, programme: Programme, database: Database, outside: Outside
) -> Jobs:
    """Compare the configuration with the ledger, then build the jobs and join the jobs.

    Raise LedgerError or ConfigError if the ledger doesn't fit the configuration.
    """
    clock, wallet, signals = outside.clock, outside.wallet, Signals()
    texts, instance = load_texts(programme), f"{outside.random.getrandbits(64):016x}"
    bot_name = f"{short_name(instance)} ({outside.host})"
    notices = Notices(programme, texts, npub, bot_name=bot_name)
    data_dir = config.path(config.bot.data_dir)
    services = _services(
        programme, database, outside, signals, data_dir=data_dir, bot_name=bot_name
    )
    start_at = await database.transact(
        lambda tx: _begin(tx, config, programme, notices, now=clock.now(), uptime=clock.uptime())
    )
    ledger_id = await database.transact(lambda tx: bot_state.ledger_id(tx, outside.random))
    ended = note_instance(data_dir, instance)
    party = Party(instance, public_id(ledger_id), public_id(outside.bot), ended)
    lease = Lease(database, wallet, notices, clock, party)
    funds = Funds(database, wallet, notices, programme, clock)
    context = PayoutContext(
        database, wallet, outside.addresses, funds, notices, programme, clock, lease
    )
    alert_after = timedelta(minutes=config.notifications.offline_alert_minutes)
    poll_s = config.lamassu.poll_seconds
    return Jobs(
        conversation=Conversation(programme, notices, texts, services),
        ingest=Ingest(
            database=database,
            source=outside.source,
            notices=notices,
            programme=programme,
            clock=clock,
            signals=signals,
            start_at=start_at,
            lookback=timedelta(days=config.lamassu.lookback_days),
            poll_s=poll_s,
            from_first_start=config.start_at is None,
        ),
        schedule=Schedule(database, wallet, notices, programme, clock, signals),
        payout_worker=PayoutWorker(context, signals),
        verifier=Verifier(database, outside.addresses, notices, clock, signals),
        outbox=Outbox(database, outside.messenger, programme, clock, signals, config.nostr.relays),
        alarms=Alarms(
            database=database,
            messenger=outside.messenger,
            notices=notices,
            clock=clock,
            signals=signals,
            alert_after=alert_after,
            polls_after=max(alert_after, 3 * timedelta(seconds=poll_s)),
        ),
        backups=Backups(
            database=database,
            notices=notices,
            clock=clock,
            signals=signals,
            data_dir=data_dir,
            folder=config.backup_dir,
            every=timedelta(hours=config.backup.every_hours),
            keep=config.backup.keep,
        ),
        digests=Digests(database, notices, programme, clock, signals),
        daily_summary=DailySummary(
            database=database,
            clock=clock,
            look_around=partial(look_around, services, Args({})),
            wake_outbox=services.wake_outbox,
            notices=notices,
            programme=programme,
        ),
    )


def _services(
    programme: Programme,
    database: Database,
    outside: Outside,
    signals: Signals,
    *,
    data_dir: Path,
    bot_name: str,
) -> Services:
    """Gather the services of commands."""
    clock, form = outside.clock, Form(programme.currency, programme.timezone, npub)
    return Services(
        database=database,
        clock=clock,
        random=outside.random,
        wallet=outside.wallet,
        addresses=outside.addresses,
        parse_npub=parse_npub,
        npub=npub,
        export_tables=lambda: aside(partial(export_to_shelf, data_dir, form, clock.now())),
        audit_ledger=lambda: aside(partial(audit_beside, data_dir)),
        reading_database=partial(reading_beside, data_dir),
        poll_now=signals.poll.ring,
        wake_payouts=signals.settle.ring,
        wake_outbox=signals.deliver.ring,
        is_reconciled=signals.reconciled.is_set,
        currency=programme.currency,
        parts=lambda: tuple(signals.parts.values()),
        bot_name=bot_name,
        bot_pubkey=outside.bot,
    )


def _begin(
    tx: Tx, config: Config, programme: Programme, notices: Notices, *, now: datetime, uptime: Uptime
) -> datetime:
    """Compare the ledger with the configuration; return the instant before which no cash-out is touched."""
    bot_state.keep_currency(tx, config.bot.currency)
    look_at_clock(tx, notices, now, uptime=uptime)
    if bot_state.drop(tx, bot_state.COPIED):
        begin_copy(tx, now)
        notices.alarms.restored(tx, bot_state.last_poll_at(tx), now)
    tell_of_unclear_names(tx, notices, COMMAND_WORDS, now)
    tell_of_client_operators(tx, notices, programme.operators, now)
    begun = start.begin(tx, config.start_at, now)
    if begun.asks:
        notices.alarms.start_moved_back(tx, begun, now)
        _log.warning("start_at moved back, paused start_at=%s", begun.at.isoformat())
    if begun.at > now:
        _log.warning("nothing is shared out yet start_at=%s", begun.at.isoformat())
    return begun.at
