"""A person's end of a conversation with the bot: sends direct messages and reads the answers.

A profile is published only if a name is given: the person's key may be in use elsewhere.
"""

from collections.abc import AsyncIterator, Sequence
from datetime import UTC, datetime
from secrets import SystemRandom

from dca_bot.core.ports import (
    Clock,
    DmProtocol,
    IncomingMessage,
    OutgoingMessage,
    SoughtPerson,
)
from dca_bot.core.relay_lists import RelayList, RelayListKind
from dca_bot.core.relay_state import RelayState
from dca_bot.core.relay_urls import normalize
from dca_bot.nostr.announcement.presence import Presence
from dca_bot.nostr.keys import SecretKey
from dca_bot.nostr.pool import NostrMessenger


class DmClient:
    """One key that talks with `other` (public key in hex) over some relays, while `run` runs.

    With a `name`, profile and inbox relays are published, as apps do.
    """

    def __init__(
        self,
        key: SecretKey,
        other: str,
        relays: Sequence[str],
        clock: Clock,
        *,
        protocol: DmProtocol,
        name: str | None = None,
    ) -> None:
        self._key = key
        self._other = other
        self._relays = tuple(relays)
        self._clock = clock
        self._protocol = protocol
        presence = None if name is None else Presence(first_profile={"name": name})
        self._messenger = NostrMessenger(
            key, relays, clock, random=SystemRandom(), presence=presence
        )
        self._last_s = 0
        self._seen: set[str] = set()

    async def run(self) -> None:
        """Keep the relays connected until cancelled."""
        await self._messenger.run()

    def relay_states(self) -> tuple[RelayState, ...]:
        """Return the state of each relay."""
        return self._messenger.relay_states()

    def connected(self) -> int:
        """Return how many relays pass on new messages."""
        return self._messenger.connected()

    def compose(self, text: str) -> OutgoingMessage:
        """Make a message, dated at least a second after the previous message."""
        # Two equal texts of one second would be one message: NIP-17's rumor would be the same.
        self._last_s = max(int(self._clock.now().timestamp()), self._last_s + 1)
        written_at = datetime.fromtimestamp(self._last_s, UTC)
        return OutgoingMessage(self._other, text, written_at, self._protocol)

    async def send(self, message: OutgoingMessage) -> bool:
        """Send a message; False if no relay accepted the event. The same message can be sent again."""
        return await self._messenger.publish(self._messenger.seal(message), self._relays)

    async def received(self) -> AsyncIterator[IncomingMessage]:
        """Yield the messages of `other`, each once; messages that relays had stored come first."""
        async for message in self._messenger.incoming():
            if message.sender == self._other and message.id not in self._seen:
                self._seen.add(message.id)
                yield message

    async def answered_elsewhere(self) -> tuple[str, ...]:
        """Return the relays of this key's inbox list if `run` reads none of the relays listed.

        The bot answers at the inbox relays (kind 10050), so the answers would not be seen here.
        """
        if self._protocol is not DmProtocol.NIP17:
            return ()
        inbox: dict[int, tuple[str, ...]] = {}

        async def note(found: RelayList) -> None:
            if found.kind is RelayListKind.INBOX:
                inbox[found.created_at] = found.relays

        await self._messenger.look_up([SoughtPerson(self._key.public_key)], note)
        listed = inbox[max(inbox)] if inbox else ()
        read = {normalize(state.url) for state in self.relay_states()}
        return () if read & set(listed) else listed
