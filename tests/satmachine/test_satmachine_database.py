"""satmachineadmin's tables, read out of either kind of database without leaving a trace."""

import os
import sqlite3
from contextlib import closing
from fractions import Fraction

import pytest
from satmachine_tables import BEGUN, Shop

from dca_bot.errors import DcaBotError
from dca_bot.satmachine.books import read_books
from dca_bot.satmachine.database import CLIENTS, DEPOSITS, is_sqlite, read_file, read_postgres

KEY = "0123456789abcdef0123456789abcdef"


@pytest.fixture
def shop():
    shop = Shop()
    shop.client("maria", wallet_key=KEY, dca_mode="fixed", fixed_mode_daily_limit=150)
    shop.client("jose", status="inactive")
    shop.deposit("maria", 500)
    shop.deposit("jose", 20, "pending")
    shop.payment("maria", 120, cash_out="one", sats=15_000)
    shop.payment("jose", 10, "failed", cash_out="test-7f")
    shop.cash_out("one", BEGUN)
    shop.cash_out("two", BEGUN)
    shop.is_on, shop.polled_at = True, BEGUN
    return shop


def holds_what_was_written(books):
    maria, jose = books.clients
    assert (maria.id, maria.mode, maria.limit, maria.status) == (
        "client-maria",
        "fixed",
        150,
        "active",
    )
    assert (jose.username, jose.mode, jose.limit, jose.status) == ("jose", "flow", None, "inactive")
    assert {(one.client_id, one.amount, one.status) for one in books.deposits} == {
        ("client-maria", 500, "confirmed"),
        ("client-jose", 20, "pending"),
    }
    assert {(one.amount, one.sat, one.status) for one in books.payments} == {
        (120, 15_000, "confirmed"),
        (10, 100, "failed"),
    }
    assert books.processed == {"one", "two", "test-7f"}
    assert books.since == BEGUN
    assert books.invoice_keys == {"wallet-maria": KEY}
    assert (books.is_on, books.polled_at) == (True, BEGUN)


def test_file_is_read_with_the_wallets_beside_and_nothing_is_left_there(shop, tmp_path):
    path = shop.write(tmp_path)
    before = sorted((one.name, one.read_bytes()) for one in tmp_path.iterdir())
    assert is_sqlite(path)
    holds_what_was_written(read_books(read_file(path)))
    assert sorted((one.name, one.read_bytes()) for one in tmp_path.iterdir()) == before


def test_file_at_rest_in_wal_mode_is_read_without_a_file_beside(shop, tmp_path):
    path = shop.write(tmp_path)
    with closing(sqlite3.connect(path)) as database:
        database.execute("PRAGMA journal_mode = WAL")
    holds_what_was_written(read_books(read_file(path)))
    assert {one.name for one in tmp_path.iterdir()} == {path.name, "database.sqlite3"}


def test_what_a_running_lnbits_has_only_in_its_wal_counts(shop, tmp_path):
    path = shop.write(tmp_path)
    with closing(sqlite3.connect(path, isolation_level=None)) as database:
        database.execute("PRAGMA journal_mode = WAL")
        database.execute(f"UPDATE {DEPOSITS} SET amount = 501 WHERE client_id = 'client-maria'")
        assert path.with_name(f"{path.name}-wal").stat().st_size > 0
        assert read_books(read_file(path)).deposits[0].amount == 501


def test_wallets_that_are_deleted_are_not_offered(shop, tmp_path):
    shop.wallets[0]["deleted"] = 1
    assert read_books(read_file(shop.write(tmp_path))).invoice_keys == {}


def test_older_tables_have_no_names_times_or_cash_outs(shop, tmp_path):
    path = shop.write(tmp_path)
    with closing(sqlite3.connect(path)) as database:
        database.executescript(
            "ALTER TABLE dca_clients DROP COLUMN username; DROP TABLE lamassu_transactions;"
            " ALTER TABLE dca_payments DROP COLUMN transaction_time;"
        )
    books = read_books(read_file(path))
    assert [one.username for one in books.clients] == ["", ""]
    assert books.processed == {"one", "test-7f"}
    assert books.since is not None


@pytest.mark.parametrize(
    ("spoil", "said"),
    [
        (lambda path: path.unlink(), "There is no"),
        (lambda path: path.write_bytes(b"SQLite format 3\0" + b"x" * 5000), "can't be read"),
        (lambda path: _run(path, "DROP TABLE dca_payments"), "no table dca_payments"),
        (lambda path: _run(path, "DELETE FROM dca_clients"), "no clients"),
        (lambda path: _run(path, "UPDATE dca_deposits SET amount = 'a lot'"), "'a lot'"),
        (lambda path: _run(path, "UPDATE dca_deposits SET amount = 9e999"), "inf"),
        (lambda path: _run(path, "UPDATE dca_payments SET amount_sats = 1.5"), "no whole number"),
    ],
)
def test_file_that_is_something_else_is_refused_with_a_sentence(shop, tmp_path, spoil, said):
    path = shop.write(tmp_path)
    spoil(path)
    with pytest.raises(DcaBotError, match=said):
        read_books(read_file(path))


def _run(path, script):
    with closing(sqlite3.connect(path)) as database:
        database.executescript(script)


async def test_postgres_is_read_with_the_schema_found_and_never_shows_its_password(postgres, shop):
    name = postgres.create_empty_database()
    postgres.sql(shop.postgres(amounts="DECIMAL(10,2)"), name)
    postgres.sql(f"UPDATE satoshimachine.{DEPOSITS} SET amount = 500.25 WHERE amount = 500", name)
    url = f"postgres://postgres:{postgres.admin_password}@127.0.0.1:{postgres.port}/{name}"
    tables = await read_postgres(url)
    assert {one.amount for one in read_books(tables).deposits} == {Fraction(50_025, 100), 20}
    postgres.sql(f"UPDATE satoshimachine.{DEPOSITS} SET amount = 500 WHERE amount = 500.25", name)
    holds_what_was_written(read_books(await read_postgres(url)))

    # An upgrade has left the tables of the former name behind.
    postgres.sql(shop.postgres("satmachineadmin", wallets=False), name)
    with pytest.raises(DcaBotError, match="in 2 schemas: satmachineadmin, satoshimachine"):
        await read_postgres(url)
    holds_what_was_written(read_books(await read_postgres(url, "satmachineadmin")))
    postgres.sql(f"DELETE FROM satmachineadmin.{CLIENTS}", name)
    holds_what_was_written(read_books(await read_postgres(url)))
    with pytest.raises(DcaBotError, match="the schema nowhere has no table"):
        await read_postgres(url, "nowhere")

    wrong = url.replace(postgres.admin_password, "not-the-password")
    with pytest.raises(DcaBotError, match="can't be read") as refused:
        await read_postgres(wrong)
    assert "not-the-password" not in str(refused.value)
    assert refused.value.__suppress_context__


@pytest.mark.parametrize(
    ("url", "said"),
    [
        ("mysql://root:secret@example.com/lnbits", "begins with postgres://"),
        ("postgres://root:secret@127.0.0.1:99999/lnbits", "Is the URL right"),
    ],
)
async def test_text_that_is_no_url_of_postgres_is_refused_without_being_shown(url, said):
    with pytest.raises(DcaBotError, match=said) as refused:
        await read_postgres(url)
    assert "secret" not in str(refused.value)
    assert os.sep * 3 not in str(refused.value)
