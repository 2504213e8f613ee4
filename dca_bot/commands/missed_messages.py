"""Finds at the relays what was written to the bot since a copy of its ledger, for people to repeat.

Nothing is carried out, and nothing published. Only messages of clients and operators that the ledger knows
count, and of these only what would have changed something.
"""

import asyncio
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from secrets import SystemRandom

from dca_bot.app import past_reading
from dca_bot.chat.understanding.intents import changes
from dca_bot.chat.understanding.reading import understand, vocabulary_of
from dca_bot.config import Config
from dca_bot.core.names import folded, short_npub
from dca_bot.core.ports import Clock, IncomingMessage
from dca_bot.core.secrets import find_secret
from dca_bot.errors import one_line
from dca_bot.ledger.programme import client_names, clients, machines
from dca_bot.ledger.store.database import Database, Tx
from dca_bot.messages.lexicon import LEXICONS
from dca_bot.nostr.keys import SecretKey, npub
from dca_bot.nostr.pool import NostrMessenger

MESSAGES_MAX = 200
"""Of more messages the newest are listed."""
_PHONES_OFF = timedelta(minutes=10)
"""How far a phone's clock may be behind."""
_READ_LIMIT = timedelta(seconds=60)
_QUIET = timedelta(seconds=3)
_LOOK_S = 0.2
_TEXT_CHARS_MAX = 160
_OPERATOR, _CLIENT = "operator", "client"
_CODES = frozenset({"confirm"})


@dataclass(frozen=True, slots=True)
class MissedMessage:
    """A message that was not carried out; `text` is cut short, and without secrets."""

    sent_at: datetime
    who: str
    text: str


@dataclass(frozen=True, slots=True)
class Missed:
    """The messages, the oldest first; `more`: so many older ones are left out.

    `unread`: the relays that could not be read to the end.
    """

    messages: tuple[MissedMessage, ...]
    more: int
    unread: tuple[str, ...]


async def find_missed(
    config: Config,
    database: Database,
    key: SecretKey,
    operators: frozenset[str],
    *,
    made_at: datetime,
    clock: Clock,
) -> Missed:
    """Read the bot's relays from the copy on; `made_at`: when the copy was made.

    Where the copy's clock was ahead, all counts that the relays give: nothing tells since when.
    """
    past = await past_reading(config, database)
    messenger = NostrMessenger(key, config.nostr.relays, clock, past=past, random=SystemRandom())
    found: dict[str, IncomingMessage] = {}
    reading = [asyncio.create_task(one) for one in (messenger.run(), _collect(messenger, found))]
    try:
        unread = await _until_read(messenger, found, clock)
    finally:
        for task in reading:
            task.cancel()
        await asyncio.gather(*reading, return_exceptions=True)
    reader = await database.read(lambda tx: _reader(tx, operators, config.bot.currency))
    since, was_ahead = made_at - _PHONES_OFF, made_at > clock.now()
    written = sorted(
        (one for one in found.values() if was_ahead or one.sent_at >= since),
        key=lambda one: one.sent_at,
    )
    told = [one for one in map(reader.told, written) if one is not None]
    return Missed(tuple(told[-MESSAGES_MAX:]), max(0, len(told) - MESSAGES_MAX), unread)


@dataclass(frozen=True, slots=True)
class _Reader:
    """Tells which messages would have changed something; `people`: the names of clients, by pubkey."""

    operators: frozenset[str]
    people: Mapping[str, str]
    names: frozenset[str]
    machines: frozenset[str]
    currency: str

    def told(self, message: IncomingMessage) -> MissedMessage | None:
        """Return what is told of a message; None for a stranger's, and for what would only have told."""
        if message.sender in self.operators:
            role, who = _OPERATOR, short_npub(npub(message.sender))
        elif message.sender in self.people:
            role, who = _CLIENT, self.people[message.sender]
        else:
            return None
        vocabulary = vocabulary_of(role, LEXICONS, self.currency)
        understood = understand(message.text, vocabulary, self.names, self.machines)
        meant = [one.intent for one in understood.intents]
        if not any(changes(role, name) and name not in _CODES for name in meant):
            return None
        if find_secret(message.text) is not None:
            return MissedMessage(message.sent_at, who, f"{' + '.join(meant)} …")
        text = " / ".join(message.text.split("\n"))
        return MissedMessage(message.sent_at, who, one_line(text)[:_TEXT_CHARS_MAX])


def _reader(tx: Tx, operators: frozenset[str], currency: str) -> _Reader:
    return _Reader(
        operators,
        {client.pubkey: client.name for client in clients.everyone(tx)},
        frozenset(map(folded, client_names.all_names(tx))),
        frozenset(folded(one.name) for one in machines.everything(tx)),
        currency,
    )


async def _collect(messenger: NostrMessenger, found: dict[str, IncomingMessage]) -> None:
    async for message in messenger.incoming():
        found[message.id] = message


async def _until_read(
    messenger: NostrMessenger, found: Mapping[str, IncomingMessage], clock: Clock
) -> tuple[str, ...]:
    """Wait until the relays have given what they had stored; return the relays that have not."""
    until, quiet_since, count = clock.now() + _READ_LIMIT, clock.now(), -1
    while clock.now() < until:
        is_read = all(state.listening for state in messenger.relay_states())
        if len(found) != count or not is_read:
            quiet_since, count = clock.now(), len(found)
        elif clock.now() - quiet_since >= _QUIET:
            break
        await clock.sleep(_LOOK_S)
    return tuple(state.url for state in messenger.relay_states() if not state.listening)
