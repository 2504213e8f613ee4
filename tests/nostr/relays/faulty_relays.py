"""Relays on real sockets that each have one fault, for what no real relay does on demand.

    async with WantsProofOfWork().serving() as url:
        ...

`Sound` stores events, answers filters newest first, and passes new events on; each fault is a
subclass that differs in one thing. `FAULTS` has a fresh relay of each fault by name.
"""

import asyncio
import json
from collections.abc import Callable
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass, field
from datetime import UTC, datetime
from hashlib import sha256

from websockets.asyncio.server import ServerConnection, serve
from websockets.exceptions import ConnectionClosed

GIANT_BYTES = 5 * 1024 * 1024


@dataclass
class Connection:
    """One client's connection: what the client asked for, and whether the client logged in."""

    socket: ServerConnection
    subscriptions: dict[str, list[dict]] = field(default_factory=dict)
    authenticated: bool = False

    async def say(self, *frame):
        with suppress(ConnectionClosed):
            await self.socket.send(json.dumps(frame, separators=(",", ":")))

    async def accept(self, event, words=""):
        await self.say("OK", event["id"], True, words)  # noqa: FBT003

    async def refuse(self, event, words):
        await self.say("OK", event["id"], False, words)  # noqa: FBT003


class Sound:
    """A relay without a fault; `heard` has each frame of each client, `visits` counts connections.

    `page_max`: how many stored events a filter finds at most, as relays cap in silence.
    """

    page_max = 500

    def __init__(self):
        self.stored: list[dict] = []
        self.heard: list[list] = []
        self.visits = 0
        self.connections: list[Connection] = []

    @asynccontextmanager
    async def serving(self, port=0, host="127.0.0.1"):
        """Serve the relay, and yield the relay's URL; what is stored outlives the serving."""
        async with serve(
            self._serve,
            host,
            port,
            close_timeout=1,
            max_size=None,
            process_request=self.on_http_request,
        ) as server:
            yield f"ws://{host}:{server.sockets[0].getsockname()[1]}"

    def on_http_request(self, connection, request):
        """Answer a request over HTTP; None has the WebSocket opened."""

    async def on_connected(self, connection):
        """Greet a client; a fault may speak first, or hang up later."""

    async def on_event(self, connection, event):
        """Store an event, pass the event on, and say OK."""
        is_new = await self.take(event)
        await connection.accept(event, "" if is_new else "duplicate: have it")

    async def on_request(self, connection, name, *filters):
        """Answer a subscription with the stored events and EOSE."""
        connection.subscriptions[name] = list(filters)
        await self.send_stored(connection, name, filters)
        await connection.say("EOSE", name)

    async def on_close(self, connection, name):
        """End a subscription."""
        connection.subscriptions.pop(name, None)

    async def on_auth(self, connection, event):
        """Accept any key."""
        connection.authenticated = True
        await connection.accept(event)

    async def send_stored(self, connection, name, filters):
        """Send what a subscription's filters find, each filter's newest first."""
        sent = set()
        for wanted in filters:
            found = [event for event in self.stored if matches(event, wanted)]
            found.sort(key=lambda event: -event["created_at"])
            for event in found[: min(wanted.get("limit", self.page_max), self.page_max)]:
                if event["id"] not in sent:
                    sent.add(event["id"])
                    await connection.say("EVENT", name, event)

    async def take(self, event):
        """Store an event and pass the event on; False for an event that is stored already."""
        if any(event["id"] == known["id"] for known in self.stored):
            return False
        self.stored.append(event)
        await self.pass_on(event)
        return True

    async def pass_on(self, event):
        """Send a new event to each subscription that asks for the event."""
        for connection in list(self.connections):
            for name, filters in list(connection.subscriptions.items()):
                if any(matches(event, wanted) for wanted in filters):
                    await connection.say("EVENT", name, event)

    async def _serve(self, socket):
        self.visits += 1
        connection = Connection(socket)
        self.connections.append(connection)
        try:
            await self.on_connected(connection)
            async for text in socket:
                verb, *rest = frame = json.loads(text)
                self.heard.append(frame)
                await self._handle(connection, verb, rest)
        except ConnectionClosed:
            pass
        finally:
            self.connections.remove(connection)

    async def _handle(self, connection, verb, rest):
        handlers = {
            "EVENT": self.on_event,
            "REQ": self.on_request,
            "CLOSE": self.on_close,
            "AUTH": self.on_auth,
        }
        await handlers[verb](connection, *rest)


