"""One request: whatever the network does, what comes out is an answer or NoAnswer."""

import asyncio
import os
import socket
import ssl
from datetime import UTC, datetime, timedelta

import httpx
import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

from dca_bot.web import NoAnswer, fetch, tls_context

URL = "https://example.com/"


async def ask(http, url=URL):
    return await fetch(http, http.build_request("GET", url), size_max=1000, limit_s=10)


@pytest.mark.parametrize(
    "error",
    [
        ssl.SSLError(1, "decryption failed or bad record mac"),
        ConnectionResetError("reset"),
        OSError("no route"),
        TimeoutError("slow"),
        httpx.InvalidURL("broken"),
        httpx.ReadError("cut off"),
        UnicodeError("xn--"),
        ValueError("Invalid IPv6 URL"),
    ],
)
@pytest.mark.parametrize("phase", ["head", "body", "closing"])
async def test_raw_error_of_the_network_is_no_answer(error, phase):
    class Body(httpx.AsyncByteStream):
        async def __aiter__(self):
            if phase == "body":
                raise error
            yield b"{}"

        async def aclose(self):
            if phase == "closing":
                raise error

    def answer(_request):
        if phase == "head":
            raise error
        return httpx.Response(200, stream=Body())

    async with httpx.AsyncClient(transport=httpx.MockTransport(answer)) as http:
        with pytest.raises(NoAnswer) as caught:
            await ask(http)
    assert caught.value.reason


async def test_cancelled_request_stays_cancelled():
    async def answer(_request):
        await asyncio.Event().wait()

    async with httpx.AsyncClient(transport=httpx.MockTransport(answer)) as http:
        task = asyncio.create_task(ask(http))
        await asyncio.sleep(0)
        task.cancel()
        await asyncio.wait([task])
    assert task.cancelled()


@pytest.mark.parametrize("location", ["mailto:x", "https://xn--/", "https://xn--a.example/"])
async def test_redirect_to_a_broken_web_address_is_no_answer(web, location):
    web.answer("/", b"", status=302, headers=[f"Location: {location}"])
    async with httpx.AsyncClient() as http:
        with pytest.raises(NoAnswer):
            await ask(http, web.url)


@pytest.fixture
def certificate(tmp_path):
    """Return the paths of a certificate for localhost and of its key."""
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "localhost")])
    now = datetime.now(UTC)
    certificate = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - timedelta(hours=1))
        .not_valid_after(now + timedelta(days=2))
        .add_extension(x509.SubjectAlternativeName([x509.DNSName("localhost")]), critical=False)
        .add_extension(x509.BasicConstraints(ca=True, path_length=None), critical=True)
        .sign(key, hashes.SHA256())
    )
    pem = serialization.Encoding.PEM
    plain = serialization.NoEncryption()
    pair = tmp_path / "cert.pem", tmp_path / "key.pem"
    pair[0].write_bytes(certificate.public_bytes(pem))
    pair[1].write_bytes(key.private_bytes(pem, serialization.PrivateFormat.PKCS8, plain))
    return pair


def answer_with_a_forged_record(listener, certificate):
    """Shake hands, read the request, then send a record whose checksum is wrong."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(*certificate)
    raw, _ = listener.accept()
    with (
        socket.socket(fileno=os.dup(raw.fileno())) as below,
        context.wrap_socket(raw, server_side=True) as tls,
    ):
        tls.recv(4096)
        below.sendall(b"\x17\x03\x03\x00\x20" + bytes(32))
        below.settimeout(10)
        below.recv(4096)


async def test_forged_tls_record_after_a_good_handshake_is_no_answer(certificate):
    trusting = ssl.create_default_context(cafile=certificate[0])
    with socket.create_server(("127.0.0.1", 0)) as listener:
        server = asyncio.create_task(
            asyncio.to_thread(answer_with_a_forged_record, listener, certificate)
        )
        async with httpx.AsyncClient(verify=trusting, trust_env=False) as http:
            with pytest.raises(NoAnswer, match="bad record mac"):
                await ask(http, f"https://localhost:{listener.getsockname()[1]}/")
        await server


def test_authorities_are_read_once_and_those_that_the_environment_names_count(
    certificate, monkeypatch
):
    usual = tls_context()
    assert tls_context() is usual
    with monkeypatch.context() as environment:
        environment.setenv("SSL_CERT_FILE", str(certificate[0]))
        assert tls_context().cert_store_stats()["x509"] == 1
    assert tls_context() is usual
