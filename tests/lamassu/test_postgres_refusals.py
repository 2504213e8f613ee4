"""What PostgreSQL, SSH and TLS refuse: each gets a sentence that says what to do, without the secret."""

import asyncio
import gc
import logging
import re
import ssl
import struct
from contextlib import AsyncExitStack
from datetime import UTC, datetime, timedelta
from decimal import Decimal

import asyncssh
import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID
from postgres_process import EMPTY, PASSWORD, READER, TABLES

from dca_bot.errors import ExportBroken, SourceUnavailable
from dca_bot.lamassu.directory import read_directory

BEGINNING = datetime(1970, 1, 1, tzinfo=UTC)
SINCE = datetime(2025, 5, 20, tzinfo=UTC)
WAYS = ("direct", "tunnel")
# Some rows are sent before it fails.
FAILING_CASH_INS = f"""
ALTER TABLE cash_in_txs RENAME TO paid_in;
CREATE VIEW cash_in_txs AS
SELECT id, device_id, created, fiat_code, send_confirmed,
       fiat / nullif(row_number() OVER () - 150, 0) / (row_number() OVER () - 151) AS fiat
FROM paid_in;
GRANT SELECT ON cash_in_txs TO {READER}
"""


def certificate(folder, name, *, issuer=None):
    """Make a certificate for `name` with its key; return paths and what signs the next one."""
    key = ec.generate_private_key(ec.SECP256R1())
    subject = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, name)])
    signer_name, signer_key = issuer or (subject, key)
    public = key.public_key()
    built = (
        x509.CertificateBuilder()
        .subject_name(subject)
        .issuer_name(signer_name)
        .public_key(public)
        .serial_number(x509.random_serial_number())
        .not_valid_before(datetime.now(UTC) - timedelta(days=1))
        .not_valid_after(datetime.now(UTC) + timedelta(days=1))
        .add_extension(x509.BasicConstraints(ca=issuer is None, path_length=None), critical=True)
        .add_extension(x509.SubjectAlternativeName([x509.DNSName(name)]), critical=False)
        .add_extension(x509.SubjectKeyIdentifier.from_public_key(public), critical=False)
        .add_extension(
            x509.AuthorityKeyIdentifier.from_issuer_public_key(signer_key.public_key()),
            critical=False,
        )
        .add_extension(
            x509.KeyUsage(
                digital_signature=True,
                key_cert_sign=issuer is None,
                crl_sign=issuer is None,
                content_commitment=False,
                key_encipherment=False,
                data_encipherment=False,
                key_agreement=False,
                encipher_only=False,
                decipher_only=False,
            ),
            critical=True,
        )
        .sign(signer_key, hashes.SHA256())
    )
    path = folder / f"{name}.pem"
    path.write_bytes(
        built.public_bytes(serialization.Encoding.PEM)
        + key.private_bytes(
            serialization.Encoding.PEM,
            serialization.PrivateFormat.PKCS8,
            serialization.NoEncryption(),
        )
    )
    return path, (subject, key)


# What is refused, and what to do


@pytest.mark.parametrize("way", WAYS)
@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"password": "hunter2"}, r"refuses dca_readonly or the password: .*password_file"),
        ({"user": "nobody"}, r"refuses nobody or the password"),
        ({"database": "lamasu"}, r"There is no database lamasu at .*database"),
    ],
)
async def test_refused_login_says_what_to_correct(make_source, caplog, way, change, words):
    caplog.set_level(logging.DEBUG)
    with pytest.raises(SourceUnavailable, match=words) as told:
        await make_source(way, **change).fetch(SINCE)
    for text in (str(told.value), caplog.text):
        assert PASSWORD not in text
        assert "hunter2" not in text


async def test_role_that_pg_hba_keeps_out_is_told_about_encryption(server, make_source):
    hba = server.postgres.folder / "data" / "pg_hba.conf"
    before = hba.read_text(encoding="utf-8")
    hba.write_text(f"hostnossl all {READER} all reject\n{before}", encoding="utf-8")
    try:
        server.postgres.restart()
        with pytest.raises(SourceUnavailable, match=r"doesn't let dca_readonly in \(.*tls = "):
            await make_source().fetch(SINCE)
    finally:
        hba.write_text(before, encoding="utf-8")
        server.postgres.restart()


async def test_role_without_connect_is_told_its_grant(server, make_source):
    server.postgres.sql(f"REVOKE CONNECT ON DATABASE {server.database} FROM public")
    words = rf"GRANT CONNECT ON DATABASE {server.database} TO dca_readonly;"
    source = make_source()
    with pytest.raises(SourceUnavailable, match=words) as told:
        await source.fetch(SINCE)
    server.postgres.sql(grant_in(told))
    assert len((await source.fetch(SINCE)).cash_outs) > 0


