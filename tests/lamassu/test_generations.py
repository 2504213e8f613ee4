"""Every Lamassu from 7.4 to 12: the same sales, as each version would have exported them."""

import csv
import json
from decimal import Decimal
from fractions import Fraction

import pytest
from lamassu_generations import GENERATIONS, SAMPLE, TABLES, make_export
from lamassu_server import LamassuServer, login
from postgres_process import EMPTY
from test_rows import BEGINNING, LATER

from dca_bot.commands.simulate import run_simulation
from dca_bot.config_sections import CsvConfig
from dca_bot.core.cash_out import Verdict
from dca_bot.core.machine_cash import contradiction_of
from dca_bot.core.verdict import decide
from dca_bot.lamassu.directory import read_directory
from dca_bot.lamassu.postgres import PostgresSource
from dca_bot.lamassu.row_models import CASH_OUTS
from dca_bot.lamassu.ssh import SshCsvSource

OLDEST, NEWEST = "7.4", "12.0.0-beta.2"


def answers():
    with (SAMPLE / "answers.csv").open(newline="", encoding="utf-8") as file:
        return {row["id"]: (row["decision"], row["reason"]) for row in csv.DictReader(file)}


def decisions(export):
    found = {one.id: decide(one, currency="GTQ", now=LATER) for one in export.cash_outs}
    return {
        id_: (one.verdict.value, one.reason.value.replace("_", " ")) for id_, one in found.items()
    }


def principals(row):
    """What either formula makes of a row: of machines since v8.0, and of older ones."""
    rate = Fraction(row["commission_percentage"]) * (100 - int(row.get("discount") or 0)) / 100
    fiat, atoms = Fraction(row["fiat"]), int(row["crypto_atoms"])
    part = fiat / (fiat + Fraction(row.get("fixed_fee") or 0))
    return int(atoms * (1 - rate) * part), int(atoms / (1 + rate) * part)


@pytest.mark.parametrize("name", GENERATIONS)
def test_no_good_row_of_any_version_is_held(name, tmp_path, capsys):
    rows = make_export(name, tmp_path / name)
    clients = tmp_path / "clients.csv"
    clients.write_text("name,balance\nana,1000000\n", encoding="utf-8")
    run_simulation(tmp_path / name, clients, now="2025-12-01", json=True)
    told = capsys.readouterr()
    lines = {line["id"]: line for line in map(json.loads, told.out.splitlines())}
    assert {id_: (line["decision"], line["reason"]) for id_, line in lines.items()} == answers()
    assert told.err == "", "no report contradicts, no row is left out"
    good = {id_: line for id_, line in lines.items() if line["decision"] == "distribute"}
    assert len(good) == 243
    for id_, line in good.items():
        newer, older = principals(rows[id_])
        # Where both fit, as of small amounts, it is the newer.
        expected = {newer} if GENERATIONS[name].is_newer else {older, newer}
        assert line["principal_sat"] in expected
        assert line["principal_sat"] + line["commission_sat"] == int(rows[id_]["crypto_atoms"])
        assert line["principal_minor"] == Decimal(rows[id_]["fiat"]) * 100


def test_formulas_of_the_versions_are_told_apart(tmp_path):
    rows = make_export("7.5", tmp_path / "7.5")
    export = read_directory(tmp_path / "7.5", BEGINNING)
    found = [(one.id, decide(one, currency="GTQ", now=LATER)) for one in export.cash_outs]
    older = [
        id_
        for id_, one in found
        if one.verdict is Verdict.DISTRIBUTE
        and one.amounts.principal_sat == principals(rows[id_])[1]
    ]
    assert len(older) > 200


