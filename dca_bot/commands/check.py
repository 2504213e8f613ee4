"""`dca-bot check`: each outside part, step by step, with a remedy for each failure."""

import asyncio
import os
import secrets
from collections.abc import Awaitable, Callable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from functools import partial
from pathlib import Path

from dca_bot.commands.check_copies import check_places
from dca_bot.commands.check_files import check_files
from dca_bot.commands.check_lamassu import check_lamassu
from dca_bot.commands.check_monitoring import check_monitoring
from dca_bot.commands.check_relays import check_relays
from dca_bot.commands.console import say
from dca_bot.config import Config, load_config
from dca_bot.core.lease import Party, public_id
from dca_bot.core.money import sat_floor, sat_text
from dca_bot.core.names import short_npub
from dca_bot.errors import ConfigError, DcaBotError, LedgerError, LedgerOutdated
from dca_bot.files.rights import refuse_unfit_folder
from dca_bot.lamassu.postgres_login import PostgresLimits
from dca_bot.lamassu.tunnel import open_tunnel
from dca_bot.lamassu_source import build_postgres, ssh_server
from dca_bot.ledger.payouts import leases
from dca_bot.ledger.programme import client_names
from dca_bot.ledger.store import bot_state
from dca_bot.ledger.store.database import Tx, reading_database
from dca_bot.ledger.store.instances import instances
from dca_bot.ledger.store.ledger_files import has_ledger, refuse_unusable
from dca_bot.lnbits.client import LnbitsWallet
from dca_bot.nostr.keys import is_hex, npub
from dca_bot.outside import bot_key, build_wallet, programme_of

_STEP_LIMIT_S = 60
"""A step that hangs ends so; the parts' own limits are shorter, and their words better."""


@dataclass(frozen=True, slots=True)
class Step:
    """One line of `check`; `after` names the steps that must succeed before.

    A step isn't tried if one of `after` failed: the step would report the same fault again.
    """

    name: str
    run: Callable[[Config], Awaitable[str]]
    after: tuple[str, ...] = ()
    limit_s: float = _STEP_LIMIT_S


@dataclass(frozen=True, slots=True)
class _Result:
    """The printed line of a step, and whether the step succeeded."""

    line: str
    is_good: bool


async def run_checks(config_path: Path, *, sends_alert: bool = False) -> bool:
    """Print a line for each step; return whether all steps succeeded.

    Nothing is changed anywhere. `sends_alert`: a test alert is sent to the places of alerts.
    """
    config = load_config(config_path)
    what = ", for a rehearsal: nothing is paid" if config.bot.rehearsal else ""
    say(f"✓ {config_path} is complete{what}")
    return await take_all(_steps(config, sends_alert=sends_alert), config)


async def take_all(steps: Sequence[Step], config: Config) -> bool:
    """Take the steps at the same time and print the results in the steps' order; True if all succeeded."""
    tasks: dict[str, asyncio.Task[_Result]] = {}
    for step in steps:
        before = {name: tasks[name] for name in step.after}
        tasks[step.name] = asyncio.create_task(_take(step, config, before))
    results = []
    # No task group: what `say` raises, a broken pipe for one, would leave it in an ExceptionGroup.
    try:
        for task in tasks.values():
            results.append(await task)
            say(results[-1].line)
    finally:
        for task in tasks.values():
            task.cancel()
        await asyncio.gather(*tasks.values(), return_exceptions=True)
    return all(result.is_good for result in results)


def _steps(config: Config, *, sends_alert: bool = False) -> tuple[Step, ...]:
    """Return the steps in the order of printing; at most one step at a time opens the ledger."""
    way, ledger = _steps_to_lamassu(config), asyncio.Lock()
    lamassu = partial(check_lamassu, ledger=ledger)
    return (
        Step("Nostr keys", _check_keys),
        Step("Data folder", partial(_check_data_dir, ledger=ledger)),
        Step("Backups", _check_backups, after=("Data folder",)),
        *_steps_to_copies(config),
        *way,
        Step("Lamassu", lamassu, after=tuple(step.name for step in way)),
        Step("LNbits", partial(_check_lnbits, ledger=ledger)),
        Step("Relays", check_relays, after=("Nostr keys",)),
        *_steps_to_files(config),
        *_steps_to_monitoring(config, sends_alert=sends_alert),
    )


