"""satmachineadmin's tables as its migrations make them, on either kind of database, and rows for them."""

import sqlite3
from contextlib import closing
from datetime import UTC, datetime, timedelta

from dca_bot.satmachine.database import (
    CASH_OUTS,
    CLIENTS,
    DEPOSITS,
    EXTENSIONS,
    PAYMENTS,
    POLLS,
    WALLETS,
)

SCHEMA = "satoshimachine"
BEGUN = datetime(2025, 5, 1, tzinfo=UTC)
COLUMNS = {
    CLIENTS: "id TEXT PRIMARY KEY NOT NULL, user_id TEXT NOT NULL, wallet_id TEXT NOT NULL, username TEXT,"
    " dca_mode TEXT NOT NULL DEFAULT 'flow', fixed_mode_daily_limit INTEGER,"
    " status TEXT NOT NULL DEFAULT 'active', created_at TIMESTAMP NOT NULL, updated_at TIMESTAMP NOT NULL",
    DEPOSITS: "id TEXT PRIMARY KEY NOT NULL, client_id TEXT NOT NULL, amount INTEGER NOT NULL,"
    " currency TEXT NOT NULL DEFAULT 'GTQ', status TEXT NOT NULL DEFAULT 'pending', notes TEXT,"
    " created_at TIMESTAMP NOT NULL, confirmed_at TIMESTAMP",
    PAYMENTS: "id TEXT PRIMARY KEY NOT NULL, client_id TEXT NOT NULL, amount_sats INTEGER NOT NULL,"
    " amount_fiat INTEGER NOT NULL, exchange_rate REAL NOT NULL, transaction_type TEXT NOT NULL,"
    " lamassu_transaction_id TEXT, payment_hash TEXT, status TEXT NOT NULL DEFAULT 'pending',"
    " created_at TIMESTAMP NOT NULL, transaction_time TIMESTAMP",
    CASH_OUTS: "id TEXT PRIMARY KEY NOT NULL, lamassu_transaction_id TEXT NOT NULL UNIQUE,"
    " fiat_amount INTEGER NOT NULL, crypto_amount INTEGER NOT NULL, commission_percentage REAL NOT NULL,"
    " discount REAL NOT NULL DEFAULT 0.0, effective_commission REAL NOT NULL,"
    " commission_amount_sats INTEGER NOT NULL, base_amount_sats INTEGER NOT NULL,"
    " exchange_rate REAL NOT NULL, crypto_code TEXT NOT NULL DEFAULT 'BTC',"
    " fiat_code TEXT NOT NULL DEFAULT 'GTQ', device_id TEXT, transaction_time TIMESTAMP NOT NULL,"
    " processed_at TIMESTAMP NOT NULL, clients_count INTEGER NOT NULL DEFAULT 0,"
    " distributions_total_sats INTEGER NOT NULL DEFAULT 0",
    POLLS: "id TEXT PRIMARY KEY NOT NULL, password TEXT NOT NULL, last_poll_time TIMESTAMP",
}
WALLET_COLUMNS = (
    'id TEXT PRIMARY KEY, "user" TEXT NOT NULL, adminkey TEXT NOT NULL, inkey TEXT NOT NULL,'
    " deleted BOOLEAN NOT NULL DEFAULT false"
)
EXTENSION_COLUMNS = "id TEXT PRIMARY KEY, name TEXT NOT NULL, active BOOLEAN DEFAULT false"


