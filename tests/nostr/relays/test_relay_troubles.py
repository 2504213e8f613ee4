"""What is wrong with a relay is named from the first failure on, by code and in the relay's own words."""

import asyncio
import gc
import random
import socket
import ssl
import time
import warnings
from contextlib import asynccontextmanager
from datetime import UTC, datetime

import pytest
from faulty_relays import AuthWithoutChallenge, Sound
from reach.certificates import DOMAIN, make_authority
from websockets.asyncio.server import serve
from websockets.datastructures import Headers
from websockets.exceptions import ConnectionClosedError
from websockets.frames import Close
from websockets.http11 import Response

from dca_bot.core.delivery import Undelivered
from dca_bot.core.relay_state import RelayTrouble
from dca_bot.nostr import keys
from dca_bot.nostr.relays.relay import Relay
from dca_bot.nostr.relays.relay_socket import open_socket
from dca_bot.nostr.relays.relay_troubles import Trouble, trouble_of, trouble_said, unreached

LIMIT_S = 10


class Clock:
    """The real time, with delays that go fast."""

    def now(self):
        return datetime.now(UTC)

    async def sleep(self, delay_s):
        await asyncio.sleep(delay_s / 100)


def relay_at(url):
    clock = Clock()
    return Relay(url, keys.generate(), clock=clock, random=random.Random(1), since=clock.now())


async def state_after_one_attempt(url):
    relay = relay_at(url)
    async with asyncio.timeout(LIMIT_S):
        await relay.connect_once()
    return relay.state


@asynccontextmanager
async def answering(status, body=b"", **headers):
    """Serve a host that answers each request with an HTTP status."""

    def respond(_connection, _request):
        given = Headers(headers | {"Content-Length": str(len(body)), "Connection": "close"})
        return Response(status, "reason", given, body)

    async with serve(None, "127.0.0.1", 0, process_request=respond) as server:
        yield f"ws://127.0.0.1:{server.sockets[0].getsockname()[1]}"


async def test_connecting_that_is_called_off_at_any_moment_leaves_no_socket_open():
    async with serve(lambda connection: connection.wait_closed(), "127.0.0.1", 0) as server:
        url = f"ws://127.0.0.1:{server.sockets[0].getsockname()[1]}"
        with warnings.catch_warnings(record=True, action="always") as warned:
            for moment in range(30):
                connecting = asyncio.create_task(open_socket(url))
                for _ in range(moment):
                    await asyncio.sleep(0)
                connecting.cancel()
                await asyncio.wait([connecting])
                if not connecting.cancelled():
                    await connecting.result().close()
            gc.collect()
        assert warned == []


@pytest.mark.parametrize("status", [401, 402, 403, 404, 429, 500, 502, 503])
async def test_http_status_is_named_with_the_hosts_own_words(status):
    async with answering(status, b"<no>\x00\x1b[31m room\nsecond line") as url:
        state = await state_after_one_attempt(url)
    assert (state.listening, state.trouble, state.status) == (
        False,
        RelayTrouble.HTTP_STATUS,
        status,
    )
    assert state.words == "<no>[31m room"
    assert not state.ever_listened


@pytest.mark.parametrize(
    ("page", "words"),
    [
        (b"<!DOCTYPE html>\n<html><head><title>502 Bad\nGateway</title>", "502 Bad"),
        (b"<html>\n<TITLE>\n You &amp; me</TITLE>", "You & me"),
        (b"<html><body>no title</body></html>", ""),
    ],
)
async def test_page_of_a_web_server_is_told_by_its_title(page, words):
    async with answering(502, page) as url:
        assert (await state_after_one_attempt(url)).words == words


async def test_large_page_without_an_end_of_its_title_is_read_at_once():
    async with answering(502, b"<html>" + b"<title" * 170_000) as url:
        began_at = time.process_time()
        state = await state_after_one_attempt(url)
    assert (state.trouble, state.words) == (RelayTrouble.HTTP_STATUS, "")
    assert time.process_time() - began_at < 5


@pytest.mark.parametrize("place", ["ws://127.0.0.2:{}", "ws://localhost:{}/x"])
async def test_redirect_to_another_host_is_not_followed(place):
    inside = Sound()
    async with (
        inside.serving(host="0.0.0.0") as elsewhere,  # noqa: S104 - to see the bot come by any name
        answering(302, Location=place.format(elsewhere.rpartition(":")[2])) as url,
    ):
        state = await state_after_one_attempt(url)
    assert (state.trouble, state.status) == (RelayTrouble.REDIRECT, 302)
    assert inside.visits == 0


async def test_redirect_to_the_same_host_is_followed():
    relay = Sound()
    async with relay.serving() as there, answering(301, Location=there) as url:
        one = relay_at(url)
        task = asyncio.create_task(one.connect_once())
        async with asyncio.timeout(LIMIT_S):
            while not one.state.listening:  # noqa: ASYNC110 - nothing tells of the change
                await asyncio.sleep(0.01)
        task.cancel()
        await asyncio.wait([task])
    assert relay.visits == 1


@pytest.mark.parametrize("place", ["ws://other.example/", "wss://other.example", "http://x", "::"])
async def test_redirect_is_named(place):
    async with answering(301, Location=place) as url:
        state = await state_after_one_attempt(url)
    assert state.trouble in {RelayTrouble.REDIRECT, RelayTrouble.NO_HOST}
    assert not state.listening


