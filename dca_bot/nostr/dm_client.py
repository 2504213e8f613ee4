"""Somebody who writes to one other and reads what that one writes back; no bot, but a person's app.

Nothing of the person's profile is published unless a name is given: the key may be in use elsewhere.
"""

from collections.abc import AsyncIterator, Sequence
from datetime import UTC, datetime
from secrets import SystemRandom

from dca_bot.core.ports import Clock, DmProtocol, IncomingMessage, OutgoingMessage
from dca_bot.nostr.keys import SecretKey
from dca_bot.nostr.pool import NostrMessenger
from dca_bot.nostr.relay import RelayState


class Correspondent:
    """One key that talks with `other` (hex) over some relays, in one protocol; works while `run` runs.

    With a `name` the profile and the inbox relays are published, as apps do.
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
        self._messenger = NostrMessenger(key, relays, clock, random=SystemRandom(), name=name)
        self._last_s = 0
        self._seen: set[str] = set()

    async def run(self) -> None:
        """Keep the relays connected until cancelled."""
        await self._messenger.run()

    def relay_states(self) -> tuple[RelayState, ...]:
        """Return how each relay is doing."""
        return self._messenger.relay_states()

    def connected(self) -> int:
        """Return how many relays pass on what the other writes."""
        return self._messenger.connected()

    def compose(self, text: str) -> OutgoingMessage:
        """Make a message; two of them never share a second, as equal ones would be one message."""
        self._last_s = max(int(self._clock.now().timestamp()), self._last_s + 1)
        written_at = datetime.fromtimestamp(self._last_s, UTC)
        return OutgoingMessage(self._other, text, written_at, self._protocol)

    async def send(self, message: OutgoingMessage) -> bool:
        """Send a message; False if no relay took it. The same one can be sent again."""
        return await self._messenger.publish(self._messenger.seal(message), self._relays)

    async def received(self) -> AsyncIterator[IncomingMessage]:
        """Yield what the other writes, each message once; what relays had stored comes first."""
        async for message in self._messenger.incoming():
            if message.sender == self._other and message.id not in self._seen:
                self._seen.add(message.id)
                yield message

    async def answered_elsewhere(self) -> tuple[str, ...]:
        """Return the relays of this key's inbox list if answers go there and nowhere we read."""
        if self._protocol is not DmProtocol.NIP17:
            return ()
        inbox = await self._messenger.inbox_relays(self._key.public_key)
        read = {state.url for state in self.relay_states()}
        return () if read & set(inbox) else inbox
