"""Migrations are frozen, and a ledger that is opened has the tables of one of them, whoever made it."""

import hashlib
import json
import shutil
import sqlite3
import subprocess
import sys
from contextlib import closing
from functools import partial
from importlib import resources
from pathlib import Path

import pytest
from ledger.old_ledgers import NAMES, put_old_ledger

import dca_bot
from dca_bot import __version__
from dca_bot.errors import LedgerError, LedgerOutdated
from dca_bot.ledger.audit.audit import audit_ledger
from dca_bot.ledger.store import bot_state, old_texts
from dca_bot.ledger.store.backups import keep_before
from dca_bot.ledger.store.database import open_database, reading_database
from dca_bot.ledger.store.instants import instant
from dca_bot.ledger.store.ledger_files import LEDGER_FILE
from dca_bot.ledger.store.schema import MIGRATIONS, VERSION, fingerprint, published, run_script

FROZEN = {
    "0001_ledger.sql": "63f84f707261122d65423d1b88e5a5877cd9d0a652702976279f891c1c3359f3",
    "0002_programme.sql": "c718aa716b0f366305517b7078106a85d0039e00ba23028d54afdb67df30ff66",
    "0003_field.sql": "9e70a038a820b88ddf35ee7d789072d513658ddfeee3786b36817d5f7d039c8b",
    "0004_codes.sql": "2c73fa59434ed5b8868ce04c8c13af4200a0b2657f69c982554e71857c3ffa15",
    "0005_columns.sql": "91b3c7bc5762ec6827ad1600bf2c8203aafa0a32de5095c04d917aed584aed33",
    "0006_reach.sql": "d6aae2d098c353d37f438eecd041f0acd71c65e9cff594cc45a1832e63bff0b0",
    "0007_conversation.sql": "79ba43e1210ed1dd3ae0f332429fe06609ed72e25ed2f886f3fe7aa0e151a3df",
    "0008_sealed_postings.sql": "600449590ebd0335e2e62e978d58b9bb9178cbc7721e1d3b1178ba9bfb353e93",
    "0009_records.sql": "11209eb6b649f56d9022805975791ac6bad50e0325802d43a4c01dfd00f358a0",
}
"""Never change a line here, and never remove one: ledgers exist that these scripts have made."""
KEPT = {
    "entry": "id, posting_id, from_account, to_account, amount",
    "account": "id, kind, client_id, unit, balance",
    "deposit": "id, client_id, amount_minor, state, created_at, confirmed_at, voided_at",
    "distribution": "id, kind, at, processed_at, principal_sat, principal_minor, unallocated_sat",
    "share": "id, distribution_id, client_id, minor, sat, payout_id",
    "payout": "id, client_id, amount_sat, attempt, destination, submitted_at, debited_at, done_at",
    "attempt": "payout_id, number, payment_hash, bolt11, expires_at",
    "client": "id, name, pubkey, state, mode, destination, destination_kind, created_at",
    "outbox": "id, recipient, text, created_at, sent_at",
    "hold": "kind, ref, opened_at, closed_at",
}
"""What no migration alters. Accounts and holds may be added."""


@pytest.fixture
def folder(tmp_path):
    return tmp_path / "data"


async def open_and_close(folder, **named):
    await (await open_database(folder, **named)).aclose()


def change(folder, *statements):
    """Do with a ledger what another program could do."""
    with closing(sqlite3.connect(folder / LEDGER_FILE, isolation_level=None)) as ledger:
        ledger.execute("PRAGMA writable_schema = ON")
        for statement in statements:
            ledger.executescript(statement)


def rows_of(path):
    with closing(sqlite3.connect(path)) as ledger:
        return {
            table: set(ledger.execute(f"SELECT {columns} FROM {table}").fetchall())
            for table, columns in KEPT.items()
        }


def test_migrations_are_frozen():
    folder = resources.files("dca_bot.ledger.store") / "migrations"
    found = {
        one.file: hashlib.sha256((folder / one.file).read_bytes()).hexdigest() for one in MIGRATIONS
    }
    assert {name: found.get(name) for name in FROZEN} == FROZEN
    assert all(
        digest.startswith(one.sha256)
        for one, digest in zip(MIGRATIONS, found.values(), strict=True)
    )


