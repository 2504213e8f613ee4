"""Brings clients of another programme into the ledger: tried on a copy, or carried out.

The invariant: all or nothing. One transaction adds all clients with their opening balances, and is undone if
a single client can't be added or if the ledger doesn't add up afterwards. A wallet is proposed to the client,
and set in a rehearsal only.
"""

import os
from collections.abc import AsyncIterator, Collection, Mapping, Sequence
from collections.abc import Set as AbstractSet
from contextlib import asynccontextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import partial

from dca_bot.chat.command_sets import COMMAND_WORDS
from dca_bot.chat.operator.new_clients import admit, refuse_taken_pubkey
from dca_bot.chat.params import is_npub, read_new_name
from dca_bot.commands.trial_folder import trial_folder
from dca_bot.config import Config
from dca_bot.core.clients import ClientState, Mode
from dca_bot.core.destination_text import PAYABLE, Form, read_destination
from dca_bot.core.moving_in import Opening
from dca_bot.core.names import on_one_line, short_npub
from dca_bot.core.ports import KeyKind
from dca_bot.core.programme import Programme
from dca_bot.errors import (
    DcaBotError,
    DestinationRefused,
    KeyRefused,
    LnbitsRefused,
)
from dca_bot.ledger.audit.audit import audit_ledger
from dca_bot.ledger.distributions import imports
from dca_bot.ledger.distributions.imports import SourceKind
from dca_bot.ledger.programme import clients, deposits, start
from dca_bot.ledger.programme.clients import ADDRESS, INVOICE_KEY, LNURL, Client, Destination
from dca_bot.ledger.store import bot_state, clock
from dca_bot.ledger.store.backups import copy_ledger, keep_before
from dca_bot.ledger.store.database import Database, Tx, open_database
from dca_bot.ledger.store.ledger_files import LEDGER_FILE, has_ledger
from dca_bot.messages.notices import Notices
from dca_bot.messages.render import FALLBACK, Texts, load_texts
from dca_bot.messages.say import CommandRefused, Fiat, Say, refuse
from dca_bot.nostr.keys import npub, parse_public_key, relay_hints
from dca_bot.outside import bot_key, build_wallet, programme_of

_NAME_CHARS_MAX = 40


@dataclass(frozen=True, slots=True)
class Newcomer:
    """A client to be brought along. `where`: the line in the file, for people. `ref`: the client's id there.

    `wallet`: as written, or as the source has it; proposed only. `has_written`: the operator wrote the
    wallet, so one that can't be used is a mistake to be mended. `limit_minor`: of fixed mode for a day.
    """

    where: str
    ref: str
    name: str
    npub: str
    opening: Opening
    wallet: str = ""
    has_written: bool = True
    mode: Mode = Mode.FLOW
    limit_minor: int = 0
    is_paused: bool = False


@dataclass(frozen=True, slots=True)
class CashOuts:
    """The cash-outs of a source: ids of the `processed` ones, and the start with the oldest of them."""

    processed: AbstractSet[str]
    start_at: datetime


@dataclass(frozen=True, slots=True)
class Source:
    """What is to be imported; `id` tells the source from all others. `cash_outs`: None without any."""

    kind: SourceKind
    id: str
    newcomers: Sequence[Newcomer]
    cash_outs: CashOuts | None = None


@dataclass(frozen=True, slots=True)
class Moved:
    """What an import has done, or would do.

    `wallets`: the wallets that are proposed, by the client in the source. `both`: ids of cash-outs that were
    distributed here too. `problems`: sentences, each with the line; with a single one nothing is imported.
    """

    wallets: Mapping[str, str]
    both: Sequence[str]
    start_at: datetime | None
    problems: Sequence[str]


class _Undone(Exception):
    """Undoes the transaction of an import with problems."""

    def __init__(self, moved: Moved) -> None:
        super().__init__()
        self.moved = moved


async def move_in(
    config: Config, source: Source, problems: Sequence[str], *, commit: bool
) -> Moved:
    """Import a source into the configured ledger, or into a copy unless `commit`.

    `problems`: of reading the source. Raise DcaBotError if the source was imported before, if a bot runs, if
    a restored ledger may lack payments, or if LNbits or the ledger fails.
    """
    programme, bot = programme_of(config), bot_key(config, os.environ).public_key
    wallets, unusable = await _usable_wallets(config, source.newcomers)
    mover = _Mover(programme, load_texts(programme), bot, config.start_at, wallets, not commit)

    def work(tx: Tx) -> Moved:
        moved = mover.carry_out(tx, source, datetime.now(UTC), [*problems, *unusable])
        if moved.problems:
            raise _Undone(moved)
        return moved

    async with _ledger(config, commit=commit) as database:
        try:
            return await database.transact(work)
        except _Undone as undone:
            return undone.moved


