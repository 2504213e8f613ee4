"""Somebody with a Nostr app: sends direct messages to the bot and reads what comes back."""

import asyncio
import re
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager

from dca_bot.app import SystemClock
from dca_bot.core.ports import DmProtocol
from dca_bot.nostr.dm_client import DmClient
from dca_bot.nostr.keys import SecretKey

ANSWER_LIMIT_S = 60
CODE = re.compile(r"confirm ([0-9A-Z]{4})")
Show = Callable[[str, str, str], None]


class Person:
    """A person with a key; everything that comes is shown as it comes."""

    def __init__(self, name: str, key: SecretKey, client: DmClient, *, show: Show) -> None:
        self.name = name
        self.key = key
        self.received: list[str] = []
        self._client = client
        self._show = show
        self._news = asyncio.Event()

    async def send(self, text: str) -> None:
        """Send a message to the bot."""
        self._show(self.name, "bot", text)
        if not await self._client.send(self._client.compose(text)):
            raise TimeoutError(f"The relay did not take {self.name}'s message.")

    async def ask(self, text: str) -> str:
        """Send a message and return what comes next."""
        before = len(self.received)
        await self.send(text)
        return await self.wait_for(lambda _: True, since=before)

    async def order(self, text: str) -> str:
        """Send a command that moves money and confirm it with the code that comes back."""
        before = len(self.received)
        await self.send(text)
        answer = await self.wait_for(lambda reply: bool(CODE.search(reply)), since=before)
        found = CODE.search(answer)
        assert found is not None
        return await self.ask(f"confirm {found[1]}")

    async def wait_for(self, wanted: Callable[[str], bool], *, since: int = 0) -> str:
        """Return the first message received since then that is wanted; raise TimeoutError."""
        async with asyncio.timeout(ANSWER_LIMIT_S):
            while True:
                for text in self.received[since:]:
                    if wanted(text):
                        return text
                self._news.clear()
                await self._news.wait()

    async def listen(self) -> None:
        """Take in what the bot sends; never ends."""
        async for message in self._client.received():
            self._show("bot", self.name, message.text)
            self.received.append(message.text)
            self._news.set()


@asynccontextmanager
async def person(
    name: str, key: SecretKey, bot: str, *, protocol: DmProtocol, relay: str, show: Show
) -> AsyncIterator[Person]:
    """Connect a person to a relay; one with NIP-17 publishes inbox relays as apps do."""
    client = DmClient(
        key,
        bot,
        [relay],
        SystemClock(),
        protocol=protocol,
        name=name if protocol is DmProtocol.NIP17 else None,
    )
    someone = Person(name, key, client, show=show)
    async with asyncio.TaskGroup() as group:
        tasks = [group.create_task(client.run()), group.create_task(someone.listen())]
        try:
            while not client.connected():
                await asyncio.sleep(0.05)
            yield someone
        finally:
            for task in tasks:
                task.cancel()
