"""Reads the bot's stored messages at a relay, page by page, without I/O."""

from dca_bot.nostr.dm import KINDS
from dca_bot.nostr.events import Event
from dca_bot.nostr.relays.actions import Action, StoredBegins, StoredRead
from dca_bot.nostr.relays.errands import TRIES_MAX, End
from dca_bot.nostr.relays.frames import Filter
from dca_bot.nostr.relays.paging import Paging

LOOKBACK_S = 2 * 24 * 3600 + 3600  # wraps are dated up to 2 days back; an hour for wrong clocks


class InboxReading:
    """The readings of one connection; each begins with `begin`, and goes on with `turn` after each page.

    `since`: the time (seconds, NIP-01) from which the stored messages are read. `pages`, `is_complete`: how
    many pages the last reading had, and whether all stored messages were delivered. `has_delivered`: the
    present reading has found a message.
    """

    def __init__(self, pubkey: str, since: int, actions: list[Action]) -> None:
        self.pages = 0
        self.is_complete = False
        self.has_delivered = False
        self._filter = {"kinds": list(KINDS), "#p": [pubkey]}
        self._pubkey = pubkey
        self._since = since
        self._since_when_read: int | None = None
        self._actions = actions
        self._paging: Paging | None = None
        self._refusals = 0

    @property
    def is_under_way(self) -> bool:
        """Tell whether pages are still to come."""
        return self._paging is not None

    def begin(self) -> Filter:
        """Begin a reading, and return the filter of the first page; the filter has no end in time."""
        self._paging = Paging(self._filter, self._since)
        self._actions.append(StoredBegins())
        return self._paging.filter()

    def live_filter(self) -> Filter:
        """Return a filter for new messages, beside the filter of a page or query."""
        # No filter may carry `"limit": 0`: relays differ in the meaning.
        return {**self._filter, "since": self._since, "limit": 1}

    def observe(self, event: Event) -> None:
        """Note a stored event of the present page."""
        self.has_delivered = True
        if self._paging is not None:
            self._paging.observe(event)

    def turn(self, end: End) -> Filter | None:
        """End the present page, and return the filter of the next; None at the end of the reading."""
        paging = self._paging
        if paging is None:
            return None
        if end not in (End.DONE, End.SILENCE):
            self._end(paging, complete=False)
        elif not paging.turn():
            self._end(paging, complete=True)
        elif self._refusals >= TRIES_MAX - 1:
            self._end(paging, complete=False)
        else:
            return paging.filter()
        return None

    def refuse(self) -> None:
        """Note that the relay refused a page in the inbox's subscription; further pages are given up soon."""
        self._refusals += 1

    @property
    def was_refused(self) -> bool:
        """Tell whether the relay has refused a page in the inbox's subscription."""
        return self._refusals > 0

    def drop(self) -> None:
        """End the reading early; messages that were delivered are not held back."""
        if self._paging is not None and self.has_delivered:
            self._end(self._paging, complete=False)
        self._paging = None

    def next_from(self, now_s: int, *, when_read: bool = False) -> None:
        """Have the next reading begin LOOKBACK_S before a time until when all messages were received.

        `when_read`: only if the present reading ends complete.
        """
        if when_read:
            self._since_when_read = now_s - LOOKBACK_S
        else:
            self._since = now_s - LOOKBACK_S

    def is_message(self, event: Event) -> bool:
        """Tell whether an event is for the bot's inbox."""
        return event.kind in KINDS and self._pubkey in event.values("p")

    def _end(self, paging: Paging, *, complete: bool) -> None:
        self.pages, self._paging, self.is_complete = paging.pages, None, complete
        if complete:
            self._since = self._since_when_read or self._since
        self._since_when_read = None
        self.has_delivered = False
        self._actions.append(StoredRead(complete))
