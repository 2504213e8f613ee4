"""`dca-bot check`: each outside part, step by step, with what to do where it fails."""

import asyncio
import os
import secrets
from collections.abc import Awaitable, Callable
from contextlib import suppress
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path

from dca_bot.app import (
    SystemClock,
    bot_key,
    build_postgres,
    build_source,
    build_wallet,
    programme_of,
    ssh_server,
)
from dca_bot.config import Config, load_config
from dca_bot.console import say
from dca_bot.core.cash_out import Verdict, decide
from dca_bot.core.lease import Party, public_id
from dca_bot.core.money import sat_text
from dca_bot.errors import ConfigError, DcaBotError, LedgerError
from dca_bot.file_rights import refuse_unfit_folder
from dca_bot.lamassu.ages import ages_text
from dca_bot.lamassu.postgres_login import PostgresLimits
from dca_bot.lamassu.tunnel import open_tunnel
from dca_bot.ledger import facts, leases
from dca_bot.ledger.database import has_ledger, reading_database, refuse_unusable
from dca_bot.ledger.instances import instances
from dca_bot.lnbits.client import LnbitsWallet
from dca_bot.nostr.keys import npub
from dca_bot.nostr.pool import NostrMessenger

RELAY_LIMIT_S = 15


@dataclass(frozen=True, slots=True)
class Step:
    """One line of `check`; `after` names the steps without which this one can't succeed.

    Where one of those failed, this step isn't tried: it would say the same once more.
    """

    name: str
    run: Callable[[Config], Awaitable[str]]
    after: tuple[str, ...] = ()


async def run_checks(config_path: Path) -> bool:
    """Print a line for each step; True if all is in order. Nothing is changed anywhere."""
    config = load_config(config_path)
    say(f"✓ {config_path} is complete")
    broken: set[str] = set()
    for step in _steps(config):
        causes = [name for name in step.after if name in broken]
        if causes:
            say(f"· {step.name}: not tried; {causes[0]} comes first")
        if causes or not await _try(step, config):
            broken.add(step.name)
    return not broken


def _steps(config: Config) -> tuple[Step, ...]:
    """Return the steps in the order in which they are tried."""
    way = _steps_to_lamassu(config)
    return (
        Step("Nostr keys", _check_keys),
        Step("Data folder", _check_data_dir),
        Step("Backups", _check_backups, after=("Data folder",)),
        *way,
        Step("Lamassu", _check_lamassu, after=tuple(step.name for step in way)),
        Step("LNbits", _check_lnbits),
        Step("Relays", _check_relays, after=("Nostr keys",)),
    )


async def _try(step: Step, config: Config) -> bool:
    try:
        say(f"✓ {step.name}: {await step.run(config)}")
    except DcaBotError as error:
        say(f"✗ {step.name}: {error}")
        return False
    return True


async def _check_keys(config: Config) -> str:
    key = bot_key(config, os.environ)
    operators = programme_of(config).operators
    names = ", ".join(f"{npub(operator)[:12]}…" for operator in sorted(operators))
    return f"the bot is {key.npub}; operators: {names}"


async def _check_data_dir(config: Config) -> str:
    path = config.path(config.bot.data_dir)
    is_running = refuse_unusable(path)
    if not path.exists():
        return f"{path} will be made by the first start"
    await _first_start(config)
    return f"{path} is there{', and a bot is running on it' if is_running else ''}"


async def _check_backups(config: Config) -> str:
    if not config.backup.every_hours:
        return "none are made by the bot itself (backup.every_hours = 0)"
    refuse_unfit_folder(config.backup_dir, setting="backup.path")
    return f"every {config.backup.every_hours} hours into {config.backup_dir}"


def _steps_to_lamassu(config: Config) -> tuple[Step, ...]:
    """Return what has to work before Lamassu's database can be read."""
    if config.lamassu.source != "postgres":
        return ()
    if not config.lamassu.postgres.tunnel:
        return (Step("PostgreSQL", _check_postgres),)
    return (
        Step("SSH tunnel", _check_tunnel),
        Step("PostgreSQL", _check_postgres, after=("SSH tunnel",)),
    )


async def _check_tunnel(config: Config) -> str:
    server, postgres = ssh_server(config), config.lamassu.postgres
    limit_s = PostgresLimits().connect_s
    async with open_tunnel(server, postgres.host, postgres.port, limit_s=limit_s):
        return f"{server.host} lets {server.username} through to {postgres.host}:{postgres.port}"


