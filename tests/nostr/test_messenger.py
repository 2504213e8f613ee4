import asyncio
import json
import logging
import random
import socket
from contextlib import asynccontextmanager, suppress
from datetime import UTC, datetime, timedelta
from urllib.parse import urlsplit

import nostr_sdk
import pytest
from dead_hosts import REFUSING, SILENT, silence
from websockets.asyncio.server import serve
from websockets.utils import accept_key

from dca_bot.core.ports import DmProtocol, IncomingMessage, OutgoingMessage, PastReading
from dca_bot.demo.relay import local_relay
from dca_bot.nostr import dm, keys
from dca_bot.nostr.announcement.presence import Presence
from dca_bot.nostr.people.recipient_relays import GRACE_S
from dca_bot.nostr.pool import NostrMessenger
from dca_bot.nostr.relays import relay as relay_module
from dca_bot.nostr.relays import relay_socket
from dca_bot.nostr.relays.inbox_reading import LOOKBACK_S
from dca_bot.nostr.relays.relay import Relay
from dca_bot.nostr.relays.relay_socket import Endpoint

LIMIT_S = 15
NIP04, NIP17 = DmProtocol


class FastClock:
    """The real time and what it is set ahead, with delays twenty times shorter."""

    def __init__(self):
        self.ahead = timedelta()

    def now(self):
        return datetime.now(UTC) + self.ahead

    async def sleep(self, delay_s):
        await asyncio.sleep(delay_s / 20)


def messenger_of(key, urls, *, clock=None, **options):
    clock = clock or FastClock()
    return NostrMessenger(key, urls, clock, random=random.SystemRandom(), **options)


@asynccontextmanager
async def running(messenger, *, listening=None):
    """Run a messenger, at first until that many of its relays pass on its mail."""
    task = asyncio.create_task(messenger.run())
    try:
        wanted = len(messenger.relay_states()) if listening is None else listening
        await eventually(lambda: messenger.connected() == wanted)
        yield messenger
    finally:
        task.cancel()
        await asyncio.wait([task])
    assert task.cancelled()


async def eventually(is_true):
    async with asyncio.timeout(LIMIT_S):
        while not is_true():  # noqa: ASYNC110 - a real relay has no event to wait for
            await asyncio.sleep(0.02)


async def received(messenger, count=1) -> list[IncomingMessage]:
    stream = messenger.incoming()
    async with asyncio.timeout(LIMIT_S):
        return [await anext(stream) for _ in range(count)]


async def nothing_received(messenger):
    with pytest.raises(TimeoutError):
        await asyncio.wait_for(anext(messenger.incoming()), 0.3)


async def published(messenger, wanted, count):
    """Ask the messenger's first relay until it has that many events."""
    relay = next(iter(messenger._relays.values()))
    async with asyncio.timeout(LIMIT_S):
        while True:
            found = await relay.query(wanted)
            if found is not None and len(found) >= count:
                return found


@asynccontextmanager
async def playing(handler):
    """Serve a relay whose part `handler` plays, for what no real relay does on demand."""
    async with serve(handler, "127.0.0.1", 0, close_timeout=1) as server:
        yield f"ws://127.0.0.1:{server.sockets[0].getsockname()[1]}"


def to(recipient, text="hola", protocol=NIP17, at=None):
    return OutgoingMessage(recipient.public_key, text, at or datetime.now(UTC), protocol)


async def send(sender, message, urls):
    return await sender.publish(sender.seal(message), urls)


@pytest.fixture
def bot():
    return keys.generate()


@pytest.fixture
def alice():
    return keys.generate()


@pytest.mark.parametrize("auth_dm", [False, True], ids=["open", "auth"])
@pytest.mark.parametrize("protocol", DmProtocol)
async def test_messages_go_both_ways_over_an_open_and_an_authenticating_relay(
    auth_dm, protocol, bot, alice
):
    async with (
        local_relay(auth_dm=auth_dm) as url,
        running(messenger_of(bot, [url])) as ours,
        running(messenger_of(alice, [url])) as hers,
    ):
        assert await send(hers, to(bot, "balance", protocol), [url])
        (question,) = await received(ours)
        assert (question.text, question.sender) == ("balance", alice.public_key)
        assert (question.protocol, question.relay) == (protocol, url)
        assert await send(ours, to(alice, "Q1,500.00", protocol), [question.relay])
        (answer,) = await received(hers)
        assert answer.text == "Q1,500.00"


