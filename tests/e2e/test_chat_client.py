"""`dca-bot chat` as an operator without a phone has it: a process of its own, beside the bot's."""

import asyncio
import subprocess
import sys

from people import CODE


def words(world, *more):
    key = world.folder / "operator.nsec"
    if not key.exists():
        key.write_text(world.operator.keys.secret_key().to_bech32())
        key.chmod(0o600)
    relays = [word for url in world.relays for word in ("--relay", url)]
    to = ("--to", world.bot.npub)
    return [sys.executable, "-m", "dca_bot", "chat", "--key", str(key), *relays, *to, *more]


def piped(world, text, *more):
    return subprocess.run(
        words(world, *more), input=text, capture_output=True, text=True, timeout=90, check=False
    )


async def test_pipe_asks_the_bot_and_ends_with_0(make_world):
    world = await make_world()
    world.start()
    done = await asyncio.to_thread(piped, world, "status\nclients\n")
    assert done.returncode == 0, done
    assert "Running." in done.stdout
    assert done.stdout.index("Running.") < done.stdout.index("nothing to show")
    again = await asyncio.to_thread(piped, world, "holds\n")
    assert "Nothing is held." in again.stdout
    assert "Running." not in again.stdout, "only new messages"


async def test_old_messages_are_used_when_wanted(make_world):
    world = await make_world()
    world.start()
    done = await asyncio.to_thread(piped, world, "status\n", "--nip04")
    assert "NIP-17" in done.stdout, "the bot takes no commands over them, and says so"
    assert world.rows("SELECT protocol FROM person") == [("nip04",)]


async def test_operator_at_a_terminal_gives_a_money_command_and_ends_with_ctrl_d(
    make_world, terminal
):
    world = await make_world()
    world.start()
    ana = await world.user("nip17")
    # Typed into the midst of the bot's greeting, a line would leave its prompt behind.
    await world.operator.wait(bool)
    chat = terminal(words(world))
    await chat.until("Connected to")
    chat.type(f"client add ana {ana.npub} 1500\n")
    await chat.until(CODE)
    chat.type(f"confirm {CODE.search(chat.shown)[1]}\n")
    await chat.until("ana is added")
    assert world.rows("SELECT name FROM client") == [("ana",)]
    chat.type("\x04")
    assert await chat.end() == 0
    assert "Traceback" not in chat.shown
    assert "> >" not in chat.shown, "one prompt at a time"
