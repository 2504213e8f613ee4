"""Events published to one relay (NIP-01), and authentication (NIP-42), without I/O.

A relay may refuse an event until the bot's key has answered a challenge: the event is then sent once
more, at once or as soon as the relay accepts the key.
"""

from dataclasses import dataclass

from dca_bot.nostr.events import Event, sign
from dca_bot.nostr.keys import SecretKey
from dca_bot.nostr.relays import frames
from dca_bot.nostr.relays.actions import Action, Answered, AuthRefused, Send

_KIND_AUTH = 22_242


def wants_auth(reason: str) -> bool:
    """Tell whether a relay's reason asks for authentication (NIP-42's prefix `auth-required:`)."""
    return reason.startswith("auth-required:")


@dataclass(slots=True)
class _Publication:
    event: Event
    retried: bool = False
    waiting: bool = False
    refusal: str = ""


class Publications:
    """The events of one connection whose answer is outstanding; methods append to `actions`.

    `logs_in_at_once`: a challenge is answered as soon as the relay gives the challenge. Otherwise the relay
    learns the bot's key only by refusing something before (`log_in`).
    """

    def __init__(
        self, url: str, key: SecretKey, actions: list[Action], *, logs_in_at_once: bool
    ) -> None:
        self._url = url
        self._key = key
        self._actions = actions
        self._publications: dict[str, _Publication] = {}
        self._challenge: str | None = None
        self._is_login_wanted = logs_in_at_once
        self._unsent: Event | None = None
        self._auth: Event | None = None
        self._authenticated = False

    def publish(self, event: Event) -> None:
        """Send an event; the action Answered follows, unless `forget` is called before."""
        if event.id in self._publications:
            self.log_in()  # Perhaps the relay answers nobody who hasn't.
        self._publications[event.id] = _Publication(event)
        self._send(frames.event_frame(event))

    def forget(self, event_id: str) -> None:
        """Stop waiting for the answer to a published event."""
        self._publications.pop(event_id, None)

    def refusal(self, event_id: str) -> str:
        """Return the relay's words if an event waits for authentication; '' for any other event."""
        found = self._publications.get(event_id)
        return found.refusal if found is not None and found.waiting else ""

    def on_challenge(self, frame: frames.Challenge, now_s: int) -> None:
        """Answer a challenge with the bot's key, if a login is wanted; a repetition changes nothing."""
        # A relay may accept only one answer to a challenge.
        if frame.text == self._challenge:
            return
        tags = (("relay", self._url), ("challenge", frame.text))
        answer = sign(self._key, kind=_KIND_AUTH, created_at=now_s, tags=tags, content="")
        self._challenge = frame.text
        if self._is_login_wanted:
            self.authenticate(answer)
        else:
            self._unsent = answer

    def log_in(self) -> None:
        """Answer the relay's challenge, now or as soon as the relay gives one."""
        answer, self._unsent, self._is_login_wanted = self._unsent, None, True
        if answer is not None:
            self.authenticate(answer)

    def authenticate(self, answer: Event) -> None:
        """Send the answer to the present challenge."""
        self._auth = answer
        self._send(frames.auth_frame(answer))

    def is_auth(self, frame: frames.Ok) -> bool:
        """Tell whether a relay's OK answers the authentication, not a published event."""
        return self._auth is not None and frame.event_id == self._auth.id

    def on_ok(self, frame: frames.Ok) -> None:
        """Report the relay's answer; send an event once more if authentication was missing."""
        found = self._publications.get(frame.event_id)
        if found is None:
            return
        accepted = frame.accepted or frame.reason.startswith("duplicate:")
        # Not every relay that lets in members alone says so by the prefix.
        may_want_auth = self._unsent is not None and not frame.reason.startswith("pow:")
        if accepted or found.retried or not (wants_auth(frame.reason) or may_want_auth):
            self._answer(frame.event_id, frame.reason, accepted=accepted)
            return
        found.retried, found.refusal = True, frame.reason
        found.waiting = not self._authenticated
        self.log_in()
        if self._authenticated:
            self._send(frames.event_frame(found.event))

    def on_auth_answer(self, reason: str, *, accepted: bool) -> None:
        """Send the events that waited for authentication, or report a refusal of each."""
        auth, self._auth = self._auth, None
        self._authenticated = accepted
        if auth is not None and not accepted and reason.startswith("pow:"):
            # The events wait on: the next answer may have the work.
            self._actions.append(AuthRefused(auth, reason))
            return
        for event_id, publication in list(self._publications.items()):
            if not publication.waiting:
                continue
            publication.waiting = False
            if accepted:
                self._send(frames.event_frame(publication.event))
            elif wants_auth(publication.refusal):
                self._answer(event_id, "auth-required: the key was not accepted", accepted=False)
            else:
                self._answer(event_id, publication.refusal, accepted=False)

    def _answer(self, event_id: str, reason: str, *, accepted: bool) -> None:
        self.forget(event_id)
        self._actions.append(Answered(event_id, accepted, reason))

    def _send(self, text: str) -> None:
        self._actions.append(Send(text))
