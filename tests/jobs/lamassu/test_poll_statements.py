"""What a poll asks of the ledger: each fact once."""

from contextlib import contextmanager
from decimal import Decimal

import pytest
from ingest_bench import DAY, HOUR, NEVER_PAID, NOW, UNCONFIRMED, cash_out

from dca_bot.core.cash_out import Action, Reason
from dca_bot.core.ports import CashIn
from dca_bot.core.verdict import decide
from dca_bot.jobs.lamassu.recording import Recorder
from dca_bot.ledger.distributions import cash_outs
from dca_bot.messages.notices import Notices
from dca_bot.messages.render import load_texts

ID = "c0ffee00" * 4


@contextmanager
def taken_down(database):
    """List the statements that a database runs meanwhile, without what the schema's triggers do."""
    connection, statements = database._connection, []

    class Counted:
        def __init__(self, tx):
            self._tx = tx

        def __getattr__(self, name):
            return getattr(self._tx, name)

        def execute(self, sql, values=()):
            statements.append(sql)
            return self._tx.execute(sql, values)

        def executemany(self, sql, rows):
            statements.append(sql)
            return self._tx.executemany(sql, rows)

    class Connection:
        async def run(self, work):
            return await connection.run(lambda tx: work(Counted(tx)))

    database._connection = Connection()
    try:
        yield statements
    finally:
        database._connection = connection


def of(statements, start):
    return sum(sql.startswith(start) for sql in statements)


async def polled(bench, row):
    """The statements of a poll that reads one new row, after a full reading."""
    await bench.client("ana", minor=100_000)
    await bench.client("bob", minor=50_000)
    await bench.poll()
    bench.server.put(row)
    with taken_down(bench.database) as statements:
        await bench.poll()
    return statements


async def test_cash_out_is_read_once_and_written_once_in_a_poll(make_ingest):
    bench = await make_ingest()
    statements = await polled(bench, cash_out(ID, NOW - HOUR))
    assert await bench.state(ID) == ("distributed", "")
    assert of(statements, "SELECT id, state, reason FROM cash_out") == 1
    assert of(statements, "INSERT INTO cash_out ") == 1
    assert of(statements, "UPDATE cash_out") == 0


async def test_distribution_is_handed_on_and_not_read_back(make_ingest):
    bench = await make_ingest()
    statements = await polled(bench, cash_out(ID, NOW - HOUR))
    assert await bench.given() == [(ID, "ana", 53_333, 66_666), (ID, "bob", 26_667, 33_334)]
    assert of(statements, "INSERT INTO distribution") == 1
    assert of(statements, "SELECT * FROM distribution") == 0
    assert of(statements, "SELECT share.*") == 0


async def test_cash_out_that_waits_is_read_once_and_written_once(make_ingest):
    bench = await make_ingest()
    statements = await polled(bench, cash_out(ID, NOW - HOUR, **UNCONFIRMED))
    assert await bench.state(ID) == ("waiting", Reason.NOT_FINAL)
    assert of(statements, "SELECT id, state, reason FROM cash_out") == 1
    assert of(statements, "INSERT INTO cash_out ") == 1
    assert of(statements, "UPDATE cash_out") == 0


@pytest.mark.parametrize("count", [1, 1200])
async def test_idle_poll_asks_nothing_about_settled_rows(make_ingest, count):
    """The first poll distributes and ignores, the others pass over the rows."""
    bench = await make_ingest()
    for number in range(count):
        row = NEVER_PAID if number % 3 else {"actions": (Action(1, "dispense", NOW, ((100, 8),)),)}
        bench.server.put(cash_out(f"{number}", NOW - 3 * DAY, **row))
        bench.server.put_in(
            CashIn(f"{number}", "machine", NOW - DAY, Decimal(5), "GTQ", send_confirmed=True)
        )
    await bench.poll()
    with taken_down(bench.database) as statements:
        await bench.poll()
    assert of(statements, "SELECT id, state, reason FROM cash_out") == 0
    assert of(statements, "SELECT ref, sum(amount_minor)") == 0
    assert len(statements) < 40


# A row, and how it changes after it was distributed, that each poll looks at.
UNSETTLED = {
    "waits": ({**UNCONFIRMED, "created_at": NOW - HOUR}, {}),
    "is held": (UNCONFIRMED, {}),
    "has changed": ({}, {"fiat": Decimal(80)}),
    "lacks its report": ({}, {"actions": (), "created_at": NOW - HOUR}),
}


@pytest.mark.parametrize("case", UNSETTLED)
async def test_row_that_is_not_settled_is_looked_at_in_each_poll(make_ingest, case):
    bench = await make_ingest()
    for changes in UNSETTLED[case]:
        values = {"created_at": NOW - 3 * DAY, **UNSETTLED[case][0], **changes}
        bench.server.put(cash_out(ID, **values))
        await bench.poll(3)
    with taken_down(bench.database) as statements:
        await bench.poll()
    assert of(statements, "SELECT id, state, reason FROM cash_out") == 1


async def test_full_reading_of_each_day_passes_over_rows_of_any_age(make_ingest):
    bench = await make_ingest()
    bench.server.put(cash_out(ID, NOW - 20 * DAY), cash_out("too old", NOW - 31 * DAY))
    await bench.poll()
    bench.clock.ahead += DAY
    with taken_down(bench.database) as statements:
        await bench.poll()
    assert of(statements, "SELECT id, created_at FROM cash_out") == 1
    assert of(statements, "SELECT id, state, reason FROM cash_out") == 0
    assert await bench.holds() == []
    with taken_down(bench.database) as statements:
        bench.ingest = bench.poller()
        await bench.poll()
    assert of(statements, "SELECT id, state, reason FROM cash_out") == 1


async def test_cash_out_that_an_operator_ignores_during_a_poll_is_not_distributed(make_ingest):
    """Compare-and-set: the poll has read the row as held, and writes it only if that still stands."""
    bench = await make_ingest()
    await bench.client("ana", minor=100_000)
    bench.server.put(cash_out(ID, NOW - 3 * DAY, **UNCONFIRMED))
    await bench.poll()
    notices = Notices(bench.programme, load_texts(bench.programme))
    recorder = Recorder(notices, bench.programme, bench.clock)
    row = cash_out(ID, NOW - 3 * DAY)
    decision = decide(row, currency="GTQ", now=NOW)

    def between(tx):
        assert recorder.record(tx, [(row, decision)]).to_distribute == [(row, decision)]
        cash_outs.ignore(tx, ID, now=NOW)
        return recorder.distribute(tx, row, decision)

    assert await bench.database.transact(between) is None
    assert await bench.state(ID) == ("ignored", Reason.BY_OPERATOR)
    assert await bench.given() == []