async def test_independent_client_and_bot_understand_each_other(bot, alice):
    her_keys = nostr_sdk.Keys.parse(alice.nsec())
    async with local_relay() as url, running(messenger_of(bot, [url])) as ours:
        relay_url = nostr_sdk.RelayUrl.parse(url)
        client = nostr_sdk.ClientBuilder().build()
        await client.add_relay(relay_url)
        await client.connect()
        bot_key = nostr_sdk.PublicKey.parse(bot.npub)
        await client.send_event(nostr_sdk.nip17_make_private_msg(her_keys, bot_key, "help"))
        (question,) = await received(ours)
        assert (question.text, question.sender) == ("help", alice.public_key)
        assert await send(ours, to(alice, "hello"), [url])
        wanted = nostr_sdk.Filter().kind(nostr_sdk.Kind(1059)).pubkey(her_keys.public_key())
        target = nostr_sdk.ReqTarget.auto([wanted])
        (wrap,) = await client.fetch_events(target, timedelta(seconds=LIMIT_S))
        gift = nostr_sdk.UnwrappedGift.from_gift_wrap(her_keys, wrap)
        assert (gift.rumor().content(), gift.sender().to_hex()) == ("hello", bot.public_key)
        await client.shutdown()


async def test_messages_sent_while_the_bot_was_down_come_in_the_order_they_were_written(bot, alice):
    began_at = datetime.now(UTC) - timedelta(minutes=30)
    async with local_relay(filter_limit=7) as url:
        async with running(messenger_of(alice, [url])) as hers:
            for minute in range(25):
                at = began_at + timedelta(minutes=minute)
                protocol = NIP17 if minute % 3 else NIP04
                assert await send(hers, to(bot, f"{minute}", protocol, at), [url])
        async with running(messenger_of(bot, [url])) as ours:
            messages = await received(ours, 25)
            assert [message.text for message in messages] == [str(n) for n in range(25)]
            await nothing_received(ours)


async def test_downtime_of_days_is_read_back_to_when_the_bot_last_listened(bot, alice):
    now = datetime.now(UTC)
    async with local_relay() as url:
        async with running(messenger_of(alice, [url])) as hers:
            for days in (9, 6, 1):
                message = to(bot, f"{days} days ago", NIP04, now - timedelta(days=days))
                assert await send(hers, message, [url])
        since = now - timedelta(days=5)
        async with running(messenger_of(bot, [url], past=PastReading(since))) as ours:
            texts = [message.text for message in await received(ours, 2)]
            assert texts == ["6 days ago", "1 days ago"]
            await nothing_received(ours)


async def test_bot_comes_back_after_its_relay_was_restarted(bot, alice, caplog):
    caplog.set_level(logging.INFO, "dca_bot")
    async with local_relay() as url:
        port = urlsplit(url).port
        ours = messenger_of(bot, [url])
        task = asyncio.create_task(ours.run())
        await eventually(lambda: ours.connected() == 1)
    await eventually(lambda: ours.connected() == 0)
    assert not await send(ours, to(alice), [url])
    await asyncio.sleep(0.5)  # Several attempts fail meanwhile.
    async with local_relay(port) as url, running(messenger_of(alice, [url])) as hers:
        await eventually(lambda: ours.connected() == 1)
        assert await send(hers, to(bot, "still there?"), [url])
        assert (await received(ours))[0].text == "still there?"
        task.cancel()
        await asyncio.wait([task])
    lines = [record.getMessage() for record in caplog.records if url in record.getMessage()]
    of_bot = [line for line in lines if line.startswith("relay_listening")]
    assert len(of_bot) <= 4


