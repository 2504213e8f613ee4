import asyncio
import re
import shlex
import shutil
import socket
from collections.abc import AsyncIterator
from dataclasses import replace
from datetime import UTC, datetime, timedelta, timezone
from pathlib import Path

import asyncssh
import pytest
from faulty_ssh import FaultySsh

from dca_bot.errors import ExportBroken, SourceUnavailable, TableBroken
from dca_bot.lamassu.directory import read_directory
from dca_bot.lamassu.export_command import fill_command
from dca_bot.lamassu.ssh import SshCsvSource, SshLimits
from dca_bot.lamassu.ssh_login import SshServer, keyscan

pytestmark = pytest.mark.outside  # an SSH server of its own for each test

SINCE = datetime(2025, 5, 20, tzinfo=UTC)
FIELD = Path(__file__).parents[1] / "data" / "field"
TABLES = ["cash_out_txs", "cash_out_actions", "devices", "cash_in_txs"]


@pytest.fixture
async def lamassu(sample, tmp_path) -> AsyncIterator[FaultySsh]:
    server = FaultySsh(sample / "export", tmp_path)
    await server.start()
    yield server
    await server.stop()


@pytest.fixture
def login(lamassu) -> SshServer:
    lamassu.be_known()
    return lamassu.login()


@pytest.fixture
async def source(login) -> AsyncIterator[SshCsvSource]:
    source = make_source(login)
    yield source
    await source.aclose()


def make_source(login, **limits):
    command = "export {table} '{since}' | awk '{print}'"
    return SshCsvSource(login, command, SshLimits(**{"connect_s": 20, "command_s": 20} | limits))


async def test_tables_are_read_in_order_over_one_connection(lamassu, source):
    export = await source.fetch(SINCE)
    again = await source.fetch(SINCE)
    assert 0 < len(export.cash_outs) < 300
    assert min(cash_out.created_at for cash_out in export.cash_outs) >= SINCE
    assert any(cash_out.actions for cash_out in export.cash_outs)
    assert sorted(export.machines.values()) == ["Antigua", "Zona 10"]
    assert again == export
    assert [shlex.split(command)[1] for command in lamassu.commands] == TABLES * 2
    assert lamassu.logins == 1


async def test_time_reaches_the_command_in_utc_and_devices_are_all_read(lamassu, source):
    await source.fetch(SINCE.astimezone(timezone(timedelta(hours=-6))))
    assert lamassu.commands == [
        "export cash_out_txs '2025-05-20T00:00:00+00:00' | awk '{print}'",
        "export cash_out_actions '2025-05-20T00:00:00+00:00' | awk '{print}'",
        "export devices '1970-01-01T00:00:00+00:00' | awk '{print}'",
        "export cash_in_txs '2025-05-20T00:00:00+00:00' | awk '{print}'",
    ]


def test_filled_command_holds_nothing_a_shell_minds():
    since = datetime(2025, 5, 1, 10, 4, 43, 96576, tzinfo=timezone(timedelta(hours=-6)))
    filled = fill_command("{table} {since} {table}", "devices", since)
    assert filled == "devices 2025-05-01T16:04:43.096576+00:00 devices"


@pytest.mark.parametrize(
    ("fault", "error", "words"),
    [
        (
            "exit status 1",
            SourceUnavailable,
            r"cash_out_actions failed .*exit status 1: ERROR:  relation \[1mis missing\).*by hand",
        ),
        (
            "killed",
            SourceUnavailable,
            r"failed .*\(ended by SIGKILL: it said nothing\): look there",
        ),
        ("cut", SourceUnavailable, "broke while cash_out_actions was read|failed"),
        ("no exit status", SourceUnavailable, "cash_out_actions failed .*exit status None"),
        ("truncated", ExportBroken, "cash_out_actions is broken: the last row is not whole"),
        ("column missing", ExportBroken, "cash_out_actions lacks created;"),
    ],
)
async def test_incomplete_reading_gives_nothing_and_the_next_one_works(
    lamassu, source, fault, error, words
):
    lamassu.fault = fault
    with pytest.raises(error, match=words):
        await source.fetch(SINCE)
    lamassu.fault = ""
    assert len((await source.fetch(SINCE)).cash_outs) > 0


