"""`dca-bot rehearse-restore`: a restore up to the point where something would be put back, with a report.

The ledger is opened, brought to this program's version and audited in a folder that is removed at the end.
LNbits and the relays are only read. The bot may be running, also on another computer.
"""

import asyncio
import os
import time
from datetime import UTC, datetime
from pathlib import Path

from dca_bot.commands.console import say
from dca_bot.commands.copies import (
    OpenedCopy,
    find_copy,
    open_fit_copy,
    own_key,
    refuse_other_wallet,
)
from dca_bot.commands.missed_messages import find_missed
from dca_bot.commands.recovery_key import read_recovery_key
from dca_bot.commands.restore import missed_lines
from dca_bot.commands.status import in_english
from dca_bot.commands.trial_folder import trial_folder
from dca_bot.config import Config, load_config
from dca_bot.core.programme import Programme
from dca_bot.errors import CopyRefused
from dca_bot.ledger.audit.audit import audit_ledger
from dca_bot.ledger.audit.findings import FindingCode
from dca_bot.ledger.audit.payments import audit_payments
from dca_bot.ledger.store.backups import note_rehearsal
from dca_bot.ledger.store.database import Database, open_database
from dca_bot.nostr.keys import parse_npub
from dca_bot.offsite.sealing import RecoveryKey
from dca_bot.outside import build_wallet, programme_of
from dca_bot.system_clock import SystemClock


def rehearse(
    config_path: Path,
    *,
    source: str | None,
    name: str | None,
    npub_typed: str | None,
    key_file: Path | None,
) -> None:
    """Rehearse a restore and report; raise DcaBotError where a restore would fail.

    `npub_typed`: the bot's npub, by which a Blossom server lists copies; by default that of the bot's key.
    """
    config = load_config(config_path)
    bot = parse_npub(npub_typed) if npub_typed else ""
    if not bot and (own := own_key(config)):
        bot = own.public_key
    programme = programme_of(config)
    key, began = read_recovery_key(key_file), time.monotonic()
    with trial_folder() as folder:
        asyncio.run(_rehearse(config, programme, folder, key, source=source, name=name, bot=bot))
    say(f"✓ A restore would work; the rehearsal took {time.monotonic() - began:.0f} s")
    data_dir = config.path(config.bot.data_dir)
    if data_dir.is_dir():
        note_rehearsal(data_dir, datetime.now(UTC))


async def _rehearse(
    config: Config,
    programme: Programme,
    folder: Path,
    key: RecoveryKey,
    *,
    source: str | None,
    name: str | None,
    bot: str,
) -> None:
    found = await find_copy(config, source, name, bot)
    say(f"✓ {found.copy.name} is in {found.place.label}")
    opened = await open_fit_copy(config, found, key, folder, is_chosen=name is not None)
    say(f"✓ It is of {opened.key.npub}")
    if bot and opened.key.public_key != bot:
        raise CopyRefused(
            "That is another bot than the one here; name it with --bot if it is yours."
        )
    database = await open_database(folder)
    try:
        await _audit(config, database)
        await _compare(config, database)
        await _list_missed(config, programme, database, opened)
    finally:
        await database.aclose()


async def _audit(config: Config, database: Database) -> None:
    result = await database.read(audit_ledger)
    for line in in_english(config, result.findings):
        say(f"✗ {line}")
    if result.findings:
        raise CopyRefused(
            f"The copy's ledger has {len(result.findings)} finding(s): is audit of the bot clean?"
        )
    say(f"✓ All adds up: {result.entries} entries, {result.payouts} payouts")


async def _compare(config: Config, database: Database) -> None:
    """Tell how many payments LNbits has beyond the copy: what they are for would be held."""
    async with build_wallet(config, os.environ) as wallet:
        await wallet.greet()
        await refuse_other_wallet(config, database, wallet)
        found = await audit_payments(database, wallet)
    beyond = sum(one.code is FindingCode.UNKNOWN_PAYMENT for one in found.findings)
    say(
        f"✓ LNbits has {found.rows} payments, {beyond} of them since the copy: what those are for would be"
        " held for you to decide, and not paid again"
    )


async def _list_missed(
    config: Config, programme: Programme, database: Database, opened: OpenedCopy
) -> None:
    missed = await find_missed(
        config,
        database,
        opened.key,
        programme.operators,
        made_at=opened.made_at,
        clock=SystemClock(),
    )
    for line in missed_lines(missed):
        say(line)