async def test_message_over_several_relays_is_yielded_once(bot, alice):
    async with (
        local_relay() as one,
        local_relay() as two,
        running(messenger_of(bot, [one, two])) as ours,
        running(messenger_of(alice, [one, two])) as hers,
    ):
        event_json = hers.seal(to(bot, "once"))
        assert await hers.publish(event_json, [one])
        assert [message.relay for message in await received(ours)] == [one]
        assert await hers.publish(event_json, [two])
        assert await send(hers, to(bot, "next"), [two])
        (message,) = await received(ours)
        assert (message.text, message.relay) == ("next", two)


async def test_each_relay_delivers_while_another_is_down(bot, alice):
    with socket.socket() as nobody:
        nobody.bind(("127.0.0.1", 0))  # Taken, but nobody listens there.
        down = f"ws://127.0.0.1:{nobody.getsockname()[1]}"
        async with (
            local_relay() as up,
            running(messenger_of(bot, [down, up]), listening=1) as ours,
            running(messenger_of(alice, [up])) as hers,
        ):
            assert await send(hers, to(bot), [up])
            assert (await received(ours))[0].relay == up
            states = {state.url: state for state in ours.relay_states()}
            assert states[up].listening
            assert not states[down].listening
            assert "connect" in states[down].detail.lower()


async def test_publishing_succeeds_when_one_of_two_relays_refuses(bot, alice):
    async with (
        local_relay(min_pow=30) as strict,
        local_relay() as open_,
        running(messenger_of(alice, [strict, open_])) as hers,
        running(messenger_of(bot, [open_])) as ours,
    ):
        assert not await send(hers, to(bot, "refused"), [strict])
        assert await send(hers, to(bot, "taken"), [strict, open_])
        assert (await received(ours))[0].text == "taken"


async def test_forged_copy_does_not_suppress_the_real_message(bot, alice):
    event = dm.seal_message(
        to(bot, "real"), alice, now=datetime.now(UTC), random=random.SystemRandom()
    )
    forged = event.to_json().replace(event.sig, "0" * 128)

    async def relay(socket):
        async for frame in socket:
            name = frame.split('"')[3]
            for copy in (forged, "{}", event.to_json(), event.to_json()):
                await socket.send(f'["EVENT","{name}",{copy}]')
            await socket.send(f'["EOSE","{name}"]')

    async with playing(relay) as url, running(messenger_of(bot, [url])) as ours:
        assert (await received(ours))[0].text == "real"
        await nothing_received(ours)


@pytest.mark.parametrize("all_was_read", [True, False])
async def test_next_connection_asks_from_the_last_answered_ping_if_all_was_read(all_was_read, bot):
    asked_since = []

    async def relay(socket):
        async for frame in socket:
            _, name, wanted = json.loads(frame)
            asked_since.append(wanted["since"])
            if all_was_read:
                await socket.send(f'["EOSE","{name}"]')
            # The first answered ping counts after a second; silence for long would count as all.
            await asyncio.sleep(1.5 if all_was_read else 0.2)
            return

    since = datetime.now(UTC) - timedelta(days=30)
    async with (
        playing(relay) as url,
        running(messenger_of(bot, [url], past=PastReading(since)), listening=0),
    ):
        await eventually(lambda: len(asked_since) >= 2)
    moved_by = timedelta(seconds=asked_since[1] - asked_since[0])
    assert asked_since[0] == int(since.timestamp()) - LOOKBACK_S
    assert (moved_by > timedelta(days=29)) == all_was_read
    assert asked_since[1] <= datetime.now(UTC).timestamp() - LOOKBACK_S


async def test_silent_connection_is_noticed_and_replaced(bot):
    accepted = []

    async def deaf(reader, writer):
        """Shake hands as a WebSocket server, then answer nothing, like a half-open connection."""
        request = (await reader.readuntil(b"\r\n\r\n")).decode()
        (key,) = [
            line.split(": ")[1]
            for line in request.splitlines()
            if line.startswith("Sec-WebSocket-K")
        ]
        writer.write(
            b"HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
            b"Sec-WebSocket-Accept: " + accept_key(key).encode() + b"\r\n\r\n"
        )
        accepted.append(writer)
        await reader.read()
        writer.close()

    server = await asyncio.start_server(deaf, "127.0.0.1", 0)
    port = server.sockets[0].getsockname()[1]
    async with server:
        url = f"ws://127.0.0.1:{port}"
        async with running(messenger_of(bot, [url]), listening=0) as messenger:
            await eventually(lambda: len(accepted) >= 2)
            (state,) = messenger.relay_states()
            assert not state.listening
        for writer in accepted:
            writer.close()