@pytest.mark.parametrize(
    ("printed", "complaint", "status", "words"),
    [
        (
            b"",
            b"",
            64,
            r"exit status 64: it said nothing\): the server most likely binds the key to another"
            r' command .* set \[lamassu\.csv\] command = "\{table\} \{since\}"',
        ),
        (b"", b"dca-export takes a table\n", 64, "exit status 64: dca-export takes a table"),
        (
            b"This account is currently not available.\n",
            b"",
            1,
            r"currently not available\.\): there dca may run no commands: .*shell",
        ),
    ],
)
async def test_server_that_runs_another_command_is_told_with_what_to_set(
    lamassu, source, printed, complaint, status, words
):
    lamassu.fault, lamassu.faulty, lamassu.status = "something else", "cash_out_txs", status
    lamassu.printed, lamassu.complaint = printed, complaint
    with pytest.raises(SourceUnavailable, match=words):
        await source.fetch(SINCE)


@pytest.mark.parametrize(
    ("fault", "words"),
    [
        ("exit status 1", r"for cash_in_txs failed .*is missing\).*by hand"),
        ("column missing", "cash_in_txs lacks created;"),
    ],
)
async def test_cash_ins_that_are_not_exported_stop_no_cash_out(lamassu, source, fault, words):
    lamassu.fault, lamassu.faulty = fault, "cash_in_txs"
    export = await source.fetch(SINCE)
    assert (len(export.cash_outs) > 0, export.cash_ins) == (True, ())
    assert re.search(rf"{words}.*Cash-outs are read all the same", export.unreadable[0])
    await source.fetch(SINCE)
    assert lamassu.logins == 1
    lamassu.fault = ""
    export = await source.fetch(SINCE)
    assert (len(export.cash_ins) > 0, export.unreadable) == (True, ())


@pytest.mark.parametrize("fault", ["cut", "no exit status", "killed", "truncated"])
async def test_cash_ins_that_break_off_undo_the_whole_reading(lamassu, source, fault):
    lamassu.fault, lamassu.faulty = fault, "cash_in_txs"
    with pytest.raises(SourceUnavailable):
        await source.fetch(SINCE)


async def test_cash_ins_that_hang_keep_no_cash_out_back_for_long(lamassu, login):
    lamassu.fault, lamassu.faulty = "hangs", "cash_in_txs"
    source = make_source(login, connect_s=0.5, cash_ins_s=0.2)
    export = await source.fetch(SINCE)
    assert (len(export.cash_outs) > 0, export.cash_ins) == (True, ())
    words = r"cash_in_txs took longer than 0\.2 seconds;.*Cash-outs are read all the same"
    assert re.search(words, export.unreadable[0])
    lamassu.fault = ""
    assert len((await source.fetch(SINCE)).cash_ins) > 0
    await source.aclose()


@pytest.mark.parametrize(
    ("printed", "complaint", "words"),
    [
        (b"Last login: Mon\n", b"", "has something before its header line, .* Last login: Mon"),
        (b"sudo: a password is required\n", b"", "is a message of a program, .* sudo: a password"),
        (
            b"",
            b"psql: error: no database\n",
            r"printed no table on .* \(psql: error: no database\)",
        ),
        (b"", b"", "is empty; export all columns, with a header"),
        (b"\x1b]0;dca@lamassu\x07<html>\n", b"", "begins: .0;dca@lamassu<html>. Nothing"),
    ],
)
@pytest.mark.parametrize("faulty", ["cash_out_txs", "cash_in_txs"])
async def test_what_a_command_prints_instead_of_the_export_is_told(
    lamassu, source, faulty, printed, complaint, words
):
    lamassu.fault, lamassu.faulty, lamassu.complaint = "something else", faulty, complaint
    after = (lamassu.export / f"{faulty}.csv").read_bytes() if b"login" in printed else b""
    lamassu.printed = printed + after
    if faulty == "cash_in_txs":
        export = await source.fetch(SINCE)
        assert len(export.cash_outs) > 0
        assert re.search(f"cash_in_txs .*{words}", export.unreadable[0])
    else:
        with pytest.raises(SourceUnavailable, match=f"cash_out_txs .*{words}"):
            await source.fetch(SINCE)


