"""`dca-bot init` at a terminal, on real parts; from a pipe it is tried in tests/test_cli.py."""

import asyncio
import os
import re
import signal
import stat
import subprocess
from contextlib import asynccontextmanager
from datetime import UTC, datetime
from pathlib import Path

import asyncssh
import forked
import pytest
from postgres_process import EMPTY

from dca_bot.commands.init import _left_to_do
from dca_bot.commands.lamassu_setup import (
    EXPORT_PATH,
    LamassuAccess,
    Way,
    is_made_password,
    scram_verifier,
)
from dca_bot.config import load_config
from dca_bot.core.ports import DmProtocol
from dca_bot.demo.relay import local_relay
from dca_bot.lamassu_source import build_source
from dca_bot.nostr.dm_client import DmClient
from dca_bot.nostr.keys import generate, parse_npub
from dca_bot.system_clock import SystemClock

KEPT = {name: value for name, value in os.environ.items() if not name.startswith("DCA_BOT_")}
ENVIRONMENT = {**KEPT, "COLUMNS": "200", "NO_COLOR": "1", "TERM": "dumb"}
STUBS = {
    "id": '[ "$1" = -u ] && echo 0 || test -d "$FAKE_HOME"',
    "adduser": 'for user; do :; done; echo "made $user"; mkdir "$FAKE_HOME"',
    "runuser": """
        case "$1" in -l) cd "$FAKE_HOME"; exec "$4" ;; -u) shift 3; exec "$@" ;; esac""",
}
"""What root's programs do on a server, for somebody who isn't root: one user, and PostgreSQL's owner."""


class Server:
    """A server of Lamassu: SSH by the authorized_keys that init's script makes, psql, and PostgreSQL."""

    def __init__(self, postgres, folder):
        self.postgres = postgres
        self.home = folder / "home"
        self._stubs = folder / "stubs"
        self._export = folder / "dca-export"
        self._stubs.mkdir(parents=True)
        for name, does in STUBS.items():
            (self._stubs / name).write_text(f"#!/bin/sh\n{does}\n")
            (self._stubs / name).chmod(0o755)
        self.key = asyncssh.generate_private_key("ssh-ed25519")

    @asynccontextmanager
    async def running(self):
        server = self

        class Login(asyncssh.SSHServer):
            def connection_made(self, connection):
                self.connection = connection

            def begin_auth(self, _username):
                keys = server.allowed.replace(server.forced, "restrict")
                self.connection.set_authorized_keys(asyncssh.import_authorized_keys(keys))
                return True

            def connection_requested(self, *_where):
                return True

        listener = await asyncssh.create_server(
            Login,
            "127.0.0.1",
            0,
            server_host_keys=[self.key],
            process_factory=self._serve,
            encoding=None,
            config=None,
        )
        self.port = listener.get_port()
        yield
        listener.close()
        await listener.wait_closed()

    @property
    def allowed(self):
        """What authorized_keys says; asyncssh forgets what was asked for where a command is forced."""
        path = self.home / ".ssh" / "authorized_keys"
        return path.read_text() if path.exists() else ""

    @property
    def forced(self):
        return f'restrict,command="{self._export}"'

    def run_as_root(self, script):
        """Run init's script; the export script goes into a folder of the test's own."""
        environment = self.postgres.environment("postgres", self.postgres.admin_password)
        environment |= {"FAKE_HOME": str(self.home)}
        environment["PATH"] = f"{self._stubs}:{environment['PATH']}:{os.environ['PATH']}"
        script = script.replace(EXPORT_PATH, str(self._export))
        return subprocess.run(
            ["sh"], input=script, env=environment, capture_output=True, text=True, check=True
        ).stdout

    async def _serve(self, process):
        environment = self.postgres.environment("dca", "dca")
        assert self.allowed.startswith(self.forced)
        environment |= {"SSH_ORIGINAL_COMMAND": process.command}
        running = await asyncio.create_subprocess_exec(
            self._export,
            env=environment,
            stdin=asyncio.subprocess.DEVNULL,
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.PIPE,
        )
        output, complaint = await running.communicate()
        process.stdout.write(output)
        process.stderr.write(complaint)
        process.exit(running.returncode)


