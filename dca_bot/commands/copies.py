"""Finds an encrypted copy of the ledger, fetches it, opens it and judges it: for a restore and its rehearsal.

Everything happens in a folder of the caller's; nothing is put anywhere else.
"""

import asyncio
import os
import shutil
import sqlite3
from collections.abc import Sequence
from contextlib import closing
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from functools import partial
from io import BufferedWriter
from pathlib import Path

from dca_bot.commands.console import say
from dca_bot.config import Config
from dca_bot.core.offsite import OffsiteCopy, offsite_copies, rank
from dca_bot.core.ports import CopyPlace, Wallet
from dca_bot.errors import ConfigError, CopyRefused, KeyRefused, OffsiteFailed, in_words
from dca_bot.ledger.store import bot_state, clock
from dca_bot.ledger.store.database import Database
from dca_bot.ledger.store.ledger_files import LEDGER_FILE
from dca_bot.ledger.store.schema import VERSION, version_of
from dca_bot.nostr.keys import SecretKey, parse_secret_key
from dca_bot.offsite.sealing import RecoveryKey, unseal
from dca_bot.offsite_places import build_place, build_places
from dca_bot.outside import bot_key

_SEALED = "sealed.age"
_SENT_LATE_MAX = timedelta(days=2)
"""How much later a server may have listed a copy than the copy was made."""


@dataclass(frozen=True, slots=True)
class FoundCopy:
    """A copy in a place."""

    place: CopyPlace
    copy: OffsiteCopy


@dataclass(frozen=True, slots=True)
class OpenedCopy:
    """A copy that was decrypted and is sound; `folder` has the ledger in it, `key` is the bot's.

    `made_at`: the ledger's last reading of the clock. Whoever can write to the place can rename a copy.
    """

    folder: Path
    key: SecretKey
    made_at: datetime
    size: int
    version: int

    @property
    def ledger(self) -> Path:
        """Return the file of the ledger."""
        return self.folder / LEDGER_FILE


async def find_copy(
    config: Config, source: str | None, name: str | None, bot: str = ""
) -> FoundCopy:
    """Find the newest copy in a place, by default in all places of `[backup] to`, or the copy of a name.

    The newest is looked for among the copies of a programme, or of a rehearsal, as the configuration has it.
    `bot`: the bot's public key, by which a Blossom server lists copies.

    Raise ConfigError without a place, CopyRefused if no copy is found, or copies of several programmes.
    """
    places = [build_place(config, source, None, bot)] if source else build_places(config, None, bot)
    if not places:
        raise ConfigError("No place for copies is known: name one with --from, or in [backup] to.")
    found = await _in_places(places)
    is_rehearsal = config.bot.rehearsal
    found = [
        one
        for one in found
        if one.copy.name == name or (name is None and one.copy.is_rehearsal == is_rehearsal)
    ]
    if not found:
        where = ", ".join(place.label for place in places)
        raise CopyRefused(f"There is no {'copy' if name is None else name} in {where}.")
    bots = {one.copy.bot for one in found}
    if len(bots) > 1:
        newest = {one.copy.bot: one.copy.name for one in reversed(found)}
        raise CopyRefused(
            "There are copies of several programmes; choose one with --copy. The newest of each: "
            + ", ".join(sorted(newest.values()))
        )
    return found[0]


async def _in_places(places: Sequence[CopyPlace]) -> list[FoundCopy]:
    """Return the copies in all places that answer, the newest first; raise OffsiteFailed if none answers."""
    found, now = list[FoundCopy](), datetime.now(UTC)
    failure: OffsiteFailed | None = None
    is_answered = False
    for place in places:
        try:
            copies = offsite_copies(await place.names())
        except OffsiteFailed as error:
            failure = error
            say(f"✗ {place.label}: {error}")
            continue
        is_answered = True
        say(
            f"· {place.label}: {len(copies)} copies"
            + (f", the newest {max(copies, key=lambda one: rank(one, now)).name}" if copies else "")
        )
        found += [FoundCopy(place, copy) for copy in copies]
    if failure is not None and not is_answered:
        raise failure
    return sorted(found, key=lambda one: rank(one.copy, now), reverse=True)


async def open_fit_copy(
    config: Config, found: FoundCopy, key: RecoveryKey, folder: Path, *, is_chosen: bool
) -> OpenedCopy:
    """Open a copy as `open_copy` does, and judge whether it fits the configuration; say what it is.

    `is_chosen`: a person named the copy, however old it is. Raise as `open_copy`, `refuse_misdated` and
    `refuse_unfit` do.
    """
    opened = await open_copy(found, key, folder)
    if not is_chosen:
        refuse_misdated(opened, found)
    refuse_unfit(opened, config)
    say(
        f"✓ It is whole: {opened.size / 1e6:.1f} MB, ledger version {opened.version},"
        f" {age_text(opened.made_at)}"
    )
    return opened