@pytest.mark.parametrize("table", ["cash_out_txs", "cash_out_actions", "devices"])
async def test_table_that_may_not_be_read_is_named_with_its_grant(server, make_source, table):
    server.sql(f"REVOKE SELECT ON {table} FROM {READER}")
    source = make_source()
    with pytest.raises(SourceUnavailable, match=f"may not read {table} ") as told:
        await source.fetch(SINCE)
    server.sql(grant_in(told))
    assert len((await source.fetch(SINCE)).cash_outs) > 0


async def test_schema_that_may_not_be_used_is_told_with_its_grant(server, make_source):
    server.sql("REVOKE USAGE ON SCHEMA public FROM public")
    source = make_source()
    with pytest.raises(SourceUnavailable, match="no table cash_out_txs") as told:
        await source.fetch(SINCE)
    server.sql(grant_in(told))
    assert len((await source.fetch(SINCE)).cash_outs) > 0


def grant_in(told):
    """The statement that a message tells to run."""
    return re.search("GRANT .*;", str(told.value))[0]


@pytest.mark.parametrize(
    "change",
    [
        f"REVOKE SELECT ON cash_in_txs FROM {READER}",
        "DROP TABLE cash_in_txs",
        "ALTER TABLE cash_in_txs RENAME send_confirmed TO sent",
        FAILING_CASH_INS,
    ],
)
async def test_cash_ins_that_cannot_be_read_stop_no_cash_out(server, make_source, sample, change):
    server.sql(change)
    source = make_source()
    for _ in range(2):
        export = await source.fetch(BEGINNING)
        assert export.cash_outs == read_directory(sample / "export", BEGINNING).cash_outs
        assert export.cash_ins == ()
        (sentence,) = export.unreadable
        assert re.search("cash_in_txs.*Cash-outs are read all the same", sentence)
    assert len(server.sessions()) == 1


@pytest.mark.parametrize("way", WAYS)
async def test_locked_cash_ins_stop_no_cash_out(server, make_source, way):
    source = make_source(way, statement_s=2)
    before = await source.fetch(SINCE)
    async with server.locked("cash_in_txs"):
        export = await source.fetch(SINCE)
    assert (export.cash_outs, export.cash_ins) == (before.cash_outs, ())
    (sentence,) = export.unreadable
    assert re.search(r"cash_in_txs took longer than 2 .*Cash-outs are read all", sentence)
    assert len(server.sessions()) == 1
    assert await source.fetch(SINCE) == before


async def test_cash_ins_that_break_off_undo_the_whole_reading(server, make_source):
    source = make_source()
    before = await source.fetch(SINCE)
    async with server.locked("cash_in_txs") as waited_for:
        reading = asyncio.create_task(source.fetch(SINCE))
        await waited_for()
        server.end_sessions()
        with pytest.raises(SourceUnavailable, match="broke while cash_in_txs was read"):
            await reading
    assert await source.fetch(SINCE) == before


async def test_missing_column_is_named(server, make_source):
    server.sql("ALTER TABLE cash_out_txs RENAME fiat TO cash")
    with pytest.raises(ExportBroken, match=r"cash_out_txs in lamassu_\d+ lacks fiat;"):
        await make_source().fetch(SINCE)


async def test_new_column_that_may_not_be_read_is_told_not_missed(server, make_source):
    grants = []
    for table in TABLES:
        text = f"SELECT string_agg(attname, ',') FROM pg_attribute WHERE attrelid = '{table}'::regclass"
        columns = server.sql(f"{text} AND attnum > 0")
        grants.append(f"REVOKE ALL ON {table} FROM {READER};")
        grants.append(f"GRANT SELECT ({columns}) ON {table} TO {READER};")
    server.sql("\n".join(grants))
    source = make_source()
    assert len((await source.fetch(SINCE)).cash_outs) > 0
    server.sql("ALTER TABLE cash_out_txs ADD fixed_fee numeric DEFAULT 3")
    with pytest.raises(SourceUnavailable, match="may not read cash_out_txs"):
        await source.fetch(SINCE)
    server.sql(f"GRANT SELECT (fixed_fee) ON cash_out_txs TO {READER}")
    assert {row.fixed_fee for row in (await source.fetch(SINCE)).cash_outs} == {Decimal(3)}


