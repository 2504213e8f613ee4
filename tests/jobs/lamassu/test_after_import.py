"""After an import: processed cash-outs stay processed, what is older waits, what is newer is distributed."""

import sqlite3
from dataclasses import replace

import pytest
from ingest_bench import DAY, HOUR, MINUTE, NEVER_PAID, NOW, START_AT, UNCONFIRMED, cash_out

from dca_bot.errors import LedgerError
from dca_bot.jobs.lamassu.decisions import judge
from dca_bot.jobs.lamassu.foretell import foretell
from dca_bot.ledger.distributions import cash_outs, flow_mode, imports
from dca_bot.ledger.distributions.imports import SourceKind
from dca_bot.ledger.programme import start

IMPORTED_AT = NOW - 2 * HOUR


@pytest.fixture
async def bench(make_ingest):
    """ana's opening balance counts since two hours ago; `before` and `late` were processed."""
    bench = await make_ingest()
    await bench.client("ana", minor=10_000_000, since=IMPORTED_AT)
    await bench.database.transact(
        lambda tx: imports.add(
            tx, "source", SourceKind.SATMACHINE, {"before", "late"}, now=IMPORTED_AT
        )
    )
    return bench


async def test_processed_cash_out_is_never_distributed_whenever_it_was_sold(bench):
    # The clock of the other programme's computer says nothing: `late` is newer than the import.
    bench.server.put(cash_out("before", NOW - 3 * HOUR), cash_out("late", NOW - HOUR))
    await bench.poll(3)
    await bench.reopen()
    await bench.poll()
    for one in ("before", "late"):
        assert await bench.state(one) == ("ignored", "processed_by_another_programme")
    assert await bench.distributed() == []
    assert await bench.holds() == []
    assert await bench.letters() == []


async def test_older_cash_outs_are_held_and_told_together(bench):
    bench.server.put(cash_out("a", NOW - 3 * HOUR), cash_out("b", NOW - 20 * DAY))
    bench.server.put(cash_out("new", NOW - HOUR), cash_out("nothing", NOW - 9 * DAY, **NEVER_PAID))
    await bench.poll(2)
    assert await bench.given() == [("new", "ana", 80_000, 100_000)]
    assert await bench.state("a") == await bench.state("b") == ("held", "older_than_the_import")
    assert await bench.state("nothing") == ("ignored", "no_cash_left")
    (told,) = await bench.letters()
    assert told.startswith("2 sales are older than the import")


async def test_accepted_older_cash_out_counts_for_the_opening_balances(bench):
    bench.server.put(cash_out("a", NOW - 3 * HOUR))
    await bench.poll()

    def accept(tx):
        held = cash_outs.by_id(tx, "a")
        cash_outs.note_distributed(tx, "a", held.amounts, at=held.at, now=NOW)
        rules = bench.programme.flow
        flow_mode.give(tx, "a", held.amounts, at=held.at, now=NOW, rules=rules)
        return held

    held = await bench.database.transact(accept)
    assert held.at == IMPORTED_AT
    assert held.created_at == NOW - 3 * HOUR
    assert await bench.given() == [("a", "ana", 80_000, 100_000)]
    await bench.poll(2)
    assert (await bench.state("a"))[0] == "distributed"
    assert [kind for kind, *_ in await bench.holds()] == ["cash-out"]


async def test_older_cash_out_that_becomes_clean_stays_held(bench):
    bench.server.put(cash_out("a", NOW - 3 * DAY, **UNCONFIRMED))
    await bench.poll()
    assert await bench.state("a") == ("held", "dispense_not_complete")
    bench.server.put(cash_out("a", NOW - 3 * DAY))
    await bench.poll()
    assert await bench.state("a") == ("held", "older_than_the_import")
    assert await bench.distributed() == []


async def test_schema_refuses_to_distribute_a_processed_cash_out(bench):
    bench.server.put(cash_out("before", NOW - 3 * HOUR))
    row = bench.server.rows["before"]
    ((_, decision),) = judge([row], currency="GTQ", now=NOW)

    def force(tx):
        cash_outs.record(tx, row, decision, state=cash_outs.DISTRIBUTED, now=NOW)
        rules = bench.programme.flow
        flow_mode.give(tx, row.id, decision.amounts, at=decision.at, now=NOW, rules=rules)

    with pytest.raises(sqlite3.IntegrityError, match="another program"):
        await bench.database.transact(force)


async def test_what_was_distributed_here_stays_and_is_named(make_ingest):
    bench = await make_ingest()
    await bench.client("ana", minor=10_000_000)
    bench.server.put(cash_out("a", NOW - HOUR))
    await bench.poll()
    both = await bench.database.transact(
        lambda tx: imports.add(tx, "source", SourceKind.SATMACHINE, {"a", "b"}, now=NOW)
    )
    await bench.poll(2)
    assert both == ["a"]
    assert await bench.distributed() == ["a"]
    assert await bench.holds() == []


async def test_foretold_is_what_happens(bench):
    bench.server.put(cash_out("before", NOW - 3 * HOUR), cash_out("a", NOW - 3 * HOUR))
    bench.server.put(cash_out("new", NOW - HOUR))
    export = await bench.server.fetch(START_AT)
    ids = [row.id for row in export.cash_outs]
    past = await bench.database.read(lambda tx: imports.past(tx, ids))
    found = foretell(export, {}, past, currency="GTQ", start_at=START_AT, now=NOW)
    assert (found.shared, found.held, found.ignored) == (1, 1, 1)


async def test_a_source_is_known_again_by_its_name_and_by_what_it_processed(bench):
    ask = [("source", set()), ("other", {"before", "x"}), ("other", {"x"})]
    found = [
        await bench.database.read(lambda tx, one=one: imports.imported_before(tx, *one))
        for one in ask
    ]
    assert found == [IMPORTED_AT, IMPORTED_AT, None]


# The start


async def test_start_is_the_imports_and_never_moves_ahead(make_ingest):
    bench = await make_ingest()
    read, write = bench.database.read, bench.database.transact
    oldest = NOW - 5 * DAY
    assert await write(lambda tx: start.begin_with_import(tx, oldest)) == oldest
    begun = await write(lambda tx: start.begin(tx, None, NOW))
    assert (begun.at, begun.asks) == (oldest, False)
    assert await write(lambda tx: start.begin_with_import(tx, NOW)) == oldest
    # The poller, which knows the first start, reads the import's.
    poller = replace(bench.poller(), start_at=NOW, from_first_start=True)
    bench.server.put(cash_out("a", oldest + MINUTE), cash_out("b", oldest - MINUTE))
    await poller.poll_once()
    assert await bench.distributed() == ["a"]
    assert await read(start.imported) == oldest


async def test_configured_start_after_the_imports_is_refused(make_ingest):
    bench = await make_ingest()
    write = bench.database.transact
    await write(lambda tx: start.begin_with_import(tx, NOW - 5 * DAY))
    with pytest.raises(LedgerError, match=r"Remove lamassu\.start_at"):
        await write(lambda tx: start.begin(tx, NOW - DAY, NOW))
    earlier = await write(lambda tx: start.begin(tx, NOW - 6 * DAY, NOW))
    assert earlier.asks