@pytest.fixture
async def server(postgres, tmp_path):
    postgres.sql("CREATE DATABASE lamassu TEMPLATE lamassu_sample")
    server = Server(postgres, tmp_path / "server")
    async with server.running():
        yield server
    postgres.sql("DROP DATABASE lamassu WITH (FORCE)")
    postgres.sql("DROP ROLE IF EXISTS dca; DROP ROLE IF EXISTS dca_other")


@pytest.fixture
def folder(tmp_path):
    folder = tmp_path / "bot"
    folder.mkdir()
    return folder


@pytest.fixture
def init(terminal, folder):
    """`dca-bot init` at a terminal, in an empty folder."""
    return terminal(["init"], ENVIRONMENT, folder, start=fork)


def fork(words, environment, folder, far):
    with os.fdopen(os.dup(far), "r+b", buffering=0) as stream:
        return forked.start(words, folder=folder, environment=environment, streams=[stream] * 3)


async def answer(init, *dialogue):
    """Wait for each question in turn, and type its answer."""
    for question, typed in dialogue:
        await init.until(question, 20)
        init.shown = ""
        init.type(f"{typed}\n")


class Person:
    """Somebody with a Nostr app who writes to the bot once."""

    def __init__(self, bot, relay, protocol=DmProtocol.NIP17):
        self.key = generate()
        self._client = DmClient(
            self.key, parse_npub(bot), [relay], SystemClock(), protocol=protocol, name="Fulana"
        )

    async def ask(self, text):
        async with asyncio.TaskGroup() as group:
            running = group.create_task(self._client.run())
            await self._until_sent(self._client.compose(text))
            answer = await anext(self._client.received())
            running.cancel()
        return answer.text

    async def _until_sent(self, message):
        if not await self._client.send(message):
            await asyncio.sleep(0.05)
            await self._until_sent(message)


async def write_recovery_key_down(init):
    await init.until("Written down")
    ending = re.search(r"AGE-SECRET-KEY-1\w+(\w{6})", init.shown)[1]
    await answer(init, ("Written down", ""), ("The last 6 characters", ending))


