"""The Lamassu line of `dca-bot check`: the content of a reading, and the decisions of a start."""

import asyncio
import os
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta

from dca_bot.config import Config
from dca_bot.core.money import fiat_text
from dca_bot.core.ports import Export
from dca_bot.errors import LedgerError, LedgerOutdated
from dca_bot.jobs.lamassu.decisions import reads_since
from dca_bot.jobs.lamassu.foretell import Foretold, foretell
from dca_bot.lamassu.ages import ages_text
from dca_bot.lamassu_source import build_source
from dca_bot.ledger.distributions import cash_outs, imports
from dca_bot.ledger.distributions.imports import NOTHING_IMPORTED, Past
from dca_bot.ledger.programme import start
from dca_bot.ledger.store.database import Tx, reading_database
from dca_bot.ledger.store.ledger_files import has_ledger


@dataclass(frozen=True, slots=True)
class _Past:
    """The ledger's view before a start: since when cash-outs count, and the states of known cash-outs.

    `used`: the instant of the last start, None without a ledger. `imported`: the start by an import.
    `imports`: what imports say of the known cash-outs. `is_earlier`: the ledger is of an earlier
    version than this program's.
    """

    start_at: datetime
    used: datetime | None
    states: dict[str, tuple[str, str]]
    imported: datetime | None = None
    imports: Past = NOTHING_IMPORTED
    is_earlier: bool = False


async def check_lamassu(config: Config, *, ledger: asyncio.Lock) -> str:
    """Read Lamassu as a start would and foretell the decisions.

    Raise SourceUnavailable, or LedgerError if lamassu.start_at is later than an import's start.
    """
    now = datetime.now(UTC)
    past = await _past(config, ledger, now, ())
    start.refuse_later(config.start_at, past.imported)
    recently = now - timedelta(days=config.lamassu.lookback_days)
    since = min(reads_since(past.start_at), recently)
    source = build_source(config, os.environ)
    try:
        export = await source.fetch(since)
    finally:
        await source.aclose()
    # Read once more: a running bot may have recorded cash-outs of this export meanwhile.
    past = await _past(config, ledger, now, tuple(one.id for one in export.cash_outs))
    found = foretell(
        export,
        past.states,
        past.imports,
        currency=config.bot.currency,
        start_at=past.start_at,
        now=now,
    )
    return f"{_reading(export, since, now)}; {_outlook(config, past, found, now)}"


async def _past(config: Config, ledger: asyncio.Lock, now: datetime, ids: tuple[str, ...]) -> _Past:
    """Read the ledger's view; an unreadable ledger counts as missing, for another line reports the fault."""
    data_dir = config.path(config.bot.data_dir)

    def look(tx: Tx) -> _Past:
        found = start.foresee(tx, config.start_at, now)
        imported = start.imported(tx)
        used = found.used if imported or start.has_begun(tx) else None
        states, before = cash_outs.states(tx, ids), imports.past(tx, ids)
        return _Past(found.at, used, states, imported, before)

    nothing = _Past(config.start_at or now, None, {})
    try:
        if not has_ledger(data_dir):
            return nothing
        async with ledger, reading_database(data_dir, traceless=True) as database:
            return await database.read(look)
    except LedgerOutdated:
        return replace(nothing, is_earlier=True)
    except LedgerError:
        return nothing


def _reading(export: Export, since: datetime, now: datetime) -> str:
    machines = ", ".join(sorted(export.machines.values())) or "none listed"
    unreadable = f"; LEFT OUT: {export.unreadable[0]}" if export.unreadable else ""
    return (
        f"{len(export.cash_outs)} cash-outs since {since:%Y-%m-%d}; machines: {machines};"
        f" {ages_text(export, now)}{unreadable}"
    )


def _outlook(config: Config, past: _Past, found: Foretold, now: datetime) -> str:
    """Say from which instant cash-outs are distributed, and how to choose another instant."""
    if past.is_earlier:
        return "what is to be shared out can be told once the ledger is of this version"
    start_at = f"{past.start_at:%Y-%m-%d %H:%M} UTC"
    if past.start_at > now:
        return f"NOTHING IS SHARED OUT BEFORE {start_at}, which lies ahead (lamassu.start_at)"
    if past.used is None and config.start_at is None:
        return "none of them counts: what is sold after the bot's first start is shared out"
    if not (found.shared or found.held or found.waiting or found.ignored):
        known = f"all {found.known} since then are in the ledger" if found.known else "none yet"
        return f"cash-outs count from {start_at} on: {known}, nothing is new{_warning(past, found)}"
    counts = (
        f"of those since {start_at} {found.known} are in the ledger, and the next start shares out"
        f" {found.shared}{_shared(config, found)}, holds {found.held}, lets {found.waiting} wait and"
        f" ignores {found.ignored}"
    )
    return counts + _warning(past, found)


def _shared(config: Config, found: Foretold) -> str:
    if found.oldest is None:
        return ""
    paid = fiat_text(found.shared_minor, config.bot.currency)
    return f" ({paid}, the oldest of {found.oldest:%Y-%m-%d})"


def _warning(past: _Past, found: Foretold) -> str:
    """Warn of old cash-outs that a start would distribute, perhaps against the operator's will."""
    if past.used is None and found.shared:
        return (
            ". THAT IS FOR GOOD, and as no client has a balance of that time, all of it is recorded as"
            " yours. Not what you want? Leave lamassu.start_at out"
        )
    if past.used is not None and past.start_at < past.used:
        return (
            f". lamassu.start_at WAS MOVED BACK from {past.used:%Y-%m-%d %H:%M} UTC: the bot pauses and"
            " asks the operators first"
        )
    return ""
