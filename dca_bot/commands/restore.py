"""`dca-bot restore`: a bot from a copy that was sent away, on a computer that has nothing of it.

The invariants: nothing is overwritten; nothing is put back while the former bot shows itself; the restored
bot starts paused, and what was written to it since the copy is told to the operators, not carried out.

Everything is done in the folder `restore` of the data folder, and put in its place at the end. A restore that
was broken off leaves that folder, which the next one removes.
"""

import asyncio
import os
import shutil
import sys
from collections.abc import Iterator
from contextlib import ExitStack
from datetime import datetime
from pathlib import Path

import typer

from dca_bot.commands.console import say
from dca_bot.commands.copies import (
    OpenedCopy,
    find_copy,
    open_fit_copy,
    own_key,
    refuse_other_wallet,
)
from dca_bot.commands.former_bot import WATCH_S, refuse_running
from dca_bot.commands.missed_messages import Missed, find_missed
from dca_bot.commands.recovery_key import read_recovery_key
from dca_bot.config import Config, load_config
from dca_bot.core.lease import Dispute, DisputeReason, LeaseRow, Party, public_id
from dca_bot.core.programme import Programme
from dca_bot.errors import ConfigError, CopyRefused
from dca_bot.files.secret_files import NOSTR_KEY_VARIABLE, read_secret, secret_place, write_secret
from dca_bot.ledger.payouts import leases
from dca_bot.ledger.store import bot_state
from dca_bot.ledger.store.database import Tx, open_database
from dca_bot.ledger.store.ledger_files import lock_for_restore
from dca_bot.ledger.store.private_files import make_private_folder, sync_to_disk
from dca_bot.messages.notices import Notices
from dca_bot.messages.render import load_texts
from dca_bot.nostr.keys import npub, parse_npub, parse_secret_key
from dca_bot.offsite.sealing import RecoveryKey
from dca_bot.outside import build_wallet, programme_of
from dca_bot.program import command, with_config
from dca_bot.system_clock import SystemClock

_FOLDER = "restore"
_ASIDE = ".before-restore"


def restore(
    config_path: Path,
    *,
    source: str | None,
    name: str | None,
    npub_typed: str | None,
    key_file: Path | None,
) -> None:
    """Put a copy back; raise DcaBotError, and leave everything as it was, if that can't be done.

    `npub_typed`: the bot's npub, whose the copy must be, and by which a Blossom server lists copies.
    """
    config = load_config(config_path)
    bot = parse_npub(npub_typed) if npub_typed else ""
    programme = programme_of(config)
    with ExitStack() as exits:
        target = lock_for_restore(config.path(config.bot.data_dir), exits)
        key = read_recovery_key(key_file)
        folder = _empty_folder(target.with_name(_FOLDER), exits)
        opened = asyncio.run(
            _prepared(config, programme, folder, key, source=source, name=name, bot=bot)
        )
        _put_key_back(config, opened)
        opened.ledger.rename(target)
        sync_to_disk(target.parent)
    say(f"✓ The ledger and the key of {opened.key.npub} are back.")
    say(f"Now start it: {command('run', *with_config(config_path))}")
    say("It is paused, and tells the operators what to do: holds, and in the end resume all.")


async def _prepared(
    config: Config,
    programme: Programme,
    folder: Path,
    key: RecoveryKey,
    *,
    source: str | None,
    name: str | None,
    bot: str,
) -> OpenedCopy:
    """Fetch a copy, judge it, and bring its ledger to the state in which a bot may start."""
    clock = SystemClock()
    async with build_wallet(config, os.environ) as wallet:
        await wallet.greet()
        found = await find_copy(config, source, name, bot)
        say(f"· {found.copy.name} is fetched from {found.place.label}")
        opened = await open_fit_copy(config, found, key, folder, is_chosen=name is not None)
        _refuse_other_bot(config, opened, bot)
        database = await open_database(folder)
        try:
            await refuse_other_wallet(config, database, wallet)
            ledger_id = await database.read(lambda tx: bot_state.get(tx, bot_state.LEDGER_ID) or "")
            party = Party("", public_id(ledger_id), public_id(opened.key.public_key))
            say(f"· Whether the former bot still runs is watched for {WATCH_S} seconds …")
            newest = await refuse_running(wallet, party, clock)
            say("✓ Nobody pays from the wallet")
            missed = await find_missed(
                config,
                database,
                opened.key,
                programme.operators,
                made_at=opened.made_at,
                clock=clock,
            )
            for line in missed_lines(missed):
                say(line)
            notices = Notices(programme, load_texts(programme), npub)
            await database.transact(
                lambda tx: _pause(tx, notices, opened, newest, missed, clock.now())
            )
        finally:
            await database.aclose()
    return opened


