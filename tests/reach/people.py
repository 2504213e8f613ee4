"""People with an app that isn't ours: rust-nostr, through nostr-sdk."""

import asyncio
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from datetime import timedelta
from typing import Protocol

import nostr_sdk as sdk

OK_LIMIT = timedelta(seconds=10)


@dataclass(frozen=True)
class Arrival:
    """A message as the app has it: when it came, and the second that it carries."""

    at: float
    created_at: int
    text: str


class App(Protocol):
    """What the matrix asks of an app."""

    pubkey: str
    arrivals: list[Arrival]

    async def join(self, *, writes_at: Sequence[str], reads_at: Sequence[str]) -> None: ...

    async def publish_list(
        self, kind: int, tag: str, urls: Sequence[str], at: Sequence[str]
    ) -> None: ...

    async def write(self, text: str, created_at: int) -> str: ...

    async def leave(self) -> None: ...


@contextmanager
def answering_challenges() -> Iterator[None]:
    """Have nostr-sdk use this event loop: a relay's challenge is answered from a thread that has none."""
    sdk.uniffi_set_event_loop(asyncio.get_running_loop())
    try:
        yield
    finally:
        sdk.uniffi_set_event_loop(None)


class SdkApp:
    """An app made of nostr-sdk: one client to write with, one to read with."""

    def __init__(self, bot: str, kind: str) -> None:
        self._keys = sdk.Keys.generate()
        self.pubkey = self._keys.public_key().to_hex()
        self.arrivals: list[Arrival] = []
        self.bot = bot
        self._bot = sdk.PublicKey.parse(bot)
        self._is_nip04 = kind == "nip04"
        self._seen: set[str] = set()
        self._writer = _client(self._keys)
        self._reader = _client(self._keys)
        self._reading: asyncio.Task[None] | None = None

    async def join(self, *, writes_at: Sequence[str], reads_at: Sequence[str]) -> None:
        for client, urls in ((self._writer, writes_at), (self._reader, reads_at)):
            for url in urls:
                await client.add_relay(sdk.RelayUrl.parse(url))
            await client.connect(timedelta(seconds=5))
        stream = self._reader.notifications()
        self._reading = asyncio.create_task(self._read(stream))
        kinds = [sdk.Kind(1059), sdk.Kind(4)]
        wanted = sdk.Filter().kinds(kinds).pubkey(self._keys.public_key())
        await self._reader.subscribe(sdk.ReqTarget.auto([wanted]))

    async def publish_list(
        self, kind: int, tag: str, urls: Sequence[str], at: Sequence[str]
    ) -> None:
        """Publish a list of relays (kind 10050 or 10002) at some relays."""
        tags = [sdk.Tag.parse([tag, url]) for url in urls]
        event = sdk.EventBuilder(sdk.Kind(kind), "").tags(tags).finalize(self._keys)
        client = _client(self._keys)
        for url in at:
            await client.add_relay(sdk.RelayUrl.parse(url))
        await client.connect(timedelta(seconds=5))
        sent = await client.send_event(event, ok_timeout=OK_LIMIT)
        assert len(sent.success) == len(at), (kind, sent.failed)
        await client.shutdown()

    async def write(self, text: str, created_at: int) -> str:
        """Send a message to the bot, and return its id; raise RuntimeError if no relay takes it."""
        id_, event = self._event(text, created_at)
        sent = await self._writer.send_event(event, ok_timeout=OK_LIMIT)
        if not sent.success:
            raise RuntimeError(f"no relay took a person's message: {sent.failed}")
        return id_

    async def leave(self) -> None:
        await self._writer.shutdown()
        await self._reader.shutdown()
        if self._reading is not None:
            self._reading.cancel()
            with suppress(asyncio.CancelledError):
                await self._reading

    def _event(self, text: str, created_at: int) -> tuple[str, sdk.Event]:
        at = sdk.Timestamp.from_secs(created_at)
        to_bot = sdk.Tag.public_key(self._bot)
        if self._is_nip04:
            content = self._keys.nip04_encrypt(self._bot, text)
            builder = sdk.EventBuilder(sdk.Kind(4), content).tags([to_bot])
            event = builder.custom_created_at(at).finalize(self._keys)
            return event.id().to_hex(), event
        builder = sdk.EventBuilder(sdk.Kind(14), text).tags([to_bot]).custom_created_at(at)
        rumor = builder.finalize_unsigned(self._keys.public_key()).ensure_id()
        return rumor.id().to_hex(), sdk.nip59_make_gift_wrap(self._keys, self._bot, rumor)

    async def _read(self, stream: sdk.ClientNotificationStream) -> None:
        while (news := await stream.next()) is not None:
            if news.is_new_event():
                self._take(news.event)

    def _take(self, event: sdk.Event) -> None:
        """Keep a message of the bot's, each once: by the rumor's id, or the event's for kind 4."""
        if event.kind().as_u16() == 1059:
            gift = sdk.UnwrappedGift.from_gift_wrap(self._keys, event)
            rumor, sender = gift.rumor(), gift.sender()
            id_, created_at, text = rumor.id().to_hex(), rumor.created_at(), rumor.content()
        else:
            sender = event.author()
            text = self._keys.nip04_decrypt(sender, event.content())
            id_, created_at = event.id().to_hex(), event.created_at()
        if sender == self._bot and id_ not in self._seen:
            self._seen.add(id_)
            self.arrivals.append(Arrival(time.time(), created_at.as_secs(), text))


def _client(keys: sdk.Keys) -> sdk.Client:
    return sdk.ClientBuilder().authenticator(sdk.SignerAuthenticator(keys)).build()