async def _check_postgres(config: Config) -> str:
    source, postgres = build_postgres(config, os.environ), config.lamassu.postgres
    try:
        found = await source.rights()
    finally:
        await source.aclose()
    changes, standby = ", ".join(found.writable), ", a standby" if found.is_standby else ""
    return (
        f"version {found.version}{standby}, {postgres.user} may read {', '.join(found.readable) or 'nothing'}"
        f" in {postgres.database}, TLS: {postgres.tls_mode if not postgres.tunnel else 'through SSH'}"
        + (
            f"; it may CHANGE {changes}, which the bot never does: take that away"
            if changes
            else ""
        )
    )


async def _check_lamassu(config: Config) -> str:
    source = build_source(config, os.environ)
    now = datetime.now(UTC)
    try:
        export = await source.fetch(now - timedelta(days=config.lamassu.lookback_days))
    finally:
        await source.aclose()
    first_start = None
    with suppress(LedgerError):  # the data folder's step says so
        first_start = await _first_start(config)
    start_at = config.start_at or first_start or now
    decisions = [
        decide(cash_out, currency=config.bot.currency, now=now) for cash_out in export.cash_outs
    ]
    good = [found.at for found in decisions if found.verdict is Verdict.DISTRIBUTE]
    machines = ", ".join(sorted(export.machines.values())) or "none listed"
    unreadable = f"; LEFT OUT: {export.unreadable[0]}" if export.unreadable else ""
    return (
        f"{len(decisions)} cash-outs in {config.lamassu.lookback_days} days, {len(good)} of them"
        f" clean successes, {sum(at >= start_at for at in good)} of these since"
        f" {start_at:%Y-%m-%d %H:%M} UTC, from when on they are distributed;"
        f" machines: {machines}; {ages_text(export, now)}{unreadable}"
    )


async def _first_start(config: Config) -> datetime | None:
    data_dir = config.path(config.bot.data_dir)
    if not has_ledger(data_dir):
        return None
    async with reading_database(data_dir, traceless=True) as database:
        await database.read(lambda tx: facts.check_currency(tx, config.bot.currency))
        return await database.read(lambda tx: facts.moment(tx, facts.START_AT))


async def _check_lnbits(config: Config) -> str:
    async with build_wallet(config, os.environ) as wallet:
        found = await wallet.probe()
        price = await wallet.price(config.bot.currency)
        lease = await _lease_note(config, wallet)
    balance = sat_text(found.balance_msat // 1000)
    told = f"{price:,.2f} {config.bot.currency}" if price else "NOT TOLD, so fixed mode would wait"
    return f"version {found.version}, source wallet {found.name!r} has {balance}, 1 BTC is {told}{lease}"


async def _lease_note(config: Config, wallet: LnbitsWallet) -> str:
    """Say so if another bot has paid from the source wallet since this ledger was last paid from."""
    data_dir = config.path(config.bot.data_dir)
    try:
        async with reading_database(data_dir, traceless=True) as database:
            record = await database.read(leases.record_of)
            ledger_id = await database.read(lambda tx: facts.get(tx, facts.LEDGER_ID) or "")
        bot = public_id(bot_key(config, os.environ).public_key)
    except (ConfigError, LedgerError):  # other steps say so
        return ""
    party = Party("", public_id(ledger_id), bot, frozenset(instances(data_dir)))
    found = await wallet.lease_rows(down_to=record.floor, look_id=secrets.token_hex(8))
    if not party.newer(found.rows, record):
        return ""
    return (
        "; ANOTHER BOT has paid from this wallet since this ledger was last paid from: stop that one for"
        " good, and resume all will ask for a code"
    )


async def _check_relays(config: Config) -> str:
    messenger = NostrMessenger(
        bot_key(config, os.environ),
        config.nostr.relays,
        SystemClock(),
        random=secrets.SystemRandom(),
    )
    running = asyncio.create_task(messenger.run())
    try:
        for _ in range(RELAY_LIMIT_S * 5):
            if messenger.connected() == len(config.nostr.relays):
                break
            await asyncio.sleep(0.2)
        states = messenger.relay_states()
    finally:
        running.cancel()
        await asyncio.gather(running, return_exceptions=True)
    lost = [state.url for state in states if not state.listening]
    if lost:
        raise DcaBotError(
            f"{', '.join(lost)} did not answer within {RELAY_LIMIT_S} s."
            " Check nostr.relays, or choose others."
        )
    return f"{len(states)} connected"