async def test_init_finishes_the_job_at_a_terminal(init, folder, server, lnbits, wallets):
    wallet = wallets("source", balance_sat=1_234)
    async with local_relay() as relay:
        await answer(
            init,
            ("Your npub", ""),
            ("Relays", f"{relay},ws://127.0.0.1:9"),
            (r"✗ 1 of 2 can be used[\s\S]*Keep it all the same\?", "n"),
            ("Relays", relay),
            (r"✓ 1 can be used[\s\S]*Address of LNbits", "http://127.0.0.1:9"),
            (r"✗ LNbits at 127\.0\.0\.1:9 did not answer[\s\S]*Keep it all the same\?", "n"),
            ("Address of LNbits", lnbits.url),
            (r"✓ LNbits is of version 1\.[\s\S]*Admin key", wallet.id[:9]),
            (r"has 32 hex digits[\s\S]*Admin key", wallet.invoice_key),
            (r"✗ The source wallet's key is an invoice key[\s\S]*Keep it", "n"),
            ("Admin key", wallet.admin_key),
            (r"✓ the wallet .* has 1,234 sats[\s\S]*Currency", "gtq"),
            (r"✓ 1 BTC is 826,091\.28 GTQ[\s\S]*Time zone", ""),
            (r"✓ it is \d\d:\d\d there[\s\S]*Way, 1 to 4", "1"),
            ("Lamassu's host", "127.0.0.1"),
            ("Port of its SSH", "ssh"),
            (r"A port is a number[\s\S]*Port of its SSH", "9"),
            (r"✗ 127\.0\.0\.1:9 can't be reached[\s\S]*Keep it", ""),
            ("Lamassu's host", "127.0.0.1"),
            ("Port of its SSH", str(server.port)),
            (r"✓ 127\.0\.0\.1:\d+ answers, with 1 host keys[\s\S]*User name", "postgres"),
            (r"choose a new name[\s\S]*User name", ""),
            ("Language", "es"),
            ("Begin with a rehearsal", ""),
        )
        await init.until("within 5 minutes")
        (bot,) = set(re.findall(r"npub1\w+", init.shown))
        other, operator = Person(bot, relay), Person(bot, relay)
        theirs = await other.ask("hello")
        mine = await operator.ask("hola")
        assert "Este bot se está instalando" in mine
        codes = [re.search(r"KNOCK-\w{6}", text)[0] for text in (theirs, mine)]
        assert codes[0] != codes[1]
        await init.until(f"{operator.key.npub} calls itself 'Fulana' and has written")
        await answer(init, ("has written", "KNOCK-222222"), ("No such code", codes[1].lower()))
        await write_recovery_key_down(init)
        await init.until('Press Enter once it has said "Done."')
        script = (folder / "lamassu-setup.sh").read_text()
        assert script.strip().replace("\n", "\r\n") in init.shown
        said = server.run_as_root(script)
        assert ("made dca" in said, said.endswith("Done.\n")) == (True, True)
        server.postgres.sql("ALTER ROLE dca PASSWORD 'dca'")
        await answer(
            init,
            ("Press Enter", ""),
            (re.escape(server.key.get_fingerprint()) + r"[\s\S]*Does each fingerprint", "y"),
        )
        await init.until("Next: .*dca-bot run", 20)
        assert await init.end() == 0
    assert "✗" not in init.shown
    assert re.search(r"✓ Lamassu: 0 cash-outs since .*Antigua, Zona 10", init.shown)
    config = load_config(folder / "config.toml")
    assert config.nostr.operators == (operator.key.npub,)
    assert (config.bot.language, config.bot.currency) == ("es", "GTQ")
    assert config.nostr.discovery_relays == ()
    modes = {path.name: stat.S_IMODE(path.stat().st_mode) for path in folder.iterdir()}
    assert set(modes) == {
        "bot.nsec",
        "config.toml",
        "known_hosts",
        "lamassu-setup.sh",
        "lamassu.key",
        "lnbits.key",
        "recovery.pub",
    }
    assert {modes[name] for name in set(modes) - {"known_hosts"}} == {0o600}
    allowed = server.allowed
    server.run_as_root(script)
    assert server.allowed == allowed


async def test_script_for_the_tunnel_lets_the_bot_read_the_database(folder, server):
    way = ["2", "127.0.0.1", str(server.port), "", "", "dca_other", ""]
    lines = [generate().npub, "ws://127.0.0.1:9", "http://127.0.0.1:9", "", "", "", *way]
    done = forked.run(
        ["init"], folder=folder, environment=ENVIRONMENT, answers="\n".join([*lines, ""])
    )
    assert done.returncode == 0, done
    assert "lamassu-setup.sh has to be run once on this computer, as root" in done.stdout
    script = (folder / "lamassu-setup.sh").read_text()
    password = (folder / "lamassu.pgpass").read_text().strip()
    assert (is_made_password(password), password in script + done.stdout) == (True, False)
    port = f"127.0.0.1:{server.postgres.port}"
    server.run_as_root(script.replace("127.0.0.1:5432", port))
    assert server.allowed.startswith(f'restrict,port-forwarding,permitopen="{port}",command=')
    known = f"[127.0.0.1]:{server.port} {server.key.export_public_key().decode()}"
    (folder / "known_hosts").write_text(known)
    config = folder / "config.toml"
    config.write_text(config.read_text().replace("5432", str(server.postgres.port)))
    source = build_source(load_config(config), {})
    try:
        export = await source.fetch(datetime(2020, 1, 1, tzinfo=UTC))
    finally:
        await source.aclose()
    assert len(export.cash_outs) == 300


