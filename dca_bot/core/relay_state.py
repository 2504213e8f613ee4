"""How one of the bot's relays is doing, and what is wrong with a relay, as a code."""

from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum


class RelayTrouble(StrEnum):
    """What is wrong with a relay; each catalogue words the code."""

    NOT_TRIED = "not_tried"
    """No attempt to connect has ended yet."""
    BAD_URL = "bad_url"
    NO_HOST = "no_host"
    """The relay's host name can't be resolved."""
    NOT_PUBLIC = "not_public"
    """A relay that somebody else named has no public address, or isn't reached by wss."""
    CONNECTION_REFUSED = "connection_refused"
    UNREACHABLE = "unreachable"
    """The network has no way to the relay's host."""
    TIMEOUT = "timeout"
    """The relay's host doesn't open a connection in time."""
    TLS_EXPIRED = "tls_expired"
    TLS_OTHER_NAME = "tls_other_name"
    """The certificate is for another host name."""
    TLS_SELF_SIGNED = "tls_self_signed"
    TLS = "tls"
    """The encrypted connection fails for another reason than the certificate's date, name or issuer."""
    HTTP_STATUS = "http_status"
    """The relay's host answers with an HTTP status instead of a WebSocket; RelayState has the number."""
    REDIRECT = "redirect"
    NO_WEBSOCKET = "no_websocket"
    """A server answers that speaks no WebSocket."""
    LOST = "lost"
    """The relay ended the connection, or the network did."""
    NO_PONG = "no_pong"
    """The relay doesn't answer pings."""
    NO_ANSWER = "no_answer"
    """The relay is connected, and answers neither the subscription nor the message in time."""
    DEAF = "deaf"
    """The relay is connected, and doesn't pass on what the bot writes to itself."""
    AUTH = "auth"
    """The relay asks for authentication, and gives no challenge or doesn't accept the bot's key."""
    CLOSED = "closed"
    """The relay closed the subscription, in words of its own."""
    REFUSED = "refused"
    """The relay refused a message, in words of its own."""
    PROOF_OF_WORK = "proof_of_work"
    """The relay asks for more proof of work (NIP-13) than the bot does."""
    AVOIDED = "avoided"
    """The relay's host has just cost time in vain, and isn't visited for a while."""
    FAILED = "failed"
    """An error of the bot's own, named in the log."""


@dataclass(frozen=True, slots=True)
class RelayState:
    """The state of one of the bot's relays.

    `detail`: the state as an English sentence, for the command line and the log. `trouble`: what is
    wrong, None for a relay that listens without trouble; a relay that listens can be in trouble, for
    example if the relay closes each subscription. `words`: the relay's own words, cleaned and cut short.
    `status`: the HTTP status, 0 for none. `since`: when the relay began, or ceased, to listen.
    """

    url: str
    listening: bool
    detail: str
    since: datetime
    trouble: RelayTrouble | None = None
    words: str = ""
    status: int = 0
    ever_listened: bool = False
