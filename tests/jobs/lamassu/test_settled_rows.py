"""Rows that come to nothing any more are passed over, and passing over them changes nothing."""

import asyncio
import os
import sqlite3
import tempfile
from contextlib import suppress
from dataclasses import fields, replace
from datetime import timedelta
from decimal import Decimal
from functools import partial
from io import BytesIO
from pathlib import Path
from random import Random
from tempfile import TemporaryDirectory

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from ingest_bench import (
    DAY,
    HOUR,
    MINUTE,
    NEVER_PAID,
    NOW,
    START_AT,
    UNCONFIRMED,
    Bench,
    Server,
    cash_out,
)
from scaffold import FLOW

from dca_bot.core.cash_out import Action
from dca_bot.core.change import MISSING_MAX
from dca_bot.core.ports import CashIn, Passed, RowKind
from dca_bot.errors import SourceUnavailable
from dca_bot.faults import SourceFault
from dca_bot.files import spill
from dca_bot.jobs.lamassu.settled_rows import SettledRows
from dca_bot.jobs.lamassu.settled_rows import settled as settled_row
from dca_bot.lamassu.kept_reading import KeptReading
from dca_bot.lamassu.row_models import ACTIONS, CASH_INS, CASH_OUTS, DEVICES
from dca_bot.ledger.audit.audit import audit_ledger
from dca_bot.ledger.distributions import cash_outs, flow_mode
from dca_bot.ledger.payouts import holds
from dca_bot.ledger.payouts.holds import HoldKind, HoldOutcome
from dca_bot.ledger.store import bot_state

ALL = ((100, 8),)
# Sales that are shared out first, sales of other kinds, and sales that come later: of a reading, each lot is
# more than a whole reading can lack.
SHARED_OUT = [f"out{number:02}" for number in range(MISSING_MAX + 2)]
LATER = [f"later{number:02}" for number in range(MISSING_MAX + 2)]
OTHERS = ["never paid", "cancelled", "another coin", "in part", "not confirmed", "not reported"]
IDS = [*SHARED_OUT, *OTHERS, *LATER]
EARLIER = timedelta(hours=7)


def report(id_, notes=ALL, *, action="dispense"):
    return Action(id_, action, NOW - HOUR, notes)


# What Lamassu says of a sale.
ROWS = {
    "good": {"actions": (report(1),)},
    "reported later": {"actions": (replace(report(1), created_at=NOW),)},
    "reported otherwise": {"actions": (report(1, ((100, 7),)),)},
    "reported twice": {"actions": (report(1), report(2))},
    "not reported": {"actions": ()},
    "reports unreadable": {"reports_readable": False},
    "not confirmed": UNCONFIRMED,
    "in part": {**UNCONFIRMED, "actions": (report(1, ((100, 3),), action="dispenseError"),)},
    "never paid": NEVER_PAID,
    "cancelled": {**NEVER_PAID, "error": "operator cancel", "error_code": "operatorCancel"},
    "spent twice": {"error": "double spend", "status": "insufficientFunds"},
    "other cash": {"fiat": Decimal(80)},
    "the same cash": {"fiat": Decimal(800)},
    "no cash": {"fiat": Decimal("NaN")},
    "another coin": {"crypto_code": "ETH"},
    "another currency": {"fiat_code": "USD"},
    "another machine": {"device_id": "other"},
    "another price": {"ticker": Decimal(900_000)},
}
NAMES = [{}, {"machine": "Market"}, {"machine": "Market", "other": "Mall"}]
SPANS = [MINUTE, HOUR, DAY, 3 * DAY, 8 * DAY, -MINUTE, -5 * HOUR, -3 * DAY]
BREAKS = {
    "hold": ("INSERT ON hold", "ref"),
    "cash": ("INSERT ON cash_move", "ref"),
    "found": ("INSERT ON cash_out", "id"),
    "decided": ("UPDATE ON cash_out", "id"),
    "shared out": ("INSERT ON distribution", "id"),
}
# A few, so that the same sale changes, and changes back, within a story.
ID = st.sampled_from([SHARED_OUT[0], SHARED_OUT[7], "never paid", "in part", LATER[0], LATER[7]])
SAYS = st.sampled_from(["good"] * 6 + sorted(ROWS))
AT_LAMASSU = st.one_of(
    st.tuples(st.just("row"), ID, SAYS),
    st.tuples(st.just("row"), ID, SAYS),
    st.tuples(st.just("twice"), ID, SAYS),
    st.tuples(st.just("gone"), st.sets(st.sampled_from(IDS))),
    st.tuples(st.just("unreadable"), ID),
    st.just(("unreported",)),
    st.just(("back",)),
    st.tuples(st.just("cash-in"), ID, st.integers(1, 3), st.booleans()),
    st.tuples(st.just("machines"), st.sampled_from(NAMES)),
)
AROUND = st.one_of(
    st.tuples(st.just("time"), st.sampled_from(SPANS)),
    st.tuples(st.just("time"), st.sampled_from(SPANS)),
    st.just(("unreachable",)),
    st.just(("restart",)),
    st.tuples(st.just("order"), st.integers(1, 9)),
    st.tuples(st.just("start"), st.sampled_from([START_AT, NOW - 4 * HOUR, NOW - 8 * DAY])),
)
IN_LEDGER = st.one_of(
    st.tuples(st.just("ruling"), st.integers(0, 3), st.booleans()),
    st.tuples(st.just("break"), st.sampled_from(sorted(BREAKS)), ID),
    st.just(("mend",)),
    st.tuples(st.just("pause"), st.booleans()),
)