async def test_bot_introduces_itself_to_every_relay(bot, alice):
    async with (
        local_relay() as one,
        local_relay() as two,
        running(messenger_of(bot, [one, two], presence=Presence(first_profile={"name": "DCA"}))),
        running(messenger_of(alice, [two])) as hers,
    ):
        wanted = {"kinds": [0, 10_002, 10_050], "authors": [bot.public_key]}
        found = await published(hers, wanted, 3)
        by_kind = {event.kind: event for event in found}
        assert '"bot": true' in by_kind[0].content
        assert by_kind[10_050].values("relay") == (one, two)
        assert by_kind[10_002].values("r") == (one, two)


async def test_messenger_without_a_name_publishes_nothing_of_its_own(alice):
    async with local_relay() as url, running(messenger_of(alice, [url])) as hers:
        assert await published(hers, {"authors": [alice.public_key]}, 0) == ()


async def test_relay_chosen_by_others_inside_the_network_is_not_connected_to(bot, alice):
    visits = []

    async def relay(socket):
        visits.append(socket)

    async with (
        playing(relay) as inside,
        local_relay() as url,
        running(messenger_of(bot, [url])) as ours,
    ):
        port = urlsplit(inside).port
        others = [f"wss://127.0.0.1:{port}", f"wss://localhost:{port}", "http://x", "nonsense"]
        assert not await send(ours, to(alice), [inside, *others])
    assert visits == []


async def test_relay_chosen_by_others_is_visited_for_one_message(bot, alice):
    async def find(url):
        return Endpoint(("127.0.0.1",), urlsplit(url).port)

    async with (
        local_relay() as home,
        local_relay(auth_dm=True) as abroad,
        running(messenger_of(bot, [home], find_endpoint=find)) as ours,
        running(messenger_of(alice, [abroad])) as hers,
    ):
        named = abroad.replace("127.0.0.1", "relay.example")
        assert await send(ours, to(alice, "hello abroad"), [named])
        assert (await received(hers))[0].text == "hello abroad"


@pytest.mark.parametrize("host", [REFUSING, SILENT, "::1"])
async def test_relay_is_visited_at_its_next_address_where_one_cannot_be_reached(
    bot, alice, host, monkeypatch
):
    monkeypatch.setattr(relay_socket, "_ADDRESS_LIMIT_S", 0.2)

    async def find(url):
        return Endpoint((host, "127.0.0.1"), urlsplit(url).port)

    async with (
        local_relay() as home,
        local_relay() as abroad,
        running(messenger_of(bot, [home], find_endpoint=find)) as ours,
        running(messenger_of(alice, [abroad])) as hers,
    ):
        with silence(urlsplit(abroad).port):
            named = abroad.replace("127.0.0.1", "relay.example")
            assert await send(ours, to(alice, "hello abroad"), [named])
        assert (await received(hers))[0].text == "hello abroad"


@asynccontextmanager
async def dead_backend(host, port, answer):
    """Serve what takes connections, and says `answer` before it hangs up; None says nothing at all."""

    async def serve_one(reader, writer):
        await reader.readuntil(b"\r\n\r\n")
        if answer is None:
            await reader.read()
        else:
            writer.write(answer)
        writer.close()

    server = await asyncio.start_server(serve_one, host, port)
    try:
        yield
    finally:
        server.close()


