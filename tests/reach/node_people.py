"""People with an app made of nostr-tools, in one process of node (`make reach-node`)."""

import asyncio
import itertools
import json
import time
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager, suppress
from pathlib import Path
from typing import Any

from reach.people import Arrival

SCRIPT = Path(__file__).with_name("node") / "people.mjs"
ANSWER_LIMIT_S = 30
LINE_BYTES_MAX = 1024 * 1024


class NodeProcess:
    """The process that all apps live in: requests go in, answers and messages come out."""

    def __init__(self, process: asyncio.subprocess.Process) -> None:
        self._process = process
        self._numbers = itertools.count(1)
        self._answers: dict[int, asyncio.Future[Any]] = {}
        self.apps: dict[str, NodeApp] = {}

    async def call(self, who: str, do: str, **values: Any) -> Any:
        """Have a person do something; raise RuntimeError if the app can't."""
        number = next(self._numbers)
        answer = self._answers[number] = asyncio.get_running_loop().create_future()
        line = json.dumps({"n": number, "who": who, "do": do, **values})
        assert self._process.stdin is not None
        self._process.stdin.write(line.encode() + b"\n")
        async with asyncio.timeout(ANSWER_LIMIT_S):
            return await answer

    async def listen(self) -> None:
        assert self._process.stdout is not None
        async for line in self._process.stdout:
            told = json.loads(line)
            if "n" not in told:
                self.apps[told["who"]].take(told)
                continue
            answer = self._answers.pop(told["n"])
            if answer.done():
                continue
            if "error" in told:
                answer.set_exception(RuntimeError(told["error"]))
            else:
                answer.set_result(told["value"])


class NodeApp:
    """One person's app."""

    def __init__(self, process: NodeProcess, bot: str, kind: str) -> None:
        self.bot = bot
        self.pubkey = ""
        self.arrivals: list[Arrival] = []
        self._process = process
        self._kind = kind
        self._who = f"p{len(process.apps)}"
        self._seen: set[str] = set()
        process.apps[self._who] = self

    async def join(self, *, writes_at: Sequence[str], reads_at: Sequence[str]) -> None:
        self.pubkey = await self._process.call(
            self._who,
            "join",
            bot=self.bot,
            kind=self._kind,
            writes_at=list(writes_at),
            reads_at=list(reads_at),
        )

    async def publish_list(
        self, kind: int, tag: str, urls: Sequence[str], at: Sequence[str]
    ) -> None:
        await self._process.call(
            self._who, "list", kind=kind, tag=tag, urls=list(urls), at=list(at)
        )

    async def write(self, text: str, created_at: int) -> str:
        return await self._process.call(self._who, "write", text=text, created_at=created_at)

    async def leave(self) -> None:
        if self.pubkey:
            await self._process.call(self._who, "leave")

    def take(self, told: dict[str, Any]) -> None:
        """Keep a message of the bot's, each once."""
        assert "error" not in told, told
        if told["id"] not in self._seen:
            self._seen.add(told["id"])
            self.arrivals.append(Arrival(time.time(), told["created_at"], told["text"]))


@asynccontextmanager
async def node_process() -> AsyncIterator[NodeProcess]:
    """Have the process run while this lasts."""
    process = await asyncio.create_subprocess_exec(
        "node",
        str(SCRIPT),
        stdin=asyncio.subprocess.PIPE,
        stdout=asyncio.subprocess.PIPE,
        limit=LINE_BYTES_MAX,
    )
    made = NodeProcess(process)
    listening = asyncio.create_task(made.listen())
    try:
        yield made
    finally:
        assert process.stdin is not None
        process.stdin.close()
        with suppress(TimeoutError):
            await asyncio.wait_for(process.wait(), 5)
        if process.returncode is None:
            process.kill()
        listening.cancel()
        with suppress(asyncio.CancelledError):
            await listening
