"""Give a ledger the texts of several values that version 4 kept: see README.md beside this file.

python make_texts.py SOURCE OLD TARGET: SOURCE is a checkout of version 4, OLD an earlier ledger
(`.sqlite3.gz`) to be brought to version 4, and TARGET the new `.sqlite3.gz`.
"""

import asyncio
import gzip
import sqlite3
import sys
import tempfile
from contextlib import closing
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from pathlib import Path

source, old, target = map(Path, sys.argv[1:4])
sys.path[:0] = [str(source), str(source / "tests")]

from scaffold import cash_out_row  # noqa: E402

from dca_bot.core.change import terms  # noqa: E402
from dca_bot.core.funds import TopUp, Trouble  # noqa: E402
from dca_bot.core.ports import Copy, Uptime  # noqa: E402
from dca_bot.core.rate import Ticker  # noqa: E402
from dca_bot.ledger.distributions import changes, readings  # noqa: E402
from dca_bot.ledger.payouts import top_ups  # noqa: E402
from dca_bot.ledger.programme import tickers  # noqa: E402
from dca_bot.ledger.store import clock  # noqa: E402
from dca_bot.ledger.store.database import open_database  # noqa: E402

NOW = datetime(2026, 11, 28, 12, 0, 0, 123456, tzinfo=UTC)
ROW = {
    "crypto_atoms": Decimal(125_000),
    "fiat": Decimal("800.00000"),
    "commission": Decimal("0.20000"),
    "ticker": Decimal("800000.00000"),
}
ROWS = (
    {},
    {"fiat": Decimal("780.00000"), "fixed_fee": Decimal("20.00000")},
    {"fiat": None, "crypto_atoms": Decimal("NaN"), "ticker": Decimal("8e99")},
    {"crypto_code": None, "fiat_code": None, "commission": None, "discount": Decimal("12.50")},
    {"crypto_code": "LN", "crypto_atoms": Decimal(-1), "commission": Decimal("0.20000")},
)


def texts(tx):
    ids = [row["id"] for row in tx.execute("SELECT id FROM cash_out ORDER BY id")]
    for number, id_ in enumerate(ids):
        if number % 6 < len(ROWS):
            text = terms(cash_out_row(id_, NOW, **{**ROW, **ROWS[number % 6]}))
            # Before the bot knew fees, a text ended without one.
            changes.note_terms(tx, id_, text.rpartition(" fee=")[0] if number % 4 == 3 else text)
    tickers.note(tx, Ticker(Decimal("800000.12500"), NOW), now=NOW)
    top_ups.note(
        tx, TopUp(Trouble.SHORT, NOW + timedelta(hours=1), balance_msat=5_001, asked_sat=70)
    )
    readings.note(tx, Copy("cash_out_txs.csv", NOW), NOW)
    clock.witness(tx, Uptime("0e3c", timedelta(hours=5)), NOW)
    clock.witness(tx, Uptime("0e3c", timedelta(hours=6)), NOW)


async def main():
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name) / "data"
        folder.mkdir(mode=0o700)
        path = folder / "ledger.sqlite3"
        path.touch(mode=0o600)
        path.write_bytes(gzip.decompress(old.read_bytes()))
        database = await open_database(folder)
        await database.transact(texts)
        await database.aclose()
        with closing(sqlite3.connect(path)) as ledger:
            assert ledger.execute("PRAGMA user_version").fetchone() == (4,)
            ledger.execute("PRAGMA journal_mode = DELETE")
        target.write_bytes(gzip.compress(path.read_bytes(), mtime=0))


asyncio.run(main())
