"""What the conversation needs of the world outside it; everything is handed in."""

import random
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import datetime

from dca_bot.core.ports import Addresses, Clock, Wallet
from dca_bot.ledger.database import Database


@dataclass(frozen=True, slots=True)
class PartState:
    """Whether an outside part (Lamassu, LNbits, the relays) is in reach, and since when that is so."""

    name: str
    reachable: bool
    since: datetime


@dataclass(frozen=True, slots=True)
class Desk:
    """The ports and calls that commands use.

    `parse_public_key` reads an npub or hex and raises DcaBotError or ValueError; `npub` writes one.
    `poll_now`, `wake_payouts` and `wake_mail` only set a signal, in the event loop's thread.
    """

    database: Database
    clock: Clock
    chance: random.Random
    wallet: Wallet
    addresses: Addresses
    parse_public_key: Callable[[str], str]
    npub: Callable[[str], str]
    currency: str
    poll_now: Callable[[], None]
    wake_payouts: Callable[[], None]
    wake_mail: Callable[[], None]
    parts: Callable[[], Sequence[PartState]]