class NoEose(Sound):
    """Never says that the stored events were sent."""

    async def on_request(self, connection, name, *filters):
        connection.subscriptions[name] = list(filters)
        await self.send_stored(connection, name, filters)


class OneSubscription(Sound):
    """Closes each subscription beside the first."""

    words = "error: too many subscriptions"

    async def on_request(self, connection, name, *filters):
        if connection.subscriptions and name not in connection.subscriptions:
            await self.refuse(connection, name)
        else:
            await super().on_request(connection, name, *filters)

    async def refuse(self, connection, name):
        await connection.say("CLOSED", name, self.words)


class OneSubscriptionByNotice(OneSubscription):
    """Refuses each subscription beside the first by a NOTICE that names no subscription."""

    async def refuse(self, connection, _name):
        await connection.say("NOTICE", "ERROR: too many concurrent REQs")


class OneSubscriptionInSilence(OneSubscription):
    """Ignores each subscription beside the first."""

    async def refuse(self, connection, name):
        pass


class ClosesAfterEose(Sound):
    """Closes each subscription as soon as the stored events were sent."""

    async def on_request(self, connection, name, *filters):
        await super().on_request(connection, name, *filters)
        del connection.subscriptions[name]
        await connection.say("CLOSED", name, "error: subscriptions end with the stored events")


class PassesNothingOn(Sound):
    """Stores events and answers pings and subscriptions, but sends no new event to anybody."""

    async def pass_on(self, event):
        pass


class Deaf(Sound):
    """Accepts events and answers subscriptions, but keeps no event and passes none on while `is_deaf`."""

    is_deaf = True

    async def take(self, event):
        return True if self.is_deaf else await super().take(event)


class HangsUp(Sound):
    """Ends every connection after `lifetime_s`."""

    def __init__(self, lifetime_s=20):
        super().__init__()
        self.lifetime_s = lifetime_s

    async def on_connected(self, connection):
        asyncio.get_running_loop().call_later(
            self.lifetime_s, lambda: asyncio.ensure_future(connection.socket.close())
        )


class WithholdsOneOk(Sound):
    """Gives no answer to the first `count` events, which are stored all the same."""

    def __init__(self, count=1):
        super().__init__()
        self.withheld = count

    async def on_event(self, connection, event):
        if self.withheld:
            self.withheld -= 1
            await self.take(event)
        else:
            await super().on_event(connection, event)


class LosesOneEvent(Sound):
    """Neither stores nor answers the first `count` events."""

    def __init__(self, count=1):
        super().__init__()
        self.lost = count

    async def on_event(self, connection, event):
        if self.lost:
            self.lost -= 1
        else:
            await super().on_event(connection, event)


class AuthWithoutChallenge(Sound):
    """Refuses everything until a client logs in, and never gives the challenge for that."""

    words = "auth-required: log in first"

    async def on_event(self, connection, event):
        if connection.authenticated:
            await super().on_event(connection, event)
        else:
            await connection.refuse(event, self.words)

    async def on_request(self, connection, name, *filters):
        if connection.authenticated:
            await super().on_request(connection, name, *filters)
        else:
            await connection.say("CLOSED", name, self.words)


class LateChallenge(AuthWithoutChallenge):
    """Refuses everything until a client logs in, and gives the challenge a while after connecting."""

    def __init__(self, after_s=1):
        super().__init__()
        self.after_s = after_s

    async def on_connected(self, connection):
        asyncio.get_running_loop().call_later(
            self.after_s, lambda: asyncio.ensure_future(connection.say("AUTH", "challenge"))
        )


class HidesUntilLogin(LateChallenge):
    """Finds no message for, and passes none on to, a client that hasn't logged in; refuses nothing."""

    async def on_event(self, connection, event):
        await Sound.on_event(self, connection, event)

    async def on_request(self, connection, name, *filters):
        connection.subscriptions[name] = list(filters)
        if connection.authenticated:
            await self.send_stored(connection, name, filters)
        await connection.say("EOSE", name)

    async def pass_on(self, event):
        for connection in [one for one in self.connections if one.authenticated]:
            for name, filters in list(connection.subscriptions.items()):
                if any(matches(event, wanted) for wanted in filters):
                    await connection.say("EVENT", name, event)