@pytest.mark.parametrize("answer", [None, b"", b"hello\r\n"], ids=["mute", "hangs_up", "no_http"])
@pytest.mark.parametrize("whose", ["own", "others"])
async def test_relay_is_reached_though_its_first_address_takes_connections_in_vain(
    bot, alice, answer, whose, monkeypatch
):
    monkeypatch.setattr(relay_socket, "_ADDRESS_LIMIT_S", 0.3)
    monkeypatch.setattr(relay_module, "OPEN_LIMIT_S", 1)

    async def getaddrinfo(_host, port, **_):
        found = [(REFUSING, port), ("127.0.0.1", port)]
        return [(socket.AF_INET, socket.SOCK_STREAM, 6, "", place) for place in found]

    async def find(url):
        return Endpoint((REFUSING, "127.0.0.1"), urlsplit(url).port)

    async with (
        local_relay() as home,
        local_relay() as url,
        dead_backend(REFUSING, urlsplit(url).port, answer),
    ):
        monkeypatch.setattr(asyncio.get_running_loop(), "getaddrinfo", getaddrinfo)
        named = url.replace("127.0.0.1", "relay.example")
        own = [named if whose == "own" else home]
        async with asyncio.timeout(8), running(messenger_of(bot, own, find_endpoint=find)) as ours:
            assert await send(ours, to(alice), [named])


async def test_own_relay_is_connected_to_though_its_first_address_keeps_silent(bot, monkeypatch):
    async def getaddrinfo(_host, port, **_):
        found = [(SILENT, port), ("127.0.0.1", port)]
        return [(socket.AF_INET, socket.SOCK_STREAM, 6, "", place) for place in found]

    async with local_relay() as home:
        with silence(urlsplit(home).port):
            monkeypatch.setattr(asyncio.get_running_loop(), "getaddrinfo", getaddrinfo)
            named = home.replace("127.0.0.1", "relay.example")
            async with asyncio.timeout(5), running(messenger_of(bot, [named])) as ours:
                assert ours.connected() == 1


async def test_relay_that_refuses_is_not_asked_at_its_other_addresses(bot, alice):
    visits = []

    async def refuse(connection, _request):
        visits.append(connection.remote_address)
        return connection.respond(403, "no")

    async def find(url):
        return Endpoint(("127.0.0.1", "127.0.0.1"), urlsplit(url).port)

    async with (
        serve(None, "127.0.0.1", 0, process_request=refuse) as server,
        local_relay() as home,
        running(messenger_of(bot, [home], find_endpoint=find)) as ours,
    ):
        port = server.sockets[0].getsockname()[1]
        assert not await send(ours, to(alice), [f"ws://relay.example:{port}"])
    assert len(visits) == 1


@asynccontextmanager
async def mute_host():
    """Serve what takes connections and says nothing; yield its port and the visits, open and all."""
    visits = {"open": 0, "all": 0}

    async def say_nothing(reader, writer):
        visits["open"] += 1
        visits["all"] += 1
        with suppress(OSError):
            await reader.read()
        visits["open"] -= 1
        writer.close()

    server = await asyncio.start_server(say_nothing, "127.0.0.1", 0)
    try:
        yield server.sockets[0].getsockname()[1], visits
    finally:
        server.close()


def found_by_name(**ports):
    """Find the relays whose names begin so at these ports."""

    async def find(url):
        name = urlsplit(url).hostname
        return next(
            Endpoint(("127.0.0.1",), at) for start, at in ports.items() if name.startswith(start)
        )

    return find


async def test_broadcast_to_mute_relays_holds_up_no_urgent_letter(bot, alice):
    async with mute_host() as (mute, visits), local_relay() as home, local_relay() as abroad:
        find = found_by_name(mute=mute, live=urlsplit(abroad).port)
        async with running(messenger_of(bot, [home], find_endpoint=find)) as ours:
            broadcast = [
                asyncio.create_task(
                    ours.deliver(
                        ours.seal(to(alice)),
                        [[f"wss://mute{n}-{m}.example" for m in range(4)]],
                        (),
                        bulk=True,
                    )
                )
                for n in range(10)
            ]
            await eventually(lambda: visits["open"] >= 16)
            async with asyncio.timeout(3):
                assert await send(ours, to(alice), ["ws://live.example"])
            assert not any(task.done() for task in broadcast)
            assert visits["open"] < 40, "their number is bounded"
            for task in broadcast:
                task.cancel()


