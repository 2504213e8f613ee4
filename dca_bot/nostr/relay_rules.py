"""Makes events as one relay takes them, and learns the relay's rules from refusals."""

from dataclasses import dataclass, field

from dca_bot.nostr.events import Event
from dca_bot.nostr.relay_habits import RelayHabits
from dca_bot.nostr.sealing import Sealer


@dataclass(frozen=True, slots=True)
class RelayRules:
    """The rules of one relay; without a `sealer` no event is made anew."""

    sealer: Sealer | None = None
    habits: RelayHabits = field(default_factory=RelayHabits)

    async def fit(self, event: Event) -> Event:
        """Return an event as the relay takes events; unchanged if that is impossible, or takes too long."""
        if self.sealer is None:
            return event
        return await self.sealer.fit(event, self.habits) or event

    async def refit(self, event: Event, words: str) -> Event | None:
        """Learn from the words of a refusal, and make the event anew; None if that is of no use."""
        self.habits.learn(words)
        fitted = await self.fit(event)
        return None if fitted is event else fitted