def _refuse_other_bot(config: Config, opened: OpenedCopy, bot: str) -> None:
    """Raise CopyRefused unless the copy is of the bot that was named, is here, or is confirmed by a person.

    Whoever can write to a place and knows the public half of the recovery key can put a ledger and a key of
    their own there.
    """
    if bot:
        if opened.key.public_key != bot:
            raise CopyRefused(f"The copy is of another bot than --bot names: {opened.key.npub}.")
        return
    there = own_key(config)
    if there == opened.key:
        return
    path = config.secret_path(config.nostr.private_key_file)
    compared = f"{path} has another key, {there.npub}" if there else f"There is no key in {path}"
    question = f"{compared}. The copy is of {opened.key.npub}"
    if not sys.stdin.isatty():
        raise CopyRefused(
            f"{question}. If your app shows that npub as your bot's, name it: --bot {opened.key.npub}"
        )
    typed: str = typer.prompt(f"{question}. Does your app show that npub as your bot's? Type yes")
    if typed.strip().lower() != "yes":
        raise CopyRefused("Nothing was put back. Take another copy (--copy), or place (--from).")


def missed_lines(missed: Missed) -> Iterator[str]:
    """Yield the messages since the copy for the terminal."""
    count = len(missed.messages) + missed.more
    yield f"✓ Written to the bot since the copy, and to be repeated: {count} messages"
    for one in missed.messages:
        yield f"    {one.sent_at:%Y-%m-%d %H:%M} UTC  {one.who}: {one.text}"
    for url in missed.unread:
        yield f"✗ {url} could not be read to the end: what only that relay has isn't listed"


def _pause(
    tx: Tx,
    notices: Notices,
    opened: OpenedCopy,
    newest: LeaseRow | None,
    missed: Missed,
    now: datetime,
) -> None:
    """Have the bot start paused: only a code resumes, and takes the lease over where a bot has paid."""
    bot_state.put(tx, bot_state.COPIED, "yes")
    bot_state.put(tx, bot_state.PAUSED, now.isoformat())
    bot_state.put(tx, bot_state.PUT_BACK, "yes")
    if newest is not None:
        leases.stop(tx, Dispute(DisputeReason.NEWER_START, newest), now=now)
    notices.alarms.put_back(tx, opened.made_at, now)
    notices.alarms.missed(
        tx, [(one.sent_at, one.who, one.text) for one in missed.messages], missed.more, now
    )


def _empty_folder(folder: Path, exits: ExitStack) -> Path:
    """Make the folder of the restore anew, and have it removed at the end."""
    shutil.rmtree(folder, ignore_errors=True)
    make_private_folder(folder, setting="bot.data_dir")
    exits.callback(shutil.rmtree, folder, ignore_errors=True)
    return folder


def _put_key_back(config: Config, opened: OpenedCopy) -> None:
    """Write the bot's key where the configuration has it; another key there, of a new `init`, goes aside.

    Raise ConfigError if a key from elsewhere than the file would be used.
    """
    path = config.path(config.nostr.private_key_file)
    place = secret_place(path, NOSTR_KEY_VARIABLE, os.environ)
    if not os.path.lexists(path) and place == str(path):
        write_secret(path, opened.key.nsec())
        return
    there = parse_secret_key(
        read_secret(path, NOSTR_KEY_VARIABLE, os.environ, remedy="put it there")
    )
    if there == opened.key:
        return
    if place != str(path):
        raise ConfigError(
            f"{place} has another key than the copy, which is {opened.key.npub}. Take it away from there,"
            " so that the restore can write the right one."
        )
    aside = path.with_name(path.name + _ASIDE)
    if os.path.lexists(aside):
        raise ConfigError(
            f"{path} has another key than the copy, and {aside} is there already: move one away."
        )
    path.rename(aside)
    write_secret(path, opened.key.nsec())
    say(f"· {path} had another key, {there.npub}; that one is in {aside} now")
