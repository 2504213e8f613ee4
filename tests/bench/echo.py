"""A bot that only answers, over NIP-17: the floor of what a message costs. Runs until the input ends."""

import asyncio
import json
import sys
from datetime import UTC, datetime
from random import Random

from websockets.asyncio.client import connect

from dca_bot.core.ports import DmProtocol, OutgoingMessage
from dca_bot.nostr.dm import open_message, seal_message
from dca_bot.nostr.events import event_from
from dca_bot.nostr.keys import SecretKey, parse_secret_key

_BALANCE = (
    "Your balance is Q1,234.56. It becomes bitcoin bit by bit, with each sale at the machines."
)


async def main(relay: str, key: SecretKey) -> None:
    """Answer each message with the same text."""
    async with connect(relay, compression=None) as socket:
        wanted = {"kinds": [1059], "#p": [key.public_key], "limit": 0}
        await socket.send(json.dumps(["REQ", "inbox", wanted]))
        sys.stdout.write("started\n")
        sys.stdout.flush()
        answering = asyncio.create_task(_answer(socket, relay, key))
        await asyncio.to_thread(sys.stdin.read)
        answering.cancel()


async def _answer(socket, relay: str, key: SecretKey) -> None:
    random = Random(1)
    async for frame in socket:
        match json.loads(frame):
            case ["EVENT", _, event]:
                now = datetime.now(UTC)
                message = open_message(event_from(event), key, now=now, relay=relay)
                reply = OutgoingMessage(message.sender, _BALANCE, now, DmProtocol.NIP17)
                sealed = seal_message(reply, key, now=now, random=random)
                await socket.send(f'["EVENT",{sealed.to_json()}]')


if __name__ == "__main__":
    asyncio.run(main(sys.argv[1], parse_secret_key(sys.argv[2])))