async def open_copy(found: FoundCopy, key: RecoveryKey, folder: Path) -> OpenedCopy:
    """Fetch a copy into a folder, decrypt it and prove that it is a sound ledger, of the bot in its name.

    Raise OffsiteFailed if it can't be fetched, CopyRefused if it can't be used.
    """
    sealed, ledger = folder / _SEALED, folder / LEDGER_FILE
    try:
        with sealed.open("xb") as file:
            await found.place.fetch(found.copy.name, partial(_write, file))
            size = file.tell()
        with sealed.open("rb") as source:
            nsec = await asyncio.to_thread(unseal, source, ledger, key)
        sealed.unlink()
    except OSError as error:
        raise _no_room(folder, error) from error
    try:
        bot = parse_secret_key(nsec)
    except KeyRefused as error:
        raise CopyRefused(f"The copy's key of the bot can't be used: {error}") from None
    if not bot.public_key.startswith(found.copy.bot):
        raise CopyRefused(
            f"The copy isn't what its name says: the key in it is {bot.npub}. It was renamed, or put there by"
            " somebody else; take another one (--copy), or another place (--from)."
        )
    version = await asyncio.to_thread(_refuse_unsound, ledger)
    made_at = await asyncio.to_thread(_made_at, ledger)
    return OpenedCopy(folder, bot, made_at or found.copy.made_at, size, version)


def refuse_misdated(opened: OpenedCopy, found: FoundCopy) -> None:
    """Raise CopyRefused for a copy that is the newest by its name alone."""
    if found.copy.made_at - opened.made_at > _SENT_LATE_MAX:
        raise CopyRefused(
            f"The copy isn't as new as its name says: its ledger was {age_text(opened.made_at)}. It was"
            f" renamed, or sent very late. If you want it all the same: --copy {found.copy.name}"
        )


def own_key(config: Config) -> SecretKey | None:
    """Return the key of the bot here; None where there is none, or no usable one."""
    try:
        return bot_key(config, os.environ)
    except ConfigError:
        return None


def refuse_unfit(opened: OpenedCopy, config: Config) -> None:
    """Raise CopyRefused for a newer version's copy, LedgerError for another currency's or a rehearsal's."""
    if opened.version > VERSION:
        raise CopyRefused(
            f"The copy is of version {opened.version}, made by a newer dca-bot; this one knows versions up"
            f" to {VERSION}. Install the newer program, then begin anew."
        )
    with closing(sqlite3.connect(opened.ledger)) as ledger:
        bot_state.check_kind(ledger, rehearsal=config.bot.rehearsal)
        bot_state.check_currency(ledger, config.bot.currency)


async def refuse_other_wallet(config: Config, database: Database, wallet: Wallet) -> None:
    """Raise CopyRefused if the copy paid from another wallet: only that one tells what it has paid since."""
    paid_from = await database.read(lambda tx: bot_state.get(tx, bot_state.SOURCE_WALLET))
    if paid_from in (None, await wallet.wallet_id()):
        return
    path = config.secret_path(config.lnbits.source_admin_key_file)
    raise CopyRefused(
        f"The copy's bot paid from another LNbits wallet than the one whose admin key {path} has. What was"
        " paid since the copy, only that wallet tells: with this one it would be paid again. Put the former"
        f" wallet's admin key into {path} (its id begins with {paid_from[:8]}), then begin anew; the wallet"
        " can be changed once the bot has run. Nothing was put back."
    )


def age_text(made_at: datetime) -> str:
    """Say how old a copy is: `made 2026-11-24 08:00 UTC, 2 d 3 h ago`."""
    hours = int((datetime.now(UTC) - made_at).total_seconds() // 3600)
    days, rest = divmod(hours, 24)
    ago = f"{days} d {rest} h ago" if hours >= 0 else "by a clock that was ahead"
    return f"made {made_at:%Y-%m-%d %H:%M} UTC, {ago}"


def _refuse_unsound(path: Path) -> int:
    """Return the version of a ledger; raise CopyRefused unless the file is whole and sound."""
    try:
        with closing(sqlite3.connect(path)) as ledger:
            sound = ledger.execute("PRAGMA integrity_check(1)").fetchone()[0] == "ok"
            torn = ledger.execute("PRAGMA foreign_key_check").fetchone() is not None
            version = version_of(ledger)
    except sqlite3.DatabaseError as error:
        raise CopyRefused(f"The copy is no ledger ({error}); take another one (--copy).") from error
    if not sound or torn or version < 1:
        raise CopyRefused(
            "The copy decrypts, but its ledger is damaged; take another one (--copy)."
        )
    return version


def _made_at(path: Path) -> datetime | None:
    """Return the last reading of the clock in a sound ledger of any version; None without one."""
    with closing(sqlite3.connect(path)) as ledger:
        return clock.shown_at(ledger)


def _write(file: BufferedWriter, piece: bytes) -> None:
    try:
        file.write(piece)
    except OSError as error:  # not to be taken for an error of the place
        raise _no_room(Path(file.name).parent, error) from error


def _no_room(folder: Path, error: OSError) -> CopyRefused:
    free = shutil.disk_usage(folder).free
    return CopyRefused(
        f"The copy could not be written in {folder} ({in_words(error)}; {free / 1e6:.0f} MB are free). It"
        " takes three times the size of the copy for a while: free some space there."
    )