class Shop:
    """An operator's satmachineadmin: rows by table, as the extension writes them.

    `is_on`: as LNbits' table of extensions says; None without that table.
    """

    def __init__(self):
        self.rows = {table: [] for table in COLUMNS}
        self.wallets = []
        self.is_on = False
        self.polled_at = None

    def client(self, name, *, wallet_key="", **changes):
        number = len(self.rows[CLIENTS])
        self._put(
            CLIENTS,
            id=f"client-{name}",
            user_id=f"user-{name}",
            wallet_id=f"wallet-{name}",
            username=name,
            created_at=BEGUN + timedelta(minutes=number),
            updated_at=BEGUN,
            **changes,
        )
        if wallet_key:
            self.wallets.append(
                {"id": f"wallet-{name}", "user": name, "adminkey": "0" * 32, "inkey": wallet_key}
            )

    def deposit(self, name, amount, status="confirmed", currency="GTQ"):
        confirmed_at = BEGUN if status == "confirmed" else None
        self._put(
            DEPOSITS,
            client_id=f"client-{name}",
            amount=amount,
            currency=currency,
            status=status,
            created_at=BEGUN,
            confirmed_at=confirmed_at,
        )

    def payment(self, name, fiat, status="confirmed", cash_out="", sats=100):
        self._put(
            PAYMENTS,
            client_id=f"client-{name}",
            amount_sats=sats,
            amount_fiat=fiat,
            exchange_rate=124.5,
            transaction_type="flow",
            lamassu_transaction_id=cash_out or None,
            status=status,
            created_at=BEGUN + timedelta(days=1),
        )

    def cash_out(self, cash_out_id, at):
        self._put(
            CASH_OUTS,
            lamassu_transaction_id=cash_out_id,
            fiat_amount=800,
            crypto_amount=125_000,
            commission_percentage=0.055,
            effective_commission=0.055,
            commission_amount_sats=25_000,
            base_amount_sats=100_000,
            exchange_rate=125.0,
            transaction_time=at,
            processed_at=at,
        )

    def _of_lnbits(self):
        script = [
            f"CREATE TABLE wallets ({WALLET_COLUMNS});",
            *_inserts(WALLETS, self.wallets, str),
        ]
        if self.is_on is not None:
            script.append(f"CREATE TABLE {EXTENSIONS} ({EXTENSION_COLUMNS});")
            script.append(
                f"INSERT INTO {EXTENSIONS} VALUES ('satmachineadmin', 'DCA Admin', {self.is_on});"
            )
        return "\n".join(script)

    def _all_rows(self):
        polls = [{"id": "config", "password": "secret", "last_poll_time": self.polled_at}]
        return {**self.rows, POLLS: polls}

    def _put(self, table, **values):
        self.rows[table].append({"id": f"{table}-{len(self.rows[table])}", **values})

    def tables(self):
        """The rows as a reading of SQLite has them: every column, instants in seconds since 1970."""
        with closing(sqlite3.connect(":memory:")) as database:
            database.row_factory = sqlite3.Row
            database.executescript(self.sqlite())
            found = {
                table: [dict(row) for row in database.execute(f"SELECT * FROM {table}")]
                for table in COLUMNS
            }
        return {**found, WALLETS: self.wallets}

    def sqlite(self, *, amounts="INTEGER"):
        """The script of the extension's file; `amounts`: the type of the columns of fiat."""
        return _script(
            self._all_rows(), amounts=amounts, instant=lambda at: str(int(at.timestamp()))
        )

    def write(self, folder, name=f"ext_{SCHEMA}.sqlite3"):
        """Write the extension's file, and LNbits' beside it; return the first."""
        for path, script in (
            (folder / name, self.sqlite()),
            (folder / "database.sqlite3", self._of_lnbits()),
        ):
            with closing(sqlite3.connect(path)) as database:
                database.executescript(script)
        return folder / name

    def postgres(self, schema=SCHEMA, *, amounts="INTEGER", wallets=True):
        """The script of LNbits' database."""
        begun = f"CREATE SCHEMA {schema}; SET search_path = {schema};\n"
        script = begun + _script(
            self._all_rows(), amounts=amounts, instant=lambda at: f"'{at:%F %T}'"
        )
        return f"{script}SET search_path = public;\n{self._of_lnbits() if wallets else ''}"


def _script(rows, *, amounts, instant):
    script = []
    for table, columns in COLUMNS.items():
        typed = columns.replace("amount INTEGER", f"amount {amounts}").replace(
            "amount_fiat INTEGER", f"amount_fiat {amounts}"
        )
        script += [f"CREATE TABLE {table} ({typed});", *_inserts(table, rows[table], instant)]
    return "\n".join(script) + "\n"


def _inserts(table, rows, instant):
    for row in rows:
        names = ", ".join(f'"{name}"' for name in row)
        values = ", ".join(_value(one, instant) for one in row.values())
        yield f"INSERT INTO {table} ({names}) VALUES ({values});"


def _value(value, instant):
    if value is None:
        return "NULL"
    if isinstance(value, datetime):
        return instant(value)
    return repr(value) if isinstance(value, int | float) else f"'{value}'"
