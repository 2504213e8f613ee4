"""The command line as an operator has it: words in, text and exit status out."""

import asyncio
import json
import os
import random
import re
import shutil
import sqlite3
import time
from contextlib import closing
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from functools import partial
from pathlib import Path
from zoneinfo import ZoneInfo

import forked
import pytest
from lamassu_server import LamassuServer
from ledger.old_ledgers import put_old_ledger
from postgres_process import PASSWORD, READER
from scaffold import FLOW, ledger_of, without_triggers

from dca_bot import __version__
from dca_bot.config import load_config
from dca_bot.core.cash_out import Amounts, CashOut, Decision, Reason, Verdict
from dca_bot.core.lease import Dispute, DisputeReason, LeaseKind, LeaseRow, public_id
from dca_bot.core.ports import Copy
from dca_bot.demo.relay import local_relay
from dca_bot.errors import LedgerError
from dca_bot.files.secret_files import write_secret
from dca_bot.ledger.distributions import cash_outs, flow_mode, readings
from dca_bot.ledger.payouts import leases
from dca_bot.ledger.programme import clients, deposits, machine_cash, machines
from dca_bot.ledger.programme.clients import INVOICE_KEY, Destination
from dca_bot.ledger.store import bot_state
from dca_bot.ledger.store.backups import copy_ledger
from dca_bot.ledger.store.database import open_database
from dca_bot.ledger.store.schema import VERSION
from dca_bot.lnbits.client import LnbitsWallet
from dca_bot.nostr.keys import (
    generate,
    nprofile,
    parse_public_key,
    parse_secret_key,
    relay_hints,
)
from dca_bot.operators import EXAMPLE_NPUB, operator_hints

ROOT = Path(__file__).parents[1]
EXPORT = Path(__file__).parent / "data" / "lamassu" / "export"
NOW = datetime(2026, 3, 1, tzinfo=UTC)
CONFIG = """\
[nostr]
relays = [{relay}]
discovery_relays = []
operators = [{operator}]

[lamassu]
source = "directory"
lookback_days = 366
directory.path = {export}

[lnbits]
url = {url}
"""


def dca_bot(*words, folder, answers="", **variables):
    """Run `dca-bot` without a terminal, as another program would, with more variables if given."""
    kept = {name: value for name, value in os.environ.items() if not name.startswith("DCA_BOT_")}
    environment = {**kept, "PYTHONPATH": str(ROOT), "COLUMNS": "200", "NO_COLOR": "1", **variables}
    return forked.run(map(str, words), folder=folder, environment=environment, answers=answers)


def sentence(done):
    """Return the one sentence of a command that failed."""
    assert done.returncode == 1, done
    assert "Traceback" not in done.stderr
    return done.stderr.removeprefix("dca-bot: ")


def write_config(folder, *, relay="ws://127.0.0.1:9", url="http://127.0.0.1:9", export=EXPORT):
    """Write all of the bot's files but the wallet's key."""
    values = {
        "relay": relay,
        "operator": generate().npub,
        "export": str(export),
        "url": url,
    }
    text = CONFIG.format(**{name: json.dumps(value) for name, value in values.items()})
    (folder / "config.toml").write_text(text, encoding="utf-8")
    write_secret(folder / "bot.nsec", generate().nsec())


def set_rehearsal(folder, *, is_wanted):
    """Write `bot.rehearsal` into the configuration."""
    path = folder / "config.toml"
    text = path.read_text(encoding="utf-8")
    path.write_text(f"[bot]\nrehearsal = {str(is_wanted).lower()}\n{text}", encoding="utf-8")


# Exit statuses


@pytest.mark.parametrize(
    "words",
    [
        ["nonsense"],
        ["status", "--nonsense"],
        ["status", "superfluous"],
        ["simulate"],
        ["simulate", "--export", "."],
        ["audit", "--config"],
        ["backup"],
        ["export"],
        ["chat"],
        ["chat", "--key", "me.nsec", "--relay", "wss://relay.example.com"],
    ],
)
def test_wrong_words_end_with_2(tmp_path, words):
    done = dca_bot(*words, folder=tmp_path)
    assert done.returncode == 2
    assert "Error" in done.stderr


def test_help_and_version_end_with_0(tmp_path):
    done = dca_bot("--help", folder=tmp_path)
    assert done.returncode == 0
    for command in (
        "init",
        "check",
        "run",
        "status",
        "audit",
        "backup",
        "export",
        "simulate",
        "demo",
        "upgrade-check",
    ):
        assert command in done.stdout
    assert dca_bot("version", folder=tmp_path).stdout.strip() == __version__


def test_demo_takes_a_configuration_and_says_that_it_uses_none(tmp_path):
    done = dca_bot("demo", "--config", "no.toml", "--help", folder=tmp_path)
    assert done.returncode == 0
    assert "brings its own" in done.stdout


@pytest.mark.parametrize("command", ["check", "run", "status", "audit"])
def test_missing_configuration_ends_with_1_and_says_what_to_do(tmp_path, command):
    done = dca_bot(command, "--config", "no.toml", folder=tmp_path)
    assert sentence(done) == (
        "There is no no.toml. Make one with `dca-bot init --config no.toml`, or copy"
        " config.example.toml.\n"
    )
    assert done.stdout == ""


@pytest.mark.parametrize("command", ["status", "audit"])
def test_missing_ledger_ends_with_1_and_is_not_made(tmp_path, command):
    write_config(tmp_path)
    write_secret(tmp_path / "lnbits.key", "0" * 32)
    assert "start the bot once" in sentence(dca_bot(command, folder=tmp_path))
    assert not (tmp_path / "data").exists()


def test_second_bot_on_a_ledger_is_refused(tmp_path):
    write_config(tmp_path)
    write_secret(tmp_path / "lnbits.key", "0" * 32)

    async def run_beside():
        database = await open_database(tmp_path / "data")
        try:
            return await asyncio.to_thread(dca_bot, "run", folder=tmp_path)
        finally:
            await database.aclose()

    assert "Another bot is running on the ledger" in sentence(asyncio.run(run_beside()))


