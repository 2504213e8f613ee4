"""Lamassu's database, read directly and through SSH: the same as the CSV, and never changed."""

import asyncio
import json
import logging
import socket
from dataclasses import replace
from datetime import UTC, datetime, timedelta, timezone

import asyncpg
import pytest
from postgres_process import READER, TABLES

from dca_bot.config_sections import CsvConfig
from dca_bot.errors import SourceUnavailable
from dca_bot.lamassu import kept_reading
from dca_bot.lamassu.directory import read_directory
from dca_bot.lamassu.rows import read_export
from dca_bot.lamassu.ssh import SshCsvSource

BEGINNING = datetime(1970, 1, 1, tzinfo=UTC)
SINCE = datetime(2025, 5, 20, tzinfo=UTC)
MINUTE = timedelta(minutes=1)
WAYS = ("direct", "tunnel")


# The same


@pytest.mark.parametrize("since", [BEGINNING, SINCE])
async def test_database_gives_row_by_row_what_its_csv_gives(server, make_source, sample, since):
    wanted = read_directory(sample / "export", since)
    over_ssh = SshCsvSource(replace(server, options="").ssh(), CsvConfig().command)
    found = [
        await make_source("direct").fetch(since),
        await make_source("tunnel").fetch(since),
        await over_ssh.fetch(since),
    ]
    await over_ssh.aclose()
    for export in found:
        assert export.cash_outs == wanted.cash_outs
        assert export == wanted
    assert (len(wanted.cash_outs) > 100, len(wanted.cash_ins) > 100) == (True, True)


@pytest.mark.parametrize(
    "change",
    [
        "UPDATE cash_out_txs SET crypto_atoms = 'NaN', fiat = 'NaN'",
        "UPDATE cash_out_txs SET error = '', error_code = 'x,\"\"y' || chr(10) || 'é'",
        "UPDATE cash_out_txs SET dispense_confirmed = NULL, confirmed_at = NULL, discount = 101",
        "UPDATE cash_out_txs SET created = 'infinity' WHERE crypto_code = 'LN'",
        "UPDATE cash_out_txs SET confirmed_at = '0001-01-01 00:00:00+00 BC'",
        "UPDATE cash_out_txs SET device_id = '', commission_percentage = NULL",
        "ALTER TABLE cash_out_txs ADD fixed_fee numeric(14,5) DEFAULT 2",
        "ALTER TABLE cash_out_actions DROP dispensed_recycler_6, DROP denomination_recycler_6",
        "UPDATE cash_out_actions SET denomination_1 = NULL, dispensed_2 = -1",
        "UPDATE cash_in_txs SET fiat = 'NaN', send_confirmed = false",
        "DELETE FROM devices",
        "UPDATE devices SET name = '\"\", ' || chr(10)",
        "ALTER DATABASE {database} SET datestyle = 'SQL, DMY'",
        "ALTER DATABASE {database} SET timezone = 'Asia/Kathmandu'",
    ],
)
async def test_odd_rows_mean_the_same_over_every_way(server, make_source, change):
    server.sql(change.format(database=server.database))
    # psql writes dates as the database says; the bot's own sessions say it themselves.
    environment = " PGDATESTYLE=ISO" if "datestyle" in change else ""
    over_ssh = SshCsvSource(server.ssh(), f"env{environment} {CsvConfig().command}")
    wanted = await over_ssh.fetch(SINCE)
    await over_ssh.aclose()
    assert len(wanted.cash_outs) + len(wanted.unreadable) > 50
    for way in WAYS:
        assert repr(await make_source(way).fetch(SINCE)) == repr(wanted)


async def test_time_means_the_same_in_any_zone_and_to_the_microsecond(make_source):
    source = make_source()
    created = (await source.fetch(BEGINNING)).cash_outs[7].created_at
    there = created.astimezone(timezone(timedelta(hours=-6)))
    ids = {cash_out.id for cash_out in (await source.fetch(there)).cash_outs}
    later = await source.fetch(there + timedelta(microseconds=1))
    assert ids - {cash_out.id for cash_out in later.cash_outs} == {
        (await source.fetch(BEGINNING)).cash_outs[7].id
    }


# Read only


@pytest.mark.parametrize("way", WAYS)
async def test_nothing_can_be_written_through_the_bots_session(server, make_source, way):
    server.sql(f"GRANT ALL ON {', '.join(TABLES)} TO {READER}")
    source = make_source(way)
    await source.fetch(SINCE)
    for statement in (
        "DELETE FROM cash_out_txs",
        "UPDATE devices SET name = 'x'",
        "CREATE TABLE x ()",
    ):
        with pytest.raises(asyncpg.ReadOnlySQLTransactionError):
            await source._connection.execute(statement)


@pytest.mark.parametrize("way", WAYS)
async def test_transaction_is_read_only_by_itself(make_source, way):
    source = make_source(way)
    await source.fetch(SINCE)
    await source._connection.execute("SET default_transaction_read_only = off")
    assert await source._connection.fetchval("SHOW transaction_read_only") == "off"
    transaction = await source._begin()
    assert await source._connection.fetchval("SHOW transaction_read_only") == "on"
    assert await source._connection.fetchval("SHOW transaction_isolation") == "repeatable read"
    await transaction.rollback()


