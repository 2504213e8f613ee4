"""Walks back through a relay's stored events, page by page, under any silent cap of the relay.

`until` (NIP-01) is inclusive, and a page may end in the middle of a second. So each page asks again
for the second where the previous page ended; a page without a new event moves on to the second
before.
"""

from dca_bot.nostr.events import Event
from dca_bot.nostr.relays.frames import Filter

_PAGE_EVENTS = 500
PAGES_MAX = 2_000
_EVENTS_MAX = 20_000


class Paging:
    """A walk from now back to `since` (seconds), bounded in pages and memory.

    while relay has more:
        send filter() … observe(event) for each event … at EOSE: turn()
    """

    def __init__(self, base: Filter, since: int) -> None:
        self._base = base
        self._since = since
        self._until: int | None = None
        self._known: frozenset[str] = frozenset()
        self._page: dict[str, int] = {}
        self._pages = 0

    @property
    def pages(self) -> int:
        """Return how many pages have ended."""
        return self._pages

    def filter(self) -> Filter:
        """Return the filter (NIP-01) for the present page; the first page has no `until`."""
        bounds = {"since": self._since, "limit": _PAGE_EVENTS}
        if self._until is not None:
            bounds["until"] = self._until
        return {**self._base, **bounds}

    def observe(self, event: Event) -> None:
        """Note an event of the present page; an event outside the filter's times doesn't count."""
        too_new = self._until is not None and event.created_at > self._until
        if event.created_at >= self._since and not too_new and len(self._page) < _EVENTS_MAX:
            self._page[event.id] = event.created_at

    def turn(self) -> bool:
        """End the present page; False when nothing older is left to ask for."""
        page, self._page = self._page, {}
        self._pages += 1
        if not page or self._pages >= PAGES_MAX:
            return False
        oldest = min(page.values())
        if page.keys() <= self._known:
            self._until, self._known = oldest - 1, frozenset()
        else:
            known = self._known if oldest == self._until else frozenset()
            self._known = known | {key for key, at in page.items() if at == oldest}
            self._until = oldest
        return self._until >= self._since