def polls(times):
    return "poll", (times,)


# Each step is a few acts: (what is done, how).
STEPS = st.one_of(
    st.builds(lambda how: [("change", how)], AT_LAMASSU),
    st.builds(lambda how: [("go_on", how)], AROUND),
    st.builds(lambda how: [("write", how)], IN_LEDGER),
    # A row that changes and changes back, between two polls or over some.
    st.builds(
        lambda id_, says, times: [
            ("change", ("row", id_, says)),
            polls(times),
            ("change", ("row", id_, "good")),
            polls(1),
        ],
        ID,
        SAYS,
        st.integers(0, 3),
    ),
    # A change that can't be recorded before some polls have tried.
    st.builds(
        lambda broken, id_, says: [
            ("write", ("break", broken, id_)),
            ("change", ("row", id_, says)),
            polls(3),
            ("write", ("mend",)),
            polls(1),
        ],
        st.sampled_from(sorted(BREAKS)),
        ID,
        SAYS,
    ),
    # A clock that was ahead for some polls.
    st.builds(
        lambda span: [("go_on", ("time", span)), polls(3), ("go_on", ("time", -span)), polls(1)],
        st.sampled_from([HOUR, 5 * HOUR, 20 * HOUR]),
    ),
)


class Unmindful(SettledRows):
    """Passes over no row: each poll judges each row, as the first one does."""

    def settle(self, *_how, **_when):
        pass


class Counting(SettledRows):
    """Counts the rows that were passed over."""

    count = 0

    def unchanged(self, *how):
        found = super().unchanged(*how)
        self.count += len(found)
        return found


