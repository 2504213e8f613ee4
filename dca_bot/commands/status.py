"""`dca-bot status` and `dca-bot audit`: reports on a ledger.

Nothing is changed. The bot may be running.
"""

import os
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import partial
from typing import Any
from zoneinfo import ZoneInfo

from dca_bot.commands.status_health import health_lines, health_values
from dca_bot.commands.status_reach import reach_lines, reach_values
from dca_bot.config import Config
from dca_bot.core.ceilings import Ceilings
from dca_bot.core.freshness import STANDBY, is_stale
from dca_bot.core.money import fiat_text, sat_text
from dca_bot.errors import LnbitsRefused, LnbitsUnavailable
from dca_bot.ledger.audit.audit import audit_ledger
from dca_bot.ledger.audit.findings import Finding
from dca_bot.ledger.audit.payments import PaymentsAudit, audit_payments
from dca_bot.ledger.correspondence import outbox
from dca_bot.ledger.distributions import readings
from dca_bot.ledger.payouts import holds, leases, payout_need, queue
from dca_bot.ledger.programme import machine_cash
from dca_bot.ledger.programme.clients import everyone
from dca_bot.ledger.store import accounts, bot_state, offsite_states
from dca_bot.ledger.store.database import Database, Tx, reading_database
from dca_bot.lnbits.client import LnbitsWallet
from dca_bot.messages import describe
from dca_bot.messages.render import FALLBACK, load_texts
from dca_bot.outside import build_wallet, programme_of

_REHEARSAL = "REHEARSAL: nothing is paid, and nobody but operators is told anything."


async def read_status(config: Config) -> dict[str, Any]:
    """Return the values of `status` by name, as `--json` prints them; raise LedgerError."""
    async with reading_database(config.path(config.bot.data_dir)) as database:
        return await database.read(lambda tx: _status(tx, config, datetime.now(UTC)))


def render_status(values: dict[str, Any], config: Config) -> str:
    """Write the values of `read_status` for a person, in the programme's time zone; raise ConfigError."""
    zone = ZoneInfo(config.bot.timezone)

    def at(name: str) -> str:
        return _shown(values[name], zone)

    states = ", ".join(f"{count} {state}" for state, count in values["payouts_by_state"].items())
    machines = ", ".join(
        f"{label} {cash or 'not counted yet'}" for label, cash in values["machines_cash"].items()
    )
    uncovered = values["uncovered"] or "not known before each machine was counted"
    rehearsed = [_REHEARSAL] if values["rehearsal"] else []
    owed = "Would have been paid in the last 24 hours" if rehearsed else "To be paid"
    lines = [
        *rehearsed,
        *health_lines(values["health"], config),
        _paying(values),
        f"Lamassu last read: {at('last_poll_at')}"
        if values["last_poll_at"]
        else "Lamassu was not read yet.",
        *_age(values, zone),
        f"Clients: {values['clients']}, with balances of {values['balances']} in all",
        f"{owed}: {sat_text(values['owed_sat'])}, payouts: {values['open_payouts']}"
        + (f" ({states})" if states else ""),
        *_not_counted(values),
        f"Paid so far: {sat_text(values['paid_sat'])}",
        f"Given for fixed mode: {sat_text(values['treasury_sat'])}",
        f"The operator's: {sat_text(values['operator_sat'])}",
        f"Commission: {sat_text(values['commission_sat'])}",
        f"Open holds: {values['open_holds']}",
        f"Messages to be sent: {values['unsent_messages']}",
        *reach_lines(values, config),
        f"Last copy of the ledger: {at('last_backup_at')}"
        if values["last_backup_at"]
        else "No copy of the ledger was made by itself yet.",
        *_sent(values, zone),
        f"Cash in the machines: {machines or 'no machine is known yet'}",
        f"Balances beyond the cash in the machines: {uncovered}",
    ]
    return "\n".join(lines)


def _age(values: dict[str, Any], zone: ZoneInfo) -> list[str]:
    """Write the time of the newest reading of Lamassu."""
    copy, newest_at = values["read_from"], values["newest_transaction_at"]
    lines = []
    if copy is not None:
        name = "the standby database" if copy["name"] == STANDBY else copy["name"]
        at = _shown(copy["as_of"], zone)
        of = f"NOT RENEWED since {at}: newer sales are not seen" if copy["stale"] else f"of {at}"
        lines.append(f"Read from {name}, {of}")
    if newest_at is not None:
        lines.append(f"Newest transaction read: {_shown(newest_at, zone)}")
    return lines


def _shown(at: str, zone: ZoneInfo) -> str:
    return f"{datetime.fromisoformat(at).astimezone(zone):%Y-%m-%d %H:%M}"


def _sent(values: dict[str, Any], zone: ZoneInfo) -> list[str]:
    """Write since when each place has the newest copy that it got."""
    lines = []
    for label, one in values["copies_elsewhere"].items():
        sent = f"sent {_shown(one['sent_at'], zone)}" if one["sent_at"] else "nothing sent yet"
        failing = (
            f", FAILING since {_shown(one['failing_since'], zone)}" if one["failing_since"] else ""
        )
        lines.append(f"Copy in {label}: {sent}{failing}")
    return lines


def _not_counted(values: dict[str, Any]) -> list[str]:
    """Write which payouts wait for a person; empty if none do."""
    parts = {
        "sent, not settled yet": values["under_way_sat"],
        "held": values["held_sat"],
        "above a ceiling, to be held": values["above_ceiling_sat"],
        "without a wallet": values["without_wallet_sat"],
        "too small for their wallets": values["collecting_sat"],
    }
    listed = ", ".join(f"{sat_text(sat)} {why}" for why, sat in parts.items() if sat)
    return [f"Not counted: {listed}"] if listed else []


