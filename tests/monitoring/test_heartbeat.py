"""The heartbeat's URL is called as it is, with nothing sent along, and is shown nowhere."""

import asyncio
import logging
from contextlib import asynccontextmanager, suppress

import pytest

from dca_bot.config import Config
from dca_bot.errors import ConfigError, HeartbeatFailed
from dca_bot.files.secret_files import write_secret
from dca_bot.monitoring.heartbeat import Heartbeat, checked_url
from dca_bot.outside import build_heartbeat

SECRET = "5f0c9c3e-ping"
PATH = f"/api/push/{SECRET}?status=up&msg=OK&ping="


@asynccontextmanager
async def receiver(answer):
    """A web server of one answer (bytes; None: never); `asked` gets each request's head."""
    asked = []

    async def serve(reader, writer):
        served.append(asyncio.current_task())
        asked.append((await reader.readuntil(b"\r\n\r\n")).decode())
        if answer is None:
            await reader.read()
        else:
            writer.write(answer)
        writer.close()
        with suppress(ConnectionError):
            await writer.wait_closed()

    served = []
    async with await asyncio.start_server(serve, "127.0.0.1", 0) as server:
        port = server.sockets[0].getsockname()[1]
        yield f"http://127.0.0.1:{port}", asked
        await asyncio.gather(*served)


def answer(status, *headers, body="OK"):
    lines = [f"HTTP/1.1 {status}", *headers, f"Content-Length: {len(body)}", "Connection: close"]
    return "\r\n".join([*lines, "", body]).encode()


async def test_url_is_called_as_it_is_with_nothing_sent_along():
    async with receiver(answer("200 OK")) as (url, asked), Heartbeat(url + PATH) as beat:
        await beat()
        await beat()
    assert len(asked) == 2
    first, *headers = asked[0].strip().split("\r\n")
    assert first == f"GET {PATH} HTTP/1.1"
    names = {line.split(":")[0].lower() for line in headers}
    assert names <= {"host", "accept", "accept-encoding", "connection", "user-agent"}


@pytest.mark.parametrize(
    ("reply", "words"),
    [
        (answer("302 Found", "Location: https://login.example"), "the answer was HTTP 302"),
        (answer("404 Not Found", body=SECRET), "the answer was HTTP 404"),
        (answer("200 OK", body="x" * 20_000), "more than 16384 bytes"),
        (b"", "the connection broke"),
        (b"220 mail.example ESMTP\r\n", "the connection broke"),
        (None, "no answer within 0.2 s"),
    ],
)
async def test_any_other_answer_is_a_failure_without_the_url(reply, words, caplog):
    caplog.set_level(logging.WARNING)
    async with (
        receiver(reply) as (url, asked),
        Heartbeat(url + PATH, limit_s=5 if reply is not None else 0.2) as beat,
    ):
        with pytest.raises(HeartbeatFailed, match=words) as failed:
            await beat()
    assert len(asked) == 1, "no redirect is followed, and nothing is tried twice"
    assert SECRET not in f"{failed.value!r} {failed.value.__context__!r} {caplog.text}"


async def test_nobody_there_is_a_failure_without_the_url():
    async with receiver(b"") as (url, _):
        pass
    async with Heartbeat(url + PATH) as beat:
        with pytest.raises(HeartbeatFailed) as failed:
            await beat()
    assert url.partition("//")[2] not in str(failed.value)
    assert SECRET not in str(failed.value)


def test_urls_of_known_services_are_taken():
    for url in (
        "https://hc-ping.com/5f0c9c3e-6b7a-4f6e-9d7e-0d6c7d1e8a10",
        "http://192.168.1.5:3001/api/push/aBcDeF?status=up&msg=OK&ping=",
        "https://uptime.betterstack.com/api/v1/heartbeat/abc",
    ):
        assert checked_url(url, "file") == url


@pytest.mark.parametrize(
    "text",
    [
        "hc-ping.com/x",
        "ftp://a/x",
        "https:///x",
        "https://a/x https://b/y",
        "https://a/x\nb",
        "http://[a",
    ],
)
def test_what_is_no_url_is_refused_without_being_shown(text):
    with pytest.raises(ConfigError, match=r"^beat\.url has no web address; ") as refused:
        checked_url(text, "beat.url")
    assert text not in str(refused.value)


def config(folder, **monitoring):
    return Config.model_validate(
        {
            "nostr": {"relays": ["wss://relay.example.com"], "operators": ["npub1"]},
            "lamassu": {"source": "directory"},
            "lnbits": {"url": "https://lnbits.example.com"},
            "monitoring": monitoring,
        }
    ).model_copy(update={"base": folder})


async def test_url_comes_from_a_file_of_its_owner_alone(tmp_path):
    assert build_heartbeat(config(tmp_path)) is None
    named = config(tmp_path, heartbeat_url_file="beat.url")
    with pytest.raises(ConfigError, match=r"There is no .*beat\.url; put the URL there"):
        build_heartbeat(named)
    write_secret(tmp_path / "beat.url", f"https://a.example{PATH}")
    async with build_heartbeat(named):
        pass
    (tmp_path / "beat.url").chmod(0o644)
    with pytest.raises(ConfigError, match=r"chmod 600"):
        build_heartbeat(named)
