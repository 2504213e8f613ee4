"""Messages as apps really write them, over a real relay, by an independent client."""

from datetime import UTC, datetime, timedelta

import nostr_sdk as sdk
import pytest
from test_messenger import LIMIT_S, messenger_of, received, running, send, to

from dca_bot.core.ports import DmProtocol, OutgoingMessage
from dca_bot.demo.relay import local_relay
from dca_bot.nostr import keys
from dca_bot.nostr.dm import CLOCK_TOLERANCE

NIP04, NIP17 = DmProtocol
NEVENT = "nostr:nevent1qqsqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqc3m5vj"


class App:
    """An app of rust-nostr's that writes what it is told, tag by tag."""

    def __init__(self, url, bot):
        self.keys = sdk.Keys.generate()
        self.hex = self.keys.public_key().to_hex()
        self.bot = sdk.PublicKey.parse(bot.npub)
        self.url = sdk.RelayUrl.parse(url)
        self.client = sdk.ClientBuilder().build()

    async def __aenter__(self):
        await self.client.add_relay(self.url)
        await self.client.connect()
        return self

    async def __aexit__(self, *_):
        await self.client.shutdown()

    async def wrap(self, text, tags, *, kind=14):
        builder = sdk.EventBuilder(sdk.Kind(kind), text).tags([sdk.Tag.parse(t) for t in tags])
        rumor = builder.finalize_unsigned(self.keys.public_key())
        seal = sdk.nip59_make_seal(self.keys, self.bot, rumor)
        once = sdk.Keys.generate()
        content = once.nip44_encrypt(self.bot, seal.as_json())
        wrap = sdk.EventBuilder(sdk.Kind(1059), content).tags([sdk.Tag.public_key(self.bot)])
        await self.client.send_event(wrap.finalize(once))

    async def kind_4(self, text, tags):
        content = self.keys.nip04_encrypt(self.bot, text)
        builder = sdk.EventBuilder(sdk.Kind(4), content).tags([sdk.Tag.parse(t) for t in tags])
        await self.client.send_event(builder.finalize(self.keys))

    async def fetch(self, kind):
        wanted = sdk.Filter().kind(sdk.Kind(kind)).pubkey(self.keys.public_key())
        target = sdk.ReqTarget.auto([wanted])
        return await self.client.fetch_events(target, timedelta(seconds=LIMIT_S))


def other():
    return sdk.Keys.generate().public_key().to_hex()


@pytest.mark.parametrize("room", ["nobody", "sender", "both", "bot twice"])
async def test_wrapped_message_without_the_bots_own_p_tag_is_taken(room):
    bot = keys.generate()
    async with (
        local_relay() as url,
        running(messenger_of(bot, [url])) as ours,
        App(url, bot) as app,
    ):
        mine, hers = ["p", bot.public_key], ["p", app.hex]
        tags = {"nobody": [], "sender": [hers], "both": [hers, mine], "bot twice": [mine, mine]}
        await app.wrap("for a room", [["p", other()], mine])
        await app.wrap("balance", tags[room])
        (message,) = await received(ours)
        assert (message.sender, message.text) == (app.hex, "balance"), "three are no conversation"


async def test_file_comes_without_its_address():
    bot = keys.generate()
    async with (
        local_relay() as url,
        running(messenger_of(bot, [url])) as ours,
        App(url, bot) as app,
    ):
        tags = [["p", bot.public_key], ["file-type", "image/jpeg"], ["decryption-key", "k"]]
        await app.wrap("https://files.example/photo", tags, kind=15)
        (message,) = await received(ours)
        assert (message.sender, message.text, message.is_file) == (app.hex, "", True)


async def test_quoted_reply_and_people_whom_a_text_mentions_are_no_obstacle():
    bot = keys.generate()
    async with (
        local_relay() as url,
        running(messenger_of(bot, [url])) as ours,
        App(url, bot) as app,
    ):
        mine, hers, quoted = ["p", bot.public_key], ["p", app.hex], ["q", "1" * 64, url, app.hex]
        await app.wrap(f"{NEVENT}\n\npause", [mine, quoted])
        await app.kind_4("balance", [mine, hers, ["e", "2" * 64]])
        await app.kind_4("history", [["p", other()], mine, mine])
        texts = {message.text for message in await received(ours, 3)}
        assert texts == {"pause", "balance", "history"}


@pytest.mark.parametrize("protocol", DmProtocol)
async def test_relay_is_told_when_a_code_is_worthless(protocol):
    bot = keys.generate()
    async with (
        local_relay() as url,
        running(messenger_of(bot, [url])) as ours,
        App(url, bot) as app,
    ):
        expires_at = datetime.now(UTC) + timedelta(minutes=10)
        message = OutgoingMessage(app.hex, "confirm 7K2Q", datetime.now(UTC), protocol, expires_at)
        assert await send(ours, message, [url])
        (event,) = await app.fetch(4 if protocol is NIP04 else 1059)
        tags = [tag.to_vec() for tag in event.tags()]
        dropped_at = int((expires_at + CLOCK_TOLERANCE).timestamp())
        assert tags == [["p", app.hex], ["expiration", str(dropped_at)]]


async def test_message_that_expired_on_its_way_is_not_taken():
    bot, alice = keys.generate(), keys.generate()
    async with (
        local_relay() as url,
        running(messenger_of(bot, [url])) as ours,
        running(messenger_of(alice, [url])) as hers,
    ):
        now = datetime.now(UTC)
        late = OutgoingMessage(bot.public_key, "late", now, NIP17, now - CLOCK_TOLERANCE)
        await send(hers, late, [url])
        assert await send(hers, to(bot, "in time"), [url])
        assert [message.text for message in await received(ours)] == ["in time"]