ROW_FIELDS = (
    *("crypto_code", "fiat_code", "crypto_atoms", "fiat", "commission", "ticker", "discount"),
    "fixed_fee",
)
FROZEN_TERMS = {
    "BTC GTQ 125e3 8e2 2e-1 8e5 0": ("BTC", "GTQ", "125e3", "8e2", "2e-1", "8e5", "0", None),
    "BTC GTQ 125e3 8e2 2e-1 8e5 0 fee=2e1": (
        *("BTC", "GTQ", "125e3", "8e2", "2e-1", "8e5", "0", "2e1"),
    ),
    "  1e0 8e2 none 8e5 0 fee=0": ("", "", "1e0", "8e2", None, "8e5", "0", "0"),
    "none none none none none none none fee=0": (
        *("none", "none", None, None, None, None, None, "0"),
    ),
    "LN  broken -8e2 broken 8e999999 125e-1 fee=broken": (
        *("LN", "", "broken", "-8e2", "broken", "8e999999", "125e-1", "broken"),
    ),
    " fee= fee= 1 2 3 4 5 fee=1e0": ("", "fee= fee=", "1", "2", "3", "4", "5", "1e0"),
}
FROZEN_CALLS = {
    "old_word('short 1772366400000000 -5000 70', 2)": "-5000",
    "old_micros('2026-03-01T12:00:00.000001+00:00')": 1_772_366_400_000_001,
    "old_micros('2026-03-01T06:00:00-06:00')": 1_772_366_400_000_000,
    "old_micros('1969-12-31T23:59:59.999999+00:00')": -1,
    "name_skeleton('\N{CYRILLIC CAPITAL LETTER JE}\N{CYRILLIC SMALL LETTER O}sé')": "jose",
}


def test_functions_that_migrations_call_are_frozen():
    """Never change a result: ledgers exist that the functions have migrated."""
    with closing(sqlite3.connect(":memory:")) as tx:
        old_texts.offer(tx)
        fields = ", ".join(f"old_terms(?1, '{name}')" for name in ROW_FIELDS)
        terms = {text: tx.execute(f"SELECT {fields}", (text,)).fetchone() for text in FROZEN_TERMS}
        calls = {call: tx.execute(f"SELECT {call}").fetchone()[0] for call in FROZEN_CALLS}
    assert (terms, calls) == (FROZEN_TERMS, FROZEN_CALLS)


def test_every_migration_has_the_fingerprint_that_is_listed():
    with closing(sqlite3.connect(":memory:", isolation_level=None)) as tx:
        for number, one in enumerate(MIGRATIONS, start=1):
            run_script(tx, number)
            assert fingerprint(tx) == one.fingerprint


def test_ledger_of_each_version_before_this_one_is_kept():
    made_by = [int(name[1 : name.index("-")]) for name in NAMES]
    assert set(range(1, VERSION)) <= set(made_by)


@pytest.mark.parametrize("name", NAMES)
async def test_ledger_of_an_earlier_dca_bot_opens_and_loses_nothing(folder, name):
    path = put_old_ledger(name, folder)
    before = rows_of(path)
    database = await open_database(folder)
    found = await database.read(audit_ledger)
    prints = (
        await database.read(fingerprint),
        await database.read(lambda tx: bot_state.get(tx, "program")),
    )
    await database.aclose()
    after = rows_of(path)
    assert prints == (MIGRATIONS[-1].fingerprint, __version__)
    assert (found.findings, found.payouts > 10, found.entries > 50) == ((), True, True)
    for table, rows in before.items():
        assert rows <= after[table], table
        assert len(after[table] - rows) <= (
            1 if table == "account" else 4 if table == "hold" else 0
        )
    assert sum(amount for *_, amount in before["entry"]) > 0


ROW = "row_crypto_code, row_fiat_code, row_crypto_atoms, row_fiat, row_commission, row_ticker, row_discount"


def texts_of(ledger):
    """What version 4 kept as texts: the amounts of each cash-out's row, and four facts."""
    terms = dict(ledger.execute("SELECT id, terms FROM cash_out WHERE terms IS NOT NULL"))
    names = "('ticker', 'oldest_copy', 'top_up', 'witnessed')"
    facts = ledger.execute(f"SELECT name, value FROM fact WHERE name IN {names}")
    return terms, {name: value.replace("+00:00", "") for name, value in facts}