class CsvServer(Server):
    """Exports its rows as CSV, in any order of rows and columns; each bot has a reader of its own."""

    def __init__(self):
        super().__init__()
        self.order = 0
        self.readers = {}

    async def fetch(self, since, known):
        self.asked.append(since)
        if self.fault:
            raise self.fault
        reader = self.readers.setdefault(id(known), KeptReading())
        files = [BytesIO(self.table(*table)) for table in self.tables()]
        return reader.read(*files[:3], cash_ins=files[3], since=since, known=known)

    def tables(self):
        """(columns, rows) of each table."""
        contents = [one for row in self.rows.values() for one in (row, *row.others)]
        txs = [{**fields_of(one, CASH_OUT_COLUMNS), "created": one.created_at} for one in contents]
        txs += [{"id": id_, "created": "at noon"} for id_ in self.unreadable_ids]
        yield CASH_OUTS, txs
        yield ACTIONS, [action for one in contents for action in actions_of(one)]
        yield DEVICES, [{"device_id": id_, "name": name} for id_, name in self.machines.items()]
        paid_in = self.cash_ins.values()
        yield (
            CASH_INS,
            [{**fields_of(one, CASH_IN_COLUMNS), "created": one.created_at} for one in paid_in],
        )

    def table(self, table, rows):
        random = Random(self.order)
        columns = sorted(table.required | table.optional)
        lines = [",".join(written(row.get(column)) for column in columns) for row in rows]
        random.shuffle(lines)
        if self.order % 3 == 2:  # another program exports, with other columns
            columns = [*columns, "more"]
            lines = [f"{line}," for line in lines]
        return "\n".join([",".join(columns), *lines, ""]).encode()


CASH_OUT_COLUMNS = {"commission": "commission_percentage", "ticker": "raw_ticker_price"}
CASH_IN_COLUMNS = {}


def fields_of(row, columns):
    return {columns.get(one.name, one.name): getattr(row, one.name) for one in fields(row)}


def actions_of(row):
    for action in row.actions:
        notes = {}
        for place, (denomination, count) in enumerate(action.notes, 1):
            notes |= {f"denomination_{place}": denomination, f"dispensed_{place}": count}
        yield {**fields_of(action, {}), "tx_id": row.id, "created": action.created_at, **notes}
    if not row.reports_readable:
        yield {"id": "none", "tx_id": row.id, "action": "dispense"}


def written(value):
    """Write a value as PostgreSQL does."""
    if value is None:
        return ""
    if isinstance(value, bool):
        return "t" if value else "f"
    return f'"{value}"' if value == "" or " " in f"{value}" else f"{value}"


class Worlds:
    """One Lamassu server, read by a bot that passes over settled rows, and by a bot that doesn't."""

    def __init__(self, folder):
        self.server = CsvServer()
        self.known = {}
        self.start_at = START_AT
        self.benches = [Bench(folder / name, self.server) for name in ("mindful", "unmindful")]

    async def open(self):
        for bench in self.benches:
            await bench.open()
            await bench.client("ana", minor=10**6)
            await bench.client("bob", minor=30_000)
        self.restart()
        for number, id_ in enumerate(IDS):
            # Those of other kinds can still wait, but not for long.
            place = 6 if id_ in OTHERS else number % len(SHARED_OUT)
            at = NOW - 3 * HOUR - place * EARLIER
            self.put(cash_out(id_, at, **ROWS[id_ if id_ in ROWS else "good"]))
        for id_ in LATER:
            del self.server.rows[id_]
        await self.poll(3)
        assert self.benches[0].ingest._settled.count >= len(SHARED_OUT)

    async def aclose(self):
        for bench in self.benches:
            assert (await bench.database.read(audit_ledger)).findings == ()
            await bench.database.aclose()

    def put(self, row):
        self.known[row.id] = row
        self.server.put(row)

    def restart(self):
        for bench, settled in zip(self.benches, (Counting(), Unmindful()), strict=True):
            bench.ingest = bench.poller()
            bench.ingest.start_at = self.start_at
            bench.ingest._settled = settled

    async def change(self, *step):
        """Change the Lamassu server."""
        match step:
            case "row", id_, says:
                self.put(cash_out(id_, self.known[id_].created_at, **ROWS[says]))
            case "twice", id_, says:
                other = cash_out(id_, self.known[id_].created_at, **ROWS[says])
                self.put(replace(self.known[id_], others=(other,)))
            case "gone", ids:
                for id_ in ids:
                    self.server.rows.pop(id_, None)
            case "unreadable", id_:
                self.server.rows.pop(id_, None)
                self.server.unreadable_ids |= {id_}
            case ("unreported",):
                self.server.put(*(replace(row, actions=()) for row in self.known.values()))
            case ("back",):
                self.server.unreadable_ids = frozenset()
                self.server.put(*self.known.values())
            case "cash-in", id_, fiat, is_sent:
                at = self.known[id_].created_at
                row = CashIn(id_, "machine", at, Decimal(fiat), "GTQ", send_confirmed=is_sent)
                self.server.put_in(row)
            case "machines", names:
                self.server.machines = names

    async def go_on(self, *step):
        """Change what is around the bot: the clock, the network, the process, the configuration."""
        match step:
            case "time", span:
                for bench in self.benches:
                    bench.clock.ahead += span
            case ("unreachable",):
                self.server.fault = SourceUnavailable("down", fault=SourceFault.FILE_MISSING)
                await self.poll()
                self.server.fault = None
            case ("restart",):
                self.restart()
            case "order", number:
                self.server.order = number
            case "start", at:
                self.start_at = at
                for bench in self.benches:
                    bench.ingest.start_at = at

    async def write(self, *step):
        """Write what others than the poll write to the ledger."""
        for bench in self.benches:
            work = partial(write, step=step, now=bench.clock.now())
            with suppress(sqlite3.IntegrityError):
                await bench.database.transact(work)

    async def poll(self, times=1):
        for _ in range(times):
            for bench in self.benches:
                with suppress(SourceUnavailable):
                    await bench.poll()
            mindful, unmindful = [await bench.database.read(everything) for bench in self.benches]
            assert mindful == unmindful