@asynccontextmanager
async def _ledger(config: Config, *, commit: bool) -> AsyncIterator[Database]:
    """Open the ledger as a bot does, or a copy in a private folder: a bot may be running then."""
    data_dir = config.path(config.bot.data_dir)
    if commit:
        database = await open_database(
            data_dir,
            keep_copy=partial(keep_before, data_dir),
            refuse=partial(bot_state.check_kind, rehearsal=config.bot.rehearsal),
        )
        try:
            yield database
        finally:
            await database.aclose()
        return
    with trial_folder() as folder:
        if has_ledger(data_dir):
            copy_ledger(data_dir, folder / LEDGER_FILE, traceless=True)
        database = await open_database(folder)
        try:
            yield database
        finally:
            await database.aclose()


async def _usable_wallets(
    config: Config, newcomers: Sequence[Newcomer]
) -> tuple[dict[str, str], list[str]]:
    """Return the wallets that can be proposed, by `ref`, and a sentence for each written one that can't.

    Whether an address can be paid is found out when its owner sends it.
    """
    read = {one.ref: read_destination(one.wallet) for one in newcomers if one.wallet}
    kinds = await _kinds_of_keys(
        config, {found.value for found in read.values() if found.form is Form.INVOICE_KEY}
    )
    usable = {
        ref: found.value
        for ref, found in read.items()
        if found.form in PAYABLE and kinds.get(found.value, KeyKind.INVOICE) is KeyKind.INVOICE
    }
    problems = [
        f"{one.where}: {plain(one.name)}: the wallet is neither a Lightning address nor an LNURL-pay code nor"
        f" the invoice key of a client's wallet at {config.lnbits.url}."
        for one in newcomers
        if one.wallet and one.has_written and one.ref not in usable
    ]
    return usable, problems


async def _kinds_of_keys(config: Config, keys: Collection[str]) -> dict[str, KeyKind | None]:
    """Ask LNbits what each key may do, None for an unknown one: an admin key must not reach the ledger."""
    kinds: dict[str, KeyKind | None] = {}
    if keys:
        async with build_wallet(config, os.environ) as wallet:
            for key in keys:
                try:
                    kinds[key] = await wallet.identify(key)
                except (DestinationRefused, LnbitsRefused):
                    kinds[key] = None
    return kinds