def joined(ledger):
    """Put the columns of this version together again."""
    terms = {}
    for id_, fee, *texts in ledger.execute(
        f"SELECT id, row_fixed_fee, {ROW} FROM cash_out WHERE row_crypto_code IS NOT NULL"
    ):
        text = " ".join("none" if text is None else text for text in texts)
        terms[id_] = text if fee is None else f"{text} fee={fee}"
    facts = {}
    for name, columns in {
        "ticker": "at, price",
        "top_up": "trouble, expires_at, balance_msat, asked_sat",
        "witnessed": "boot, elapsed_us, total_us, shown_at",
    }.items():
        for first, *rest in ledger.execute(f"SELECT {columns} FROM {name}"):
            shown = iso(first) if name == "ticker" else first
            facts[name] = " ".join(map(str, [shown, *rest]))
    for name, as_of in ledger.execute("SELECT name, as_of FROM oldest_copy"):
        facts["oldest_copy"] = json.dumps([name, iso(as_of)])
    return terms, facts


def iso(at_us):
    return instant(at_us).isoformat().replace("+00:00", "")


async def test_texts_of_several_values_become_columns_and_say_the_same(folder):
    path = put_old_ledger("v4-47896fa", folder)
    with closing(sqlite3.connect(path)) as ledger:
        before = texts_of(ledger)
    await open_and_close(folder)
    with closing(sqlite3.connect(path)) as ledger:
        assert joined(ledger) == before
        left = ledger.execute("SELECT name FROM fact WHERE name IN ('ticker', 'top_up')").fetchall()
    assert left == []
    assert (len(before[0]) > 15, len(before[1])) == (True, 4)
    assert {" fee=" in text for text in before[0].values()} == {True, False}


async def test_clients_keep_every_column_when_their_table_is_rebuilt(folder):
    path = put_old_ledger("v6-e5b61c5", folder)
    columns = "SELECT group_concat(name, ', ') FROM pragma_table_info('client')"
    with closing(sqlite3.connect(path)) as ledger:
        (names,) = ledger.execute(columns).fetchone()
        before = ledger.execute(f"SELECT {names} FROM client ORDER BY id").fetchall()
    await open_and_close(folder)
    with closing(sqlite3.connect(path)) as ledger:
        assert ledger.execute(columns).fetchone()[0].startswith(names)
        assert ledger.execute(f"SELECT {names} FROM client ORDER BY id").fetchall() == before
        assert ledger.execute("PRAGMA foreign_key_check").fetchall() == []
    assert len(before) > 5


GONE = {
    7: set(),
    8: {
        ("trigger", "entry_one_unit"),
        ("trigger", "entry_moves_balances"),
        ("index", "payout_client"),
    },
    9: set(),
    10: set(),
}


@pytest.mark.parametrize("version", GONE)
def test_migration_loses_no_index_or_trigger_by_mistake(version):
    before, after = (
        {(kind, name) for kind, name, _ in published(one)} for one in (version - 1, version)
    )
    assert before - after == GONE[version]


@pytest.mark.parametrize("name", ["v2-3dcd5fb", "v2-fe4c415"])
async def test_ledger_that_was_migrated_with_its_old_tables_is_repaired_as_one_that_was_not(
    tmp_path, name
):
    """dca-bot 0.1.0 brought these ledgers to version 3 and then failed at the first command."""
    dumps = []
    for way in ("from version 2", "from version 3"):
        folder = tmp_path / way
        path = put_old_ledger(name, folder)
        if way == "from version 3":
            with closing(sqlite3.connect(path, isolation_level=None)) as ledger:
                run_script(ledger, 3)
        await open_and_close(folder)
        with closing(sqlite3.connect(path)) as ledger:
            dumps.append(sorted(ledger.iterdump()))
    assert dumps[0] == dumps[1]


async def test_alarm_of_a_ledger_that_is_repaired_is_not_given_again(folder):
    path = put_old_ledger("v2-3dcd5fb", folder)
    await open_and_close(folder)
    with closing(sqlite3.connect(path)) as ledger:
        assert ledger.execute("SELECT told_at = since FROM alarm").fetchall() == [(1,)]


