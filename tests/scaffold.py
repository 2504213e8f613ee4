"""What several folders of tests begin with: the rules of a programme, and a row of Lamassu."""

import sqlite3
from collections.abc import AsyncIterator, Iterable, Iterator
from contextlib import asynccontextmanager, contextmanager
from datetime import datetime, time, timedelta
from functools import cache
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any
from zoneinfo import ZoneInfo

from dca_bot.core.cash_out import Action, CashOut
from dca_bot.core.ports import DmProtocol
from dca_bot.core.programme import FixedModeRules, FlowModeRules, Programme
from dca_bot.ledger.audit.findings import Finding
from dca_bot.ledger.store.connection import Connect, open_in_thread
from dca_bot.ledger.store.database import Database, open_database
from dca_bot.ledger.store.ledger_files import LEDGER_FILE
from dca_bot.messages import describe
from dca_bot.messages.render import Texts, load_texts

FLOW = FlowModeRules(enabled=True, timezone=ZoneInfo("America/Guatemala"))
"""The rules of flow mode of `programme`."""


@contextmanager
def without_triggers(ledger: sqlite3.Connection, *names: str) -> Iterator[None]:
    """Do what these triggers, or all, forbid; the schema is as it was afterwards."""
    rows = ledger.execute("SELECT name, sql FROM sqlite_schema WHERE type = 'trigger'").fetchall()
    dropped = {name: sql for name, sql in rows if not names or name in names}
    for name in dropped:
        ledger.execute(f"DROP TRIGGER {name}")
    yield
    for sql in dropped.values():
        ledger.execute(sql)


@asynccontextmanager
async def ledger_of(folder: Path) -> AsyncIterator[Database]:
    """Have the ledger of a bot's folder open, as its bot has."""
    database = await open_ledger(folder / "data")
    try:
        yield database
    finally:
        await database.aclose()


async def open_ledger(data_dir: Path, connect: Connect = open_in_thread) -> Database:
    """Open a bot's ledger, as `open_database` does; a new ledger is copied from the process's first.

    The first ledger is made by all migrations, which take ten times as long as opening a ledger.
    """
    if not _NEW_LEDGER:
        with TemporaryDirectory(prefix="dca-bot-new-ledger-") as name:
            await (await open_database(Path(name), connect=connect)).aclose()
            _NEW_LEDGER.append(_file_of(Path(name)))
    _lay(_NEW_LEDGER[0], data_dir)
    return await open_database(data_dir, connect=connect)


def _file_of(data_dir: Path) -> bytes:
    return (data_dir / LEDGER_FILE).read_bytes()


def _lay(new_ledger: bytes, data_dir: Path) -> None:
    """Write a new ledger into a data folder that isn't there yet."""
    if data_dir.exists():
        return
    data_dir.mkdir(mode=0o700, parents=True)
    file = data_dir / LEDGER_FILE
    file.touch(mode=0o600)
    file.write_bytes(new_ledger)


_NEW_LEDGER: list[bytes] = []


def programme(operators: Iterable[str], /, **changes: Any) -> Programme:
    """A programme in Guatemala, in fixed mode at nine and six."""
    values: dict[str, Any] = {
        "currency": "GTQ",
        "timezone": ZoneInfo("America/Guatemala"),
        "language": "en",
        "operators": frozenset(operators),
        "operator_protocols": frozenset({DmProtocol.NIP17}),
        "message_age_max": timedelta(hours=6),
        "flow_enabled": True,
        "low_deposit_minor": 20_000,
        "payout_max_sat": 1_000_000,
        "day_max_sat": 10_000_000,
        "top_up_to_sat": 100_000,
        "low_balance_sat": 0,
        "fixed": FixedModeRules(
            enabled=True,
            times=(time(9), time(18)),
            daily_limit_max_minor=200_000,
            rate_source="lnbits",
            deviation_percent_max=5,
            rate_age_max=timedelta(hours=1),
        ),
        "digest_time": time(19),
        "summary_time": time(8),
    }
    return Programme(**{**values, **changes})


def cash_out_row(id_: str, created_at: datetime, **changes: Any) -> CashOut:
    """A paid and dispensed cash-out, reported at once; its amounts and notes are not known unless given."""
    values: dict[str, Any] = {
        **dict.fromkeys(CashOut.__dataclass_fields__),
        "actions": (),
        "reports_readable": True,
        "others": (),
        "id": id_,
        "device_id": "d" * 64,
        "created_at": created_at,
        "confirmed_at": created_at,
        "status": "confirmed",
        "crypto_code": "BTC",
        "fiat_code": "GTQ",
        "dispense": True,
        "dispense_confirmed": True,
    }
    values |= changes
    is_dispensed = values["dispense"] and values["dispense_confirmed"]
    if is_dispensed and "actions" not in changes:
        values["actions"] = (Action(1, "dispense", values["confirmed_at"] or created_at, ()),)
    return CashOut(**values)


def in_english(findings: Iterable[Finding]) -> tuple[str, ...]:
    """Return the findings of an audit in the words of the English catalogue."""
    texts = _usual_texts()
    return tuple(texts.render(describe.finding(one), "en") for one in findings)


@cache
def _usual_texts() -> Texts:
    return load_texts(programme([]))
