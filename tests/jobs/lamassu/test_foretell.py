"""What `check` foretells is what the poll after a start does."""

from collections import Counter
from datetime import UTC, datetime
from pathlib import Path

import pytest
from ingest_bench import DAY, HOUR, NEVER_PAID, NOW, UNCONFIRMED, Bench, Server, cash_out

from dca_bot.core.money import minor_digits
from dca_bot.jobs.lamassu.decisions import reads_since
from dca_bot.jobs.lamassu.foretell import Foretold, foretell
from dca_bot.lamassu.directory import DirectorySource
from dca_bot.ledger.distributions import cash_outs

EXPORT = Path(__file__).parents[2] / "data" / "lamassu" / "export"
YEAR = datetime(2025, 1, 1, tzinfo=UTC)


@pytest.fixture
async def make_bench(tmp_path):
    benches = []

    async def make(source):
        bench = Bench(tmp_path, source)
        await bench.open()
        benches.append(bench)
        return bench

    yield make
    for bench in benches:
        await bench.database.aclose()


async def look(bench):
    """Foretell as `check` does, from what a start would read."""
    start_at, now = bench.ingest.start_at, bench.clock.now()
    export = await bench.server.fetch(reads_since(start_at))
    ids = [one.id for one in export.cash_outs]
    known = await bench.database.read(lambda tx: cash_outs.states(tx, ids))
    return foretell(export, known, currency="GTQ", start_at=start_at, now=now)


async def test_check_foretells_all_that_the_first_run_does(make_bench):
    bench = await make_bench(DirectorySource(EXPORT))
    bench.ingest.start_at = YEAR
    told = await look(bench)
    assert (told.known, told.shared, told.held, told.waiting) == (0, 243, 13, 0)
    await bench.poll()
    states = Counter(dict(await bench.rows("SELECT state, count(*) FROM cash_out GROUP BY state")))
    assert states == {"distributed": told.shared, "held": told.held, "ignored": told.ignored}
    ((minor,),) = await bench.rows(
        "SELECT sum(principal_minor) FROM cash_out WHERE state = 'distributed'"
    )
    assert (told.shared_minor, minor_digits("GTQ")) == (minor, 2)
    assert await look(bench) == Foretold(300, 0, 0, 0, 0, 0, None), "nothing is new any more"


@pytest.mark.parametrize("moved", [-300 * DAY, -HOUR, HOUR, 45 * DAY])
async def test_foretelling_and_run_agree_wherever_start_at_lies(make_bench, moved):
    bench = await make_bench(DirectorySource(EXPORT))
    bench.ingest.start_at = datetime(2025, 11, 1, tzinfo=UTC) + moved
    told = await look(bench)
    await bench.poll()
    states = dict(await bench.rows("SELECT state, count(*) FROM cash_out GROUP BY state"))
    assert states.get("distributed", 0) == told.shared
    assert states.get("held", 0) == told.held


async def test_what_has_moved_on_since_the_last_run_is_foretold_as_new(make_bench):
    bench = await make_bench(Server())
    at = NOW - DAY
    later = cash_out("later", at, **NEVER_PAID)
    bench.server.put(cash_out("done", at), cash_out("held", at - 2 * DAY, **UNCONFIRMED), later)
    await bench.poll()
    assert (await look(bench)).known == 3
    bench.server.put(cash_out("later", at), cash_out("new", at + HOUR))
    told = await look(bench)
    assert (told.known, told.shared, told.shared_minor) == (2, 2, 160_000)
    assert at <= told.oldest < at + HOUR, "when the cash left"
