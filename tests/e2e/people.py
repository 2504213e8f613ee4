"""People with a Nostr app that isn't ours: rust-nostr, through nostr-sdk."""

import asyncio
import re
import time
from datetime import timedelta

import nostr_sdk as sdk

LIMIT_S = 40
CODE = re.compile(r"confirm ([0-9A-Z]{4})")


class AppUser:
    """Somebody who writes to the bot and reads what it sends, over NIP-17 or NIP-04."""

    def __init__(
        self, relays: list[str], bot_npub: str, *, protocol: str, keys=None, listed=None
    ) -> None:
        self.keys = keys or sdk.Keys.generate()
        self.npub = self.keys.public_key().to_bech32()
        self.bot = sdk.PublicKey.parse(bot_npub)
        self.protocol = protocol
        self.relays = relays
        self.listed = listed or relays
        self._client = sdk.ClientBuilder().build()
        self._seen: dict[str, tuple[int, str]] = {}
        self._last = ("", 0)

    async def join(self) -> "AppUser":
        for url in self.relays:
            await self._client.add_relay(sdk.RelayUrl.parse(url))
        await self._client.connect()
        if self.protocol == "nip17":
            await self.list_relays(self.listed)
        return self

    async def list_relays(self, urls: list[str], *, later_s: int = 0) -> None:
        """Publish where this person reads; `later_s`: a later list takes an earlier one's place."""
        tags = [sdk.Tag.parse(["relay", url]) for url in urls]
        at = sdk.Timestamp.from_secs(int(time.time()) + later_s)
        builder = sdk.EventBuilder(sdk.Kind(10050), "").tags(tags).custom_created_at(at)
        await self._client.send_event(builder.finalize(self.keys))

    async def leave(self) -> None:
        await self._client.shutdown()

    def message(self, text: str) -> sdk.Event:
        if self.protocol == "nip17":
            return sdk.nip17_make_private_msg(self.keys, self.bot, text)
        content = self.keys.nip04_encrypt(self.bot, text)
        builder = sdk.EventBuilder(sdk.Kind(4), content).tags([sdk.Tag.public_key(self.bot)])
        return builder.finalize(self.keys)

    async def publish(self, event: sdk.Event) -> None:
        await self._client.send_event(event)

    async def send(self, text: str) -> None:
        # The same words in the same second have the same rumor id: they are one message.
        while (text, int(time.time())) == self._last:  # noqa: ASYNC110
            await asyncio.sleep(0.05)
        self._last = (text, int(time.time()))
        await self.publish(self.message(text))

    async def received(self) -> list[str]:
        """Return every different message from the bot so far, as they came.

        Those that came together are put into the order in which they were written; a notice may
        come after an answer that was written later.
        """
        kind = 1059 if self.protocol == "nip17" else 4
        wanted = sdk.Filter().kind(sdk.Kind(kind)).pubkey(self.keys.public_key())
        target = sdk.ReqTarget.auto([wanted])
        new: dict[str, tuple[int, str]] = {}
        for event in await self._client.fetch_events(target, timedelta(seconds=10)):
            new |= self._open(event)
        new = {id_: new[id_] for id_ in new.keys() - self._seen.keys()}
        self._seen |= dict(sorted(new.items(), key=lambda item: item[1]))
        return [text for _, text in self._seen.values()]

    async def ask(self, text: str, *, limit_s: float = LIMIT_S) -> str:
        """Send a message and return the first one that comes after it, but for the bot's greeting."""
        before = len(await self.received())
        await self.send(text)

        def answers(texts: list[str]) -> list[str]:
            return [text for text in texts[before:] if not text.startswith("Hello! I am running")]

        return answers(await self.wait(answers, limit_s=limit_s))[0]

    async def order(self, text: str) -> str:
        """Send a command that needs a code, and confirm it."""
        before = len(await self.received())
        await self.send(text)
        texts = await self.wait(lambda texts: any(CODE.search(t) for t in texts[before:]))
        code = next(CODE.search(t) for t in texts[before:] if CODE.search(t))[1]
        return await self.ask(f"confirm {code}")

    async def wait(self, until, *, limit_s: float = LIMIT_S) -> list[str]:
        deadline = time.monotonic() + limit_s
        while time.monotonic() < deadline:
            texts = await self.received()
            if until(texts):
                return texts
            await asyncio.sleep(0.15)
        raise TimeoutError(f"nothing of that kind came; the last was: {texts[-1:]}")

    def _open(self, event: sdk.Event) -> dict[str, tuple[int, str]]:
        """Return {id: (created_at, text)} of a message from the bot."""
        if self.protocol == "nip17":
            gift = sdk.UnwrappedGift.from_gift_wrap(self.keys, event)
            assert gift.sender() == self.bot
            rumor = gift.rumor()
            return {rumor.id().to_hex(): (rumor.created_at().as_secs(), rumor.content())}
        if event.author() != self.bot:
            return {}
        text = self.keys.nip04_decrypt(self.bot, event.content())
        return {event.id().to_hex(): (event.created_at().as_secs(), text)}