async def test_server_without_websockets_is_named():
    async def hello(_reader, writer):
        writer.write(b"220 mail.example ESMTP\r\n")
        writer.close()

    server = await asyncio.start_server(hello, "127.0.0.1", 0)
    async with server:
        state = await state_after_one_attempt(
            f"ws://127.0.0.1:{server.sockets[0].getsockname()[1]}"
        )
    assert state.trouble is RelayTrouble.NO_WEBSOCKET


async def test_closed_port_unknown_name_and_broken_url_are_named():
    with socket.socket() as nobody:
        nobody.bind(("127.0.0.1", 0))
        closed = await state_after_one_attempt(f"ws://127.0.0.1:{nobody.getsockname()[1]}")
    assert closed.trouble is RelayTrouble.CONNECTION_REFUSED
    unknown = await state_after_one_attempt("wss://no-such-host.invalid")
    assert unknown.trouble is RelayTrouble.NO_HOST
    broken = await state_after_one_attempt("https://relay.example")
    assert broken.trouble is RelayTrouble.BAD_URL


@pytest.mark.parametrize(
    ("certificate", "trouble"),
    [
        ("expired", RelayTrouble.TLS_EXPIRED),
        ("other", RelayTrouble.TLS_OTHER_NAME),
        ("self-signed", RelayTrouble.TLS_SELF_SIGNED),
        ("none", RelayTrouble.LOST),
    ],
)
async def test_certificate_that_does_not_hold_is_named(certificate, trouble, tmp_path, monkeypatch):
    authority = make_authority(tmp_path)
    context = authority.contexts.get(certificate)
    if certificate == "self-signed":
        context = make_authority(tmp_path).root
    else:
        monkeypatch.setenv("SSL_CERT_FILE", str(authority.file))

    async def getaddrinfo(_host, port, **_):
        return [(socket.AF_INET, socket.SOCK_STREAM, 6, "", ("127.0.0.1", port))]

    monkeypatch.setattr(asyncio.get_running_loop(), "getaddrinfo", getaddrinfo)
    async with serve(None, "127.0.0.1", 0, ssl=context) as server:
        port = server.sockets[0].getsockname()[1]
        state = await state_after_one_attempt(f"wss://relay.{DOMAIN}:{port}")
    assert state.trouble is trouble


async def test_relay_that_refuses_the_bot_is_named_in_its_own_words():
    async with AuthWithoutChallenge().serving() as url:
        relay = relay_at(url)
        task = asyncio.create_task(relay.run())
        async with asyncio.timeout(LIMIT_S):
            while relay.state.trouble is not RelayTrouble.AUTH:  # noqa: ASYNC110
                await asyncio.sleep(0.02)
        task.cancel()
        await asyncio.wait([task])
    assert relay.state.words == AuthWithoutChallenge.words


async def test_state_tells_since_when_a_relay_listens_and_that_it_once_did():
    async with Sound().serving() as url:
        relay = relay_at(url)
        began_at = relay.state.since
        task = asyncio.create_task(relay.connect_once())
        async with asyncio.timeout(LIMIT_S):
            while not relay.state.listening:  # noqa: ASYNC110
                await asyncio.sleep(0.02)
        listening = relay.state
        await relay.leave()
        await task
    assert listening.trouble is None
    assert began_at < listening.since < relay.state.since
    assert relay.state.trouble is RelayTrouble.LOST
    assert relay.state.ever_listened


def test_words_of_a_closing_relay_are_cleaned_and_cut():
    said = Close(1008, "blocked:\x07 " + "x" * 100)
    error = ConnectionClosedError(said, None)
    trouble = trouble_of(error)
    assert (trouble.code, trouble.words[:10]) == (RelayTrouble.LOST, "blocked: x")


@pytest.mark.parametrize(
    ("words", "code"),
    [
        ("auth-required: who are you", RelayTrouble.AUTH),
        ("restricted: not on the list", RelayTrouble.AUTH),
        ("pow: 30 bits needed", RelayTrouble.PROOF_OF_WORK),
        ("blocked: no", RelayTrouble.REFUSED),
        ("", RelayTrouble.REFUSED),
    ],
)
def test_refusal_is_named_by_its_prefix(words, code):
    trouble = trouble_said(RelayTrouble.REFUSED, words)
    assert trouble.code is code
    assert unreached("wss://x.example", trouble).reason is Undelivered.REFUSED


@pytest.mark.parametrize("code", [RelayTrouble.NOT_PUBLIC, RelayTrouble.BAD_URL])
def test_relay_that_may_not_be_connected_to_makes_a_list_unusable(code):
    answer = unreached("wss://x.onion", Trouble(code, "no public address"))
    assert answer.reason is Undelivered.UNUSABLE_LIST


@pytest.mark.parametrize(
    ("error", "code"),
    [
        (TimeoutError(), RelayTrouble.TIMEOUT),
        (ConnectionResetError(), RelayTrouble.LOST),
        (OSError(113, "No route to host"), RelayTrouble.UNREACHABLE),
        (
            OSError("Multiple exceptions: [Errno 111] one, [Errno 101] two"),
            RelayTrouble.CONNECTION_REFUSED,
        ),
        (ssl.SSLError(), RelayTrouble.TLS),
        (UnicodeError("label too long"), RelayTrouble.NO_HOST),
        (RuntimeError(), RelayTrouble.FAILED),
    ],
    ids=lambda value: value.value if isinstance(value, RelayTrouble) else type(value).__name__,
)
def test_error_of_the_network_is_named(error, code):
    assert trouble_of(error).code is code