async def test_one_state_of_the_database_is_read_while_it_changes(server, make_source):
    source = make_source()
    async with server.locked("cash_out_actions") as waited_for:
        reading = asyncio.create_task(source.fetch(BEGINNING))
        await waited_for()
        server.sql("DELETE FROM devices; DELETE FROM cash_in_txs")
    export = await reading
    assert (len(export.cash_outs), len(export.cash_ins), len(export.machines)) == (300, 200, 2)
    assert (await source.fetch(BEGINNING)).cash_ins == ()


async def test_customers_data_never_crosses_the_wire(server, make_source, wire):
    marks = "UPDATE cash_out_txs SET phone = '+50255555555', email = 'm@example.com';"
    marks += "UPDATE cash_in_txs SET phone = '+50255555555', to_address = 'bc1qsecret'"
    server.sql(marks)
    seen = bytearray()
    wire.watch = seen.extend
    export = await make_source(port=wire.port).fetch(BEGINNING)
    assert len(export.cash_ins) == 200
    assert b"confirmed" in seen
    for mark in (b"50255555555", b"example.com", b"bc1qsecret"):
        assert mark not in seen


# Only the window


NEW = "00000000-0000-4000-8000-000000000001"
WINDOW = datetime(2030, 1, 1, tzinfo=UTC)


def put_one_row_each_into_the_window(server):
    """A cash-out, a cash-in and an action of its own; and actions that only look as if."""

    def copy(table, which="true", **changes):
        record = json.dumps({"id": NEW, "created": "2030-01-02T00:00:00Z"} | changes)
        server.sql(
            f"INSERT INTO {table} SELECT (jsonb_populate_record(kept, '{record}')).*"
            f" FROM {table} AS kept WHERE {which} LIMIT 1"
        )

    copy("cash_out_txs")
    copy("cash_in_txs")
    copy("cash_out_actions", "action = 'dispense'", id=10**6, tx_id=NEW)
    copy("cash_out_actions", "action = 'provisionNotes'", id=10**6 + 1, tx_id=NEW)
    copy("cash_out_actions", "action = 'dispense'", id=10**6 + 2)
    early = {"tx_id": NEW, "created": "2029-12-31T00:00:00Z"}
    copy("cash_out_actions", "action = 'dispense'", id=10**6 + 3, **early)


async def forward_to(server, port):
    """Let the tunnel lead there."""
    await server.stop()
    server.options = f'restrict,port-forwarding,permitopen="127.0.0.1:{port}"'
    await server.start()


@pytest.mark.parametrize("way", WAYS)
async def test_window_transfers_its_own_rows_only(server, make_source, caplog, way):
    put_one_row_each_into_the_window(server)
    source = make_source(way)
    caplog.set_level(logging.DEBUG, "dca_bot")
    export = await source.fetch(WINDOW)
    assert [row for row in caplog.messages if row.startswith("table read")] == [
        "table read table=cash_out_txs COPY 1",
        "table read table=cash_out_actions COPY 1",
        "table read table=devices COPY 2",
        "table read table=cash_in_txs COPY 1",
    ]
    (cash_out,) = export.cash_outs
    assert (cash_out.id, [action.id for action in cash_out.actions]) == (NEW, [10**6])
    assert [cash_in.id for cash_in in export.cash_ins] == [NEW]


@pytest.mark.parametrize("way", WAYS)
async def test_poll_that_finds_nothing_new_transfers_little(server, make_source, wire, way):
    await forward_to(server, wire.port)
    source = make_source(way, port=wire.port)
    await source.fetch(BEGINNING)
    all_bytes, wire.received = wire.received, 0
    export = await source.fetch(WINDOW)
    assert (export.cash_outs, export.cash_ins, len(export.machines)) == ((), (), 2)
    assert all_bytes > 100_000
    assert 0 < wire.received < 8_000


async def test_rows_are_parsed_again_only_once_one_has_changed(server, make_source, monkeypatch):
    parsed = []

    def read(*files, **named):
        parsed.append(named["since"])
        return read_export(*files, **named)

    monkeypatch.setattr(kept_reading, "read_export", read)
    put_one_row_each_into_the_window(server)
    source = make_source("direct")
    first = await source.fetch(WINDOW)
    again = await source.fetch(WINDOW)
    assert again == first
    assert again.cash_outs is first.cash_outs
    assert parsed == [WINDOW]
    server.sql(f"UPDATE cash_out_txs SET error = 'late' WHERE id = '{NEW}'")
    changed = await source.fetch(WINDOW)
    assert [row.error for row in changed.cash_outs] == ["late"]
    assert parsed == [WINDOW, WINDOW]


# Breaks