@dataclass(frozen=True, slots=True)
class _Mover:
    """Carries an import out in a transaction."""

    programme: Programme
    texts: Texts
    bot_pubkey: str
    configured_start: datetime | None
    wallets: Mapping[str, str]
    is_trial: bool

    def carry_out(self, tx: Tx, source: Source, now: datetime, problems: list[str]) -> Moved:
        """Import a source; `problems` gets a sentence for each client who can't be added.

        Raise DcaBotError if nothing can be imported.
        """
        bot_state.keep_currency(tx, self.programme.currency)
        bot_state.keep_kind(tx, rehearsal=self.programme.is_rehearsal, now=now)
        self._refuse_doubted(tx, now)
        self._refuse_restored(tx)
        processed = source.cash_outs.processed if source.cash_outs else frozenset()
        before = imports.imported_before(tx, source.id, processed)
        if before is not None:
            raise DcaBotError(
                f"This was imported on {before:%Y-%m-%d at %H:%M} UTC already: each source is imported once."
                " Give a client further cash with: deposit NAME AMOUNT"
            )
        start_at = None
        if source.cash_outs is not None:
            start_at = start.begin_with_import(tx, min(source.cash_outs.start_at, now))
            start.refuse_later(self.configured_start, start_at)
        both = imports.add(tx, source.id, source.kind, processed, now=now)
        notices = Notices(self.programme, self.texts, npub)
        for one in source.newcomers:
            try:
                client = self._add(tx, one, now)
            except CommandRefused as refused:
                said = self.texts.render(refused.say, FALLBACK)
                problems.append(f"{one.where}: {plain(one.name) or 'a client'}: {said}")
            else:
                wallet = self.wallets.get(one.ref, "")
                notices.clients.moved_in(tx, client, one.opening, now, wallet=wallet)
        if not self.programme.is_rehearsal:
            balance = Fiat(sum(one.opening.minor for one in source.newcomers))
            told = Say("notice.moved_in", n=len(source.newcomers), balance=balance)
            notices.tell_operators(tx, told, now)
        if audit_ledger(tx).findings:
            raise DcaBotError("The ledger would not add up, so nothing is imported: dca-bot audit")
        return Moved(self.wallets, both, start_at, problems)

    def _refuse_doubted(self, tx: Tx, now: datetime) -> None:
        """Raise DcaBotError if the clock shows a time before the ledger's newest: the import has a time."""
        shown = clock.shown_at(tx)
        if clock.is_doubted(tx) or (shown is not None and shown > now):
            raise DcaBotError(
                "The clock of this computer is behind the ledger. Set it, then import."
            )
        clock.see(tx, now)

    def _refuse_restored(self, tx: Tx) -> None:
        """Raise DcaBotError for a restored ledger that was not compared with LNbits since.

        The ledger that was lost may have imported the same, and paid from it. Polls follow the comparison. A
        trial is always made on a copy.
        """
        restored = bot_state.moment(tx, bot_state.RESTORED_AT)
        polled = bot_state.moment(tx, bot_state.LAST_POLL_AT)
        is_copy = not self.is_trial and bot_state.get(tx, bot_state.COPIED) is not None
        if is_copy or (restored is not None and (polled is None or polled < restored)):
            raise DcaBotError(
                "This ledger was put back from a copy, and may lack an import and payments. Start the bot on"
                " it, send resume all, and import once status shows a reading of Lamassu."
            )

    def _add(self, tx: Tx, one: Newcomer, now: datetime) -> Client:
        """Add a client with the opening balance; raise CommandRefused for a taken name or key."""
        client = admit(
            tx,
            read_new_name(one.name, COMMAND_WORDS),
            self._free_pubkey(tx, one.npub),
            hints=relay_hints(one.npub),
            language=self.programme.language,
            now=now,
        )
        clients.set_mode(tx, client.id, one.mode)
        clients.set_fixed_limit(tx, client.id, one.limit_minor)
        if one.is_paused:
            clients.set_state(tx, client, ClientState.PAUSED)
        if self.programme.is_rehearsal and one.ref in self.wallets:
            # Nobody is asked in a rehearsal, and nothing is paid: without wallets nobody gets a share.
            clients.set_destination(tx, client.id, _destination(self.wallets[one.ref]))
        self._open(tx, client, one.opening, now)
        return clients.by_id(tx, client.id)

    def _free_pubkey(self, tx: Tx, typed: str) -> str:
        try:
            pubkey = parse_public_key(typed)
        except KeyRefused:
            raise refuse("wrong.npub") from None
        operators = self.programme.operators
        return refuse_taken_pubkey(tx, pubkey, operators=operators, bot_pubkey=self.bot_pubkey)

    def _open(self, tx: Tx, client: Client, opening: Opening, now: datetime) -> None:
        """Record the opening balance, which counts from now on, and the pending deposits.

        The machine of the cash is not known: `cash count` finds it.
        """
        note = self.texts.render(Say("welcome.opening_note"), self.programme.language)
        add = partial(deposits.add, tx, client.id, note=note, now=now)
        for minor in opening.pending_minor:
            add(amount_minor=minor)
        if opening.minor:
            deposit = add(amount_minor=opening.minor)
            deposits.confirm(tx, deposit, machine=None, now=now)


def _destination(wallet: str) -> Destination:
    kinds = {Form.INVOICE_KEY: INVOICE_KEY, Form.ADDRESS: ADDRESS, Form.LNURL: LNURL}
    return Destination(kinds[read_destination(wallet).form], wallet)


def shown(one: Newcomer) -> str:
    """Return a client's name with the beginning of the npub, and of nothing else: it may be a secret."""
    name = plain(one.name)
    return f"{name} ({short_npub(one.npub)})" if is_npub(one.npub) else name


def plain(name: str) -> str:
    """Return a name of another programme as it can be shown within a line."""
    return on_one_line(name, _NAME_CHARS_MAX)