def test_fixed_fees_of_the_newest_version_are_none_of_the_clients(tmp_path):
    rows = make_export(NEWEST, tmp_path / NEWEST)
    fees = {row["fixed_fee"] for row in rows.values()}
    assert len(fees) == 4
    export = read_directory(tmp_path / NEWEST, BEGINNING)
    assert {f"{one.fixed_fee}" for one in export.cash_outs} == fees
    for one in export.cash_outs:
        found = decide(one, currency="GTQ", now=LATER)
        if found.verdict is Verdict.DISTRIBUTE:
            sat_of_fee = 10**8 * one.fixed_fee / one.ticker
            assert found.amounts.principal_sat <= principals(rows[one.id])[0]
            assert found.amounts.commission_sat >= int(sat_of_fee) - 50


@pytest.mark.parametrize("column", sorted(CASH_OUTS.optional))
def test_column_that_a_version_lacks_is_null(column, tmp_path, sample):
    folder = tmp_path / "export"
    folder.mkdir()
    for table in TABLES:
        with (sample / "export" / f"{table}.csv").open(newline="", encoding="utf-8") as file:
            rows = csv.DictReader(file)
            names = [name for name in rows.fieldnames if name != column]
            with (folder / f"{table}.csv").open("w", newline="", encoding="utf-8") as copy:
                writer = csv.DictWriter(copy, names, extrasaction="ignore", lineterminator="\n")
                writer.writeheader()
                writer.writerows(rows)
    export = read_directory(folder, BEGINNING)
    assert len(export.cash_outs) == 300
    assert all(getattr(one, column) is None for one in export.cash_outs)
    assert not any(contradiction_of(one, "GTQ") for one in export.cash_outs)


@pytest.fixture(params=[OLDEST, "7.5", "10.0.0-beta.0", NEWEST])
async def old_server(request, postgres, tmp_path):
    """A real database with the columns of one version, and the folder that it was filled from."""
    folder = tmp_path / "export"
    make_export(request.param, folder)
    database = postgres.create_database(EMPTY)
    for table in TABLES:
        postgres.sql(_alter(table, folder), database)
        filled = " FORCE NOT NULL device_id" if table == "cash_out_actions" else ""
        header = (folder / f"{table}.csv").read_text("utf-8").partition("\n")[0]
        postgres.sql(
            rf"\copy {table} ({header}) FROM '{folder / table}.csv' CSV HEADER{filled}", database
        )
    server = LamassuServer(postgres, database, tmp_path)
    await server.start()
    yield server, folder
    await server.stop()


def _alter(table, folder):
    """Give a table the columns of a version."""
    header = (folder / f"{table}.csv").read_text("utf-8").partition("\n")[0].split(",")
    known = COLUMNS[table]
    gone = [f"DROP COLUMN {name}" for name in known if name not in header]
    come = [f"ADD COLUMN {name} {_type(name)}" for name in header if name not in known]
    return f"ALTER TABLE {table} {', '.join([*gone, *come])};" if gone or come else ""


def _type(column):
    if column == "fixed_fee":
        return "numeric(14,5) NOT NULL DEFAULT 0"
    return "integer" if column[-2:] in {"1f", "1r", "2f", "2r", "3f", "3r"} else "text"


def _columns():
    with (SAMPLE / "columns.csv").open(newline="", encoding="utf-8") as file:
        found = {}
        for row in csv.DictReader(file):
            found.setdefault(row["table"], []).append(row["column"])
        return found


COLUMNS = _columns()


async def test_each_version_is_read_from_its_own_database(old_server):
    server, folder = old_server
    export = read_directory(folder, BEGINNING)
    source = PostgresSource(login(server))
    over_ssh = SshCsvSource(server.ssh(), CsvConfig().command)
    try:
        for read in (await source.fetch(BEGINNING), await over_ssh.fetch(BEGINNING)):
            assert read.unreadable == ()
            assert decisions(read) == answers()
            assert set(read.cash_outs) == set(export.cash_outs)
            assert set(read.cash_ins) == set(export.cash_ins)
            assert read.machines == export.machines
    finally:
        await source.aclose()
        await over_ssh.aclose()