# A ledger with something in it


def share_out(tx):
    """Record one client with 1,000 GTQ, and one cash-out of 800 GTQ."""
    ana = clients.add(tx, name="ana", pubkey="a" * 64, language="en", now=NOW)
    clients.set_destination(tx, ana.id, Destination(INVOICE_KEY, "key"))
    deposit = deposits.add(tx, ana.id, amount_minor=100_000, note="", now=NOW)
    deposits.confirm(tx, deposit, machine=None, now=NOW)
    amounts = Amounts(100_000, 80_000, 5_000)
    decision = Decision(Verdict.DISTRIBUTE, Reason.NONE, NOW, amounts)
    unread = dict.fromkeys(CashOut.__dataclass_fields__)
    cash_out = CashOut(**{**unread, "id": "cash-out", "device_id": "machine", "created_at": NOW})
    cash_outs.record(tx, cash_out, decision, state="waiting", reason="", now=NOW)
    flow_mode.distribute(tx, "cash-out", amounts, at=NOW, now=NOW, rules=FLOW)


@pytest.fixture
async def folder(tmp_path, lnbits, wallets):
    """A bot's folder with a ledger, and a real LNbits that has paid nothing yet."""
    write_config(tmp_path, url=lnbits.url)
    write_secret(tmp_path / "lnbits.key", wallets("source", balance_sat=1_000).admin_key)
    async with ledger_of(tmp_path) as ledger:
        await ledger.transact(share_out)
    return tmp_path


def test_status_fails_without_a_healthy_bot_if_asked_to(folder):
    done = dca_bot("status", "--healthy", folder=folder)
    assert "No bot runs on this ledger now." in done.stdout
    assert sentence(done) == "Not all is well; see above.\n"


def test_status_tells_what_the_ledger_says(folder):
    values = json.loads(dca_bot("status", "--json", folder=folder).stdout)
    assert values == {
        "rehearsal": False,
        "health": {"running": False, "well": False, "parts": {}},
        "paused": False,
        "disputed": None,
        "lease_refused": None,
        "last_poll_at": None,
        "read_from": None,
        "newest_transaction_at": None,
        "clients": 1,
        "balances": "200.00 GTQ",
        "owed_sat": 100_000,
        "open_payouts": 1,
        "above_ceiling_sat": 0,
        "without_wallet_sat": 0,
        "held_sat": 0,
        "under_way_sat": 0,
        "collecting_sat": 0,
        "payouts_by_state": {"PLANNED": 1},
        "paid_sat": 0,
        "treasury_sat": 0,
        "operator_sat": 0,
        "commission_sat": 5_000,
        "open_holds": 0,
        "unsent_messages": 0,
        "not_reached": [],
        "relays": [],
        "last_backup_at": None,
        "copies_elsewhere": {},
        "longest_stall": None,
        "machines_cash": {},
        "uncovered": None,
    }


def test_status_is_written_for_a_person(folder):
    done = dca_bot("status", "--config", folder / "config.toml", folder="/")
    assert done.stdout.splitlines() == [
        "No bot runs on this ledger now.",
        "Nothing is paused.",
        "Lamassu was not read yet.",
        "Clients: 1, with balances of 200.00 GTQ in all",
        "To be paid: 100,000 sats, payouts: 1 (1 PLANNED)",
        "Paid so far: 0 sats",
        "Given for fixed mode: 0 sats",
        "The operator's: 0 sats",
        "Commission: 5,000 sats",
        "Open holds: 0",
        "Messages to be sent: 0",
        "No copy of the ledger was made by itself yet.",
        "Cash in the machines: no machine is known yet",
        "Balances beyond the cash in the machines: not known before each machine was counted",
    ]


async def test_status_shows_times_as_the_programmes_clocks_do(folder):
    def work(tx):
        bot_state.note_poll(tx, NOW.replace(microsecond=123456))
        bot_state.put(tx, bot_state.BACKUP_AT, NOW.isoformat())
        bot_state.put(tx, bot_state.PAUSED, NOW.isoformat())
        machines.note(tx, "antigua")
        machines.note(tx, "coban")
        machine_cash.count(tx, "coban", 150_000, now=NOW)

    async with ledger_of(folder) as ledger:
        await ledger.transact(work)
    text = (await asyncio.to_thread(dca_bot, "status", folder=folder)).stdout
    assert "PAUSED: nothing is shared out or paid. Send the bot: resume all" in text
    assert "Lamassu last read: 2026-02-28 18:00\n" in text
    assert "Last copy of the ledger: 2026-02-28 18:00\n" in text
    assert "Cash in the machines: antigua not counted yet, coban 1,500.00 GTQ\n" in text


@pytest.mark.parametrize("words", [("status",), ("export", "books"), ("run",)])
async def test_ledger_of_another_currency_is_not_read_as_if_it_were_this_one(folder, words):
    async with ledger_of(folder) as ledger:
        await ledger.transact(lambda tx: bot_state.keep_currency(tx, "GTQ"))
    config = folder / "config.toml"
    config.write_text('[bot]\ncurrency = "USD"\n' + config.read_text(encoding="utf-8"), "utf-8")
    done = await asyncio.to_thread(dca_bot, *words, folder=folder)
    assert done.returncode == 1
    assert "The ledger counts GTQ, but bot.currency is USD. Write GTQ again" in sentence(done)


def test_run_keeps_a_copy_of_an_earlier_ledger_before_it_migrates_it(tmp_path):
    write_config(tmp_path)
    write_secret(tmp_path / "lnbits.key", "0" * 32)
    path = put_old_ledger("v2-64cd33b", tmp_path / "data")
    config = tmp_path / "config.toml"
    config.write_text('[bot]\ncurrency = "USD"\n' + config.read_text(encoding="utf-8"), "utf-8")
    # It ends there by itself, as the ledger counts another currency.
    assert "The ledger counts GTQ" in sentence(dca_bot("run", folder=tmp_path))
    versions = []
    for ledger in (path.with_name(f"before-version-{VERSION}.sqlite3"), path):
        with closing(sqlite3.connect(ledger)) as opened:
            versions += opened.execute("PRAGMA user_version").fetchone()
    assert versions == [2, VERSION]


