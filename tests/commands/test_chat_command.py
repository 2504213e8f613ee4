"""`dca-bot chat` over real relays, with somebody at the other end who answers as the bot would."""

import asyncio
import os
import signal
import sys
from contextlib import AsyncExitStack, asynccontextmanager
from datetime import UTC, datetime, timedelta

import pytest
from websockets.asyncio.server import serve

from dca_bot.commands.chat import Chat, make_key, run_chat
from dca_bot.commands.chat_terminal import Lines, Screen
from dca_bot.core.ports import DmProtocol, SoughtPerson
from dca_bot.demo.lnbits_process import free_port
from dca_bot.demo.relay import local_relay
from dca_bot.errors import ConfigError, DcaBotError, KeyRefused
from dca_bot.nostr import events
from dca_bot.nostr.dm_client import DmClient
from dca_bot.nostr.keys import generate, parse_secret_key

NIP04, NIP17 = DmProtocol
LONG_AGO = timedelta(hours=20)


class QuickClock:
    """The real time, of which each wait takes as much as it says and lasts a twentieth."""

    def __init__(self, ahead=timedelta()):
        self.ahead = ahead

    def now(self):
        return datetime.now(UTC) + self.ahead

    async def sleep(self, delay_s):
        await asyncio.sleep(delay_s / 20)
        self.ahead += timedelta(seconds=delay_s * 19 / 20)


class Table:
    """The two ends of a conversation: a person's chat, and who answers `re: …` to each message."""

    def __init__(self, url, *, protocol=NIP17):
        self.url = url
        self.protocol = protocol
        self.person, self.bot = generate(), generate()
        self.heard = []
        self.reads, self.types = os.pipe()

    @asynccontextmanager
    async def answering(self, *, behind=timedelta(), mute=False):
        """Have the bot's end answer; its clock may be behind."""
        clock = QuickClock(-behind)
        far = DmClient(self.bot, self.person.public_key, [self.url], clock, protocol=self.protocol)

        async def answer():
            async for message in far.received():
                self.heard.append(message.text)
                if not mute:
                    assert await far.send(far.compose(f"re: {message.text}"))

        jobs = [asyncio.create_task(far.run()), asyncio.create_task(answer())]
        try:
            await eventually(far.connected)
            yield far
        finally:
            for job in jobs:
                job.cancel()
            await asyncio.wait(jobs)

    def chat(self, *, relays=None, one_by_one=True, encoding="utf-8"):
        clock = QuickClock()
        near = DmClient(
            self.person, self.bot.public_key, relays or [self.url], clock, protocol=self.protocol
        )
        screen = Screen(is_terminal=False)
        return Chat(near, Lines(self.reads, encoding), screen, clock, one_by_one=one_by_one)

    def type(self, *lines, end=True):
        os.write(self.types, "".join(f"{line}\n" for line in lines).encode())
        if end:
            os.close(self.types)


async def eventually(is_true):
    async with asyncio.timeout(20):
        while not is_true():  # noqa: ASYNC110 - a real relay has no event to wait for
            await asyncio.sleep(0.02)


@pytest.fixture
async def url():
    async with local_relay() as url:
        yield url


def shown(capsys):
    """Return the messages that went to stdout, without their times."""
    return [line for line in capsys.readouterr().out.splitlines() if not line.startswith("──")]


@pytest.mark.parametrize("protocol", DmProtocol)
async def test_piped_lines_are_asked_and_answered_in_order(url, capsys, protocol):
    table = Table(url, protocol=protocol)
    async with table.answering():
        table.type("status", "", "  deposits pending  ", "status")
        await table.chat().run()
    assert table.heard == ["status", "deposits pending", "status"]
    assert shown(capsys) == ["re: status", "re: deposits pending", "re: status"]


async def test_last_line_without_an_end_of_line_counts_too(url, capsys):
    table = Table(url)
    async with table.answering():
        os.write(table.types, "clientes ñandú".encode())
        os.close(table.types)
        await table.chat().run()
    assert shown(capsys) == ["re: clientes ñandú"]


@pytest.mark.parametrize("protocol", DmProtocol)
async def test_older_messages_are_not_shown_again(url, capsys, protocol):
    table = Table(url, protocol=protocol)
    async with table.answering() as far:
        for n in range(5):
            old = far.compose(f"old {n}")
            await far.send(type(old)(old.recipient, old.text, old.created_at - LONG_AGO, protocol))
        table.type("status")
        await table.chat().run()
    assert shown(capsys) == ["re: status"]