def write(tx, *, step, now):
    """Rule, pause, or hinder the next polls from writing."""
    match step:
        case "ruling", number, is_accepted:
            for hold in holds.still_open(tx)[number : number + 1]:
                rule(tx, hold, now, is_accepted=is_accepted)
        case "break", name, id_:
            what, column = BREAKS[name]
            tx.execute("DROP TRIGGER IF EXISTS broken")
            tx.execute(
                f"CREATE TRIGGER broken BEFORE {what} WHEN NEW.{column} = '{id_}'"
                " BEGIN SELECT RAISE(ABORT, 'broken'); END"
            )
        case ("mend",):
            tx.execute("DROP TRIGGER IF EXISTS broken")
        case "pause", True:
            bot_state.put(tx, bot_state.PAUSED, "now")
        case "pause", False:
            bot_state.drop(tx, bot_state.PAUSED)


def rule(tx, hold, now, *, is_accepted):
    """An operator accepts or ignores a hold; a cash-out without amounts can only be ignored."""
    found = cash_outs.by_id(tx, hold.ref)
    is_accepted = is_accepted and found.amounts is not None
    if hold.kind is HoldKind.CASH_OUT and is_accepted:
        flow_mode.distribute(tx, hold.ref, found.amounts, at=found.at, now=now, rules=FLOW)
    elif hold.kind is HoldKind.CASH_OUT:
        cash_outs.ignore(tx, hold.ref, now=now)
    outcome = HoldOutcome.ACCEPTED if is_accepted else HoldOutcome.IGNORED
    holds.close(tx, hold.kind, hold.ref, outcome=outcome, now=now)


def everything(tx):
    """Each row of each table, by table."""
    tables = [
        name
        for (name,) in tx.execute("SELECT name FROM sqlite_schema WHERE type = 'table'").fetchall()
        if not name.startswith("sqlite_")
    ]
    return {name: [tuple(row) for row in tx.execute(f"SELECT * FROM {name}")] for name in tables}


async def go_through(steps):
    with TemporaryDirectory(prefix="dca-bot-settled-") as name:
        worlds = Worlds(Path(name))
        await worlds.open()
        for acts, times in steps:
            for what, how in acts:
                await getattr(worlds, what)(*how)
            await worlds.poll(times)
        await worlds.aclose()