@pytest.mark.parametrize(
    ("words", "is_rehearsals"),
    [
        (["run"], True),
        (["audit"], True),
        (["check"], False),
        (["status"], False),
        (["export", "books"], True),
    ],
)
async def test_rehearsal_and_programme_never_use_the_others_ledger(tmp_path, words, is_rehearsals):
    write_config(tmp_path)
    write_secret(tmp_path / "lnbits.key", "0" * 32)
    async with ledger_of(tmp_path) as ledger:
        keep = partial(bot_state.keep_kind, rehearsal=is_rehearsals, now=NOW)
        await ledger.transact(keep)
        await ledger.transact(share_out)
    set_rehearsal(tmp_path, is_wanted=not is_rehearsals)
    with closing(sqlite3.connect(tmp_path / "data" / "ledger.sqlite3")) as ledger:
        before = list(ledger.iterdump())
    done = await asyncio.to_thread(dca_bot, *words, folder=tmp_path)
    assert done.returncode == 1
    whose = "rehearsal's: nobody was paid" if is_rehearsals else "programme's, and bot.rehearsal is"
    assert f"The ledger in bot.data_dir is a {whose}" in done.stdout + done.stderr
    with closing(sqlite3.connect(tmp_path / "data" / "ledger.sqlite3")) as ledger:
        assert list(ledger.iterdump()) == before


def test_rehearsal_does_not_migrate_a_programmes_ledger(tmp_path):
    write_config(tmp_path)
    write_secret(tmp_path / "lnbits.key", "0" * 32)
    path = put_old_ledger("v2-64cd33b", tmp_path / "data")
    set_rehearsal(tmp_path, is_wanted=True)
    assert "is a programme's" in sentence(dca_bot("run", folder=tmp_path))
    with closing(sqlite3.connect(path)) as ledger:
        assert ledger.execute("PRAGMA user_version").fetchone() == (2,)
    assert list(path.parent.glob("before-version-*")) == []


async def test_status_audit_and_copy_of_a_rehearsal_say_and_keep_what_it_is(tmp_path):
    write_config(tmp_path)
    write_secret(tmp_path / "lnbits.key", "0" * 32)
    async with ledger_of(tmp_path) as ledger:
        await ledger.transact(partial(bot_state.keep_kind, rehearsal=True, now=NOW))
        await ledger.transact(share_out)
    set_rehearsal(tmp_path, is_wanted=True)
    done = await asyncio.to_thread(dca_bot, "status", folder=tmp_path)
    assert done.stdout.startswith("REHEARSAL: nothing is paid, and nobody but operators")
    # LNbits is out of reach: an audit doesn't ask, as there are no payments to compare.
    audit = await asyncio.to_thread(dca_bot, "audit", folder=tmp_path)
    assert (audit.returncode, audit.stderr) == (0, "")
    copy_ledger(tmp_path / "data", tmp_path / "copy.sqlite3")
    with closing(sqlite3.connect(tmp_path / "copy.sqlite3")) as copy:
        copy.row_factory = sqlite3.Row
        with pytest.raises(LedgerError, match="is a rehearsal's"):
            bot_state.check_kind(copy, rehearsal=False)


async def test_status_and_audit_work_beside_a_running_bot(folder):
    async with ledger_of(folder):
        for command in ("status", "audit"):
            done = await asyncio.to_thread(dca_bot, command, folder=folder)
            assert (done.returncode, done.stderr) == (0, "")


def test_audit_of_a_sound_ledger_ends_with_0(folder):
    done = dca_bot("audit", "--json", folder=folder)
    assert done.returncode == 0, done
    assert json.loads(done.stdout) == {
        "entries": 4,
        "distributions": 1,
        "payouts": 1,
        "payments": 0,
        "findings": [],
        "notes": [],
    }


async def test_audit_of_a_ledger_that_was_tampered_with_names_it_and_ends_with_1(folder):
    def tamper(tx):
        with without_triggers(tx, "payout_is_fixed"):
            tx.execute("UPDATE payout SET amount_sat = amount_sat + 1")

    async with ledger_of(folder) as ledger:
        await ledger.transact(tamper)
    done = await asyncio.to_thread(dca_bot, "audit", "--json", folder=folder)
    assert "finding(s)" in sentence(done)
    (finding,) = json.loads(done.stdout)["findings"]
    code, _, payout = finding.partition(" id=")
    assert code == "payout_not_shares"
    told = f"✗ Payout {payout}'s amount isn't the sum of its shares."
    assert told in dca_bot("audit", folder=folder).stdout


def test_audit_without_lnbits_ends_with_1_and_says_so(folder):
    text = (folder / "config.toml").read_text().split("[lnbits]")[0]
    (folder / "config.toml").write_text(f'{text}[lnbits]\nurl = "http://127.0.0.1:9"\n')
    done = dca_bot("audit", folder=folder)
    assert sentence(done).startswith(
        "The ledger is in order, but LNbits could not be asked, so payments were not compared: LNbits"
        " at 127.0.0.1:9 did not answer"
    )
    assert sentence(done).endswith("Then audit again.\n")
    assert "finding" not in done.stdout + done.stderr
    assert "✗" not in done.stdout
    done = dca_bot("audit", "--json", folder=folder)
    assert done.returncode == 1
    values = json.loads(done.stdout)
    assert (values["entries"], values["payments"], values["findings"]) == (4, None, [])


# backup


async def test_backup_works_beside_a_running_bot_and_overwrites_nothing(folder):
    async with ledger_of(folder):
        done = await asyncio.to_thread(dca_bot, "backup", "copy.sqlite3", folder=folder)
        assert (done.returncode, done.stderr) == (0, "")
        again = await asyncio.to_thread(dca_bot, "backup", "copy.sqlite3", folder=folder)
    assert sentence(again).startswith("copy.sqlite3 is there already")
    (folder / "data" / "ledger.sqlite3").unlink()
    (folder / "copy.sqlite3").rename(folder / "data" / "ledger.sqlite3")
    status = await asyncio.to_thread(dca_bot, "status", "--json", folder=folder)
    assert json.loads(status.stdout)["balances"] == "200.00 GTQ"