async def test_copy_is_kept_before_a_ledger_is_repaired(folder):
    path = put_old_ledger("v2-3dcd5fb", folder)
    with closing(sqlite3.connect(path, isolation_level=None)) as ledger:
        run_script(ledger, 3)
        before = fingerprint(ledger)
    await open_and_close(folder, keep_copy=partial(keep_before, folder))
    with closing(sqlite3.connect(folder / f"before-version-{VERSION}.sqlite3")) as copy:
        assert fingerprint(copy) == before


STRANGE = {
    "a trigger is gone": ("DROP TRIGGER payout_is_fixed", "trigger payout_is_fixed"),
    "a trigger more": (
        "CREATE TRIGGER mine AFTER INSERT ON entry BEGIN DELETE FROM entry; END",
        "trigger mine",
    ),
    # SQLite keeps the table's name as the trigger has it.
    "a trigger more, the table in capitals": (
        "CREATE TRIGGER mine AFTER INSERT ON ENTRY BEGIN DELETE FROM entry; END",
        "trigger mine",
    ),
    "a trigger more on a view, in capitals": (
        "CREATE TRIGGER mine INSTEAD OF INSERT ON Client_Got BEGIN DELETE FROM entry; END",
        "trigger mine",
    ),
    "a unique index more, the table in capitals": (
        "CREATE UNIQUE INDEX once ON Deposit (client_id)",
        "index once",
    ),
    "a column more": ("ALTER TABLE client ADD COLUMN phone TEXT", "table client"),
    "a column renamed": ("ALTER TABLE deposit RENAME COLUMN note TO remark", "table deposit"),
    "a check taken out": (
        "UPDATE sqlite_schema SET sql = replace(sql, 'CHECK (amount > 0)', '') WHERE name = 'entry'",
        "table entry",
    ),
    "an index is gone": ("DROP INDEX payout_done", "index payout_done"),
    "a unique index more": ("CREATE UNIQUE INDEX once ON deposit (client_id)", "index once"),
    "a view replaced": (
        "DROP VIEW client_got; CREATE VIEW client_got AS SELECT 1",
        "view client_got",
    ),
    "a table is gone": ("DROP TABLE alarm", "table alarm"),
}


@pytest.mark.parametrize("case", STRANGE)
async def test_ledger_whose_tables_were_altered_is_refused_in_one_sentence(folder, case):
    await open_and_close(folder)
    statement, named = STRANGE[case]
    change(folder, statement)
    for opening in (open_and_close(folder), open_and_close(folder, read_only=True)):
        with pytest.raises(LedgerError, match="isn't as dca-bot made it") as refused:
            await opening
        assert named in str(refused.value)
        assert str(refused.value).startswith(str(folder / LEDGER_FILE))
        assert "Put back the last copy" in str(refused.value)


async def test_ledger_of_another_build_of_the_same_version_is_refused_with_its_name(folder):
    await open_and_close(folder)
    change(
        folder,
        "ALTER TABLE client ADD COLUMN phone TEXT",
        "UPDATE fact SET value = 'ffffffffffffffff 0' WHERE name = 'schema'",
        "UPDATE fact SET value = '0.3.0.dev1' WHERE name = 'program'",
    )
    with pytest.raises(LedgerError, match=r"another build, dca-bot 0\.3\.0\.dev1 \(table client\)"):
        await open_database(folder)


HARMLESS = {
    "statistics": "ANALYZE",
    "packed": "VACUUM",
    "a replicator's tables": "CREATE TABLE _litestream_seq (id INTEGER PRIMARY KEY, seq INTEGER);"
    " CREATE UNIQUE INDEX _litestream_once ON _litestream_seq (seq)",
    "a view for a bookkeeper": "CREATE VIEW mine AS SELECT * FROM deposit",
    "an index for it": "CREATE INDEX mine ON deposit (created_at)",
    "a trigger on a table of its own": "CREATE TABLE mine (n); CREATE TRIGGER t AFTER INSERT ON mine"
    " BEGIN DELETE FROM mine; END",
    "other quotes and spaces": "UPDATE sqlite_schema SET sql = replace(replace(sql, 'CREATE TABLE account',"
    " 'create table  \"account\" /* x */'), ', kind', ',\n  \"KIND\" -- that one\n')",
}