async def test_relays_that_answer_late_are_left_once_another_has_the_letter(bot, alice):
    taken = []

    async def thoughtful(socket):
        async for frame in socket:
            await asyncio.sleep(GRACE_S / 2)
            taken.append(json.loads(frame)[1]["id"])
            await socket.send(json.dumps(["OK", taken[-1], True, ""]))

    async with mute_host() as (mute, visits), local_relay() as home, playing(thoughtful) as slow:
        find = found_by_name(mute=mute, slow=urlsplit(slow).port)
        relays = [home, "wss://mute.example", "ws://slow.example"]
        clock = FastClock()
        async with running(messenger_of(bot, [home], clock=clock, find_endpoint=find)) as ours:
            for count, ahead in ((1, 0), (1, 1), (2, 3), (3, -60)):
                clock.ahead += timedelta(minutes=ahead)
                taken.clear()
                async with asyncio.timeout(1):
                    assert await send(ours, to(alice), relays)
                async with asyncio.timeout(2 * GRACE_S):
                    await eventually(lambda: taken and not visits["open"])
                assert visits["all"] == count, (
                    "whoever was mute is left alone for two minutes, by whatever clock"
                )


async def test_slow_relay_that_was_left_still_serves_whoever_reads_only_there(bot, alice):
    async def slow(socket):
        async for frame in socket:
            await asyncio.sleep(GRACE_S + 1)
            await socket.send(json.dumps(["OK", json.loads(frame)[1]["id"], True, ""]))

    async with local_relay() as home, playing(slow) as url:
        find = found_by_name(slow=urlsplit(url).port)
        async with running(messenger_of(bot, [home], find_endpoint=find)) as ours:
            assert await send(ours, to(alice), [home, "ws://slow.example"])
            await asyncio.sleep(GRACE_S + 0.2)
            assert await send(ours, to(alice), ["ws://slow.example"])


async def test_mute_hosts_are_tried_again_once_the_bots_own_relay_is_back(bot, alice):
    clock = FastClock()
    async with mute_host() as (mute, visits):
        find = found_by_name(mute=mute)
        async with local_relay() as url:
            port = urlsplit(url).port
            ours = messenger_of(bot, [url], clock=clock, find_endpoint=find)
            task = asyncio.create_task(ours.run())
            await eventually(lambda: ours.connected() == 1)
            for _ in range(2):
                assert await send(ours, to(alice), [url, "wss://mute.example"])
                await eventually(lambda: visits["all"] and not visits["open"])
            assert visits["all"] == 1
        await eventually(lambda: ours.connected() == 0)
        async with local_relay(port) as url:
            await eventually(lambda: ours.connected() == 1)
            assert await send(ours, to(alice), [url, "wss://mute.example"])
            await eventually(lambda: visits["all"] == 2)
            task.cancel()
            await asyncio.wait([task])


@pytest.mark.parametrize("frame", [r'["AUTH","\ud800"]', r'["NOTICE","\ud800"]', '["AUTH",""]'])
async def test_relay_that_sends_poison_ends_neither_the_messenger_nor_other_relays(
    frame, bot, alice
):
    async def evil(socket):
        await socket.send(frame)
        await socket.wait_closed()

    async def find(url):
        return Endpoint(("127.0.0.1",), urlsplit(url).port)

    async with (
        local_relay() as good,
        playing(evil) as own,
        playing(evil) as foreign,
        running(messenger_of(bot, [good, own], find_endpoint=find), listening=1) as ours,
        running(messenger_of(alice, [good])) as hers,
    ):
        named = foreign.replace("127.0.0.1", "evil.example")
        assert await send(ours, to(alice, "still here"), [named, own, good])
        assert (await received(hers))[0].text == "still here"


async def test_failing_send_to_one_relay_counts_as_not_accepted(bot, alice, caplog):
    async def find(_url):
        raise RuntimeError("a secret text")

    async with (
        local_relay() as good,
        running(messenger_of(bot, [good], find_endpoint=find)) as ours,
        running(messenger_of(alice, [good])) as hers,
    ):
        assert not await send(ours, to(alice, "lost"), ["wss://evil.example"])
        assert await send(ours, to(alice, "found"), ["wss://evil.example", good])
        assert (await received(hers))[0].text == "found"
    assert "error=RuntimeError" in caplog.text
    assert "find:" in caplog.text
    assert "a secret text" not in caplog.text


