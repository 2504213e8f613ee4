"""Plays a relay's part towards the protocol core, without a socket."""

import json
import random
from dataclasses import asdict, replace

from dca_bot.nostr import events
from dca_bot.nostr.keys import SecretKey
from dca_bot.nostr.relays.actions import Send, WakeIn
from dca_bot.nostr.relays.inbox_reading import LOOKBACK_S
from dca_bot.nostr.relays.relay_habits import RelayHabits
from dca_bot.nostr.relays.relay_protocol import RelayProtocol

BOT, ALICE = (SecretKey(bytes([n]) * 32) for n in (1, 2))
URL = "wss://relay.example"
NOW_S = 1_784_700_000
SINCE_S = NOW_S - LOOKBACK_S
MAIL = events.sign(
    ALICE, kind=4, created_at=NOW_S - 10, tags=(("p", BOT.public_key),), content="?iv="
)


class Conversation:
    """Plays a relay's part, and keeps the time."""

    def __init__(self, *, inbox_since=SINCE_S, habits=None):
        source = random.Random(42)
        self.habits = habits or RelayHabits()
        self.protocol = RelayProtocol(URL, BOT, source, inbox_since=inbox_since, habits=self.habits)
        self.now_s = NOW_S
        self.actions = self.protocol.start()

    def relay_says(self, *frame):
        self.actions = self.protocol.receive(json.dumps(frame), self.now_s)
        return self

    def relay_takes(self, event_id):
        return self.relay_says("OK", event_id, True, "")  # noqa: FBT003

    def relay_refuses(self, event_id, reason):
        return self.relay_says("OK", event_id, False, reason)  # noqa: FBT003

    def delay_passes(self):
        (due,) = [action for action in self.actions if isinstance(action, WakeIn)]
        self.now_s += int(due.delay_s) + 1
        self.actions = self.protocol.wake(due.subscription, due.turn, self.now_s)
        return self

    def publish(self, event):
        self.actions = self.protocol.publish(event)
        return self

    @property
    def sent(self):
        return [json.loads(action.text) for action in self.actions if isinstance(action, Send)]

    @property
    def rest(self):
        return [action for action in self.actions if not isinstance(action, Send | WakeIn)]

    @property
    def delays(self):
        return [action.delay_s for action in self.actions if isinstance(action, WakeIn)]

    def listen(self):
        return self.relay_says("EOSE", "inbox")


def mail(number, created_at):
    return asdict(replace(MAIL, id=f"{number:064x}", created_at=created_at))
