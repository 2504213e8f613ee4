"""`check` tries each relay and says by name what is wrong, with a remedy."""

import ssl
from contextlib import asynccontextmanager
from datetime import UTC, datetime, timedelta
from http import HTTPStatus

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat
from cryptography.x509.oid import NameOID
from dead_hosts import REFUSING
from faulty_relays import AuthWithoutChallenge, Connection, LateChallenge, Sound
from websockets.asyncio.server import serve

from dca_bot.commands.check_relays import check_relays
from dca_bot.config import Config
from dca_bot.errors import DcaBotError
from dca_bot.files.secret_files import write_secret
from dca_bot.nostr.keys import generate

PAY = "restricted: members only"


class TakesNoMessages(Sound):
    """Refuses each event."""

    async def on_event(self, connection, event):
        await connection.refuse(event, PAY)


class ClosesAtOnce(Sound):
    """Closes each subscription in words of its own."""

    async def on_request(self, connection: Connection, name, *_filters):
        await connection.say("CLOSED", name, PAY)


class Mute(Sound):
    """Takes what comes, and answers nothing."""

    async def on_request(self, connection, name, *filters):
        """Say nothing."""


@pytest.fixture
def check(tmp_path):
    """Run the step of `check` with these relays; return what is printed, with whether the step is good."""
    write_secret(tmp_path / "bot.nsec", generate().nsec())

    async def run(*relays, discovery=(), limit_s=15):
        values = {
            "nostr": {
                "relays": relays,
                "operators": [generate().npub],
                "discovery_relays": discovery,
            },
            "lamassu": {"source": "directory", "directory": {"path": "export"}},
            "lnbits": {"url": "http://127.0.0.1:9"},
        }
        config = Config.model_validate(values).model_copy(update={"base": tmp_path})
        try:
            return True, await check_relays(config, limit_s=limit_s)
        except DcaBotError as error:
            return False, str(error)

    return run


@asynccontextmanager
async def answering(status, body):
    """Serve HTTP answers instead of WebSockets; yield the URL."""

    def refuse(connection, _request):
        return connection.respond(status, body)

    async with serve(_nothing, "127.0.0.1", 0, process_request=refuse) as server:
        yield f"ws://127.0.0.1:{server.sockets[0].getsockname()[1]}"


async def _nothing(_socket):
    """Serve nobody."""


async def test_sound_relays_are_tried_and_nothing_is_stored_there(check):
    first, second, discovery = Sound(), Sound(), Sound()
    async with first.serving() as one, second.serving() as two, discovery.serving() as three:
        assert await check(one, two, discovery=[three]) == (True, "2 can be used")
    for relay in (first, second):
        (sent,) = [frame[1] for frame in relay.heard if frame[0] == "EVENT"]
        assert 20_000 <= sent["kind"] < 30_000, "no relay stores these kinds"
    assert [frame[0] for frame in discovery.heard][:1] == ["REQ"]
    assert "EVENT" not in {frame[0] for frame in discovery.heard}


async def test_one_relay_that_does_not_work_is_named_with_a_remedy(check):
    dead = f"ws://{REFUSING}:9"
    async with Sound().serving() as url:
        good, text = await check(url, dead)
    assert not good
    first, line = text.splitlines()
    assert first == "1 of 2 can be used"
    assert line.startswith(f"  {dead}: its host takes no connection. Check the address")
    assert url not in line


@pytest.mark.parametrize(
    ("status", "why"),
    [
        (HTTPStatus.PAYMENT_REQUIRED, "its server answers with HTTP 402 (said: “Pay first”)"),
        (HTTPStatus.FORBIDDEN, "its server answers with HTTP 403 (said: “Pay first”)"),
        (HTTPStatus.BAD_GATEWAY, "its server answers with HTTP 502 (said: “Pay first”)"),
    ],
)
async def test_http_status_and_the_servers_words_are_told(check, status, why):
    async with answering(status, "Pay first") as url:
        good, text = await check(url)
    assert not good
    assert f"{url}: {why}. " in text


async def test_self_signed_certificate_is_told(check, tmp_path):
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(_self_signed(tmp_path / "own.pem"))
    async with serve(_nothing, "127.0.0.1", 0, ssl=context) as server:
        good, text = await check(f"wss://127.0.0.1:{server.sockets[0].getsockname()[1]}")
    assert not good
    assert "its certificate is signed by nobody known. Its owner needs one" in text


async def test_own_words_of_a_relay_that_closes_the_subscription_are_quoted(check):
    async with ClosesAtOnce().serving() as url:
        good, text = await check(url, limit_s=1)
    assert not good
    assert f"(said: “{PAY}”). Have the bot's npub let in there." in text


async def test_relay_that_wants_a_login_and_lets_nobody_log_in_is_told(check):
    async with AuthWithoutChallenge().serving() as url:
        good, text = await check(url, limit_s=1)
    assert not good
    assert "it wants another proof of who I am (NIP-42)" in text


async def test_relay_that_lets_the_bot_log_in_is_sound(check):
    """The challenge comes after the subscription was refused."""
    async with LateChallenge(after_s=0.2).serving() as url:
        assert await check(url) == (True, "1 can be used")


async def test_relay_that_answers_nothing_is_told_within_the_limit(check):
    async with Mute().serving() as url:
        good, text = await check(url, limit_s=0.5)
    assert not good
    assert "it is connected and gives no answer. Wait; if that lasts, choose another" in text


async def test_relay_that_takes_no_message_is_named_and_no_failure(check):
    async with TakesNoMessages().serving() as url:
        good, text = await check(url)
    assert good
    assert f"{url}: TAKES NO TEST EVENT: " in text
    assert f"(said: “{PAY}”)" in text


async def test_discovery_relay_that_does_not_work_is_named_and_no_failure(check):
    dead = f"ws://{REFUSING}:9"
    async with Sound().serving() as url:
        good, text = await check(url, discovery=[dead])
    assert good
    assert text.splitlines()[1] == (
        f"  discovery relay {dead} DOES NOT HELP: its host takes no connection."
    )


def _self_signed(path):
    key, name = ec.generate_private_key(ec.SECP256R1()), _name("relay.example")
    now = datetime.now(UTC)
    made = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(1)
        .not_valid_before(now - timedelta(days=1))
        .not_valid_after(now + timedelta(days=1))
        .sign(key, hashes.SHA256())
    )
    private = key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())
    path.write_bytes(private + made.public_bytes(Encoding.PEM))
    return path


def _name(common):
    return x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, common)])