@pytest.mark.parametrize("way", WAYS)
@pytest.mark.parametrize("how", ["fast", "immediate"])
async def test_restart_of_postgresql_between_two_polls_goes_unnoticed(
    server, make_source, way, how
):
    source = make_source(way)
    before = await source.fetch(SINCE)
    server.postgres.stop(how)
    server.postgres.start()
    assert await source.fetch(SINCE) == before


@pytest.mark.parametrize("way", WAYS)
async def test_connection_is_kept_between_polls_and_closed_in_the_end(server, make_source, way):
    source = make_source(way)
    for _ in range(3):
        await source.fetch(SINCE)
    assert len(server.sessions()) == 1
    assert server.logins == (way == "tunnel")
    await source.aclose()
    await server.left()
    await source.aclose()


@pytest.mark.parametrize("way", WAYS)
async def test_session_ended_between_two_polls_goes_unnoticed(server, make_source, way):
    source = make_source(way)
    before = await source.fetch(SINCE)
    server.end_sessions()
    assert await source.fetch(SINCE) == before


async def test_tunnel_broken_between_two_polls_goes_unnoticed(server, make_source):
    source = make_source("tunnel")
    before = await source.fetch(SINCE)
    server.cut()
    assert await source.fetch(SINCE) == before
    await server.stop()
    await server.start()
    assert await source.fetch(SINCE) == before
    assert server.logins == 3


@pytest.mark.parametrize("way", WAYS)
async def test_server_that_is_down_is_told_and_read_again_when_it_is_back(server, make_source, way):
    source = make_source(way)
    before = await source.fetch(SINCE)
    server.postgres.stop()
    try:
        for _ in range(2):
            with pytest.raises(SourceUnavailable, match=r"can't (reach|be reached).*check.*host"):
                await source.fetch(SINCE)
    finally:
        server.postgres.start()
    assert await source.fetch(SINCE) == before


@pytest.mark.parametrize(
    ("way", "cut"), [("direct", "session"), ("tunnel", "session"), ("tunnel", "tunnel")]
)
async def test_reading_cut_in_the_middle_gives_nothing_and_the_next_works(
    server, make_source, way, cut
):
    source = make_source(way)
    before = await source.fetch(SINCE)
    async with server.locked("cash_out_actions") as waited_for:
        reading = asyncio.create_task(source.fetch(SINCE))
        await waited_for()
        if cut == "tunnel":
            server.cut()
        else:
            server.end_sessions()
        with pytest.raises(SourceUnavailable, match="broke while cash_out_actions was read"):
            await reading
    assert await source.fetch(SINCE) == before


@pytest.mark.parametrize("cut_after", [2_000, 20_000, 60_000, 90_000])
async def test_transfer_cut_at_any_byte_gives_nothing(make_source, wire, cut_after):
    source = make_source(port=wire.port)
    before = await source.fetch(BEGINNING)
    assert wire.received > 95_000
    wire.received, wire.cut_after = 0, cut_after
    with pytest.raises(SourceUnavailable, match="broke while"):
        await source.fetch(BEGINNING)
    wire.received, wire.cut_after = 0, None
    assert await source.fetch(BEGINNING) == before


async def test_statement_that_takes_too_long_is_ended_by_the_server(server, make_source):
    source = make_source(statement_s=2)
    await source.fetch(SINCE)
    words = r"cash_out_actions took longer than 2 seconds; .*statement_timeout_seconds"
    async with server.locked("cash_out_actions"):
        with pytest.raises(SourceUnavailable, match=words):
            await source.fetch(SINCE)
    assert len((await source.fetch(SINCE)).cash_outs) > 0


async def test_server_that_says_nothing_ends_at_the_time_limit(make_source):
    with socket.create_server(("127.0.0.1", 0)) as silent:
        source = make_source(port=silent.getsockname()[1], connect_s=0.2)
        with pytest.raises(SourceUnavailable, match="did not answer in time"):
            await source.fetch(SINCE)


async def test_kept_connection_that_has_gone_silent_is_replaced(make_source, wire):
    source = make_source(port=wire.port, connect_s=8)
    before = await source.fetch(SINCE)
    wire.silent = True
    reading = asyncio.create_task(source.fetch(SINCE))
    await wire.swallowed.wait()
    wire.silent = False
    assert await reading == before


async def test_table_beyond_the_bound_is_refused(make_source):
    source = make_source(table_bytes=10_000)
    with pytest.raises(SourceUnavailable, match=r"cash_out_txs goes beyond 10,000 bytes"):
        await source.fetch(BEGINNING)


async def test_two_readings_at_once_take_turns(server, make_source):
    source = make_source()
    first, second = await asyncio.gather(source.fetch(SINCE), source.fetch(SINCE))
    assert first == second
    assert len(server.sessions()) == 1


@pytest.mark.parametrize("way", WAYS)
async def test_cancelled_reading_leaves_a_working_source(server, make_source, way):
    source = make_source(way)
    async with server.locked("cash_out_actions") as waited_for:
        reading = asyncio.create_task(source.fetch(SINCE))
        await waited_for()
        reading.cancel()
        with pytest.raises(asyncio.CancelledError):
            await reading
    assert len((await source.fetch(SINCE)).cash_outs) > 0