async def test_answer_of_a_bot_whose_clock_is_behind_is_shown(url, capsys):
    table = Table(url)
    async with table.answering(behind=timedelta(minutes=5)):
        table.type("status")
        await table.chat().run()
    assert shown(capsys) == ["re: status"]


async def test_messages_of_others_are_not_shown(url, capsys):
    table = Table(url)
    stranger = Table(url)
    stranger.person, stranger.bot = table.person, generate()
    async with table.answering(), stranger.answering() as intruder:
        assert await intruder.send(intruder.compose("send me your key"))
        table.type("status")
        await table.chat().run()
    assert shown(capsys) == ["re: status"]


async def test_what_would_steer_the_terminal_is_left_out(url, capsys):
    table = Table(url)
    async with table.answering():
        table.type("a\x1b]0;title\x07b [red]c[/red] :smile:")
        await table.chat().run()
    assert shown(capsys) == ["re: a]0;titleb [red]c[/red] :smile:"]


async def test_relay_cannot_steer_the_terminal_by_why_it_closes(capsys):
    async def close(socket):
        await socket.close(4000, "\x1b]0;title\x07\x1b[2Jconfirm 7K2Q")

    async with serve(close, "127.0.0.1", 0) as server:
        table = Table(f"ws://127.0.0.1:{server.sockets[0].getsockname()[1]}")
        table.type("status")
        with pytest.raises(DcaBotError, match="No relay could be reached"):
            await table.chat().run()
    told = capsys.readouterr().err
    assert "confirm 7K2Q" in told
    assert "\x1b" not in told
    assert "\x07" not in told


async def test_bot_that_does_not_answer_is_an_error_for_a_pipe(url):
    table = Table(url)
    async with table.answering(mute=True):
        table.type("status", "clients")
        with pytest.raises(DcaBotError, match="No answer came within 30 seconds"):
            await table.chat().run()
    assert table.heard == ["status"]


async def test_bot_that_does_not_answer_ends_no_conversation_at_a_terminal(url, capsys):
    table = Table(url)
    async with table.answering(mute=True):
        table.type("status", end=False)
        chat = asyncio.create_task(table.chat(one_by_one=False).run())
        said = ""
        while "No answer came within 30 seconds" not in said:
            said += capsys.readouterr().err
            await asyncio.sleep(0.02)
        assert "may still carry it out" in said
        assert not chat.done()
        table.type("clients")
        await chat
    assert table.heard == ["status", "clients"]
    assert "No answer came" not in capsys.readouterr().err


async def test_line_in_another_encoding_is_not_sent_and_ends_a_pipe(url):
    table = Table(url)
    async with table.answering():
        os.write(table.types, b"status\nclient pause \xf1and\xfa\nclients\n")
        os.close(table.types)
        with pytest.raises(DcaBotError, match="isn't in UTF-8, so it was not sent"):
            await table.chat().run()
    assert table.heard == ["status"]


async def test_line_in_another_encoding_is_told_at_a_terminal(url, capsys):
    table = Table(url)
    async with table.answering():
        os.write(table.types, b"client pause \xf1and\xfa\nclients\n")
        chat = asyncio.create_task(table.chat(one_by_one=False).run())
        await eventually(lambda: table.heard)
        os.close(table.types)
        await chat
    assert table.heard == ["clients"]
    assert "isn't in UTF-8, so it was not sent" in capsys.readouterr().err


async def test_lines_are_read_in_the_terminals_own_encoding(url):
    table = Table(url)
    async with table.answering():
        os.write(table.types, "client pause ñandú".encode("latin-1"))
        os.close(table.types)
        await table.chat(encoding="latin-1").run()
    assert table.heard == ["client pause ñandú"]


async def test_relay_that_is_not_there_is_told_and_an_error_for_a_pipe(capsys):
    table = Table(f"ws://127.0.0.1:{free_port()}")
    table.type("status")
    with pytest.raises(DcaBotError, match="No relay could be reached"):
        await table.chat().run()
    assert f"{table.url} is out of reach: Connection refused. I keep" in capsys.readouterr().err


async def test_one_relay_of_several_is_enough(url, capsys):
    table = Table(url)
    async with table.answering():
        table.type("status")
        await table.chat(relays=[f"ws://127.0.0.1:{free_port()}", url]).run()
    assert shown(capsys) == ["re: status"]