@settings(max_examples=32)
@given(st.lists(st.tuples(STEPS, st.sampled_from([0, 1, 1, 2])), min_size=4, max_size=20))
def test_ledger_and_notices_are_as_if_each_row_was_judged_at_each_poll(steps):
    asyncio.run(go_through(steps))


# What is looked at again, case by case


async def test_row_that_comes_back_closes_the_hold_of_its_absence_at_the_next_poll(make_ingest):
    bench = await make_ingest()
    rows = [cash_out(f"{number}", NOW - number * HOUR) for number in range(3)]
    bench.server.put(*rows)
    await bench.poll(3)
    del bench.server.rows["1"]
    bench.clock.ahead += DAY
    await bench.poll(2)
    assert await bench.holds() == [("changed", "1", "missing", None)]
    bench.server.put(rows[1])
    bench.clock.ahead += MINUTE
    await bench.poll()
    assert await bench.holds() == [("changed", "1", "missing", "by_itself")]


async def test_ignored_row_is_young_again_after_the_clock_was_pulled_back(make_ingest):
    bench = await make_ingest()
    bench.server.put(cash_out("a", NOW - 2 * DAY - MINUTE, **NEVER_PAID))
    await bench.poll(3)
    assert await bench.state("a") == ("ignored", "no_cash_left")
    bench.clock.ahead -= HOUR
    await bench.poll()
    assert await bench.state("a") == ("waiting", "not_final_yet")


@pytest.mark.parametrize("broken", ["cash_move", "machine"])
async def test_cash_that_could_not_be_recorded_is_recorded_later(make_ingest, broken):
    bench = await make_ingest()
    bench.server.put(cash_out("a", NOW - HOUR, actions=(report(1),)))
    bench.server.put_in(CashIn("b", "machine", NOW - HOUR, Decimal(5), "GTQ", send_confirmed=True))
    trigger = f"BEFORE INSERT ON {broken} BEGIN SELECT RAISE(ABORT, 'broken'); END"
    await bench.database.transact(lambda tx: tx.execute(f"CREATE TRIGGER broken {trigger}"))
    await bench.poll(3)
    assert await bench.distributed() == ["a"]
    moved = "SELECT ref, amount_minor FROM cash_move ORDER BY ref"
    assert await bench.rows(moved) == []
    await bench.database.transact(lambda tx: tx.execute("DROP TRIGGER broken"))
    await bench.poll()
    assert await bench.rows(moved) == [("a", -80_000), ("b", 500)]


async def test_change_that_could_not_be_recorded_is_recorded_later(make_ingest):
    bench = await make_ingest()
    bench.server.put(cash_out("a", NOW - HOUR))
    await bench.poll(3)
    trigger = "BEFORE INSERT ON hold BEGIN SELECT RAISE(ABORT, 'broken'); END"
    await bench.database.transact(lambda tx: tx.execute(f"CREATE TRIGGER broken {trigger}"))
    bench.server.put(cash_out("a", NOW - HOUR, fiat=Decimal(80)))
    await bench.poll(3)
    await bench.database.transact(lambda tx: tx.execute("DROP TRIGGER broken"))
    await bench.poll()
    assert await bench.holds() == [("changed", "a", "amounts_changed", None)]


# What a row is known by


def known_of(settled, row, digest, since=START_AT):
    kind = RowKind.CASH_IN if isinstance(row, CashIn) else RowKind.CASH_OUT
    settled.begin(start_at=settled._start_at, now=settled._judged_at)
    found = settled.unchanged(kind, {} if digest is None else {row.id: digest})
    settled.forget_others(kind, since)
    return found


ROW = cash_out("a", NOW - HOUR, digest=b"one", actions=(report(1),))
PAID_IN = CashIn("a", "machine", NOW - HOUR, Decimal(5), "GTQ", send_confirmed=True, digest=b"one")


@pytest.fixture
def settled():
    settled = SettledRows()
    settled.begin(start_at=START_AT, now=NOW)
    return settled