@pytest.mark.parametrize(
    ("file", "said"),
    [("nowhere/copy.sqlite3", "There is no folder nowhere"), ("data", "is there already")],
)
def test_backup_that_cannot_be_made_ends_with_1_and_a_sentence(folder, file, said):
    assert said in sentence(dca_bot("backup", file, folder=folder))


def test_backup_without_a_ledger_ends_with_1(tmp_path):
    write_config(tmp_path)
    assert "start the bot once" in sentence(dca_bot("backup", "copy.sqlite3", folder=tmp_path))
    assert not (tmp_path / "data").exists()


# export


async def test_export_works_beside_a_running_bot_and_overwrites_nothing(folder):
    async with ledger_of(folder):
        done = await asyncio.to_thread(dca_bot, "export", "out", folder=folder)
        assert (done.returncode, done.stderr) == (0, "")
        again = await asyncio.to_thread(dca_bot, "export", "out", folder=folder)
    assert "out is not empty" in sentence(again)
    files = list((folder / "out").iterdir())
    assert done.stdout == f"{len(files)} files are in out.\n"
    assert "200.00" in (folder / "out" / "clients.csv").read_text("utf-8-sig")


def test_export_without_a_ledger_ends_with_1(tmp_path):
    write_config(tmp_path)
    assert "start the bot once" in sentence(dca_bot("export", "out", folder=tmp_path))
    assert not (tmp_path / "out").exists()


# chat


def test_chat_makes_a_key_and_says_how_to_where_there_is_none(tmp_path):
    words = ("--relay", "wss://relay.example.com", "--to", generate().npub)
    done = dca_bot("chat", "--key", "me.nsec", *words, folder=tmp_path)
    assert sentence(done) == (
        "There is no me.nsec; make one with: dca-bot chat --new --key me.nsec.\n"
    )
    made = dca_bot("chat", "--new", "--key", "me.nsec", folder=tmp_path)
    assert made.stdout.split()[-1] == parse_secret_key((tmp_path / "me.nsec").read_text()).npub
    assert "nsec1" not in made.stdout + made.stderr


# simulate


@pytest.fixture
def clients_csv(tmp_path):
    path = tmp_path / "clients.csv"
    path.write_text('name,balance\nana,"9,000.00"\nben,1000\n', encoding="utf-8")
    return path


def simulate(clients_csv, *words, export=EXPORT):
    return dca_bot(
        *("simulate", "--export", export, "--clients", clients_csv, *words),
        folder=clients_csv.parent,
    )


def test_simulate_prints_an_object_a_line(clients_csv):
    done = simulate(clients_csv, "--json", "--now", "2025-12-01")
    assert (done.returncode, done.stderr) == (0, "")
    lines = [json.loads(line) for line in done.stdout.splitlines()]
    assert len(lines) == 300
    given = [share["minor"] for line in lines for share in line["shares"]]
    assert sum(given) == 1_000_000


def test_simulate_prints_a_table_for_people(clients_csv):
    done = simulate(clients_csv)
    assert done.returncode == 0
    assert "243 distribute, 44 ignore, 13 hold, 0 wait" in done.stdout
    assert "0.00 GTQ left" in done.stdout


def test_simulate_needs_no_configuration_and_makes_nothing(clients_csv):
    simulate(clients_csv, "--json")
    assert [path.name for path in clients_csv.parent.iterdir()] == ["clients.csv"]


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["--now", "yesterday"], "is no time"),
        (["--currency", "quetzal"], "three capital letters"),
        (["--clients", "none.csv"], "none.csv can't be read"),
        (["--export", "nowhere"], "can't be read"),
    ],
)
def test_simulate_that_cannot_be_done_ends_with_1(clients_csv, words, said):
    assert said in sentence(simulate(clients_csv, *words))


# init


def answer_init(folder, *lines, **variables):
    return dca_bot("init", folder=folder, answers="\n".join([*lines, ""]), **variables)


OPERATOR = generate().npub
BASICS = [OPERATOR, "wss://relay.example.com ws://127.0.0.1:7777", "https://lnbits.example.com"]


def test_init_writes_a_configuration_that_loads_and_secrets_for_their_owner_alone(tmp_path):
    done = answer_init(tmp_path, *BASICS, "a1" * 16, "gtq", "", "4", "exported")
    assert done.returncode == 0, done
    config = load_config(tmp_path / "config.toml")
    assert config.nostr.operators == (OPERATOR,)
    assert config.nostr.relays == ("wss://relay.example.com", "ws://127.0.0.1:7777")
    assert (config.lamassu.source, str(config.lamassu.directory.path)) == ("directory", "exported")
    assert (config.bot.currency, config.bot.timezone) == ("GTQ", "America/Guatemala")
    for name in ("config.toml", "bot.nsec", "lnbits.key"):
        assert (tmp_path / name).stat().st_mode & 0o777 == 0o600
    key = parse_secret_key((tmp_path / "bot.nsec").read_text().strip())
    assert key.npub in done.stdout
    (address,) = re.findall(r"nprofile1\w+", done.stdout)
    assert parse_public_key(address) == key.public_key
    assert relay_hints(address) == ("wss://relay.example.com", "ws://127.0.0.1:7777")
    assert key.nsec() not in done.stdout + done.stderr
    assert "a1" * 16 not in done.stdout + done.stderr + (tmp_path / "config.toml").read_text()
    assert (tmp_path / "lnbits.key").read_text().strip() == "a1" * 16
    assert "lnbits.key" in done.stdout.split("Wrote ")[1].split("\n")[0]


