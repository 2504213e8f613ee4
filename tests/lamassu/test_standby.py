"""A standby of Lamassu's database: read alike, and known to be as old as what it has replayed."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest
from lamassu_server import login
from postgres_process import standby_of

from dca_bot.core.freshness import STANDBY, NewestRows, is_stale, oldest_copy
from dca_bot.lamassu.postgres import PostgresSource
from dca_bot.lamassu.postgres_login import PostgresLimits

BEGINNING = datetime(1970, 1, 1, tzinfo=UTC)


@pytest.fixture
def standby(server):
    with standby_of(server.postgres) as standby:
        yield standby


async def test_standby_is_read_like_its_primary_and_told_as_old_as_what_it_has_replayed(
    server, standby, make_source
):
    followed = replace(login(server), port=standby.port)
    source = PostgresSource(followed, None, PostgresLimits(connect_s=20))
    primary = make_source()
    assert (await source.rights()).is_standby
    assert not (await primary.rights()).is_standby

    before = datetime.now(UTC)
    server.sql("UPDATE cash_out_txs SET error_code = 'new'")
    written = server.sql("SELECT pg_current_wal_lsn()")
    while standby.sql(f"SELECT pg_last_wal_replay_lsn() >= '{written}'") != "t":
        pass
    # The server commits by itself now and then, and the standby would follow.
    standby.sql("SELECT pg_wal_replay_pause()")
    while standby.sql("SELECT pg_get_wal_replay_pause_state()") != "paused":
        pass
    found, wanted = await source.fetch(BEGINNING), await primary.fetch(BEGINNING)
    assert found.cash_outs == wanted.cash_outs
    assert wanted.copies == ()
    (copy,) = found.copies
    assert copy.name == STANDBY
    assert before <= copy.as_of <= datetime.now(UTC)

    server.sql("DELETE FROM cash_out_txs")
    later = await source.fetch(BEGINNING)
    await source.aclose()
    assert later.copies == found.copies
    assert len(later.cash_outs) == len(found.cash_outs)
    days_later = datetime.now(UTC) + timedelta(days=3)
    for now, stale in ((days_later, True), (copy.as_of, False)):
        oldest = oldest_copy(later.copies, NewestRows.of(later, now))
        assert is_stale(oldest, now) is stale
