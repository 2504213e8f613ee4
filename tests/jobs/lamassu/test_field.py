"""Small exports that went wrong at somebody's: through `simulate`, and through the poller on a ledger."""

import json
import re
import shutil
from datetime import UTC, datetime
from pathlib import Path

import pytest
from ingest_bench import DAY, MINUTE
from test_alarms import Tower

from dca_bot.commands.simulate import run_simulation
from dca_bot.errors import TableBroken
from dca_bot.lamassu.directory import DirectorySource

FIELD = Path(__file__).parents[2] / "data" / "field"
THEN = datetime(2026, 11, 20, 11, tzinfo=UTC)
GOOD = ("distribute", "", 94_500, 94_500, 5_500)
NO_FIT = ("hold", "amounts do not fit each other", None, None, None)
# (decision, reason, principal in sats, in minor units, commission) by the last digit of the id; and words
# that are told besides: on stderr, and to the operators.
EXPORTS = {
    "bom": ({1: GOOD}, []),
    "datestyles": ({1: GOOD, 2: GOOD}, ["the session's DateStyle is not ISO (20/11/2026 10:20:00"]),
    "dispensed-twice": ({1: GOOD}, ["945.00 GTQ", "1,890.00 GTQ"]),
    "fewer-notes-than-fiat": ({1: GOOD}, ["945.00 GTQ", "445.00 GTQ"]),
    "more-notes-than-fiat": ({1: GOOD}, ["945.00 GTQ", "1,045.00 GTQ"]),
    "fixed-fee": (
        {1: GOOD, 2: ("distribute", "", 93_500, 93_500, 6_500), 3: NO_FIT},
        ["935.00 GTQ", "945.00 GTQ"],
    ),
    "server-7.4-no-discount": ({1: GOOD}, []),
}
REFUSED = {
    "no-header": "has no header line; export it with one. It begins: 00000000-0000-4000",
    "psql-aligned": "is psql's aligned output, not CSV",
    "semicolons": "has fields that are separated by ;, not by commas. It begins: id;device_id",
}


def simulated(name, capsys):
    clients = FIELD / name / "clients.csv"
    run_simulation(FIELD / name, clients, now=THEN.isoformat(), json=True)
    told = capsys.readouterr()
    keys = ("decision", "reason", "principal_sat", "principal_minor", "commission_sat")
    lines = map(json.loads, told.out.splitlines())
    return {int(line["id"][-1]): tuple(line[key] for key in keys) for line in lines}, told.err


@pytest.mark.parametrize("name", EXPORTS)
def test_export_of_the_field_is_simulated_as_it_should_be(name, capsys):
    expected, words = EXPORTS[name]
    found, told = simulated(name, capsys)
    assert found == expected
    assert [word for word in words if word not in told] == []
    assert bool(told) == bool(words)


@pytest.mark.parametrize("name", EXPORTS)
async def test_export_of_the_field_is_shared_out_and_told_once(name, make_ingest, tmp_path):
    expected, words = EXPORTS[name]
    bench = await make_ingest(DirectorySource(shutil.copytree(FIELD / name, tmp_path / "export")))
    bench.clock.ahead = THEN - bench.clock.now()
    for client in ("ana", "ben"):
        await bench.client(client, minor=10_000_000, since=THEN - DAY)
    await bench.poll(2)
    await bench.reopen()
    await bench.poll(2)
    given = await bench.rows(
        "SELECT id, principal_sat, principal_minor, commission_sat FROM distribution ORDER BY id"
    )
    assert {int(id_[-1]): tuple(row) for id_, *row in given} == {
        number: row[2:] for number, row in expected.items() if row[0] == "distribute"
    }
    held = {int(ref[-1]): reason for _, ref, reason, _ in await bench.holds()}
    assert held == {
        number: row[1].replace(" ", "_") for number, row in expected.items() if row[0] == "hold"
    }
    letters = [letter for letter in await bench.letters() if "Hold" not in letter]
    told = [letter for letter in letters if "cannot be read" not in letter]
    assert len(told) == (bool(words) and name != "datestyles")
    shown = [re.sub("(.+) GTQ", r"Q\1", word) for word in words]
    assert [word for word in shown if not any(word in letter for letter in letters)] == []


@pytest.mark.parametrize("name", REFUSED)
def test_file_that_is_not_the_export_is_refused_by_what_it_is(name, capsys):
    with pytest.raises(TableBroken, match="The export of cash_out_txs") as told:
        simulated(name, capsys)
    assert REFUSED[name] in str(told.value)


@pytest.mark.parametrize("name", REFUSED)
async def test_operators_and_journal_are_told_what_the_file_is_that_is_not_the_export(
    make_ingest, caplog, name
):
    bench = await make_ingest(DirectorySource(FIELD / name))
    for _ in range(3):
        await bench.ingest._try_poll()
    (record,) = [record for record in caplog.records if "Lamassu reachable" in record.getMessage()]
    assert REFUSED[name] in record.getMessage()
    assert await bench.rows("SELECT id FROM cash_out") == []
    tower = Tower(bench.database)
    tower.watch.signals.parts |= bench.signals.parts
    tower.polling = False
    (letter,) = await tower.look(20)
    assert REFUSED[name] in letter


@pytest.mark.parametrize("later", [[], ["2"]])
async def test_second_complete_report_is_told_whenever_it_comes(make_ingest, tmp_path, later):
    folder = shutil.copytree(FIELD / "dispensed-twice", tmp_path / "export")
    bench = await make_ingest(DirectorySource(folder))
    bench.clock.ahead = THEN - bench.clock.now()
    actions = folder / "cash_out_actions.csv"
    header, first, second = actions.read_text("utf-8").splitlines(keepends=True)
    if later:
        actions.write_text(header + first, encoding="utf-8")
        await bench.poll()
        assert await bench.letters() == []
        bench.clock.ahead += MINUTE
    actions.write_text(header + first + second, encoding="utf-8")
    for _ in range(3):
        await bench.poll()
        await bench.reopen()
    (letter,) = await bench.letters()
    assert letter.startswith("Please check the till of 8f1c9a0b. Cash-out 00000000, 20 Nov")
    assert "Q945.00 as given out, but the machine reported that more than once" in letter
    assert "Q1,890.00 may have left" in letter
    assert await bench.rows("SELECT reported_minor FROM cash_out") == [(189_000,)]