@pytest.mark.parametrize(("typed", "language"), [("ES", "es"), ("", "en"), ("de\nes", "es")])
def test_init_asks_for_the_language(tmp_path, typed, language):
    done = answer_init(tmp_path, *BASICS, "", "", "", "4", "", typed)
    assert done.returncode == 0, done
    assert load_config(tmp_path / "config.toml").bot.language == language


def test_init_begins_with_a_rehearsal_if_asked_to(tmp_path):
    done = answer_init(tmp_path, *BASICS, "", "", "", "4", "", "", "y")
    assert done.returncode == 0, done
    bot = load_config(tmp_path / "config.toml").bot
    assert (bot.rehearsal, str(bot.data_dir)) == (True, "data-rehearsal")


def test_init_asks_for_ssh_and_lets_the_wallet_key_wait(tmp_path):
    done = answer_init(tmp_path, *BASICS, "", "", "", "1", "lamassu.example.com", "2222", "reader")
    assert done.returncode == 0, done
    ssh = load_config(tmp_path / "config.toml").lamassu.ssh
    assert (ssh.host, ssh.port, ssh.username) == ("lamassu.example.com", 2222, "reader")
    assert load_config(tmp_path / "config.toml").lamassu.source == "ssh-csv"
    assert not (tmp_path / "lnbits.key").exists()
    assert "chmod 600" in done.stdout


def test_init_asks_for_the_database_and_hides_its_password(tmp_path):
    password = "the role's password"
    way = ["2", "lamassu.example.com", "", "", "lamassu_copy", "reader", password]
    done = answer_init(tmp_path, *BASICS, "", "", "", *way)
    assert done.returncode == 0, done
    lamassu = load_config(tmp_path / "config.toml").lamassu
    assert (lamassu.source, lamassu.ssh.host) == ("postgres", "lamassu.example.com")
    assert (lamassu.postgres.database, lamassu.postgres.user) == ("lamassu_copy", "reader")
    secret = tmp_path / "lamassu.pgpass"
    assert secret.read_text() == f"{password}\n"
    assert secret.stat().st_mode & 0o777 == 0o600
    script = (tmp_path / "lamassu-setup.sh").read_text()
    assert (
        password not in done.stdout + done.stderr + (tmp_path / "config.toml").read_text() + script
    )
    assert ("PASSWORD" in script, 'TO "reader"' in script) == (False, True)


def test_init_takes_an_nprofile_whose_relays_count_from_then_on(tmp_path):
    address = nprofile(generate().public_key, ["wss://hint.example"])
    done = answer_init(tmp_path, f"nostr:{address}", *BASICS[1:], "", "", "", "4", "")
    assert done.returncode == 0, done
    (entry,) = load_config(tmp_path / "config.toml").nostr.operators
    assert operator_hints([entry]) == {parse_public_key(address): ("wss://hint.example",)}


def test_init_asks_again_for_an_npub_that_is_none(tmp_path):
    done = answer_init(tmp_path, "npub1nonsense", *BASICS, "", "", "", "4", "")
    assert done.returncode == 0, done
    assert load_config(tmp_path / "config.toml").nostr.operators == (OPERATOR,)


def test_init_says_why_it_asks_again_for_what_was_left_empty(tmp_path):
    way = ["", "", "", "1", "", "lamassu.example.com", "", "", ""]
    done = answer_init(tmp_path, "", *BASICS, *way)
    assert done.returncode == 0, done
    said = done.stdout + done.stderr
    assert "nobody else may command the bot" in said
    assert "a name or an address, like lamassu.example.com" in said


def test_init_takes_no_operator_in_hex_which_may_be_a_secret_key(tmp_path):
    in_hex = generate().public_key
    done = answer_init(tmp_path, in_hex, *BASICS, "a1" * 16, "gtq", "", "4", "exported")
    assert done.returncode == 0, done
    assert "In hex a secret key looks like a public one" in done.stdout
    assert load_config(tmp_path / "config.toml").nostr.operators == (OPERATOR,)


def test_init_refuses_the_npub_of_the_example_at_once(tmp_path):
    done = answer_init(tmp_path, EXAMPLE_NPUB, *BASICS, "", "", "", "4", "")
    assert done.returncode == 0, done
    assert "the example's npub, which is nobody's" in done.stdout + done.stderr
    assert "How is Lamassu read?" in done.stdout
    assert load_config(tmp_path / "config.toml").nostr.operators == (OPERATOR,)


def test_init_uses_the_key_of_the_environment_and_refuses_it_as_the_operators(tmp_path):
    bot = generate()
    done = answer_init(
        tmp_path, bot.npub, *BASICS, "", "", "", "4", "", DCA_BOT_NOSTR_KEY=bot.nsec()
    )
    assert done.returncode == 0, done
    assert "the bot's own npub; yours is needed" in done.stdout + done.stderr
    assert f"yourself:\n{bot.npub}\n" in done.stdout
    assert not (tmp_path / "bot.nsec").exists()
    assert load_config(tmp_path / "config.toml").nostr.operators == (OPERATOR,)
    assert bot.nsec() not in done.stdout + done.stderr


def test_init_overwrites_no_configuration_and_says_how_to_go_on(tmp_path):
    (tmp_path / "config.toml").write_text("mine")
    said = sentence(answer_init(tmp_path, *BASICS, "", "", "", "4", ""))
    assert said.startswith(
        "config.toml is there already; to try it: dca-bot check. To answer anew,"
    )
    assert "chat --new --key bot.nsec" in said
    assert [path.name for path in tmp_path.iterdir()] == ["config.toml"]
    assert (tmp_path / "config.toml").read_text() == "mine"


def test_init_uses_keys_of_an_earlier_init_again(tmp_path):
    bot = generate()
    kept = {"bot.nsec": bot.nsec(), "lnbits.key": "a1" * 16, "lamassu.pgpass": "mine"}
    for name, secret in kept.items():
        write_secret(tmp_path / name, secret)
    done = answer_init(tmp_path, *BASICS, "", "", "3", "", "", "", "")
    assert done.returncode == 0, done
    assert f"bot.nsec is there and is used: the bot is {bot.npub}" in done.stdout
    assert {name: (tmp_path / name).read_text().strip() for name in kept} == kept
    assert not any(secret in done.stdout + done.stderr for secret in kept.values())


