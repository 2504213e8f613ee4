"""What the command line shows of a ledger; nothing is changed, and the bot may be running."""

import os
from pathlib import Path
from typing import Any

from dca_bot.app import build_wallet
from dca_bot.config import load_config
from dca_bot.core.money import fiat_text
from dca_bot.errors import LnbitsRefused, LnbitsUnavailable
from dca_bot.ledger import facts, machine_cash, mail, payouts, reports
from dca_bot.ledger.audit import audit_ledger, audit_payments
from dca_bot.ledger.clients import everyone
from dca_bot.ledger.database import Database, Tx, reading_database
from dca_bot.lnbits.client import LnbitsWallet


async def read_status(config_path: Path) -> dict[str, Any]:
    """Return what `status` shows: plain values by name."""
    config = load_config(config_path)
    async with reading_database(config.path(config.bot.data_dir)) as database:
        return await database.read(lambda tx: _status(tx, config.bot.currency))


async def run_audit(config_path: Path) -> dict[str, Any]:
    """Return counts and findings of the ledger and of the source wallet's tagged rows."""
    config = load_config(config_path)
    async with (
        reading_database(config.path(config.bot.data_dir)) as database,
        build_wallet(config, os.environ) as wallet,
    ):
        result = await database.read(audit_ledger)
        payments, differences = await _audit_payments(database, wallet)
    return {
        "entries": result.entries,
        "distributions": result.distributions,
        "payouts": result.payouts,
        "payments": payments,
        "findings": [*result.findings, *differences],
    }


async def _audit_payments(database: Database, wallet: LnbitsWallet) -> tuple[int, tuple[str, ...]]:
    try:
        return await audit_payments(database, wallet)
    except (LnbitsUnavailable, LnbitsRefused) as error:
        return 0, (f"The payments could not be compared: {error}",)


def _status(tx: Tx, currency: str) -> dict[str, Any]:
    facts.check_currency(tx, currency)
    totals = reports.totals(tx)
    need = payouts.need(tx)
    uncovered = machine_cash.uncovered_minor(tx)
    return {
        "paused": facts.paused(tx),
        "last_poll_at": facts.get(tx, facts.LAST_POLL_AT),
        "clients": len(everyone(tx)),
        "balances": fiat_text(totals.get("balance", 0), currency),
        "owed_sat": need.amount_sat,
        "open_payouts": need.count,
        "payouts_by_state": dict(payouts.counts(tx)),
        "paid_sat": totals["paid"],
        "treasury_sat": -totals["treasury"],
        "operator_sat": totals["operator"],
        "commission_sat": totals["commission"],
        "open_holds": reports.holds_count(tx),
        "unsent_messages": mail.unsent(tx),
        "last_backup_at": facts.get(tx, facts.BACKUP_AT),
        "machines_cash": {
            cash.machine.label: fiat_text(cash.expected_minor, currency)
            if cash.last_count
            else None
            for cash in machine_cash.of_all(tx)
        },
        "uncovered": None if uncovered is None else fiat_text(uncovered, currency),
    }
