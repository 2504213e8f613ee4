"""A person with a Nostr app: sends direct messages to the bot and reads the answers."""

import asyncio
import re
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager

from dca_bot.core.ports import DmProtocol
from dca_bot.nostr.dm_client import DmClient
from dca_bot.nostr.keys import SecretKey
from dca_bot.system_clock import SystemClock

_ANSWER_LIMIT_S = 60
_CODE = re.compile(r"confirm ([0-9A-Z]{4})")
Show = Callable[[str, str, str], None]


class Person:
    """A person with a key; every message is shown on arrival."""

    def __init__(self, name: str, key: SecretKey, client: DmClient, *, show: Show) -> None:
        self.name = name
        self.key = key
        self.received: list[str] = []
        self._client = client
        self._show = show
        self._news = asyncio.Event()

    async def send(self, text: str) -> None:
        """Send a message to the bot; raise TimeoutError if the relay doesn't accept the event."""
        self._show(self.name, "bot", text)
        if not await self._client.send(self._client.compose(text)):
            raise TimeoutError(f"The relay did not take {self.name}'s message.")

    async def ask(self, text: str) -> str:
        """Send a message and return the next message from the bot."""
        before = len(self.received)
        await self.send(text)
        return await self.wait_for(lambda _: True, since=before)

    async def order(self, text: str) -> str:
        """Send a command that moves money, and confirm with the code in the answer."""
        before = len(self.received)
        await self.send(text)
        answer = await self.wait_for(lambda reply: bool(_CODE.search(reply)), since=before)
        found = _CODE.search(answer)
        assert found is not None
        return await self.ask(f"confirm {found[1]}")

    async def wait_for(self, wanted: Callable[[str], bool], *, since: int = 0) -> str:
        """Return the first `wanted` message from number `since` on; raise TimeoutError."""
        async with asyncio.timeout(_ANSWER_LIMIT_S):
            while True:
                for text in self.received[since:]:
                    if wanted(text):
                        return text
                self._news.clear()
                await self._news.wait()

    async def listen(self) -> None:
        """Receive the bot's messages; never ends."""
        async for message in self._client.received():
            self._show("bot", self.name, message.text)
            self.received.append(message.text)
            self._news.set()


@asynccontextmanager
async def person(
    name: str, key: SecretKey, bot: str, *, protocol: DmProtocol, relay: str, show: Show
) -> AsyncIterator[Person]:
    """Connect a person to a relay; a person with NIP-17 publishes inbox relays, as apps do."""
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