@pytest.mark.parametrize(
    "name", sorted(path.name for path in FIELD.iterdir() if (path / "cash_out_txs.csv").exists())
)
async def test_exports_of_the_field_are_read_or_refused_as_in_a_folder(
    lamassu, source, sample, tmp_path, name
):
    lamassu.export = shutil.copytree(FIELD / name, tmp_path / "field")
    for table in ("devices", "cash_in_txs"):
        shutil.copy(sample / "export" / f"{table}.csv", lamassu.export)
    beginning = datetime(1970, 1, 1, tzinfo=UTC)
    if name in {"no-header", "psql-aligned", "semicolons"}:
        with pytest.raises(TableBroken) as in_folder:
            read_directory(lamassu.export, beginning)
        with pytest.raises(TableBroken, match=re.escape(str(in_folder.value))):
            await source.fetch(beginning)
    else:
        wanted, found = read_directory(lamassu.export, beginning), await source.fetch(beginning)
        assert (found.cash_outs, found.unreadable) == (wanted.cash_outs, wanted.unreadable)
        assert found.cash_outs


async def test_command_that_complains_much_is_still_read(lamassu, source):
    lamassu.fault, lamassu.complaint = "something else", b"psql: warning\n" * 500_000
    lamassu.printed = (lamassu.export / "cash_out_actions.csv").read_bytes()
    assert len((await source.fetch(SINCE)).cash_outs) > 0


async def test_hanging_command_ends_at_the_time_limit(lamassu, login):
    lamassu.fault = "hangs"
    source = make_source(login, connect_s=1, command_s=0.2)
    with pytest.raises(SourceUnavailable, match="cash_out_actions took longer than"):
        await source.fetch(SINCE)
    lamassu.fault = ""
    assert len((await source.fetch(SINCE)).cash_outs) > 0
    await source.aclose()


async def test_table_beyond_the_bound_is_refused(login):
    source = make_source(login, table_bytes=100_000)
    with pytest.raises(SourceUnavailable, match="cash_out_txs goes beyond 100,000 bytes"):
        await source.fetch(SINCE)
    await source.aclose()


async def test_connection_is_replaced_after_the_server_restarted(lamassu, source):
    await source.fetch(SINCE)
    await lamassu.stop()
    with pytest.raises(SourceUnavailable, match="can't be reached"):
        await source.fetch(SINCE)
    await lamassu.start()
    assert len((await source.fetch(SINCE)).cash_outs) > 0
    assert lamassu.logins == 2


async def test_restart_between_two_polls_goes_unnoticed(lamassu, source):
    await source.fetch(SINCE)
    await lamassu.stop()
    await lamassu.start()
    assert len((await source.fetch(SINCE)).cash_outs) > 0


async def test_two_readings_at_once_take_turns(lamassu, source):
    first, second = await asyncio.gather(source.fetch(SINCE), source.fetch(SINCE))
    assert first == second
    assert [shlex.split(command)[1] for command in lamassu.commands] == TABLES * 2


async def test_cancelled_reading_leaves_a_working_source(lamassu, source):
    lamassu.fault = "hangs"
    reading = asyncio.create_task(source.fetch(SINCE))
    await asyncio.wait_for(lamassu.hanging.wait(), 5)
    reading.cancel()
    with pytest.raises(asyncio.CancelledError):
        await reading
    lamassu.fault = ""
    assert len((await source.fetch(SINCE)).cash_outs) > 0


@pytest.mark.parametrize(
    ("marker", "algorithm", "words"),
    [
        ("#", "ssh-ed25519", r"is not in .*known_hosts: run `{keyscan}`"),
        ("", "ssh-ed25519", r"shows another key than .*change nothing.*`{keyscan}`"),
        (
            "",
            "ecdsa-sha2-nistp256",
            r"hung up .*knows its ecdsa-sha2-nistp256 key only.*`{keyscan}`",
        ),
    ],
)
async def test_server_with_an_unknown_key_is_refused_before_any_command(
    lamassu, source, tmp_path, marker, algorithm, words
):
    key = asyncssh.generate_private_key(algorithm)
    line = f"{marker} [127.0.0.1]:{lamassu.port} {key.export_public_key().decode()}"
    (tmp_path / "known_hosts").write_text(line.strip())
    said = words.format(keyscan=f"ssh-keyscan -p {lamassu.port} 127.0.0.1")
    with pytest.raises(SourceUnavailable, match=said):
        await source.fetch(SINCE)
    assert lamassu.commands == []


