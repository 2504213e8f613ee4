"""The ports and calls that commands use; all are handed in."""

from collections.abc import Awaitable, Callable, Mapping, Sequence
from contextlib import AbstractAsyncContextManager
from dataclasses import dataclass
from pathlib import Path
from random import Random

from dca_bot.core.ports import Addresses, Clock, SoughtPerson, Wallet
from dca_bot.core.reach import Reach
from dca_bot.core.relay_state import RelayState
from dca_bot.ledger.audit.audit import LedgerAudit
from dca_bot.ledger.store.database import Database


async def _no_names(_pubkeys: Sequence[str]) -> Mapping[str, str]:
    return {}


async def _no_address(_person: SoughtPerson) -> str:
    return ""


def _nothing() -> None:
    pass


@dataclass(frozen=True, slots=True)
class Services:
    """The ports and calls that commands use.

    `parse_npub` reads an npub or nprofile and raises DcaBotError or ValueError; `npub` writes an npub.
    `relay_hints` returns the relays that an nprofile names.
    `export_tables` writes the bookkeeper's files and returns their folder, or raises LedgerError.
    `audit_ledger` proves the whole ledger, beside everything else. `reading_database` opens the ledger once
    more, for long reads.
    `poll_now`, `wake_payouts`, `wake_outbox` and `wake_files` only set a signal, in the event loop's thread.
    `is_reconciled`: the ledger was compared with LNbits since the start.
    `parts`: the reach of the outside parts. `relays`: the state of each of the bot's relays.
    `profile_names`: the names in people's Nostr profiles, by pubkey, as far as relays tell them.
    `profile_address`: the text that a person's Nostr profile gives as Lightning address; empty if not found.
    `answer_limit_s`: how long a command waits for LNbits.
    `bot_name`: tells this bot from a bot on a copy of the ledger. `bot_pubkey`: the bot's Nostr key.
    """

    database: Database
    clock: Clock
    random: Random
    wallet: Wallet
    addresses: Addresses
    parse_npub: Callable[[str], str]
    npub: Callable[[str], str]
    relay_hints: Callable[[str], Sequence[str]]
    export_tables: Callable[[], Awaitable[Path]]
    audit_ledger: Callable[[], Awaitable[LedgerAudit]]
    reading_database: Callable[[], AbstractAsyncContextManager[Database]]
    poll_now: Callable[[], None]
    wake_payouts: Callable[[], None]
    wake_outbox: Callable[[], None]
    is_reconciled: Callable[[], bool]
    currency: str
    parts: Callable[[], Sequence[Reach]]
    relays: Callable[[], Sequence[RelayState]]
    answer_limit_s: float = 10
    bot_name: str = ""
    bot_pubkey: str = ""
    profile_names: Callable[[Sequence[str]], Awaitable[Mapping[str, str]]] = _no_names
    wake_files: Callable[[], None] = _nothing
    profile_address: Callable[[SoughtPerson], Awaitable[str]] = _no_address
