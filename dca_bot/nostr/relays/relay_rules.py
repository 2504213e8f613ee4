"""Makes events by the rules of a relay, and learns the rules from the relay's refusals."""

from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field

from dca_bot.nostr.events import Event
from dca_bot.nostr.relays.proof_of_work import bits_asked
from dca_bot.nostr.relays.relay_habits import RelayHabits
from dca_bot.nostr.relays.sealing import Sealer


@dataclass(frozen=True, slots=True)
class RelayRules:
    """The rules of a relay; without a `sealer` no event is made anew."""

    sealer: Sealer | None = None
    habits: RelayHabits = field(default_factory=RelayHabits)

    async def fit(self, event: Event) -> Event:
        """Return an event as the relay takes events; unchanged if that is impossible, or takes too long."""
        if self.sealer is None:
            return event
        return await self.sealer.fit(event, self.habits) or event

    async def refit(
        self, event: Event, words: str, read_work: Callable[[], Awaitable[int]]
    ) -> Event | None:
        """Learn from the words of a refusal, and make the event anew; None if that is of no use.

        `read_work`: reads how much work the relay's document names, for a refusal that names none.
        """
        is_untold = self.sealer is not None and words.startswith("pow:") and not bits_asked(words)
        told_bits = await read_work() if is_untold and not self.habits.pow_bits else 0
        self.habits.learn(words, told_bits)
        fitted = await self.fit(event)
        return None if fitted is event else fitted
