"""Subscriptions at one relay (NIP-01), without I/O: the bot's inbox, pages of stored events, queries.

Every subscription goes through

    waiting ──EOSE──▶ live ──CLOSED──▶ closed ──wake-up or authentication──▶ waiting

The inbox is asked for again after every CLOSED, for as long as the connection lives.
"""

from dataclasses import dataclass
from enum import Enum, auto
from random import Random

from dca_bot.nostr import frames
from dca_bot.nostr.actions import Action, Deliver, Drop, Queried, Send, StoredRead, WakeIn
from dca_bot.nostr.dm import KINDS
from dca_bot.nostr.events import Event
from dca_bot.nostr.paging import Paging

LOOKBACK_S = 2 * 24 * 3600 + 3600  # wraps are dated up to 2 days back; an hour for wrong clocks
STORED_LIMIT_S = 30
_INBOX = "inbox"
_PAGE = "page"
_BACKOFF_S_MAX = 300
_STEADY_S = 60
_TRIES_MAX = 3
_QUERY_EVENTS_MAX = 20


class _State(Enum):
    WAITING = auto()
    LIVE = auto()
    CLOSED = auto()


@dataclass(slots=True)
class _Subscription:
    """`turn` counts the changes of state: a wake-up with an earlier `turn` comes too late."""

    filter: frames.Filter
    state: _State = _State.CLOSED
    turn: int = 0
    live_at_s: int = 0
    failures: int = 0
    wants_auth: bool = False
    events: tuple[Event, ...] = ()

    def become(self, state: _State) -> None:
        self.state = state
        self.turn += 1


