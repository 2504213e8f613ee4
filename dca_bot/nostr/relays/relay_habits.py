"""The habits of a relay, remembered from connection to connection."""

import re
from dataclasses import dataclass

from dca_bot.nostr.relays.proof_of_work import BITS_MAX, BITS_UNTOLD, bits_asked

# As relays in use word it; NIP-01 gives no prefix of its own to a refused date.
_ABOUT_DATES = re.compile(
    r"created.?at|creation (date|time)|time.?stamp|too (early|late|old|far)|too much in the"
    r"|(in|from) the (past|future)|\bstale\b",
    re.IGNORECASE,
)


@dataclass(slots=True)
class RelayHabits:
    """The peculiarities that a relay has shown.

    `one_subscription`: a second subscription of a connection is refused or ignored. `no_eose`: the end
    of the stored events isn't told. `slow`: the end of the stored events was told, but late.
    `closes_first`: a subscription's name can be used again only after CLOSE. `deaf`: stored messages are
    found that the relay didn't pass on. `large_frames`: the relay holds an event above the usual limit of a
    frame. `pow_bits`: the proof of work that the relay asks for (NIP-13). `dates_now`: the relay refuses
    events that are dated back.
    """

    one_subscription: bool = False
    no_eose: bool = False
    slow: bool = False
    closes_first: bool = False
    deaf: bool = False
    large_frames: bool = False
    pow_bits: int = 0
    dates_now: bool = False

    def learn(self, words: str, told_bits: int = 0) -> bool:
        """Learn from a relay's refusal of an event; True if the event can be made to suit the relay.

        `told_bits`: the work that the relay's own document names, for a refusal that names none.
        """
        if words.startswith("pow:"):
            untold = [bits for bits in BITS_UNTOLD if bits > self.pow_bits]
            asked = bits_asked(words) or told_bits or next(iter(untold), 0)
            if not self.pow_bits < asked <= BITS_MAX:
                return False
            self.pow_bits = asked
            return True
        is_new = not self.dates_now and is_about_dates(words)
        self.dates_now = self.dates_now or is_new
        return is_new


def is_about_dates(words: str) -> bool:
    """Tell whether a relay refuses an event for the event's date.

    >>> is_about_dates("invalid: created_at too early"), is_about_dates("blocked: not on the list")
    (True, False)
    """
    return bool(_ABOUT_DATES.search(words))
