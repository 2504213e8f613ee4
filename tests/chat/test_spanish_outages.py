"""A Spanish operator reads in Spanish why a part is out of reach: in `status`, in `poll` and in the alarm."""

from datetime import UTC, datetime

import asyncssh
import pytest
from dead_hosts import REFUSING
from scaffold import open_ledger
from talk import START, Talk, make_programme
from test_alarms import Tower
from test_faults import EACH_FAULT, english_words, error_of

from dca_bot.core.reach import Part
from dca_bot.errors import OutsideError, SourceUnavailable
from dca_bot.jobs.signals import Signals
from dca_bot.lamassu.directory import DirectorySource
from dca_bot.lamassu.ssh import SshCsvSource
from dca_bot.lamassu.ssh_login import SshServer
from dca_bot.lnbits.client import LnbitsWallet

SINCE = datetime(2025, 5, 20, tzinfo=UTC)


@pytest.fixture
async def spanish(tmp_path):
    database = await open_ledger(tmp_path / "data")
    yield Talk(database, tmp_path / "data", make_programme(language="es"))
    await database.aclose()


@pytest.fixture
async def tower(tmp_path):
    database = await open_ledger(tmp_path / "watched")
    yield Tower(database, language="es")
    await database.aclose()


def part_of(error):
    return Part.LAMASSU if isinstance(error, SourceUnavailable) else Part.LNBITS


async def answers(talk, error):
    """Return what an operator is told about a failure: `status`, and `poll` about Lamassu."""
    signals, part = Signals(), part_of(error)
    signals.note(part, reachable=False, now=START, failure=error)
    talk.parts = [*signals.parts.values()]
    told = [await talk.tell("op", "status all")]
    if part is Part.LAMASSU:
        told.append(await talk.tell("op", "poll"))
    return [line for text in told for line in text.splitlines() if "Motivo: " in line]


async def alarm_of(tower, error, minutes):
    """Have a part fail for 16 minutes and come back; return the alarm."""
    part, now = part_of(error), tower.clock.now()
    tower.signals.note(part, reachable=False, now=now, failure=error)
    *_, alarm = await tower.look(minutes + 16, every=4)
    await tower.deliver()
    tower.note(part, reachable=True)
    await tower.look(minutes + 25, every=3)
    await tower.deliver()
    return alarm


async def the_failure(asking) -> OutsideError:
    with pytest.raises(OutsideError) as raised:
        await asking
    return raised.value


async def test_each_fault_is_told_in_spanish_everywhere(spanish, tower):
    for number, fault in enumerate(EACH_FAULT):
        error = error_of(fault)
        whys = await answers(spanish, error)
        assert len(whys) == (2 if part_of(error) is Part.LAMASSU else 1)
        alarm = await alarm_of(tower, error, 25 * number)
        assert "\nMotivo: " in alarm
        for text in (*whys, alarm):
            assert str(error) not in text
            assert english_words(text, error) == set(), text


async def test_key_that_a_real_ssh_server_refuses_is_told_in_spanish(spanish, tower, tmp_path):
    host_key, mine, other = (asyncssh.generate_private_key("ssh-ed25519") for _ in range(3))
    mine.write_private_key(tmp_path / "lamassu.key")
    (tmp_path / "lamassu.key").chmod(0o600)
    other.write_public_key(tmp_path / "authorized_keys")
    listener = await asyncssh.listen(
        "127.0.0.1",
        0,
        server_host_keys=[host_key],
        authorized_client_keys=str(tmp_path / "authorized_keys"),
        config=None,
    )
    port = listener.get_port()
    known = f"[127.0.0.1]:{port} {host_key.export_public_key().decode()}"
    (tmp_path / "known_hosts").write_text(known, encoding="utf-8")
    server = SshServer("127.0.0.1", port, "dca", tmp_path / "lamassu.key", tmp_path / "known_hosts")
    source = SshCsvSource(server, "dca-export {table} {since}")
    try:
        error = await the_failure(source.fetch(SINCE))
    finally:
        await source.aclose()
        listener.close()
        await listener.wait_closed()
    whys = await answers(spanish, error)
    alarm = await alarm_of(tower, error, 0)
    for text in (*whys, alarm):
        assert f"Motivo: 127.0.0.1:{port} rechaza la llave {tmp_path}/lamassu.key para dca" in text
        assert english_words(text, error) == set()


async def test_file_that_is_not_the_export_is_told_in_spanish(spanish, tower, tmp_path):
    folder = tmp_path / "export"
    folder.mkdir()
    for name in ("cash_out_txs.csv", "cash_out_actions.csv"):
        (folder / name).write_text("<html>Please log in</html>\n", encoding="utf-8")
    error = await the_failure(DirectorySource(folder).fetch(SINCE))
    whys = await answers(spanish, error)
    alarm = await alarm_of(tower, error, 0)
    for text in (*whys, alarm):
        assert "Motivo: Lo exportado de cash_out_txs no es la tabla que el bot espera" in text
        assert english_words(text, error) == set()


async def test_lnbits_where_nobody_listens_is_told_in_spanish(spanish, tower):
    async with LnbitsWallet(f"http://{REFUSING}:9", admin_key="5" * 32) as wallet:
        error = await the_failure(wallet.greet())
    (why,) = await answers(spanish, error)
    alarm = await alarm_of(tower, error, 0)
    for text in (why, alarm):
        assert f"Motivo: LNbits en {REFUSING}:9 no respondió." in text
        assert english_words(text, error) == set()