class Subscriptions:
    """The state of one connection's subscriptions; methods append to `actions` for the shell.

    `since`: the time (seconds, NIP-01) from which the bot's inbox is read; None reads no inbox.
    """

    def __init__(
        self, pubkey: str, random: Random, actions: list[Action], *, since: int | None
    ) -> None:
        self._pubkey = pubkey
        self._random = random
        self._actions = actions
        self._since = since
        self._paging: Paging | None = None
        self._stored_read = False
        self._subscriptions: dict[str, _Subscription] = {}
        self._count = 0

    @property
    def listening(self) -> bool:
        """Tell whether the inbox is live: the relay passes new events on."""
        inbox = self._subscriptions.get(_INBOX)
        return inbox is not None and inbox.state is _State.LIVE

    @property
    def up_to_date(self) -> bool:
        """Tell whether all stored events of the inbox were delivered and the inbox is live."""
        return self._stored_read and self.listening

    def start(self) -> None:
        """Ask for the inbox, if one is read here."""
        if self._since is not None:
            self._read_inbox(self._since)

    def query(self, wanted: frames.Filter) -> str:
        """Ask once for stored events; return the name that the action Queried will carry."""
        return self._subscribe("query", wanted)

    def on_event(self, frame: frames.EventFrame) -> None:
        """Deliver an event of the inbox; keep an event of a query until the query ends."""
        found = self._subscriptions.get(frame.subscription)
        if found is None:
            return
        if not frame.subscription.startswith((_INBOX, _PAGE)):
            # A relay may send more events than the filter's limit.
            found.events = (*found.events, frame.event)[:_QUERY_EVENTS_MAX]
            return
        if self._paging is not None and found.state is _State.WAITING:
            self._paging.observe(frame.event)
        self._actions.append(Deliver(frame.event))

    def on_end_of_stored(self, name: str, now_s: int) -> None:
        """End a query or a page; the inbox becomes live, and its first page ends."""
        found = self._subscriptions.get(name)
        if found is None or found.state is not _State.WAITING:
            return
        if name == _INBOX:
            found.become(_State.LIVE)
            found.live_at_s = now_s
            self._turn_page()
        elif name.startswith(_PAGE):
            self._end(name)
            self._turn_page()
        else:
            self._end_query(name, complete=True)

    def on_closed(self, name: str, now_s: int, *, wants_auth: bool) -> None:
        """Ask again later, after a growing, jittered delay; give a page or query up after three tries."""
        found = self._subscriptions.get(name)
        if found is None or found.state is _State.CLOSED:
            return
        steady = found.state is _State.LIVE and now_s - found.live_at_s >= _STEADY_S
        found.become(_State.CLOSED)
        # The delays begin anew for a subscription that was live for a while.
        found.failures = 1 if steady else found.failures + 1
        found.wants_auth = wants_auth
        if name == _INBOX:
            self._inbox_closed(found, now_s)
        if name == _INBOX or found.failures < _TRIES_MAX:
            delay_s = min(_BACKOFF_S_MAX, 2**found.failures) * self._random.uniform(0.5, 1)
            self._actions.append(WakeIn(delay_s, name, found.turn))
        elif name.startswith(_PAGE):
            self._end(name)
            self._end_paging(complete=False)
        else:
            self._end_query(name, complete=False)

    def on_authenticated(self) -> None:
        """Ask again for every subscription that the relay closed for want of authentication."""
        for name, subscription in list(self._subscriptions.items()):
            if subscription.wants_auth and subscription.state is _State.CLOSED:
                self._reopen(name)

    def wake(self, name: str, turn: int, now_s: int) -> None:
        """Reopen a closed subscription, or close one that the relay never answered.

        A `turn` that is no longer the subscription's changes nothing.
        """
        found = self._subscriptions.get(name)
        if found is None or found.turn != turn:
            return
        if found.state is _State.CLOSED:
            self._reopen(name)
        elif found.state is _State.WAITING:
            self.on_closed(name, now_s, wants_auth=False)

    def _read_inbox(self, since: int) -> None:
        """Ask for the inbox from `since` on; stored events that come with it are the first page."""
        self._paging = Paging({"kinds": list(KINDS), "#p": [self._pubkey]}, since)
        inbox = self._subscriptions.setdefault(_INBOX, _Subscription({}))
        inbox.filter = self._paging.filter()
        self._open(_INBOX)

    def _subscribe(self, purpose: str, wanted: frames.Filter) -> str:
        self._count += 1
        name = f"{purpose}-{self._count}"
        self._subscriptions[name] = _Subscription(wanted)
        self._open(name)
        return name

    def _open(self, name: str) -> None:
        subscription = self._subscriptions[name]
        subscription.become(_State.WAITING)
        self._send(frames.request_frame(name, subscription.filter))
        # A relay may never send EOSE.
        self._actions.append(WakeIn(STORED_LIMIT_S, name, subscription.turn))

    def _reopen(self, name: str) -> None:
        if name == _INBOX and self._since is not None:
            self._read_inbox(self._since)
        else:
            self._open(name)

    def _end(self, name: str) -> None:
        self._send(frames.close_frame(name))
        del self._subscriptions[name]

    def _turn_page(self) -> None:
        if self._paging is None:
            return
        if self._paging.turn():
            self._subscribe(_PAGE, self._paging.filter())
        else:
            self._end_paging(complete=True)

    def _end_paging(self, *, complete: bool) -> None:
        self._paging = None
        self._stored_read = complete
        self._actions.append(StoredRead(complete))

    def _end_query(self, name: str, *, complete: bool) -> None:
        events = self._subscriptions[name].events
        self._end(name)
        self._actions.append(Queried(name, events, complete))

    def _inbox_closed(self, inbox: _Subscription, now_s: int) -> None:
        """Prepare to read the inbox again from before the interruption: wraps are dated back."""
        # Pages belong to the inbox that was closed; the new inbox begins with a first page.
        for name in [name for name in self._subscriptions if name.startswith(_PAGE)]:
            self._end(name)
        self._paging = None
        if self._stored_read:
            self._since = now_s - LOOKBACK_S
            self._stored_read = False
        if inbox.wants_auth and inbox.failures > _TRIES_MAX:
            self._actions.append(Drop("the relay keeps asking for authentication"))

    def _send(self, text: str) -> None:
        self._actions.append(Send(text))