@pytest.mark.parametrize(
    ("host", "port", "command"),
    [
        ("lamassu.example.com", 22, "ssh-keyscan lamassu.example.com"),
        ("lamassu.example.com", 2222, "ssh-keyscan -p 2222 lamassu.example.com"),
        ("::1", 2222, "ssh-keyscan -p 2222 ::1"),
    ],
)
def test_keyscan_names_the_port_unless_it_is_the_usual_one(login, host, port, command):
    assert keyscan(replace(login, host=host, port=port)) == command


async def test_refused_client_key_tells_where_to_add_it(lamassu, login, tmp_path):
    asyncssh.generate_private_key("ssh-ed25519").write_private_key(tmp_path / "other.key")
    (tmp_path / "other.key").chmod(0o600)
    source = make_source(replace(login, private_key_file=tmp_path / "other.key"))
    with pytest.raises(SourceUnavailable, match=r"other\.key for dca: add its public part"):
        await source.fetch(SINCE)
    assert lamassu.commands == []


@pytest.mark.parametrize(
    ("change", "words"),
    [
        (
            "key missing",
            r"There is no .*lamassu\.key: make it with `ssh-keygen .* add .*lamassu\.key\.pub",
        ),
        ("key garbage", "is not a usable SSH key .*ssh-keygen"),
        ("key encrypted", r"has a passphrase, .*`ssh-keygen -p -N '' -f .*lamassu\.key`"),
        ("key public", r"is the public half of a key; .*without \.pub"),
        ("key of PuTTY", "is a key in PuTTY's format; .*puttygen"),
        ("known_hosts missing", "There is no .*known_hosts: run `ssh-keyscan"),
        ("known_hosts garbage", r"known_hosts can't be read .*correct it"),
        ("known_hosts binary", r"known_hosts can't be read .*correct it"),
    ],
)
async def test_unusable_files_are_named(source, tmp_path, change, words):
    key, known_hosts = tmp_path / "lamassu.key", tmp_path / "known_hosts"
    match change:
        case "key missing":
            key.unlink()
        case "key garbage":
            key.write_text("not a key\n")
        case "key encrypted":
            asyncssh.generate_private_key("ssh-ed25519").write_private_key(
                key, "pkcs8-pem", passphrase="x"
            )
        case "key public":
            asyncssh.generate_private_key("ssh-ed25519").write_public_key(key)
        case "key of PuTTY":
            key.write_text("PuTTY-User-Key-File-3: ssh-ed25519\nEncryption: none\n")
        case "known_hosts missing":
            known_hosts.unlink()
        case "known_hosts garbage":
            known_hosts.write_text("garbage\n")
        case "known_hosts binary":
            known_hosts.write_bytes(b"\xff\xfe\n")
    with pytest.raises(SourceUnavailable, match=words):
        await source.fetch(SINCE)


async def test_unreachable_server_is_told(lamassu, source):
    await lamassu.stop()
    with pytest.raises(
        SourceUnavailable, match=r"can't be reached \(Connection refused\); check host, port"
    ):
        await source.fetch(SINCE)
    await lamassu.start()


@pytest.mark.parametrize("host", ["lamassu..example.com", "l" * 64 + ".example.com"])
async def test_host_that_is_no_name_is_told(login, host):
    source = make_source(replace(login, host=host))
    with pytest.raises(SourceUnavailable, match=rf"{host} is no host name .*correct.*host"):
        await source.fetch(SINCE)


@pytest.mark.parametrize("greeting", [b"", b"HTTP/1.1 400 Bad Request\r\n\r\n", b"220 mail\r\n"])
async def test_port_on_which_no_ssh_listens_is_told(login, greeting):
    async def greet(_reader, writer):
        writer.write(greeting)
        writer.close()

    async with await asyncio.start_server(greet, "127.0.0.1", 0) as server:
        source = make_source(replace(login, port=server.sockets[0].getsockname()[1]))
        with pytest.raises(SourceUnavailable, match=r"hung up before the login .*SSH listens"):
            await source.fetch(SINCE)


async def test_server_that_never_greets_ends_at_the_time_limit(login):
    with socket.create_server(("127.0.0.1", 0)) as listener:
        port = listener.getsockname()[1]
        source = make_source(replace(login, port=port), connect_s=0.2)
        with pytest.raises(SourceUnavailable, match=r"did not answer within 0\.2 seconds"):
            await source.fetch(SINCE)


async def test_closing_twice_does_no_harm(source):
    await source.fetch(SINCE)
    await source.aclose()
    await source.aclose()
