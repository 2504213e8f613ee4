"""Builds the jobs, joins them with the outside parts, and runs everything until a signal.

The only module that knows both the jobs and the adapters; every other part is handed in.
"""

import asyncio
import logging
import os
import secrets
import signal
import socket
from contextlib import AsyncExitStack
from dataclasses import dataclass
from datetime import datetime, timedelta
from functools import partial
from pathlib import Path

from dca_bot.chat.command import Args
from dca_bot.chat.command_sets import COMMAND_WORDS
from dca_bot.chat.conversation import Conversation
from dca_bot.chat.operator.names import tell_of_client_operators, tell_of_unclear_names
from dca_bot.chat.operator.status import look_around
from dca_bot.chat.services import Services
from dca_bot.config import Config
from dca_bot.core.lease import Party, public_id, short_name
from dca_bot.core.ports import Uptime
from dca_bot.core.programme import Programme
from dca_bot.jobs.alarms import Alarms
from dca_bot.jobs.backups import Backups
from dca_bot.jobs.clock import look_at_clock
from dca_bot.jobs.daily_summary import DailySummary
from dca_bot.jobs.digests import Digests
from dca_bot.jobs.fixed_mode import FixedMode
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
from dca_bot.ledger.audit.audit import audit_beside
from dca_bot.ledger.programme import start
from dca_bot.ledger.reports.export import Form
from dca_bot.ledger.reports.export_shelf import export_to_shelf
from dca_bot.ledger.store import bot_state
from dca_bot.ledger.store.backups import keep_before
from dca_bot.ledger.store.clock import begin_copy
from dca_bot.ledger.store.database import Database, Tx, open_database, reading_beside
from dca_bot.ledger.store.instances import note_instance
from dca_bot.lnbits.lnurl import LightningAddresses
from dca_bot.messages.notices import Notices
from dca_bot.messages.render import load_texts
from dca_bot.nostr.keys import npub, parse_npub
from dca_bot.outside import (
    Outside,
    bot_key,
    build_messenger,
    build_source,
    build_wallet,
    programme_of,
)
from dca_bot.system_clock import SystemClock
from dca_bot.systemd import supervisor_of

_log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Jobs:
    """The jobs that run all the time: built and joined, not started."""

    conversation: Conversation
    ingest: Ingest
    fixed_mode: FixedMode
    payout_worker: PayoutWorker
    verifier: Verifier
    outbox: Outbox
    alarms: Alarms
    backups: Backups
    digests: Digests
    daily_summary: DailySummary


async def run(config: Config) -> None:
    """Run the bot until SIGTERM or SIGINT; raise ConfigError, or LedgerError for an unusable ledger."""
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
        # Only now, with all secrets read, may a ledger be made or migrated.
        data_dir = config.path(config.bot.data_dir)
        database = await open_database(data_dir, keep_copy=partial(keep_before, data_dir))
        exits.push_async_callback(database.aclose)
        listened_at = await database.read(lambda tx: bot_state.moment(tx, bot_state.LISTENED_AT))
        if listened_at is not None and listened_at > SystemClock().now():
            # The clock was ahead, so the time is unknown. Messages beyond message_age_max aren't carried
            # out anyway.
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
    """Run all jobs with the given outside parts until `stop` is set; the failure of a job ends all jobs."""
    jobs = await build_jobs(config, programme, database, outside)
    messenger, is_alive = outside.messenger, partial(database.read, lambda _tx: None)
    async with asyncio.TaskGroup() as group:
        tasks = [
            group.create_task(messenger.run(), name="messenger"),
            group.create_task(answer_messages(messenger, jobs.conversation), name="inbox"),
            group.create_task(jobs.ingest.run(), name="ingest"),
            group.create_task(jobs.fixed_mode.run(), name="fixed_mode"),
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
    """Check the ledger against the configuration, then build the jobs and join the parts.

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
        fixed_mode=FixedMode(database, wallet, notices, programme, clock, signals),
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
    """Collect the services that commands use."""
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
        wake_payouts=signals.payouts.ring,
        wake_outbox=signals.outbox.ring,
        is_reconciled=signals.reconciled.is_set,
        currency=programme.currency,
        parts=lambda: tuple(signals.parts.values()),
        bot_name=bot_name,
        bot_pubkey=outside.bot,
    )


def _begin(
    tx: Tx, config: Config, programme: Programme, notices: Notices, *, now: datetime, uptime: Uptime
) -> datetime:
    """Check the ledger against the configuration; return the start: earlier cash-outs are never touched."""
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
