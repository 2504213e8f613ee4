"""Runs the bot: opens the outside parts and the ledger, and runs all jobs until a signal."""

import asyncio
import logging
import os
import secrets
import signal
import socket
from contextlib import AsyncExitStack
from dataclasses import asdict, replace
from functools import partial

from dca_bot.charts.painter import painter
from dca_bot.config import Config
from dca_bot.core.ports import Clock, IncomingMessage, PastReading
from dca_bot.core.programme import Programme
from dca_bot.jobs.inbox import answer_messages
from dca_bot.lamassu_source import build_source
from dca_bot.ledger.correspondence import health, inbox, relays
from dca_bot.ledger.store import bot_state
from dca_bot.ledger.store.backups import keep_before
from dca_bot.ledger.store.database import Database, open_database
from dca_bot.lnbits.lnurl import LightningAddresses
from dca_bot.offsite_places import build_places, build_seal
from dca_bot.outside import (
    Outside,
    bot_key,
    build_alerter,
    build_file_server,
    build_heartbeat,
    build_messenger,
    build_metrics,
    build_wallet,
    programme_of,
)
from dca_bot.stalls import Stall, StallWatch, spare_what_is_loaded
from dca_bot.system_clock import SystemClock
from dca_bot.systemd import supervisor_of
from dca_bot.wiring import Jobs, build_jobs

_log = logging.getLogger(__name__)


async def run(config: Config, stalls: StallWatch | None = None) -> None:
    """Run the bot until SIGTERM or SIGINT; raise ConfigError, or LedgerError for an unusable ledger.

    `stalls`: the watch on the loop that runs this; the ledger keeps the longest stall of this run.
    """
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
        file_server = build_file_server(config, key)
        exits.push_async_callback(file_server.aclose)
        alerter, heartbeat = build_alerter(config), build_heartbeat(config)
        if heartbeat is not None:
            await exits.enter_async_context(heartbeat)
        seal = build_seal(config, key)
        # Only now, with all secrets read, may a ledger be made or migrated.
        data_dir = config.path(config.bot.data_dir)
        database = await open_database(
            data_dir,
            keep_copy=partial(keep_before, data_dir),
            refuse=partial(bot_state.check_kind, rehearsal=config.bot.rehearsal),
        )
        exits.push_async_callback(database.aclose)
        outside = Outside(
            stalls=stalls,
            source=source,
            wallet=wallet,
            addresses=addresses,
            messenger=build_messenger(config, key, await past_reading(config, database)),
            clock=SystemClock(),
            random=secrets.SystemRandom(),
            supervisor=supervisor_of(os.environ),
            bot=key.public_key,
            host=socket.gethostname(),
            file_server=file_server,
            draw=painter(),
            beat=heartbeat,
            alert=alerter,
            metrics=build_metrics(config),
            copy_places=build_places(config, key),
            seal=seal,
        )
        spare_what_is_loaded()
        await run_jobs(config, programme, database, outside, stop)
    _log.info("stopped")


async def past_reading(config: Config, database: Database) -> PastReading:
    """Read in the ledger how far the bot's relays were read; the result knows which messages were handled."""
    age_max = config.message_age_max
    past = await database.read(
        lambda tx: relays.past_reading(tx, SystemClock().now(), message_age_max=age_max)
    )

    async def is_handled(message: IncomingMessage) -> bool:
        return await database.read(lambda tx: inbox.is_received(tx, message))

    return replace(past, is_handled=is_handled)


async def run_jobs(
    config: Config, programme: Programme, database: Database, outside: Outside, stop: asyncio.Event
) -> None:
    """Build and run all jobs with the given outside parts until `stop` is set."""
    jobs = await build_jobs(config, programme, database, outside)
    await keep_running(jobs, database, outside, stop)


async def keep_running(
    jobs: Jobs, database: Database, outside: Outside, stop: asyncio.Event
) -> None:
    """Run jobs that were built until `stop` is set; the failure of a job ends all jobs."""
    messenger, is_alive = outside.messenger, partial(database.read, lambda _tx: None)
    async with asyncio.TaskGroup() as group:
        tasks = [
            group.create_task(messenger.run(), name="messenger"),
            group.create_task(answer_messages(messenger, jobs.conversation), name="inbox"),
            group.create_task(jobs.ingest.run(), name="ingest"),
            group.create_task(jobs.fixed_mode.run(), name="fixed_mode"),
            *(group.create_task(job.run(), name=name) for name, job in jobs.payments.items()),
            group.create_task(jobs.outbox.run(), name="outbox"),
            group.create_task(jobs.heard.run(), name="heard"),
            group.create_task(jobs.relay_lists.run(), name="relay_lists"),
            group.create_task(jobs.alarms.run(), name="alarms"),
            group.create_task(jobs.backups.run(), name="backups"),
            group.create_task(jobs.offsite.run(), name="offsite"),
            group.create_task(jobs.copy_rehearsals.run(), name="copy_rehearsals"),
            group.create_task(jobs.digests.run(), name="digests"),
            group.create_task(jobs.daily_summary.run(), name="daily_summary"),
            group.create_task(jobs.files.run(), name="files"),
            group.create_task(jobs.health.run(), name="health"),
            group.create_task(outside.supervisor.run(outside.clock, is_alive), name="supervisor"),
        ]
        if jobs.alerts is not None:
            tasks.append(group.create_task(jobs.alerts.run(), name="alerts"))
        if outside.metrics is not None:
            tasks.append(group.create_task(outside.metrics.run(), name="metrics"))
        if outside.stalls is not None:
            note = partial(_note_stall, database, outside.clock)
            tasks.append(group.create_task(outside.stalls.run(note), name="stalls"))
        _log.info("running start_at=%s", jobs.ingest.start_at.isoformat())
        await stop.wait()
        for task in tasks:
            task.cancel()
    # The judgement of a bot that ends otherwise stays, and is overdue before long.
    await database.transact(health.forget)


async def _note_stall(database: Database, clock: Clock, stall: Stall | None) -> None:
    """Record the longest stall of this run, for `status --json`."""
    fields = None if stall is None else asdict(stall) | {"at": clock.now().isoformat()}
    await database.transact(lambda tx: bot_state.note_stall(tx, fields))
