"""People who have no account: they command the bot as if they had one, and send messages in others' names."""

from dataclasses import dataclass

from simulation.people import Person

_COMMANDS = (
    "balance",
    "clients",
    "deposit saver0 5000",
    "deposit confirm 1",
    "hold accept 1",
    "pause all",
    "payouts",
    "resume all",
    "withdraw saver1 50",
)


@dataclass
class Stranger(Person):
    """A stranger; `names`: the public keys in whose names the stranger writes."""

    names: tuple[str, ...] = ()

    def act(self) -> None:
        """Write something that only an operator or a client may write."""
        text = self.random.choice(_COMMANDS)
        if self.names and self.random.random() < 0.5:
            self.relays.forge(self.key, self.random.choice(self.names), text)
        else:
            self.write(text)