async def test_database_without_cash_outs_is_read(postgres, server, make_source):
    server.database = postgres.create_database(EMPTY)
    export = await make_source().fetch(BEGINNING)
    assert (export.cash_outs, export.cash_ins, export.machines, export.unreadable) == (
        (),
        (),
        {},
        (),
    )


async def test_rights_tell_what_the_role_may_do(server, make_source):
    rights = await make_source("tunnel").rights()
    assert rights.version.startswith("16.")
    assert (set(rights.readable), rights.writable) == (set(TABLES), ())
    change = f"REVOKE SELECT ON devices FROM {READER}; GRANT DELETE ON cash_out_txs TO {READER}"
    server.sql(change)
    rights = await make_source().rights()
    assert (len(rights.readable), rights.writable) == (3, ("cash_out_txs",))


# What is no PostgreSQL


def said(kind, content):
    """A message of PostgreSQL's protocol."""
    return kind + struct.pack(">i", len(content) + 4) + content


LET_IN = said(b"R", bytes(4))
READY = said(b"K", bytes(8)) + said(b"Z", b"I")
POOLER = b"SFATAL\0C08P01\0Munsupported startup parameter: statement_timeout\0\0"


@pytest.fixture
async def pretend():
    """Listen, and give each caller one answer; those after the last are given it again."""
    async with AsyncExitStack() as open_ones:

        async def work(*answers):
            left = list(answers)

            async def answer(reader, writer):
                await reader.read(2**13)
                writer.write(left.pop(0) if len(left) > 1 else left[0])
                writer.close()

            listener = await asyncio.start_server(answer, "127.0.0.1", 0)
            await open_ones.enter_async_context(listener)
            return listener.sockets[0].getsockname()[1]

        yield work


@pytest.mark.parametrize(
    "answer",
    [
        bytes(100),
        b"SSH-2.0-OpenSSH_9.2\r\n",
        b"HTTP/1.1 400 Bad Request\r\n\r\n",
        b"J\0\0\0\x0a8.0.33\0",
    ],
)
async def test_server_that_is_none_is_told_and_never_read(make_source, pretend, answer):
    source = make_source(port=await pretend(answer))
    with pytest.raises(
        SourceUnavailable, match=r"127\.0\.0\.1:\d+ is no PostgreSQL.*host and port"
    ):
        await source.fetch(SINCE)


# What asyncpg half made can't be thrown away quietly.
@pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning")
@pytest.mark.parametrize(
    "answer",
    [
        LET_IN + READY,
        LET_IN + said(b"S", b"server_version\0odd\0") + READY,
        LET_IN + said(b"S", b"client_encoding\0odd\0") + READY,
    ],
)
async def test_server_that_says_odd_things_at_the_login_is_told(make_source, pretend, answer):
    source = make_source(port=await pretend(b"N", answer))
    with pytest.raises(SourceUnavailable, match=r"can't be logged in to \(.*host and port"):
        await source.fetch(SINCE)
    gc.collect()


@pytest.mark.parametrize("host", ["db..example.com", "d" * 64 + ".example.com"])
@pytest.mark.parametrize("tls", ["disable", "verify-full"])
async def test_host_that_is_no_name_is_told(make_source, host, tls):
    with pytest.raises(SourceUnavailable, match=rf"{host}:\d+ can't be logged in to.*check.*host"):
        await make_source(host=host, tls=tls).rights()


async def test_pooler_that_refuses_a_setting_is_told_with_what_to_do(make_source, pretend):
    source = make_source(port=await pretend(b"N", said(b"E", POOLER)))
    words = r"\(unsupported startup parameter: statement_timeout\).*ignore_startup_parameters"
    with pytest.raises(SourceUnavailable, match=words):
        await source.fetch(SINCE)


# The tunnel


async def test_key_that_may_not_forward_there_is_told_what_to_allow(server, make_source):
    await server.stop()
    server.options = 'restrict,port-forwarding,permitopen="127.0.0.1:1"'
    await server.start()
    with pytest.raises(SourceUnavailable, match=r"doesn't let dca through to 127.*permitopen="):
        await make_source("tunnel").fetch(SINCE)


async def test_tunnel_to_where_nothing_listens_is_told(server, make_source):
    await server.stop()
    server.options = ""
    await server.start()
    with pytest.raises(SourceUnavailable, match=r"can't reach PostgreSQL at 127\.0\.0\.1:1 "):
        await make_source("tunnel", port=1).fetch(SINCE)