class SaysDuplicate(Sound):
    """Stores an event and answers OK false with the prefix `duplicate:`."""

    async def on_event(self, connection, event):
        await self.take(event)
        await connection.refuse(event, "duplicate: already have this event")


class WantsProofOfWork(Sound):
    """Refuses an event whose id has fewer leading zero bits than `bits` (NIP-13)."""

    def __init__(self, bits=12):
        super().__init__()
        self.bits = bits

    async def on_event(self, connection, event):
        done = 256 - int(event["id"], 16).bit_length()
        if done >= self.bits:
            await super().on_event(connection, event)
        else:
            words = f"pow: difficulty {done} is less than {self.bits}"
            await connection.refuse(event, words)


class WantsUntoldWork(WantsProofOfWork):
    """Refuses as WantsProofOfWork does, but names the bits in its document (NIP-11) alone."""

    def on_http_request(self, connection, request):
        if request.headers.get("Accept") != "application/nostr+json":
            return None
        return connection.respond(
            200, json.dumps({"limitation": {"min_pow_difficulty": self.bits}})
        )

    async def on_event(self, connection, event):
        if 256 - int(event["id"], 16).bit_length() >= self.bits:
            await super().on_event(connection, event)
        else:
            await connection.refuse(event, "pow: insufficient proof of work")


class RefusesDates(Sound):
    """Refuses an event that isn't dated within 15 minutes of now, as most back-dated wraps aren't."""

    words = "invalid: event timestamp too far from server time"

    async def on_event(self, connection, event):
        if abs(event["created_at"] - datetime.now(UTC).timestamp()) <= 15 * 60:
            await super().on_event(connection, event)
        else:
            await connection.refuse(event, self.words)


class HoldsGiant(Sound):
    """Finds a stored event of `bytes_` for every client, the newest of all, when asked for messages."""

    def __init__(self, bytes_=GIANT_BYTES):
        super().__init__()
        self.bytes_ = bytes_

    async def send_stored(self, connection, name, filters):
        for wanted in filters:
            receivers = wanted.get("#p")
            if receivers:
                await connection.say("EVENT", name, giant(receivers[0], self.bytes_))
        await super().send_stored(connection, name, filters)


FAULTS: dict[str, Callable[[], Sound]] = {
    "sound": Sound,
    "no_eose": NoEose,
    "one_subscription": OneSubscription,
    "one_subscription_by_notice": OneSubscriptionByNotice,
    "one_subscription_in_silence": OneSubscriptionInSilence,
    "closes_after_eose": ClosesAfterEose,
    "passes_nothing_on": PassesNothingOn,
    "hangs_up": HangsUp,
    "withholds_one_ok": WithholdsOneOk,
    "loses_one_event": LosesOneEvent,
    "auth_without_challenge": AuthWithoutChallenge,
    "late_challenge": LateChallenge,
    "hides_until_login": HidesUntilLogin,
    "says_duplicate": SaysDuplicate,
    "wants_proof_of_work": WantsProofOfWork,
    "wants_untold_work": WantsUntoldWork,
    "refuses_dates": RefusesDates,
    "holds_giant": HoldsGiant,
}


def matches(event, wanted):
    """Tell whether an event is one that a filter (NIP-01) asks for."""
    if not wanted.get("since", 0) <= event["created_at"] <= wanted.get("until", 2**60):
        return False
    fields = {"ids": "id", "kinds": "kind", "authors": "pubkey"}
    if any(event[field] not in wanted[key] for key, field in fields.items() if key in wanted):
        return False
    tags = {(tag[0], tag[1]) for tag in event["tags"] if len(tag) > 1}
    return all(
        any((key[1:], value) in tags for value in values)
        for key, values in wanted.items()
        if key.startswith("#")
    )


def giant(receiver, bytes_):
    """Make an event for `receiver` larger than any frame that the bot takes; nobody signed the event."""
    return {
        "id": sha256(b"giant").hexdigest(),
        "pubkey": "0" * 64,
        "created_at": int(datetime.now(UTC).timestamp()) - 60,
        "kind": 1059,
        "tags": [["p", receiver]],
        "content": "x" * bytes_,
        "sig": "0" * 128,
    }
