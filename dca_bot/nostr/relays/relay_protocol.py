"""The client's side of one relay connection, without I/O.

Frames and wake-ups go in, actions come out; the shell in `relay` performs the actions.
`subscriptions` reads, `publications` writes and authenticates.
"""

from random import Random

from dca_bot.errors import MessageRefused
from dca_bot.nostr.events import Event
from dca_bot.nostr.keys import SecretKey
from dca_bot.nostr.relays import frames
from dca_bot.nostr.relays.actions import Action
from dca_bot.nostr.relays.publications import Publications
from dca_bot.nostr.relays.relay_habits import RelayHabits
from dca_bot.nostr.relays.subscriptions import Subscriptions


class RelayProtocol:
    """The state of one connection; every input returns the actions to perform, in order.

    `inbox_since`: the time (seconds, NIP-01) from which the bot's inbox is read; None for a relay
    that is visited, where the bot logs in (NIP-42) only if the relay refuses something before.
    """

    def __init__(
        self,
        url: str,
        key: SecretKey,
        random: Random,
        *,
        inbox_since: int | None,
        habits: RelayHabits | None = None,
    ) -> None:
        self._actions: list[Action] = []
        self._publications = Publications(
            url, key, self._actions, logs_in_at_once=inbox_since is not None
        )
        self._subscriptions = Subscriptions(
            key.public_key,
            random,
            self._actions,
            since=inbox_since,
            habits=habits or RelayHabits(),
        )

    @property
    def listening(self) -> bool:
        """Tell whether the relay passes on new messages to the bot."""
        return self._subscriptions.listening

    @property
    def up_to_date(self) -> bool:
        """Tell whether all stored messages were delivered and new messages are passed on."""
        return self._subscriptions.up_to_date

    @property
    def is_mute(self) -> bool:
        """Tell whether the relay has said nothing to the last reading of the inbox."""
        return self._subscriptions.is_mute

    @property
    def complaint(self) -> str:
        """Return the relay's own words of why the inbox isn't live, or was closed again and again."""
        return self._subscriptions.complaint

    @property
    def notice(self) -> str:
        """Return what the relay has said to people since the inbox was asked for."""
        return self._subscriptions.notice

    def start(self) -> list[Action]:
        """Ask for the bot's inbox, if this relay is read."""
        self._subscriptions.start()
        return self._take()

    def receive(self, text: str, now_s: int) -> list[Action]:
        """Take one text frame of the relay; a malformed frame changes nothing."""
        self._subscriptions.on_frame()
        try:
            frame = frames.parse_frame(text)
        except MessageRefused:
            return []
        match frame:
            case frames.EventFrame():
                self._subscriptions.on_event(frame, now_s)
            case frames.EndOfStored(name):
                self._subscriptions.on_end_of_stored(name, now_s)
            case frames.Closed(name, reason):
                self._subscriptions.on_closed(name, reason, now_s)
                self._publications.log_in()
            case frames.Ok():
                self._on_ok(frame)
            case frames.Challenge():
                self._publications.on_challenge(frame, now_s)
            case frames.Notice(words):
                self._subscriptions.on_notice(words)
        return self._take()

    def wake(self, subscription: str, turn: int, now_s: int) -> list[Action]:
        """Carry on with a subscription after a delay (see WakeIn); a late `turn` changes nothing."""
        self._subscriptions.wake(subscription, turn, now_s)
        return self._take()

    def publish(self, event: Event) -> list[Action]:
        """Send an event; the action Answered follows, unless `forget` is called before."""
        self._publications.publish(event)
        return self._take()

    def authenticate(self, answer: Event) -> list[Action]:
        """Send another answer to the relay's challenge, in place of an answer that the relay refused."""
        self._publications.authenticate(answer)
        return self._take()

    def abandon(self, query: str) -> None:
        """Forget a query that waits to be asked."""
        self._subscriptions.abandon(query)

    def forget(self, event_id: str) -> None:
        """Stop waiting for the answer to a published event."""
        self._publications.forget(event_id)

    def refusal(self, event_id: str) -> str:
        """Return the relay's words if an event waits for authentication; '' for any other event."""
        return self._publications.refusal(event_id)

    def query(self, wanted: frames.Filter) -> tuple[str, list[Action]]:
        """Ask once for stored events; the action Queried with the returned name follows."""
        name = self._subscriptions.query(wanted)
        return name, self._take()

    def _on_ok(self, frame: frames.Ok) -> None:
        if not self._publications.is_auth(frame):
            self._publications.on_ok(frame)
            return
        if frame.accepted:
            self._subscriptions.on_authenticated()
        self._publications.on_auth_answer(frame.reason, accepted=frame.accepted)

    def _take(self) -> list[Action]:
        # The list itself is shared with subscriptions and publications, so it is emptied in place.
        actions = self._actions.copy()
        self._actions.clear()
        return actions
