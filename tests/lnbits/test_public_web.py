"""A host's addresses are tried one after the other, at real sockets and with real certificates."""

import asyncio
import ssl
from datetime import UTC, datetime, timedelta

import httpx
import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID
from dead_hosts import REFUSING, SILENT, silence

from dca_bot.lnbits import public_web
from dca_bot.lnbits.public_web import PublicWeb, ask_at
from dca_bot.web import NoAnswer, NoConnection

HOST = "pay.example"
LIMIT_S = 5


def certificate(folder, name):
    """Make a certificate for a host, signed by itself; return its file and that of its key."""
    key = ec.generate_private_key(ec.SECP256R1())
    subject = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, name)])
    now = datetime.now(UTC)
    made = (
        x509.CertificateBuilder()
        .subject_name(subject)
        .issuer_name(subject)
        .public_key(key.public_key())
        .serial_number(1)
        .not_valid_before(now - timedelta(days=1))
        .not_valid_after(now + timedelta(days=1))
        .add_extension(x509.SubjectAlternativeName([x509.DNSName(name)]), critical=False)
        .add_extension(x509.BasicConstraints(ca=True, path_length=None), critical=True)
        .sign(key, hashes.SHA256())
    )
    pem = serialization.Encoding.PEM
    both = made.public_bytes(pem) + key.private_bytes(
        pem, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    )
    path = folder.joinpath(f"{name}.pem")
    path.write_bytes(both)
    return path


@pytest.fixture(scope="module")
def certificates(tmp_path_factory):
    folder = tmp_path_factory.mktemp("certificates")
    return {name: certificate(folder, name) for name in (HOST, "other.example")}


@pytest.fixture
async def http(certificates):
    trusting = ssl.create_default_context()
    for path in certificates.values():
        trusting.load_verify_locations(path)
    async with httpx.AsyncClient(verify=trusting, trust_env=False) as http:
        yield http


@pytest.fixture
def serve_at(web, certificates):
    """Serve what `web` answers by TLS at an address, as the host `name`; the port is the same for all."""
    servers, ports = [], [0]

    async def serve(address, name=HOST):
        shown = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        shown.load_cert_chain(certificates[name])
        asked = []
        shown.sni_callback = lambda _socket, sni, _context: asked.append(sni)
        server = await asyncio.start_server(web.serve, address, ports[0], ssl=shown)
        ports[0] = server.sockets[0].getsockname()[1]
        servers.append(server)
        return ports[0], asked

    yield serve
    for server in servers:
        server.close()


@pytest.mark.parametrize("dead", [REFUSING, SILENT, "::1"])
async def test_next_address_is_asked_where_one_cannot_be_reached(
    web, http, serve_at, dead, monkeypatch
):
    monkeypatch.setattr(public_web, "_ADDRESS_LIMIT_S", 0.1)
    web.answer("/x", {"tag": "payRequest"})
    port, asked = await serve_at("127.0.0.1")
    with silence(port):
        url = httpx.URL(f"https://{HOST}:{port}/x")
        reply = await ask_at(http, url, [dead, "127.0.0.1"], limit_s=LIMIT_S)
    assert reply.json() == {"tag": "payRequest"}
    assert asked == [HOST]
    assert f"host: {HOST}:{port}" in web.asked[0][1].lower()


async def test_next_address_is_asked_where_one_shows_another_s_certificate(web, http, serve_at):
    web.answer("/x", {"tag": "payRequest"})
    port, _ = await serve_at("127.0.0.1", "other.example")
    await serve_at(REFUSING)
    url = httpx.URL(f"https://{HOST}:{port}/x")
    reply = await ask_at(http, url, ["127.0.0.1", REFUSING], limit_s=LIMIT_S)
    assert reply.status == 200
    with pytest.raises(NoConnection, match="certificate"):
        await ask_at(http, url, ["127.0.0.1"], limit_s=LIMIT_S)


async def test_server_is_asked_by_ipv6(web, http, serve_at):
    web.answer("/x", {"tag": "payRequest"})
    try:
        port, _ = await serve_at("::1")
    except OSError:
        pytest.skip("this computer has no IPv6")
    url = httpx.URL(f"https://{HOST}:{port}/x")
    reply = await ask_at(http, url, ["127.0.0.1", "::1"], limit_s=LIMIT_S)
    assert reply.status == 200


@pytest.mark.parametrize("status", [404, 500, 503])
async def test_answer_of_one_address_settles_it(web, http, serve_at, status):
    web.answer("/x", b"", status=status)
    port, _ = await serve_at("127.0.0.1")
    url = httpx.URL(f"https://{HOST}:{port}/x")
    reply = await ask_at(http, url, ["127.0.0.1", "127.0.0.1"], limit_s=LIMIT_S)
    assert reply.status == status
    assert len(web.asked) == 1


async def test_server_that_takes_the_question_and_says_nothing_is_asked_once(web, http, serve_at):
    web.answers["/x"] = None
    port, _ = await serve_at("127.0.0.1")
    url = httpx.URL(f"https://{HOST}:{port}/x")
    with pytest.raises(NoAnswer, match=r"in time|within"):
        await ask_at(http, url, ["127.0.0.1", "127.0.0.1"], limit_s=0.2)
    assert len(web.asked) == 1


async def test_host_that_no_address_of_answers_is_told_with_each_reason(http, serve_at):
    port, _ = await serve_at("127.0.0.1", "other.example")
    url = httpx.URL(f"https://{HOST}:{port}/x")
    with pytest.raises(NoConnection, match=r"certificate.*; All connection attempts failed$"):
        await ask_at(http, url, ["127.0.0.1", REFUSING, REFUSING], limit_s=LIMIT_S)


async def test_dead_addresses_leave_the_last_one_its_time(http):
    """Eight addresses that all keep silent take no longer than the time limit."""
    loop = asyncio.get_running_loop()
    with silence(0) as port:
        began = loop.time()
        url = httpx.URL(f"https://{HOST}:{port}/x")
        with pytest.raises(NoAnswer):
            await ask_at(http, url, [SILENT] * 8, limit_s=0.3)
    assert loop.time() - began < 1.5


async def test_only_a_host_s_public_addresses_are_connected_to():
    async def resolve(_host):
        return ["10.0.0.1", "1.1.1.1", "2606:4700::1", "::1"]

    web = PublicWeb(None, resolve=resolve)
    assert await web._public_addresses(HOST) == ("1.1.1.1", "2606:4700::1")
    await web.http.aclose()
