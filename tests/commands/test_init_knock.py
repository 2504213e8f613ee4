"""Who writes to a bot that is being set up; the way to the operator is tried in test_init.py."""

import asyncio
from datetime import timedelta

from dca_bot.commands.init_knock import Door
from dca_bot.core.ports import DmProtocol, IncomingMessage
from dca_bot.system_clock import SystemClock


class Crowd:
    """A messenger over which people write, each once."""

    def __init__(self, people):
        self._people = people
        self.told = []

    async def incoming(self):
        at = SystemClock().now() + timedelta(seconds=1)
        for number in range(self._people):
            yield IncomingMessage(f"{number}", f"{number:064x}", "hi", at, DmProtocol.NIP17, "")

    def relay_states(self):
        return ()

    def seal(self, message):
        return message

    async def publish(self, message, _relays):
        self.told.append(message.recipient)

    async def look_up(self, _people, _note):
        pass

    async def profile_names(self, _pubkeys):
        return {}


async def test_crowd_gets_no_more_codes_and_the_person_at_the_terminal_is_told_what_to_do(capsys):
    crowd = Crowd(30)
    async with asyncio.TaskGroup() as group:
        await Door(crowd, SystemClock(), str).answer(group)
    assert len(set(crowd.told)) == 20
    shown = capsys.readouterr().out
    assert shown.count("More than 20 people have written") == 1
    assert "press Enter and type your npub" in shown