@pytest.mark.parametrize("case", HARMLESS)
async def test_what_changes_no_table_of_the_bot_is_no_difference(folder, case):
    put_old_ledger("v3-a96ba80", folder)
    await open_and_close(folder)
    change(folder, HARMLESS[case])
    database = await open_database(folder)
    assert (await database.read(audit_ledger)).findings == ()
    await database.aclose()
    await open_and_close(folder, read_only=True)


async def test_ledger_is_not_written_to_when_it_is_opened_once_more(folder):
    await open_and_close(folder)
    before = (folder / LEDGER_FILE).read_bytes()
    await open_and_close(folder)
    assert (folder / LEDGER_FILE).read_bytes() == before


async def test_ledger_that_was_dumped_and_read_back_is_not_made_anew(folder, tmp_path):
    path = put_old_ledger("v3-a96ba80", tmp_path / "old")
    folder.mkdir(mode=0o700)
    (folder / LEDGER_FILE).touch(mode=0o600)
    with (
        closing(sqlite3.connect(path)) as old,
        closing(sqlite3.connect(folder / LEDGER_FILE)) as new,
    ):
        new.executescript("\n".join(old.iterdump()))
    for opening in (open_and_close(folder), open_and_close(folder, read_only=True)):
        with pytest.raises(LedgerError, match="has lost its version"):
            await opening


async def test_newer_ledger_names_the_program_and_the_copy_from_before_it(folder):
    await open_and_close(folder)
    keep_before(folder, VERSION + 1)
    change(
        folder,
        f"PRAGMA user_version = {VERSION + 1}",
        "UPDATE fact SET value = '0.9.1' WHERE name = 'program'",
    )
    copy = f"before-version-{VERSION + 1}.sqlite3"
    for opening in (open_and_close(folder), open_and_close(folder, read_only=True)):
        with pytest.raises(
            LedgerError, match=r"install the newer dca-bot 0\.9\.1 again.*copy"
        ) as said:
            await opening
        assert copy in str(said.value)
        assert f"dca-bot {__version__} knows {VERSION}" in str(said.value)


async def test_newer_ledger_names_the_last_of_several_copies_that_can_be_opened(folder):
    await open_and_close(folder)
    for value in ("first", "second", "third"):
        change(folder, f"UPDATE fact SET value = '{value}' WHERE name = 'program'")
        keep_before(folder, VERSION + 1)
    with closing(sqlite3.connect(folder / f"before-version-{VERSION + 1}-3.sqlite3")) as third:
        third.execute(f"PRAGMA user_version = {VERSION + 1}")
    (folder / f"before-version-{VERSION + 1}-x.sqlite3").touch(mode=0o600)
    (folder / f"before-version-{VERSION + 1}-4.sqlite3").touch(mode=0o600)
    change(folder, f"PRAGMA user_version = {VERSION + 1}")
    with pytest.raises(LedgerError, match=rf"\(before-version-{VERSION + 1}-2\.sqlite3\)"):
        await open_and_close(folder)


@pytest.mark.parametrize("name", ["v1-c6d83de", "v2-64cd33b", "v2-3dcd5fb"])
async def test_reader_of_an_earlier_ledger_says_what_the_next_start_does(folder, name):
    path = put_old_ledger(name, folder)
    before = path.read_bytes()
    with pytest.raises(LedgerOutdated, match=rf"of version {name[1]}; .*{VERSION}.*upgrade-check"):
        async with reading_database(folder, traceless=True):
            pass
    assert path.read_bytes() == before


async def test_copy_is_kept_before_a_ledger_is_migrated(folder):
    path = put_old_ledger("v2-64cd33b", folder)
    before = rows_of(path)
    await open_and_close(folder, keep_copy=partial(keep_before, folder))
    copy = folder / f"before-version-{VERSION}.sqlite3"
    assert copy.stat().st_mode & 0o777 == 0o600
    assert rows_of(copy) == before
    with closing(sqlite3.connect(copy)) as old:
        assert old.execute("PRAGMA user_version").fetchone() == (2,)
    await open_and_close(folder, keep_copy=partial(keep_before, folder))
    assert [one.name for one in folder.glob("before*")] == [copy.name]


async def test_new_ledger_and_one_of_this_version_are_not_copied(folder):
    asked = []
    await open_and_close(folder, keep_copy=asked.append)
    await open_and_close(folder, keep_copy=asked.append)
    assert asked == []