def test_init_takes_lines_as_windows_ends_them(tmp_path):
    lines = [OPERATOR, "wss://relay.example.com, ws://127.0.0.1:7777", BASICS[2], "", "", "", "4"]
    done = dca_bot("init", folder=tmp_path, answers="\r\n".join([*lines, ""]))
    assert done.returncode == 1, "the folder was not asked for yet"
    done = dca_bot("init", folder=tmp_path, answers="\r\n".join([*lines, "", "es", "n", ""]))
    assert done.returncode == 0, done
    bot = load_config(tmp_path / "config.toml").bot
    assert (bot.currency, bot.language) == ("GTQ", "es")


@pytest.mark.parametrize("name", ["lamassu.key", "lamassu.pgpass", "lnbits.key"])
def test_init_refuses_a_secret_that_others_can_read_before_it_asks(tmp_path, name):
    (tmp_path / name).write_text("mine")
    (tmp_path / name).chmod(0o644)
    done = answer_init(tmp_path)
    assert sentence(done) == f"Other users can read {name}. Run: chmod 600 {name}\n"
    assert done.stdout == ""


def test_init_refuses_a_key_for_lamassu_that_is_none_before_it_asks(tmp_path):
    write_secret(tmp_path / "lamassu.key", "ssh-ed25519 AAAA")
    assert sentence(answer_init(tmp_path)).startswith("lamassu.key is the public half of a key")


def test_init_refuses_a_key_of_another_kind_at_once(tmp_path):
    write_secret(tmp_path / "bot.nsec", OPERATOR)
    said = sentence(answer_init(tmp_path, *BASICS, "", "", "", "4", ""))
    assert said == "bot.nsec: This is a public key (npub); the secret key (nsec) is needed here.\n"


@pytest.mark.parametrize(
    ("place", "broken"),
    [
        (1, "relay.example.com"),
        (1, "https://relay.example.com"),
        (2, "ftp://lnbits.example.com"),
        (3, "abc"),
        (3, "g" * 32),
        (4, "quetzal"),
        (5, "Guatemala"),
        (8, "70000"),
    ],
)
def test_init_asks_again_for_what_would_not_load(tmp_path, place, broken):
    answers = [*BASICS, "", "", "", "1", "lamassu.example.com", "", "", ""]
    answers.insert(place, broken)
    done = answer_init(tmp_path, *answers)
    assert done.returncode == 0, done
    assert "Error: " in done.stdout + done.stderr
    config = load_config(tmp_path / "config.toml")
    assert (config.lnbits.url, config.bot.currency) == (BASICS[2], "GTQ")
    assert (config.lamassu.ssh.host, config.lamassu.ssh.port) == ("lamassu.example.com", 22)


def test_init_needs_a_folder_that_is_there(tmp_path):
    done = dca_bot("init", "--config", "nowhere/config.toml", folder=tmp_path)
    assert sentence(done) == "There is no folder nowhere; make it first.\n"


def test_init_that_is_given_up_writes_nothing(tmp_path):
    done = answer_init(tmp_path, OPERATOR)
    assert done.returncode == 1
    assert list(tmp_path.iterdir()) == []


# check


async def test_check_of_good_parts_ends_with_0_and_changes_nothing(tmp_path, lnbits, wallets):
    async with local_relay() as relay:
        write_config(tmp_path, relay=relay, url=lnbits.url)
        write_secret(tmp_path / "lnbits.key", wallets("source", balance_sat=1_234).admin_key)
        before = sorted(path.name for path in tmp_path.iterdir())
        done = await asyncio.to_thread(dca_bot, "check", folder=tmp_path)
    assert done.returncode == 0, done
    lines = done.stdout.splitlines()
    assert [line[0] for line in lines] == ["✓"] * 7
    assert "Antigua, Zona 10" in lines[4]
    assert "1,234 sats, 1 BTC is 826,091.28 GTQ" in lines[5]
    assert sorted(path.name for path in tmp_path.iterdir()) == before


async def test_check_and_status_tell_of_another_bot_on_a_copy(folder, lnbits):
    key = (folder / "lnbits.key").read_text(encoding="utf-8").strip()
    async with ledger_of(folder) as ledger:
        ledger_id = await ledger.transact(lambda tx: bot_state.ledger_id(tx, random.Random(1)))
    row = LeaseRow(1, "77c2000000000000", LeaseKind.CLAIM, public_id(ledger_id), "")
    async with LnbitsWallet(lnbits.url, admin_key=key) as wallet:
        await wallet.write_lease(replace(row, ledger="another", instance="of a programme beside"))
        done = await asyncio.to_thread(dca_bot, "check", folder=folder)
        assert "ANOTHER BOT" not in done.stdout
        await wallet.write_lease(row)
        done = await asyncio.to_thread(dca_bot, "check", folder=folder)
        assert "ANOTHER BOT has paid from this wallet" in done.stdout
        assert len((await wallet.lease_rows(down_to=0, look_id="1")).rows) == 2
    dispute = Dispute(DisputeReason.NEWER_START, row)
    async with ledger_of(folder) as ledger:
        await ledger.transact(lambda tx: leases.stop(tx, dispute, now=NOW))
    assert (
        json.loads(dca_bot("status", "--json", folder=folder).stdout)["disputed"] == "newer-start"
    )
    _, first, *_ = dca_bot("status", folder=folder).stdout.splitlines()
    assert first.startswith("PAUSED: another bot pays, or has paid, from this wallet on a copy")