async def test_tunnel_to_a_server_with_another_key_is_never_opened(server, make_source):
    other = asyncssh.generate_private_key("ssh-ed25519").export_public_key().decode()
    known_hosts = server.folder / "known_hosts"
    known_hosts.write_text(f"[127.0.0.1]:{server.port} {other}")
    with pytest.raises(SourceUnavailable, match="ssh-keyscan"):
        await make_source("tunnel").fetch(SINCE)
    assert server.sessions() == []


async def test_tunnel_ends_in_a_folder_of_the_bots_own_user(
    make_source, tmp_path_factory, monkeypatch
):
    # The path of a Unix socket has at most 107 bytes: the test's own folder may be too deep.
    near = tmp_path_factory.mktemp("near")
    monkeypatch.setattr("tempfile.tempdir", str(near))
    source = make_source("tunnel")
    await source.fetch(SINCE)
    (folder,) = near.glob("dca-bot-*")
    assert folder.stat().st_mode & 0o777 == 0o700
    assert [path.is_socket() for path in folder.iterdir()] == [True]
    await source.aclose()
    assert list(near.glob("dca-bot-*")) == []


# TLS


@pytest.fixture
def authority(tmp_path):
    folder = tmp_path / "authority"
    folder.mkdir()
    return folder, *certificate(folder, "dca-bot test authority")


@pytest.fixture
def encrypt(authority, wire):
    """Have the wire show a certificate that the authority signed for a name."""

    def work(name):
        folder, _, issuer = authority
        path, _ = certificate(folder, name, issuer=issuer)
        wire.tls = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        wire.tls.load_cert_chain(path)

    return work


async def test_certificate_that_proves_the_server_is_accepted(
    make_source, wire, authority, encrypt
):
    encrypt("localhost")
    how = {"host": "localhost", "port": wire.port, "tls": "verify-full", "ca_file": authority[1]}
    assert len((await make_source(**how).fetch(SINCE)).cash_outs) > 0
    assert wire.encrypted == 1


@pytest.mark.parametrize("wrong", ["name", "authority", "self-made"])
async def test_certificate_that_proves_nothing_is_refused_before_the_password(
    make_source, wire, authority, encrypt, wrong
):
    folder, ca_file, _ = authority
    encrypt("elsewhere.example.com" if wrong == "name" else "localhost")
    if wrong == "authority":
        ca_file, _ = certificate(folder, "another authority")
    if wrong == "self-made":
        ca_file = None
    how = {"host": "localhost", "port": wire.port, "tls": "verify-full", "ca_file": ca_file}
    with pytest.raises(SourceUnavailable, match=r"certificate of localhost:.*ca_file"):
        await make_source(**how).fetch(SINCE)
    assert wire.received == 0


async def test_require_encrypts_and_checks_the_authority_only_if_given(
    make_source, wire, authority, encrypt
):
    folder, ca_file, _ = authority
    encrypt("elsewhere.example.com")
    how = {"host": "localhost", "port": wire.port, "tls": "require"}
    for accepted in (None, ca_file):
        source = make_source(**how, ca_file=accepted)
        assert len((await source.fetch(SINCE)).cash_outs) > 0
    assert wire.encrypted == 2
    other, _ = certificate(folder, "another authority")
    with pytest.raises(SourceUnavailable, match="certificate of localhost"):
        await make_source(**how, ca_file=other).fetch(SINCE)


@pytest.mark.parametrize("tls", ["require", "verify-full"])
async def test_server_without_tls_is_refused_where_it_is_asked_for(make_source, tls):
    with pytest.raises(SourceUnavailable, match=r"doesn't do TLS as asked .*ssl = on"):
        await make_source(tls=tls).fetch(SINCE)


@pytest.mark.parametrize(
    ("content", "said"),
    [(None, r"There is no .*ca\.pem"), ("no certificate\n", r"ca\.pem holds no certificate")],
)
async def test_authority_that_is_none_is_named(make_source, tmp_path, content, said):
    path = tmp_path / "ca.pem"
    if content:
        path.write_text(content)
    with pytest.raises(SourceUnavailable, match=said):
        await make_source(tls="verify-full", ca_file=path).fetch(SINCE)


async def test_surroundings_change_nothing_about_encryption(make_source, wire, monkeypatch):
    monkeypatch.setenv("PGSSLMODE", "disable")
    monkeypatch.setenv("PGPASSWORD", "another")
    monkeypatch.setenv("PGHOST", "elsewhere.example.com")
    assert len((await make_source(port=wire.port).fetch(SINCE)).cash_outs) > 0
    with pytest.raises(SourceUnavailable, match="TLS as asked"):
        await make_source(tls="require").fetch(SINCE)