@pytest.mark.parametrize("row", [ROW, PAID_IN])
@pytest.mark.parametrize("digest", [b"another", None])
def test_row_that_has_changed_or_is_gone_is_settled_no_more(settled, row, digest):
    settled.settle([settled_row(row)], now=NOW)
    version = settled.version
    assert known_of(settled, row, b"one") == {"a"}
    assert settled.version == version
    assert known_of(settled, row, digest) == frozenset()
    assert known_of(settled, row, b"one") == frozenset()
    assert settled.version > version


def test_row_that_a_reading_does_not_go_back_to_stays_settled(settled):
    settled.settle([settled_row(ROW)], now=NOW)
    assert known_of(settled, ROW, None, since=NOW) == frozenset()
    assert known_of(settled, ROW, b"one", since=NOW) == {"a"}
    assert settled.passed(NOW) == Passed()
    assert settled.passed(NOW - HOUR) == Passed(NOW - HOUR, NOW - HOUR, NOW - HOUR)


def test_cash_out_and_cash_in_of_one_id_are_two_rows(settled):
    settled.settle([settled_row(PAID_IN)], now=NOW)
    assert known_of(settled, ROW, b"one") == frozenset()
    assert not settled.has("a")
    assert settled.passed(START_AT) == Passed(cash_in_at=NOW - HOUR)


@pytest.mark.parametrize(
    "how",
    [
        {"digest": None},
        {"created_at": NOW + HOUR},
        {"actions": (replace(report(1), created_at=NOW + HOUR),)},
    ],
)
def test_row_without_digest_or_of_the_future_is_not_settled(settled, how):
    settled.settle(filter(None, [settled_row(replace(ROW, **how))]), now=NOW)
    assert known_of(settled, ROW, b"one") == frozenset()


@pytest.mark.parametrize(
    "how", [{"start_at": START_AT - DAY}, {"start_at": NOW}, {"now": NOW - MINUTE}]
)
def test_all_rows_are_looked_at_if_start_at_has_moved_or_the_clock_was_pulled_back(settled, how):
    usual = {"start_at": START_AT, "now": NOW}
    settled.settle([settled_row(ROW)], now=NOW)
    settled.begin(**usual)
    assert known_of(settled, ROW, b"one") == {"a"}
    settled.begin(**usual | how)
    assert known_of(settled, ROW, b"one") == frozenset()


def test_settled_rows_are_forgotten_and_the_room_named_once_there_is_no_room(settled, monkeypatch):
    monkeypatch.setenv("SQLITE_TMPDIR", "/somewhere")
    settled.settle([settled_row(ROW)], now=NOW)
    version = settled.version
    settled._rows.execute("PRAGMA max_page_count = 1")
    many = (settled_row(replace(ROW, id=f"{n}")) for n in range(5000))
    with pytest.raises(SourceUnavailable, match="kept in /somewhere"):
        settled.settle(many, now=NOW)
    assert settled.version > version
    assert not settled.has("a")
    settled.settle([settled_row(ROW)], now=NOW)
    assert settled.has("a")


async def test_full_temporary_folder_is_told_once_and_shares_out_nothing_twice(
    make_ingest, monkeypatch
):
    bench = await make_ingest()
    await bench.client("ana", minor=10**9)
    bench.server.put(*(cash_out(f"{n:02}", NOW - HOUR + n * MINUTE) for n in range(20)))
    monkeypatch.setattr(spill, "_KEPT_MAX", 15)
    full = Path("/dev/full")
    with monkeypatch.context() as patch:
        patch.setattr(tempfile, "TemporaryFile", lambda **how: full.open("r+b", **how))
        patch.setattr(os, "pwrite", lambda descriptor, data, _at: os.write(descriptor, data))
        with pytest.raises(SourceUnavailable, match="No space left"):
            await bench.poll()
    assert (await bench.letters(), await bench.distributed()) == ([], [])
    await bench.poll(2)
    assert await bench.distributed() == [f"{n:02}" for n in range(20)]