async def test_check_goes_on_after_what_fails_and_ends_with_1(tmp_path):
    async with local_relay() as relay:
        write_config(tmp_path, relay=relay, export=tmp_path / "nothing")
        write_secret(tmp_path / "lnbits.key", "0" * 32)
        (tmp_path / "bot.nsec").chmod(0o644)
        (tmp_path / "data").mkdir(mode=0o755)
        (tmp_path / "data").chmod(0o755)
        done = await asyncio.to_thread(dca_bot, "check", folder=tmp_path)
    assert "see each ✗ above" in sentence(done)
    marks = {line[2:].split(":")[0]: line for line in done.stdout.splitlines()}
    assert [line[0] for line in marks.values()] == ["✓", "✗", "✗", "·", "✗", "✗", "·"]
    assert "chmod 600" in marks["Nostr keys"]
    assert marks["Relays"] == "· Relays: not tried; Nostr keys comes first"
    assert "chmod 700" in marks["Data folder"]


async def test_check_says_what_a_file_is_that_is_not_the_export(tmp_path):
    async with local_relay() as relay:
        write_config(tmp_path, relay=relay, export=ROOT / "tests" / "data" / "field" / "semicolons")
        write_secret(tmp_path / "lnbits.key", "0" * 32)
        done = await asyncio.to_thread(dca_bot, "check", folder=tmp_path)
    (line,) = [line for line in done.stdout.splitlines() if line.startswith("✗ Lamassu")]
    assert "cash_out_txs has fields that are separated by ;, not by commas" in line


@pytest.mark.parametrize("days", [0, 3])
async def test_check_tells_the_age_of_each_file_and_warns_of_one_that_nobody_renews(
    tmp_path, relay, days
):
    export = shutil.copytree(EXPORT, tmp_path / "export", copy_function=shutil.copyfile)
    write_config(tmp_path, relay=relay, export=export)
    written_at = time.time() - days * 86_400 - 600
    for path in (export / "cash_out_txs.csv", export / "devices.csv"):
        os.utime(path, (written_at, written_at))
    line = (await check_lines(tmp_path))["Lamassu"]
    age = f"{days} days" if days else "10 minutes"
    assert (
        f"; cash_out_txs.csv {age} old, cash_out_actions.csv 0 minutes old, devices.csv {age} old,"
        in line
    )
    assert ", cash_in_txs.csv 0 minutes old, no sale or purchase in it yet" in line
    warning = "NOT RENEWED for more than 26 hours: cash_out_txs.csv; see to what renews it"
    assert (warning in line) is bool(days)
    assert line[0] == "✓"


async def test_status_tells_of_a_copy_that_nobody_renews(folder):
    as_of = datetime.now(UTC) - timedelta(days=3)
    async with ledger_of(folder) as ledger:
        copy = Copy("cash_out_txs.csv", as_of)
        await ledger.transact(lambda tx: readings.note(tx, copy, NOW))
    values = json.loads(
        (await asyncio.to_thread(dca_bot, "status", "--json", folder=folder)).stdout
    )
    assert values["read_from"] == {"name": copy.name, "as_of": as_of.isoformat(), "stale": True}
    assert values["newest_transaction_at"] == NOW.isoformat()
    lines = (await asyncio.to_thread(dca_bot, "status", folder=folder)).stdout.splitlines()
    shown = f"{as_of.astimezone(ZoneInfo('America/Guatemala')):%Y-%m-%d %H:%M}"
    assert (
        f"Read from cash_out_txs.csv, NOT RENEWED since {shown}: newer sales are not seen" in lines
    )
    assert "Newest transaction read: 2026-02-28 18:00" in lines


def files_of(folder):
    return {
        path.relative_to(folder): path.read_bytes()
        for path in sorted(folder.rglob("*"))
        if path.is_file()
    }


@pytest.mark.parametrize("fault", ["another ledger's -wal", "readable ledger", "newer ledger"])
async def test_check_refuses_the_data_folder_that_run_refuses_and_changes_nothing(
    tmp_path, relay, fault
):
    write_config(tmp_path, relay=relay)
    write_secret(tmp_path / "lnbits.key", "0" * 32)
    async with ledger_of(tmp_path) as ledger:
        await ledger.transact(share_out)
    path = tmp_path / "data" / "ledger.sqlite3"
    match fault:
        case "another ledger's -wal":
            copy_ledger(tmp_path / "data", tmp_path / "copy")
            (tmp_path / "copy").rename(path)
            path.with_name("ledger.sqlite3-wal").write_text("what another ledger had")
        case "readable ledger":
            path.chmod(0o644)
        case _:
            with closing(sqlite3.connect(path)) as ledger:
                ledger.execute("PRAGMA user_version = 999")
    before = files_of(tmp_path)
    done = await asyncio.to_thread(dca_bot, "check", folder=tmp_path)
    assert files_of(tmp_path) == before
    refused = sentence(await asyncio.to_thread(dca_bot, "run", folder=tmp_path))
    assert f"✗ Data folder: {refused}" in done.stdout


def test_check_says_what_is_wrong_in_its_own_lines_alone(tmp_path):
    write_config(tmp_path, relay="ws://127.0.0.1:9")
    done = dca_bot("check", folder=tmp_path)
    assert "127.0.0.1:9" in done.stdout
    assert "relay_listening" not in done.stderr


async def test_check_leaves_no_trace_beside_a_ledger(tmp_path, relay):
    write_config(tmp_path, relay=relay)
    async with ledger_of(tmp_path) as ledger:
        await ledger.transact(share_out)
    before = files_of(tmp_path)
    done = await asyncio.to_thread(dca_bot, "check", folder=tmp_path)
    assert "✓ Data folder" in done.stdout
    assert files_of(tmp_path) == before


async def test_check_tells_that_a_bot_has_the_ledger(tmp_path, relay):
    write_config(tmp_path, relay=relay)
    async with ledger_of(tmp_path):
        done = await asyncio.to_thread(dca_bot, "check", folder=tmp_path)
        assert "✓ Data folder: data is there, and a bot is running on it" in done.stdout
    done = await asyncio.to_thread(dca_bot, "check", folder=tmp_path)
    assert "✓ Data folder" in done.stdout