async def _take(step: Step, config: Config, before: Mapping[str, asyncio.Task[_Result]]) -> _Result:
    """Take a step after the steps that must succeed before."""
    broken = [name for name, task in before.items() if not (await task).is_good]
    if broken:
        return _Result(f"· {step.name}: not tried; {broken[0]} comes first", is_good=False)
    try:
        async with asyncio.timeout(step.limit_s) as limit:
            return _Result(f"✓ {step.name}: {await step.run(config)}", is_good=True)
    except DcaBotError as error:
        return _Result(f"✗ {step.name}: {error}", is_good=False)
    except TimeoutError:
        if not limit.expired():
            raise
        late = f"not done within {step.limit_s:g} s. Look at its load."
        return _Result(f"✗ {step.name}: {late}", is_good=False)


async def _check_keys(config: Config) -> str:
    key = bot_key(config, os.environ)
    operators, entries = programme_of(config).operators, config.nostr.operators
    names = ", ".join(short_npub(npub(operator)) for operator in sorted(operators))
    twice = "; ONE STANDS THERE TWICE" if len(operators) < len(entries) else ""
    in_hex = "; ONE IS WRITTEN IN HEX, which a secret key looks like too: write npub1…"
    doubt = in_hex if any(map(is_hex, entries)) else ""
    return f"the bot is {key.npub}; operators: {names}{twice}{doubt}"


async def _check_data_dir(config: Config, *, ledger: asyncio.Lock) -> str:
    path = config.path(config.bot.data_dir)
    async with ledger:
        is_running = refuse_unusable(path)
        if not path.exists():
            return f"{path} will be made by the first start"
        note = await _ledger_note(config, path)
    return f"{path} is there{', and a bot is running on it' if is_running else ''}{note}"


async def _ledger_note(config: Config, data_dir: Path) -> str:
    """Compare the ledger with the configuration; raise LedgerError as a start would."""
    if not has_ledger(data_dir):
        return ""
    operators: frozenset[str] = frozenset()
    with suppress(ConfigError):  # the keys' step says so
        operators = programme_of(config).operators

    def look(tx: Tx) -> list[str]:
        bot_state.check_kind(tx, rehearsal=config.bot.rehearsal)
        bot_state.check_currency(tx, config.bot.currency)
        return client_names.names_of(tx, operators)

    try:
        async with reading_database(data_dir, traceless=True) as database:
            names = await database.read(look)
    except LedgerOutdated as error:
        return f"; {error}"
    return f"; CLIENT AND OPERATOR at once: {', '.join(names)}" if names else ""


async def _check_backups(config: Config) -> str:
    if not config.backup.every_hours:
        return "none are made by the bot itself (backup.every_hours = 0)"
    refuse_unfit_folder(config.backup_dir, setting="backup.path")
    return f"every {config.backup.every_hours} hours into {config.backup_dir}"


def _steps_to_copies(config: Config) -> tuple[Step, ...]:
    """Return the step of the places for copies, if there are any."""
    return (Step("Copies elsewhere", check_places),) if config.backup.to else ()


def _steps_to_files(config: Config) -> tuple[Step, ...]:
    """Return the step of the file server, if there is one."""
    return (Step("Files", check_files, after=("Nostr keys",)),) if config.files.blossom else ()


def _steps_to_monitoring(config: Config, *, sends_alert: bool) -> tuple[Step, ...]:
    """Return the step of those who watch from outside, if there are any."""
    look = partial(check_monitoring, sends_alert=sends_alert)
    return (Step("Monitoring", look),) if config.is_watched else ()


def _steps_to_lamassu(config: Config) -> tuple[Step, ...]:
    """Return the steps that must succeed before Lamassu's database can be read."""
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


async def _check_lnbits(config: Config, *, ledger: asyncio.Lock) -> str:
    async with build_wallet(config, os.environ) as wallet:
        await wallet.greet()
        found = await wallet.probe()
        price = await wallet.price(config.bot.currency)
        lease = await _lease_note(config, wallet, ledger)
    balance = sat_text(sat_floor(found.balance_msat))
    told = f"{price:,.2f} {config.bot.currency}" if price else "NOT TOLD, so fixed mode would wait"
    return f"version {found.version}, source wallet {found.name!r} has {balance}, 1 BTC is {told}{lease}"


async def _lease_note(config: Config, wallet: LnbitsWallet, ledger: asyncio.Lock) -> str:
    """Report a bot that has paid from the source wallet since this ledger's last payment; empty if none.

    A rehearsal pays nothing, and may run beside a bot that pays.
    """
    if config.bot.rehearsal:
        return ""
    data_dir = config.path(config.bot.data_dir)
    try:
        async with ledger, reading_database(data_dir, traceless=True) as database:
            record = await database.read(leases.record_of)
            ledger_id = await database.read(lambda tx: bot_state.get(tx, bot_state.LEDGER_ID) or "")
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