def _paying(values: dict[str, Any]) -> str:
    if values["disputed"]:
        return (
            "PAUSED: another bot pays, or has paid, from this wallet on a copy of the ledger. Stop it"
            " for good, then send the bot: resume all"
        )
    if values["paused"]:
        return "PAUSED: nothing is shared out or paid. Send the bot: resume all"
    if values["lease_refused"]:
        return f"NOTHING IS PAID: LNbits keeps no lease ({values['lease_refused']})."
    return "Nothing is paused."


@dataclass(frozen=True, slots=True)
class AuditReport:
    """What `audit` shows: `values` for programs, with findings as codes, and findings in English for people.

    `values["payments"]` is None if LNbits could not be asked, and for a rehearsal; `unasked` is the reason.
    """

    values: dict[str, Any]
    findings: tuple[str, ...]
    notes: tuple[str, ...]
    unasked: str


async def run_audit(config: Config) -> AuditReport:
    """Audit the ledger, and compare the source wallet's payments with the ledger. Raise LedgerError."""
    async with (
        reading_database(config.path(config.bot.data_dir)) as database,
        build_wallet(config, os.environ) as wallet,
    ):
        await database.read(partial(bot_state.check_kind, rehearsal=config.bot.rehearsal))
        result = await database.read(audit_ledger)
        payments, why = None, ""
        if not config.bot.rehearsal:  # a rehearsal has no payments to compare
            payments, why = await _audit_payments(database, wallet)
    findings = (*result.findings, *(payments.findings if payments else ()))
    notes = payments.notes if payments else ()
    values = {
        "entries": result.entries,
        "distributions": result.distributions,
        "payouts": result.payouts,
        "payments": payments.rows if payments else None,
        "findings": [str(one) for one in findings],
        "notes": [str(one) for one in notes],
    }
    return AuditReport(values, in_english(config, findings), in_english(config, notes), why)


def in_english(config: Config, findings: Iterable[Finding]) -> tuple[str, ...]:
    """Write findings in the words of the English catalogue, for the command line."""
    texts = load_texts(programme_of(config))
    return tuple(texts.render(describe.finding(one), FALLBACK) for one in findings)


async def _audit_payments(
    database: Database, wallet: LnbitsWallet
) -> tuple[PaymentsAudit | None, str]:
    try:
        await wallet.greet()
        return await audit_payments(database, wallet), ""
    except (LnbitsUnavailable, LnbitsRefused) as error:
        return None, str(error)


def _status(tx: Tx, config: Config, now: datetime) -> dict[str, Any]:
    currency, limits = config.bot.currency, config.limits
    bot_state.check_kind(tx, rehearsal=config.bot.rehearsal)
    bot_state.check_currency(tx, currency)
    totals = accounts.totals(tx)
    ceilings = Ceilings(limits.payout_max_sat, limits.day_max_sat)
    need, held = payout_need.need(tx, ceilings, now=now), payout_need.held(tx)
    uncovered = machine_cash.uncovered_minor(tx)
    dispute = leases.open_dispute(tx)
    return {
        "rehearsal": config.bot.rehearsal,
        "health": health_values(tx, now),
        "paused": bot_state.paused(tx),
        "disputed": None if dispute is None else str(dispute.reason),
        "lease_refused": bot_state.get(tx, bot_state.LEASE_REFUSED),
        "last_poll_at": bot_state.get(tx, bot_state.LAST_POLL_AT),
        "read_from": _copy(tx, now),
        "newest_transaction_at": bot_state.get(tx, bot_state.NEWEST_AT),
        "clients": len(everyone(tx)),
        "balances": fiat_text(totals.get("balance", 0), currency),
        "owed_sat": need.amount_sat,
        "open_payouts": need.count,
        "above_ceiling_sat": need.above_ceiling.sat,
        "without_wallet_sat": need.homeless.sat,
        "held_sat": held.sat,
        "collecting_sat": payout_need.collecting(tx).sat,
        "under_way_sat": payout_need.under_way(tx).sat,
        "payouts_by_state": dict(queue.counts(tx)),
        "paid_sat": totals["paid"],
        "treasury_sat": -totals["treasury"],
        "operator_sat": totals["operator"],
        "commission_sat": totals["commission"],
        "open_holds": holds.open_count(tx),
        "unsent_messages": outbox.unsent(tx),
        **reach_values(tx, config, now),
        "last_backup_at": bot_state.get(tx, bot_state.BACKUP_AT),
        "copies_elsewhere": _copies_elsewhere(tx),
        "longest_stall": bot_state.longest_stall(tx),
        "machines_cash": {
            cash.machine.label: fiat_text(cash.expected_minor, currency)
            if cash.last_count
            else None
            for cash in machine_cash.of_all(tx)
        },
        "uncovered": None if uncovered is None else fiat_text(uncovered, currency),
    }


def _copies_elsewhere(tx: Tx) -> dict[str, dict[str, str | None]]:
    """Return for each place when a copy was last sent there, and since when none can be."""
    return {
        label: {
            "sent_at": _iso(one.sent_at),
            "failing_since": _iso(one.failing_since),
        }
        for label, one in offsite_states.states(tx).items()
    }


def _iso(at: datetime | None) -> str | None:
    return None if at is None else at.isoformat()


def _copy(tx: Tx, now: datetime) -> dict[str, Any] | None:
    """Return the copy of Lamassu's data that the last poll read; None if the poll read Lamassu itself."""
    copy = readings.oldest_copy(tx)
    if copy is None:
        return None
    return {"name": copy.name, "as_of": copy.as_of.isoformat(), "stale": is_stale(copy, now)}
