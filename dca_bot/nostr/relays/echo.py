"""Measures whether a relay passes messages on: after a while of silence the bot writes to itself.

A relay can accept everything, answer pings and subscriptions, and pass nothing on. The message goes to this
relay alone, has no text, expires at once (NIP-40), and never gets further than the receiver. Any other new
message with a right signature proves as much: a relay with traffic isn't written to.
"""

from datetime import datetime, timedelta

from dca_bot.core.delivery import Undelivered
from dca_bot.core.ports import Clock, DmProtocol, OutgoingMessage
from dca_bot.nostr.events import Event
from dca_bot.nostr.relays.relay import Relay
from dca_bot.nostr.relays.sealing import Sealer

BACK_WITHIN_S = 40
"""A relay that passes nothing on by itself, but is known for that, is asked every 30 seconds or so."""
_EVERY_S_MAX = 3_600


class Echo:
    """The measurer of one relay; `every_s`: the silence after which the bot, `pubkey`, writes to itself."""

    def __init__(
        self, relay: Relay, pubkey: str, sealer: Sealer, clock: Clock, *, every_s: float
    ) -> None:
        self._relay = relay
        self._pubkey = pubkey
        self._sealer = sealer
        self._clock = clock
        self._every_s = self._pause_s = every_s
        self._heard_at = clock.now()
        self._expiration: tuple[str, ...] = ()

    def note(self, event: Event, *, is_stored: bool) -> None:
        """Note a genuine event that the relay has passed on.

        Of stored events only the bot's own newest message counts, once. That message may have been
        made anew for the relay (`relay_rules`): the expiration stays.
        """
        is_echo = bool(self._expiration) and event.values("expiration") == self._expiration
        if not is_stored or is_echo:
            self._expiration = ()
            self._heard_at = self._clock.now()
            self._relay.note_deaf(is_deaf=False)

    async def run(self) -> None:
        """Measure whenever the relay has been silent for long, until cancelled."""
        while True:
            await self._clock.sleep(self._left_s() or self._pause_s)
            if self._relay.is_live and not self._left_s():
                await self._measure()

    def _left_s(self) -> float:
        """Return how long the silence must still last; 0 for a silence that is long enough."""
        left = self._heard_at + timedelta(seconds=self._every_s) - self._clock.now()
        return min(max(left.total_seconds(), 0), self._every_s)

    async def _measure(self) -> None:
        """Write to the bot, and note a relay as deaf that has passed nothing on by the end of the wait."""
        asked_at = self._clock.now()
        answer = await self._relay.publish(self._write(asked_at))
        if answer.reason is Undelivered.REFUSED:
            # Nothing is measured: the relay may take other people's messages.
            self._pause_s = min(self._pause_s * 2, _EVERY_S_MAX)
            return
        self._pause_s = self._every_s
        await self._clock.sleep(BACK_WITHIN_S)
        if self._relay.is_live and self._heard_at < asked_at:
            self._relay.note_deaf(is_deaf=True)

    def _write(self, now: datetime) -> Event:
        message = OutgoingMessage(self._pubkey, "", now, DmProtocol.NIP17, expires_at=now)
        event = self._sealer.seal(message)
        self._expiration = event.values("expiration")
        return event
