"""Builds the jobs, and joins the jobs with the ledger, the chat and the outside parts."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from functools import partial
from pathlib import Path

from dca_bot.chat.command import Args
from dca_bot.chat.conversation import Conversation
from dca_bot.chat.operator.status import look_around
from dca_bot.chat.services import Services
from dca_bot.config import Config
from dca_bot.core.health import LATE_AFTER
from dca_bot.core.lease import Party, public_id, short_name
from dca_bot.core.ports import SoughtPerson
from dca_bot.core.programme import Programme
from dca_bot.jobs.alarms import Alarms
from dca_bot.jobs.alerts import Alerts
from dca_bot.jobs.backups import Backups
from dca_bot.jobs.copy_rehearsals import CopyRehearsals
from dca_bot.jobs.daily_summary import DailySummary
from dca_bot.jobs.digests import Digests
from dca_bot.jobs.files import Files
from dca_bot.jobs.fixed_mode import FixedMode
from dca_bot.jobs.health import WATCHED_PAUSE_S, HealthWatch
from dca_bot.jobs.heard import Heard
from dca_bot.jobs.lamassu.ingest import Ingest
from dca_bot.jobs.offsite import Offsite
from dca_bot.jobs.operator_alarms import OperatorAlarms
from dca_bot.jobs.outbox import Outbox
from dca_bot.jobs.payouts.context import PayoutContext
from dca_bot.jobs.payouts.funds import Funds
from dca_bot.jobs.payouts.lease import Lease
from dca_bot.jobs.payouts.verify import Verifier
from dca_bot.jobs.payouts.worker import PayoutWorker
from dca_bot.jobs.rehearsal import Rehearsal
from dca_bot.jobs.relay_lists import RelayListWatch
from dca_bot.jobs.signals import REST_S, Signals
from dca_bot.jobs.threads import aside
from dca_bot.ledger.audit.audit import audit_beside
from dca_bot.ledger.reports.export import Form
from dca_bot.ledger.reports.export_shelf import export_to_shelf
from dca_bot.ledger.store import bot_state
from dca_bot.ledger.store.database import Database, reading_beside
from dca_bot.ledger.store.instances import note_instance
from dca_bot.messages.notices import Notices
from dca_bot.messages.render import Texts, load_texts
from dca_bot.nostr.keys import npub, parse_npub, relay_hints
from dca_bot.outside import BOT_NAME, Outside
from dca_bot.startup import begin


@dataclass(frozen=True, slots=True)
class Jobs:
    """The jobs that run all the time: built and joined, not started.

    `payments`: the jobs that pay, by name; in a rehearsal the job that stands in for them.
    """

    conversation: Conversation
    ingest: Ingest
    fixed_mode: FixedMode
    payments: Mapping[str, PayoutWorker | Verifier | Rehearsal]
    outbox: Outbox
    heard: Heard
    relay_lists: RelayListWatch
    alarms: Alarms
    backups: Backups
    offsite: Offsite
    copy_rehearsals: CopyRehearsals
    digests: Digests
    daily_summary: DailySummary
    files: Files
    health: HealthWatch
    alerts: Alerts | None


@dataclass(frozen=True, slots=True)
class _Parts:
    """The parts that nearly every job is built from."""

    config: Config
    programme: Programme
    database: Database
    outside: Outside
    notices: Notices
    signals: Signals
    bot_name: str

    @property
    def data_dir(self) -> Path:
        return self.config.path(self.config.bot.data_dir)


async def build_jobs(
    config: Config, programme: Programme, database: Database, outside: Outside
) -> Jobs:
    """Check the ledger against the configuration, then build the jobs and join the parts.

    Raise LedgerError or ConfigError if the ledger doesn't fit the configuration.
    """
    clock, texts = outside.clock, load_texts(programme)
    instance = f"{outside.random.getrandbits(64):016x}"
    bot_name = f"{short_name(instance)} ({outside.host})"
    notices = Notices(programme, texts, npub, bot_name=bot_name)
    start_at = await database.transact(
        lambda tx: begin(tx, config, programme, notices, now=clock.now(), uptime=clock.uptime())
    )
    parts = _Parts(
        config, programme, database, outside, notices, Signals(_rest_s(config)), bot_name
    )
    signals, services = parts.signals, _services(parts)
    funds = Funds(database, outside.wallet, notices, programme, clock)
    lists = RelayListWatch(database, outside.messenger, programme, clock, signals)
    return Jobs(
        conversation=Conversation(programme, notices, texts, services),
        ingest=_ingest(parts, start_at),
        fixed_mode=FixedMode(database, outside.wallet, notices, programme, clock, signals),
        payments=await _payments(parts, instance, funds),
        heard=Heard(database, outside.messenger, notices, clock, signals),
        outbox=_outbox(parts, lists),
        relay_lists=lists,
        alarms=_alarms(parts),
        backups=_backups(parts),
        offsite=_offsite(parts),
        copy_rehearsals=CopyRehearsals(
            database, notices, clock, signals, parts.data_dir, config.backup_dir
        ),
        digests=Digests(database, notices, programme, clock, signals),
        daily_summary=_daily_summary(parts, services),
        files=Files(database, outside.file_server, outside.draw, notices, clock, signals),
        health=_health(parts, funds),
        alerts=_alerts(parts, texts),
    )


def _rest_s(config: Config) -> float:
    """Return the longest sleep of a job: an outage has to be noticed well before its alarm is due.

    Who watches from outside is to notice an outage within five minutes.
    """
    rest_s = min(REST_S, config.notifications.offline_alert_minutes * 60 / 4)
    return min(rest_s, WATCHED_PAUSE_S) if config.is_watched else rest_s


def _ingest(parts: _Parts, start_at: datetime) -> Ingest:
    config = parts.config
    return Ingest(
        database=parts.database,
        source=parts.outside.source,
        notices=parts.notices,
        programme=parts.programme,
        clock=parts.outside.clock,
        signals=parts.signals,
        start_at=start_at,
        lookback=timedelta(days=config.lamassu.lookback_days),
        poll_s=config.lamassu.poll_seconds,
        from_first_start=config.start_at is None,
    )


async def _payments(
    parts: _Parts, instance: str, funds: Funds
) -> Mapping[str, PayoutWorker | Verifier | Rehearsal]:
    database, outside, notices = parts.database, parts.outside, parts.notices
    clock, signals, programme = outside.clock, parts.signals, parts.programme
    if programme.is_rehearsal:
        return {"rehearsal": Rehearsal(database, funds, notices, programme, clock, signals)}
    return {
        "payouts": PayoutWorker(await _payout_context(parts, instance, funds), signals),
        "verify": Verifier(database, outside.addresses, notices, clock, signals),
    }


async def _payout_context(parts: _Parts, instance: str, funds: Funds) -> PayoutContext:
    """Build the context of payouts, and record in the data folder that `instance` of the bot runs."""
    database, outside, notices = parts.database, parts.outside, parts.notices
    programme, wallet, clock = parts.programme, outside.wallet, outside.clock
    ledger_id = await database.transact(lambda tx: bot_state.ledger_id(tx, outside.random))
    ended = note_instance(parts.data_dir, instance)
    party = Party(instance, public_id(ledger_id), public_id(outside.bot), ended)
    lease = Lease(database, wallet, notices, clock, party)
    return PayoutContext(
        database, wallet, outside.addresses, funds, notices, programme, clock, lease
    )


def _outbox(parts: _Parts, lists: RelayListWatch) -> Outbox:
    return Outbox(
        database=parts.database,
        messenger=parts.outside.messenger,
        programme=parts.programme,
        clock=parts.outside.clock,
        signals=parts.signals,
        relays=parts.config.nostr.relays,
        lists=lists,
        notices=parts.notices,
    )


def _alarms(parts: _Parts) -> Alarms:
    config = parts.config
    alert_after = timedelta(minutes=config.notifications.offline_alert_minutes)
    operators = OperatorAlarms(parts.programme, parts.notices, parts.signals, alert_after)
    return Alarms(
        database=parts.database,
        messenger=parts.outside.messenger,
        notices=parts.notices,
        clock=parts.outside.clock,
        signals=parts.signals,
        alert_after=alert_after,
        polls_after=max(alert_after, 3 * timedelta(seconds=config.lamassu.poll_seconds)),
        operators=operators,
    )


def _health(parts: _Parts, funds: Funds) -> HealthWatch:
    return HealthWatch(
        database=parts.database,
        messenger=parts.outside.messenger,
        notices=parts.notices,
        programme=parts.programme,
        clock=parts.outside.clock,
        signals=parts.signals,
        pause_s=parts.signals.rest_s,
        polls_late_after=max(LATE_AFTER, 3 * timedelta(seconds=parts.config.lamassu.poll_seconds)),
        funds=funds,
        beat=parts.outside.beat,
        metrics=parts.outside.metrics,
    )


def _alerts(parts: _Parts, texts: Texts) -> Alerts | None:
    """Build the sender of alerts; None without a place that alerts go to."""
    config, send = parts.config, parts.outside.alert
    if send is None:
        return None
    return Alerts(
        database=parts.database,
        send=send,
        texts=texts,
        language=parts.programme.language,
        title=config.nostr.profile.name or BOT_NAME,
        clock=parts.outside.clock,
        alert_after=timedelta(minutes=config.notifications.offline_alert_minutes),
    )


def _backups(parts: _Parts) -> Backups:
    backup = parts.config.backup
    return Backups(
        database=parts.database,
        notices=parts.notices,
        clock=parts.outside.clock,
        signals=parts.signals,
        data_dir=parts.data_dir,
        folder=parts.config.backup_dir,
        every=timedelta(hours=backup.every_hours),
        keep=backup.keep,
    )


def _offsite(parts: _Parts) -> Offsite:
    outside, config = parts.outside, parts.config
    return Offsite(
        database=parts.database,
        notices=parts.notices,
        clock=outside.clock,
        signals=parts.signals,
        folder=config.backup_dir,
        places=outside.copy_places,
        seal=outside.seal,
        keep=config.backup.keep,
        bot=outside.bot,
        is_rehearsal=config.bot.rehearsal,
    )


def _daily_summary(parts: _Parts, services: Services) -> DailySummary:
    return DailySummary(
        database=parts.database,
        clock=parts.outside.clock,
        look_around=partial(look_around, services, Args({})),
        signals=parts.signals,
        notices=parts.notices,
        programme=parts.programme,
    )


def _services(parts: _Parts) -> Services:
    """Collect the services that commands use."""
    outside, signals, programme = parts.outside, parts.signals, parts.programme
    clock, data_dir = outside.clock, parts.data_dir
    form = Form(programme.currency, programme.timezone, npub, is_rehearsal=programme.is_rehearsal)

    async def profile_names(pubkeys: Sequence[str]) -> Mapping[str, str]:
        return await outside.messenger.profile_names(pubkeys)

    async def profile_address(person: SoughtPerson) -> str:
        return await outside.messenger.profile_address(person)

    return Services(
        database=parts.database,
        clock=clock,
        random=outside.random,
        wallet=outside.wallet,
        addresses=outside.addresses,
        parse_npub=parse_npub,
        npub=npub,
        relay_hints=relay_hints,
        export_tables=lambda: aside(partial(export_to_shelf, data_dir, form, clock.now())),
        audit_ledger=lambda: aside(partial(audit_beside, data_dir)),
        reading_database=partial(reading_beside, data_dir, outside.connect),
        poll_now=signals.poll.ring,
        wake_payouts=signals.payouts.ring,
        wake_outbox=signals.outbox.ring,
        wake_files=signals.files.ring,
        is_reconciled=signals.reconciled.is_set,
        currency=programme.currency,
        parts=lambda: tuple(signals.parts.values()),
        relays=outside.messenger.relay_states,
        bot_name=parts.bot_name,
        bot_pubkey=outside.bot,
        profile_names=profile_names,
        profile_address=profile_address,
    )