async def test_starts_that_break_off_in_a_migration_keep_one_copy(folder):
    put_old_ledger("v2-64cd33b", folder)
    for _ in range(3):
        keep_before(folder, VERSION)
    change(folder, "UPDATE fact SET value = 'x' WHERE name = 'last_poll_at'")
    for _ in range(2):
        keep_before(folder, VERSION)
    kept = sorted(path.name for path in folder.glob("before*"))
    assert kept == [
        f"before-version-{VERSION}-2.sqlite3",
        f"before-version-{VERSION}.sqlite3",
    ]


async def test_migration_that_fails_leaves_the_ledger_as_it_was_and_says_so(folder):
    path = put_old_ledger("v2-64cd33b", folder)
    change(folder, "INSERT INTO fact VALUES ('ledger_id', 'taken')")
    before = rows_of(path)
    with pytest.raises(LedgerError, match="could not be brought to version 3, and is as it was"):
        await open_database(folder)
    assert rows_of(path) == before


FULL = """
import asyncio, pathlib, resource, signal, sys
from functools import partial
from dca_bot.errors import LedgerError
from dca_bot.ledger.store.backups import keep_before
from dca_bot.ledger.store.database import open_database
signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
resource.setrlimit(resource.RLIMIT_FSIZE, (100_000, 100_000))
folder = pathlib.Path(sys.argv[1])
try:
    asyncio.run(open_database(folder, keep_copy=partial(keep_before, folder)))
except LedgerError as error:
    print(error)
"""


def test_ledger_is_not_migrated_where_there_is_no_room_for_its_copy(folder):
    path = put_old_ledger("v2-64cd33b", folder)
    before = rows_of(path)
    done = subprocess.run(
        [sys.executable, "-c", FULL, folder],
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert f"isn't brought to version {VERSION} before there is a copy" in done.stdout, done
    assert done.stderr == ""
    assert rows_of(path) == before
    assert [one.name for one in folder.glob("before*")] == []


STRAY = "CREATE TABLE stray (n INTEGER); PRAGMA user_version = 77;"
OPEN = """
import asyncio, pathlib, sys
from dca_bot.ledger.store.database import open_database
from dca_bot.errors import LedgerError
async def main():
    database = await open_database(pathlib.Path(sys.argv[1]))
    print(await database.read(lambda tx: [r[0] for r in tx.execute("SELECT count(*) FROM sqlite_schema "
        "WHERE name = 'stray' UNION ALL SELECT * FROM pragma_user_version")]))
    await database.aclose()
try:
    asyncio.run(main())
except LedgerError as error:
    print(error)
"""


@pytest.fixture
def installation(tmp_path):
    """A copy of the program, as pip would have installed it."""
    skip = shutil.ignore_patterns("__pycache__")
    shutil.copytree(Path(dca_bot.__file__).parent, tmp_path / "site" / "dca_bot", ignore=skip)
    return tmp_path / "site"


def opened_by(installation, folder):
    done = subprocess.run(
        [sys.executable, "-c", OPEN, folder],
        env={"PYTHONPATH": str(installation)},
        cwd=installation,
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert done.stderr == ""
    return done.stdout.strip()


def test_script_that_an_old_installation_has_left_behind_is_never_run(installation, folder):
    for name in ("0000_before.sql", "0002_a_removed.sql", "0099_left_behind.sql"):
        (installation / "dca_bot" / "ledger" / "store" / "migrations" / name).write_text(STRAY)
    assert opened_by(installation, folder) == f"[0, {VERSION}]"


def test_script_of_another_version_in_this_installation_is_not_run(installation, folder):
    script = installation / "dca_bot" / "ledger" / "store" / "migrations" / "0002_programme.sql"
    script.write_text(script.read_text() + "-- edited\n")
    assert "This installation of dca-bot is mixed up: 0002_programme.sql" in opened_by(
        installation, folder
    )


def test_published_schema_can_be_made_part_by_part():
    with closing(sqlite3.connect(":memory:")) as tx:
        for kind in ("table", "view", "index", "trigger"):
            for part, _, sql in published(VERSION):
                if part == kind:
                    tx.execute(sql)
        assert fingerprint(tx) == MIGRATIONS[-1].fingerprint
