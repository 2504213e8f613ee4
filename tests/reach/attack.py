"""Hostile events: what anybody can send to the bot, by kind of attack; none may make the bot do anything."""

import json
from collections.abc import Callable, Iterator, Sequence
from dataclasses import asdict, dataclass, replace
from datetime import UTC, datetime
from random import Random

from dca_bot.core.ports import DmProtocol, OutgoingMessage
from dca_bot.nostr import dm, giftwrap, nip44
from dca_bot.nostr.events import Event, sign
from dca_bot.nostr.keys import SecretKey, generate

DAY_S = 24 * 3600
HUGE_CHARS = 200_000


@dataclass(frozen=True)
class Attacker:
    """Somebody with many keys who knows the public keys of the bot, the operator and a client.

    `overheard`: genuine events of the operator and the client, as any relay has them.
    """

    random: Random
    bot: str
    operator: str
    client: str
    overheard: Sequence[str]
    keys: Sequence[SecretKey]

    def key(self) -> SecretKey:
        return self.random.choice(self.keys)

    def backdated_s(self) -> int:
        return int(datetime.now(UTC).timestamp()) - self.random.randrange(2 * DAY_S)

    def wrap(self, content: str, *, tags: Sequence[tuple[str, ...]] = ()) -> Event:
        """Sign a gift wrap with any content, as a one-time key does."""
        return sign(
            self.key(),
            kind=giftwrap.KIND_WRAP,
            created_at=self.backdated_s(),
            tags=(("p", self.bot), *tags),
            content=content,
        )

    def sealed(self, payload: str) -> Event:
        """Wrap a text that only the bot can decrypt, so that the bot gets further than the signature."""
        key = self.key()
        shared = nip44.conversation_key(key, self.bot)
        return sign(
            key,
            kind=giftwrap.KIND_WRAP,
            created_at=self.backdated_s(),
            tags=(("p", self.bot),),
            content=nip44.encrypt(payload, shared, self.random.randbytes(32)),
        )


Make = Callable[[Attacker], str]


def forged(attacker: Attacker) -> str:
    """Copy a genuine event with another signature: the id is right, the signature isn't."""
    if attacker.overheard:
        event = json.loads(attacker.random.choice(attacker.overheard))
    else:
        event = json.loads(attacker.wrap("x").to_json())
    event["sig"] = attacker.random.randbytes(64).hex()
    return json.dumps(event)


def garbage(attacker: Attacker) -> str:
    """Sign a wrap that holds nothing."""
    return attacker.wrap(attacker.random.randbytes(300).hex()).to_json()


def no_seal(attacker: Attacker) -> str:
    """Encrypt for the bot what is no seal."""
    return attacker.sealed("pause all" * attacker.random.randint(1, 50)).to_json()


def impersonating_seal(attacker: Attacker) -> str:
    """Claim a seal of the operator's, signed by somebody else."""
    seal = attacker.wrap("pause all")
    claimed = replace(seal, kind=13, pubkey=attacker.operator, tags=())
    return attacker.sealed(replace(claimed, id=claimed.body.id).to_json()).to_json()


def impersonating_rumor(attacker: Attacker) -> str:
    """Seal with an own key a command that claims to be the operator's or a client's."""
    author = attacker.random.choice((attacker.operator, attacker.client))
    now_s = int(datetime.now(UTC).timestamp())
    rumor = giftwrap.make_rumor(author, attacker.bot, "pause all", now_s)
    key = attacker.key()
    shared = nip44.conversation_key(key, attacker.bot)
    text = json.dumps({"id": rumor.id} | asdict(rumor))
    content = nip44.encrypt(text, shared, attacker.random.randbytes(32))
    seal = sign(key, kind=13, created_at=now_s, tags=(), content=content)
    return attacker.sealed(seal.to_json()).to_json()


def replay(attacker: Attacker) -> str:
    """Send a genuine event once more."""
    if not attacker.overheard:
        return garbage(attacker)
    return attacker.random.choice(attacker.overheard)


def huge(attacker: Attacker) -> str:
    return attacker.wrap("A" * HUGE_CHARS).to_json()


def stranger(attacker: Attacker) -> str:
    """Write the bot a genuine message from a key that nobody knows, over either protocol."""
    protocol = attacker.random.choice(tuple(DmProtocol))
    now = datetime.now(UTC)
    text = attacker.random.choice(("help", "pause all", "resume all", "audit", "client add me"))
    message = OutgoingMessage(attacker.bot, text, now, protocol)
    return dm.seal_message(
        message, generate(attacker.random), now=now, random=attacker.random
    ).to_json()


def malformed(attacker: Attacker) -> str:
    """Send JSON that is no event."""
    event = json.loads(attacker.wrap("x").to_json())
    event[attacker.random.choice(list(event))] = attacker.random.choice((None, -1, "", [[]], {}))
    return json.dumps(event)


MIX: dict[Make, int] = {
    forged: 25,
    garbage: 20,
    no_seal: 8,
    impersonating_seal: 8,
    impersonating_rumor: 8,
    replay: 15,
    huge: 1,
    stranger: 10,
    malformed: 5,
}
"""How many of a hundred hostile events are of each kind."""


def hostile_events(attacker: Attacker, count: int) -> Iterator[tuple[str, str]]:
    """Yield (kind of attack, event as JSON)."""
    makers = attacker.random.choices(list(MIX), weights=list(MIX.values()), k=count)
    for make in makers:
        yield make.__name__, make(attacker)