class Broken:
    """Listens to a relay and fails where told, as a defect of the bot's own would."""

    def __init__(self, where):
        self.where = where
        self.connected = self.disconnected = 0

    def fail_at(self, where):
        if where == self.where:
            raise LookupError("a secret text")

    async def on_connected(self, _relay):
        self.connected += 1
        self.fail_at("connected")

    async def on_event(self, _event, *, is_stored):  # noqa: ARG002
        self.fail_at("event")

    async def on_stored_begins(self):
        self.fail_at("stored_begins")

    async def on_stored_read(self):
        self.fail_at("stored_read")

    async def on_disconnected(self):
        self.disconnected += 1
        self.fail_at("disconnected")


@pytest.mark.parametrize(
    "where", ["connected", "event", "stored_begins", "stored_read", "disconnected"]
)
async def test_unexpected_error_is_a_lost_connection_and_the_relay_is_tried_again(
    where, bot, alice, caplog
):
    event = dm.seal_message(to(bot), alice, now=datetime.now(UTC), random=random.SystemRandom())
    visits = []

    async def relay(socket):
        visits.append(socket)
        name = json.loads(await socket.recv())[1]
        await socket.send(f'["EVENT","{name}",{event.to_json()}]')
        await socket.send(f'["EOSE","{name}"]')
        if where == "disconnected":
            return
        async for frame in socket:
            await socket.send(f'["EOSE","{json.loads(frame)[1]}"]')

    listener = Broken(where)
    async with playing(relay) as url:
        one = Relay(
            url,
            bot,
            clock=FastClock(),
            random=random.SystemRandom(),
            since=datetime.now(UTC),
            listener=listener,
        )
        task = asyncio.create_task(one.run())
        await eventually(lambda: len(visits) >= 2 or task.done())
        assert not task.done()
        task.cancel()
        await asyncio.wait([task])
    assert listener.disconnected >= 1
    assert "error=LookupError" in caplog.text
    assert "fail_at:" in caplog.text
    assert "a secret text" not in caplog.text + one.state.detail


class StopsAtTheEnd(FastClock):
    """Has a relay stopped in the moment in which a connection's own tasks are ended."""

    def __init__(self):
        super().__init__()
        self.tasks = []

    async def sleep(self, delay_s):
        try:
            await super().sleep(delay_s)
        except asyncio.CancelledError:
            for task in self.tasks:
                task.cancel()
            raise


async def test_relay_that_is_stopped_while_a_connection_ends_does_stop(bot):
    async def hangs_up(socket):
        await socket.recv()

    clock = StopsAtTheEnd()
    async with playing(hangs_up) as url:
        one = Relay(url, bot, clock=clock, random=random.SystemRandom(), since=datetime.now(UTC))
        task = asyncio.create_task(one.run())
        clock.tasks.append(task)
        _, running_on = await asyncio.wait([task], timeout=LIMIT_S)
        task.cancel()
    assert not running_on
    assert task.cancelled()


async def test_nothing_is_published_while_not_running(bot, alice):
    ours = messenger_of(bot, ["ws://127.0.0.1:9"])
    assert not await send(ours, to(alice), ["ws://127.0.0.1:9"])
    assert ours.connected() == 0


def test_retry_of_a_kind_4_message_is_the_same_event(bot, alice):
    ours = messenger_of(bot, [])
    message = to(alice, protocol=NIP04)
    assert ours.seal(message) == ours.seal(message)
    assert ours.seal(message) != ours.seal(to(alice, "other", NIP04, message.created_at))
    wrapped = to(alice, protocol=NIP17)
    assert ours.seal(wrapped) != ours.seal(wrapped)


async def test_log_holds_no_secret_and_no_text(bot, alice, caplog):
    caplog.set_level(logging.DEBUG)
    async with (
        local_relay(auth_dm=True) as url,
        running(messenger_of(bot, [url])) as ours,
        running(messenger_of(alice, [url])) as hers,
    ):
        assert await send(hers, to(bot, "a secret of hers"), [url])
        await received(ours)
    for secret in (bot.nsec(), bot.raw.hex(), alice.raw.hex(), "a secret of hers"):
        assert secret not in caplog.text