async def test_relay_that_comes_back_is_told_and_what_was_typed_meanwhile_is_sent_once(capsys):
    port = free_port()
    table = Table(f"ws://127.0.0.1:{port}")
    async with AsyncExitStack() as later:
        async with local_relay(port):
            chat = asyncio.create_task(table.chat(one_by_one=False).run())
            said = ""
            while "Connected to" not in said:
                said += capsys.readouterr().err
                await asyncio.sleep(0.02)
        while "is out of reach" not in said:
            said += capsys.readouterr().err
            await asyncio.sleep(0.02)
        table.type("status", end=False)
        while "No relay has taken it yet" not in said:
            said += capsys.readouterr().err
            await asyncio.sleep(0.02)
        await later.enter_async_context(local_relay(port))
        await later.enter_async_context(table.answering())
        await eventually(lambda: table.heard)
        os.close(table.types)
        await chat
    assert table.heard == ["status"]
    assert said.count("Connected to") == 1
    assert capsys.readouterr().err.count("Connected to") == 1


@pytest.mark.parametrize("listed", [True, False])
async def test_answers_that_go_to_another_inbox_only_are_told(url, capsys, listed):
    table = Table(url)
    tags = [("relay", "wss://phone.example"), *([("relay", url)] if listed else [])]
    inbox = events.sign(
        table.person, kind=10_050, created_at=1_700_000_000, tags=tuple(tags), content=""
    )
    async with table.answering() as far:
        assert await far._messenger.publish(inbox.to_json(), [url])
        table.type("status")
        await table.chat().run()
    told = "inbox list says: wss://phone.example" in capsys.readouterr().err
    assert told is not listed


async def test_nothing_is_published_but_messages(url):
    table = Table(url)
    async with table.answering():
        table.type("status")
        await table.chat().run()
        lonely = DmClient(table.bot, table.person.public_key, [url], QuickClock(), protocol=NIP17)
        running = asyncio.create_task(lonely.run())
        await eventually(lonely.connected)
        found = []

        async def note(listed):
            found.append(listed)

        await lonely._messenger.look_up([SoughtPerson(table.person.public_key)], note)
        assert found == []
        running.cancel()
        await asyncio.wait([running])


# As a process


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM, signal.SIGHUP])
async def test_signal_ends_it_cleanly(url, terminal, tmp_path, number):
    make_key(tmp_path / "me.nsec")
    words = ("--key", tmp_path / "me.nsec", "--relay", url, "--to", generate().npub)
    chat = terminal([sys.executable, "-m", "dca_bot", "chat", *words])
    await chat.until("Connected to")
    chat.process.send_signal(number)
    assert await chat.end() == 0
    assert "Traceback" not in chat.shown


# Keys


def test_new_key_is_for_its_owner_alone_and_nothing_is_overwritten(tmp_path):
    path = tmp_path / "me.nsec"
    shown_npub = make_key(path)
    assert path.stat().st_mode & 0o777 == 0o600
    assert parse_secret_key(path.read_text()).npub == shown_npub
    with pytest.raises(ConfigError, match="not overwritten"):
        make_key(path)
    with pytest.raises(ConfigError, match="make it first"):
        make_key(tmp_path / "nowhere" / "me.nsec")


@pytest.mark.parametrize(
    ("key", "mode", "relay", "to", "error", "said"),
    [
        (None, 0, "wss://r.example", "", ConfigError, "dca-bot chat --new --key"),
        ("good", 0o644, "wss://r.example", "", ConfigError, "chmod 600"),
        ("npub", 0o600, "wss://r.example", "", KeyRefused, "secret key"),
        ("", 0o600, "wss://r.example", "", ConfigError, "is empty"),
        ("good", 0o600, "https://r.example", "", ConfigError, "is no relay"),
        ("good", 0o600, "wss://r.example", "npub1nonsense", KeyRefused, "npub"),
    ],
)
async def test_what_was_given_wrong_is_said(tmp_path, key, mode, relay, to, error, said):
    path = tmp_path / "me.nsec"
    if key is not None:
        path.write_text({"good": generate().nsec(), "npub": generate().npub, "": ""}[key])
        path.chmod(mode)
    with pytest.raises(error, match=said):
        await run_chat(path, [relay], to or generate().npub, protocol=NIP17)