@pytest.mark.parametrize(
    ("name", "remedy"),
    [
        ("bot.nsec", "make one with: dca-bot chat --new --key bot.nsec, or put"),
        ("lnbits.key", "put the source wallet's admin key there, or into DCA_BOT_LNBITS"),
        ("lamassu.pgpass", "put the password of dca_readonly there, or into DCA_BOT_POSTGRES"),
    ],
)
def test_run_without_a_secret_says_how_to_get_it_and_makes_no_ledger(tmp_path, name, remedy):
    write_config(tmp_path)
    path = tmp_path / "config.toml"
    text = path.read_text(encoding="utf-8").replace('"directory"', '"postgres"')
    path.write_text(f"{text}\n[lamassu.postgres]\ntunnel = false\n", encoding="utf-8")
    for other in ("lnbits.key", "lamassu.pgpass"):
        write_secret(tmp_path / other, "0" * 32)
    (tmp_path / name).unlink()
    assert sentence(dca_bot("run", folder=tmp_path)).startswith(f"There is no {name}; {remedy}")
    assert not (tmp_path / "data").exists()


def test_key_that_is_none_is_named_with_its_file(tmp_path):
    write_config(tmp_path)
    write_secret(tmp_path / "lnbits.key", "0" * 32)
    (tmp_path / "bot.nsec").write_text("nsec1nonsense", encoding="utf-8")
    assert sentence(dca_bot("run", folder=tmp_path)).startswith(
        "bot.nsec: This is not a valid nsec"
    )


@pytest.mark.parametrize(
    ("key", "said"), [("invoice_key", "admin key"), ("unknown", "key"), ("missing", "There is no")]
)
def test_check_tells_what_is_wrong_with_the_wallets_key(tmp_path, lnbits, wallets, key, said):
    write_config(tmp_path, url=lnbits.url)
    keys = {"invoice_key": wallets("source").invoice_key, "unknown": "0" * 32}
    if key in keys:
        write_secret(tmp_path / "lnbits.key", keys[key])
    (tmp_path / "bot.nsec").unlink()
    done = dca_bot("check", folder=tmp_path)
    assert done.returncode == 1
    (line,) = [line for line in done.stdout.splitlines() if " LNbits: " in line]
    assert line.startswith("✗")
    assert said in line
    assert keys.get(key, "no key") not in done.stdout + done.stderr


def write_postgres_config(folder, server, relay, **changes):
    """Point a configuration at a database, through SSH unless `tunnel` is changed."""
    write_config(folder, relay=relay)
    ssh = {"host": "127.0.0.1", "port": server.port, "username": "dca"}
    ssh |= {"private_key_file": "lamassu.key", "known_hosts_file": "known_hosts"}
    values = {"port": server.postgres.port, "database": server.database, **changes}
    lines = ["\n[lamassu.ssh]", *(f"{name} = {json.dumps(value)}" for name, value in ssh.items())]
    lines += ["[lamassu.postgres]"]
    lines += [f"{name} = {json.dumps(value)}" for name, value in values.items()]
    path = folder / "config.toml"
    text = path.read_text(encoding="utf-8").replace('source = "directory"', 'source = "postgres"')
    path.write_text(text + "\n".join(lines) + "\n", encoding="utf-8")


async def check_lines(folder):
    done = await asyncio.to_thread(dca_bot, "check", folder=folder)
    assert "a wrong secret" not in done.stdout + done.stderr
    return {line[2:].split(":")[0]: line for line in done.stdout.splitlines()}


@pytest.fixture
async def relay():
    async with local_relay() as url:
        yield url


@pytest.fixture
async def lamassu_server(postgres, tmp_path):
    server = LamassuServer(postgres, postgres.create_database(), tmp_path)
    await server.start()
    yield server
    await server.stop()


@pytest.mark.parametrize("tunnel", [True, False])
async def test_check_shows_the_way_to_the_database_step_by_step(
    tmp_path, lamassu_server, relay, tunnel
):
    write_postgres_config(tmp_path, lamassu_server, relay, tunnel=tunnel)
    write_secret(tmp_path / "lamassu.pgpass", PASSWORD)
    lines = await check_lines(tmp_path)
    steps = [name for name in lines if name in {"SSH tunnel", "PostgreSQL", "Lamassu"}]
    assert steps == [*(["SSH tunnel"] if tunnel else []), "PostgreSQL", "Lamassu"]
    assert {lines[name][0] for name in steps} == {"✓"}
    readable = "dca_readonly may read cash_out_txs, cash_out_actions, devices, cash_in_txs"
    assert readable in lines["PostgreSQL"]
    assert "CHANGE" not in lines["PostgreSQL"]
    assert "Antigua, Zona 10" in lines["Lamassu"]
    lamassu_server.sql(f"GRANT UPDATE ON devices TO {READER}")
    assert "it may CHANGE devices" in (await check_lines(tmp_path))["PostgreSQL"]


async def test_check_tells_which_step_to_the_database_fails(tmp_path, lamassu_server, relay):
    write_postgres_config(tmp_path, lamassu_server, relay)
    lines = await check_lines(tmp_path)
    assert [lines[name][0] for name in ("SSH tunnel", "PostgreSQL", "Lamassu")] == ["✓", "✗", "·"]
    assert "There is no lamassu.pgpass" in lines["PostgreSQL"]
    write_secret(tmp_path / "lamassu.pgpass", "a wrong secret")
    assert "or the password" in (await check_lines(tmp_path))["PostgreSQL"]
    (tmp_path / "lamassu.pgpass").chmod(0o644)
    assert "chmod 600" in (await check_lines(tmp_path))["PostgreSQL"]


async def test_check_says_once_what_is_wrong_with_the_tunnel(tmp_path, lamassu_server, relay):
    write_postgres_config(tmp_path, lamassu_server, relay)
    write_secret(tmp_path / "lamassu.pgpass", PASSWORD)
    await lamassu_server.stop()
    lines = await check_lines(tmp_path)
    await lamassu_server.start()
    assert "can't be reached" in lines["SSH tunnel"]
    for name in ("PostgreSQL", "Lamassu"):
        assert lines[name] == f"· {name}: not tried; SSH tunnel comes first"
