"""The client's side of one relay connection, without I/O.

Frames and wake-ups go in, actions come out; the shell in `relay` performs them. Every subscription
goes through

    waiting ──EOSE──▶ live ──CLOSED──▶ closed ──wake-up or authentication──▶ waiting

and the bot's own mail is asked for again after any CLOSED, for as long as the connection lives.
"""

import random
from dataclasses import dataclass
from enum import Enum, auto

from dca_bot.errors import MessageRefused
from dca_bot.nostr import frames
from dca_bot.nostr.actions import Action, Answered, Deliver, Drop, Queried, Send, StoredRead, WakeIn
from dca_bot.nostr.dm import KINDS
from dca_bot.nostr.events import Event, sign
from dca_bot.nostr.keys import SecretKey
from dca_bot.nostr.paging import Paging

KIND_AUTH = 22_242
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
    """`turn` counts the changes of state, so that a late wake-up is known as such."""

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


@dataclass(slots=True)
class _Publication:
    event: Event
    retried: bool = False
    waiting: bool = False


class RelayProtocol:
    """One connection's state; every input returns the actions to perform, in order.

    `inbox_since` (seconds) is from when on the bot's mail is read, None for a relay that is only
    written to.
    """

    def __init__(
        self, url: str, key: SecretKey, source: random.Random, *, inbox_since: int | None
    ) -> None:
        self._url = url
        self._key = key
        self._source = source
        self._since = inbox_since
        self._paging: Paging | None = None
        self._stored_read = False
        self._subscriptions: dict[str, _Subscription] = {}
        self._publications: dict[str, _Publication] = {}
        self._subscription_count = 0
        self._challenge: str | None = None
        self._auth_id: str | None = None
        self._authenticated = False
        self._actions: list[Action] = []

    @property
    def listening(self) -> bool:
        """Tell whether the relay passes on the bot's mail as it comes."""
        inbox = self._subscriptions.get(_INBOX)
        return inbox is not None and inbox.state is _State.LIVE

    @property
    def up_to_date(self) -> bool:
        """Tell whether all stored mail was delivered and what comes is being passed on."""
        return self._stored_read and self.listening

    def start(self) -> list[Action]:
        """Begin: ask for the bot's mail, if any is wanted."""
        if self._since is not None:
            self._read_inbox(self._since)
        return self._take()

    def receive(self, text: str, now_s: int) -> list[Action]:
        """Take one text frame of the relay; malformed ones change nothing."""
        try:
            frame = frames.parse_frame(text)
        except MessageRefused:
            return []
        match frame:
            case frames.EventFrame():
                self._on_event(frame)
            case frames.EndOfStored():
                self._on_end_of_stored(frame.subscription, now_s)
            case frames.Closed():
                self._on_closed(frame, now_s)
            case frames.Ok():
                self._on_ok(frame)
            case frames.Challenge():
                self._on_challenge(frame, now_s)
            case frames.Notice():
                pass
        return self._take()

    def wake(self, subscription: str, turn: int, now_s: int) -> list[Action]:
        """Go on with a subscription whose delay is over, unless it went on meanwhile."""
        found = self._subscriptions.get(subscription)
        if found is None or found.turn != turn:
            return []
        if found.state is _State.CLOSED:
            self._reopen(subscription)
        elif found.state is _State.WAITING:
            self._on_closed(frames.Closed(subscription, "error: no end of stored events"), now_s)
        return self._take()

    def publish(self, event: Event) -> list[Action]:
        """Send an event; Answered follows, unless `forget` is called before."""
        self._publications[event.id] = _Publication(event)
        self._send(frames.event_frame(event))
        return self._take()

    def forget(self, event_id: str) -> None:
        """Stop waiting for the answer to a published event."""
        self._publications.pop(event_id, None)

    def query(self, wanted: frames.Filter) -> tuple[str, list[Action]]:
        """Ask once for stored events; Queried with the returned name follows."""
        name = self._subscribe("query", wanted)
        return name, self._take()

    def _read_inbox(self, since: int) -> None:
        """Ask for the mail from `since` on; its first answer is the first page of stored events."""
        self._paging = Paging({"kinds": list(KINDS), "#p": [self._key.public_key]}, since)
        inbox = self._subscriptions.setdefault(_INBOX, _Subscription({}))
        inbox.filter = self._paging.filter()
        self._open(_INBOX)

    def _subscribe(self, purpose: str, wanted: frames.Filter) -> str:
        self._subscription_count += 1
        name = f"{purpose}-{self._subscription_count}"
        self._subscriptions[name] = _Subscription(wanted)
        self._open(name)
        return name

    def _open(self, name: str) -> None:
        subscription = self._subscriptions[name]
        subscription.become(_State.WAITING)
        self._send(frames.request_frame(name, subscription.filter))
        self._actions.append(WakeIn(STORED_LIMIT_S, name, subscription.turn))

    def _reopen(self, name: str) -> None:
        if name == _INBOX and self._since is not None:
            self._read_inbox(self._since)
        else:
            self._open(name)

    def _end(self, name: str) -> None:
        self._send(frames.close_frame(name))
        del self._subscriptions[name]

    def _on_event(self, frame: frames.EventFrame) -> None:
        found = self._subscriptions.get(frame.subscription)
        if found is None:
            return
        if not frame.subscription.startswith((_INBOX, _PAGE)):
            found.events = (*found.events, frame.event)[:_QUERY_EVENTS_MAX]
            return
        if self._paging is not None and found.state is _State.WAITING:
            self._paging.observe(frame.event)
        self._actions.append(Deliver(frame.event))

    def _on_end_of_stored(self, name: str, now_s: int) -> None:
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

    def _on_closed(self, frame: frames.Closed, now_s: int) -> None:
        name = frame.subscription
        found = self._subscriptions.get(name)
        if found is None or found.state is _State.CLOSED:
            return
        steady = found.state is _State.LIVE and now_s - found.live_at_s >= _STEADY_S
        found.become(_State.CLOSED)
        found.failures = 1 if steady else found.failures + 1
        found.wants_auth = _wants_auth(frame.reason)
        if name == _INBOX:
            self._inbox_closed(found, now_s)
        if name == _INBOX or found.failures < _TRIES_MAX:
            delay_s = min(_BACKOFF_S_MAX, 2**found.failures) * self._source.uniform(0.5, 1)
            self._actions.append(WakeIn(delay_s, name, found.turn))
        elif name.startswith(_PAGE):
            self._end(name)
            self._end_paging(complete=False)
        else:
            self._end_query(name, complete=False)

    def _inbox_closed(self, inbox: _Subscription, now_s: int) -> None:
        """Prepare to read again, also what comes until then and is dated back."""
        for name in [name for name in self._subscriptions if name.startswith(_PAGE)]:
            self._end(name)
        self._paging = None
        if self._stored_read:
            self._since = now_s - LOOKBACK_S
            self._stored_read = False
        if inbox.wants_auth and inbox.failures > _TRIES_MAX:
            self._actions.append(Drop("the relay keeps asking for authentication"))

    def _on_challenge(self, frame: frames.Challenge, now_s: int) -> None:
        """Answer with the bot's key; each challenge once, as it may be good for one use only."""
        if frame.text == self._challenge:
            return
        tags = (("relay", self._url), ("challenge", frame.text))
        answer = sign(self._key, kind=KIND_AUTH, created_at=now_s, tags=tags, content="")
        self._challenge = frame.text
        self._auth_id = answer.id
        self._send(frames.auth_frame(answer))

    def _on_ok(self, frame: frames.Ok) -> None:
        if frame.event_id == self._auth_id:
            self._on_auth_answer(accepted=frame.accepted)
            return
        found = self._publications.get(frame.event_id)
        if found is None:
            return
        if frame.accepted or found.retried or not _wants_auth(frame.reason):
            self._answer(frame.event_id, frame.reason, accepted=frame.accepted)
            return
        found.retried = True
        found.waiting = not self._authenticated
        if self._authenticated:
            self._send(frames.event_frame(found.event))

    def _on_auth_answer(self, *, accepted: bool) -> None:
        self._auth_id = None
        self._authenticated = accepted
        for name, subscription in list(self._subscriptions.items()):
            if accepted and subscription.wants_auth and subscription.state is _State.CLOSED:
                self._reopen(name)
        for event_id, publication in list(self._publications.items()):
            if not publication.waiting:
                continue
            publication.waiting = False
            if accepted:
                self._send(frames.event_frame(publication.event))
            else:
                self._answer(event_id, "auth-required: the key was not accepted", accepted=False)

    def _answer(self, event_id: str, reason: str, *, accepted: bool) -> None:
        self.forget(event_id)
        self._actions.append(Answered(event_id, accepted, reason))

    def _send(self, text: str) -> None:
        self._actions.append(Send(text))

    def _take(self) -> list[Action]:
        actions, self._actions = self._actions, []
        return actions


def _wants_auth(reason: str) -> bool:
    return reason.startswith("auth-required:")