@pytest.mark.parametrize(
    ("name", "said"),
    [("dca_made", None), ("lamassu_pg", ""), ("postgres", ""), ("boss", "made by dca-bot init")],
)
def test_only_a_role_that_the_script_has_made_gets_the_password(postgres, capfd, name, said):
    """Lamassu's own role is in daily use, and a superuser is nobody to read four tables."""
    password = f"SELECT md5(rolpassword) FROM pg_authid WHERE rolname = '{name}'"
    if name in ("lamassu_pg", "boss"):
        postgres.sql(f"CREATE ROLE {name} LOGIN PASSWORD 'its own'")
    if said:
        postgres.sql(f"ALTER ROLE {name} SUPERUSER; COMMENT ON ROLE {name} IS '{said}'")
    before = postgres.sql(password)
    database = postgres.create_database(EMPTY)
    first, second = (
        LamassuAccess(Way.DIRECT, database, role=name, verifier=scram_verifier("p", salt)).sql
        for salt in (b"1", b"2")
    )
    try:
        if said is None:
            postgres.sql(first, database)
            before = postgres.sql(password)
            postgres.sql(second, database)
            assert postgres.sql(password) != before
        else:
            with pytest.raises(subprocess.CalledProcessError):
                postgres.sql(first, database)
            assert f"a role {name} that init has not made: it is left as" in capfd.readouterr().err
            assert postgres.sql(password) == before
    finally:
        postgres.sql(f"DROP DATABASE {database}")
        if name != "postgres":
            postgres.sql(f"DROP ROLE {name}")


@pytest.mark.parametrize("typed", ["hola", ""])
async def test_init_given_up_while_it_waits_for_the_operator_writes_nothing(init, folder, typed):
    async with local_relay() as relay:
        await answer(init, ("Your npub", ""), ("Relays", relay))
        dialogue = [
            ("LNbits", "http://127.0.0.1:9"),
            ("Keep", "y"),
            ("Admin key", ""),
            ("Curr", ""),
        ]
        dialogue += [("Time zone", ""), ("Way", "4"), ("Folder", ""), ("Lang", "")]
        dialogue += [("rehearsal", "")]
        await answer(init, *dialogue)
        await init.until("within 5 minutes")
        init.type(f"{typed}\n")
        await init.until("No such code" if typed else r"Your npub \(the operator's\)")
        init.process.send_signal(signal.SIGINT)
        assert await init.end() == 1
    assert "so nothing is written" in init.shown
    assert list(folder.iterdir()) == []


def test_init_given_up_before_the_recovery_key_was_proven_names_it(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    said = _left_to_do(Path("config.toml"), {})
    assert said == "No recovery key was kept: dca-bot recovery-key Go on with: dca-bot check"


async def test_init_given_up_on_the_way_to_lamassu_has_written_all_and_says_how_to_go_on(
    init, folder
):
    dialogue = [("Your npub", generate().npub), ("Relays", "ws://127.0.0.1:9"), ("Keep", "y")]
    dialogue += [("LNbits", "http://127.0.0.1:9"), ("Keep", "y"), ("Admin key", ""), ("Curr", "")]
    dialogue += [("Time zone", ""), ("Way", "3"), ("host", ""), ("Port", "9")]
    dialogue += [("Database", "lamassu; rm"), ("letters, digits", ""), ("Role", ""), ("pass", "")]
    await answer(init, *dialogue, ("Language", ""), ("rehearsal", ""))
    await write_recovery_key_down(init)
    await answer(init, ("Press Enter", ""))
    await init.until(r"✗ PostgreSQL: [\s\S]*Try again\?")
    init.process.send_signal(signal.SIGINT)
    assert await init.end() == 1
    assert "have root run lamassu-setup.sh on Lamassu's server. Go on with: dca-bot" in init.shown
    assert load_config(folder / "config.toml").lamassu.postgres.port == 9
