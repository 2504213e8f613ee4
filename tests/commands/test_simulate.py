import csv
import json
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from dca_bot.commands.simulate import read_clients, record, run_simulation, simulate
from dca_bot.core.cash_out import Verdict
from dca_bot.core.ports import Export
from dca_bot.errors import DcaBotError, SourceUnavailable
from dca_bot.lamassu.directory import read_directory

SAMPLE = Path(__file__).parents[1] / "data" / "lamassu"
NOW = "2025-12-01T00:00:00Z"


@pytest.fixture
def clients(tmp_path):
    path = tmp_path / "clients.csv"
    path.write_text('name,balance\nana,"90,000.00"\nBeto,Q10000\nzoe,0\n')
    return path


def run(clients, capsys, **options):
    run_simulation(SAMPLE / "export", clients, **({"currency": "GTQ", "now": NOW} | options))
    return capsys.readouterr().out


def test_lines_tell_every_answer_and_distributions_come_first(clients, capsys):
    lines = [json.loads(line) for line in run(clients, capsys, json=True).splitlines()]
    with (SAMPLE / "answers.csv").open(newline="") as file:
        answers = {row["id"]: row for row in csv.DictReader(file)}
    assert {line["id"] for line in lines} == answers.keys()
    decisions = [line["decision"] for line in lines]
    assert decisions.index("hold") > 242
    assert "distribute" not in decisions[243:]
    for line in lines:
        answer = answers[line["id"]]
        assert list(line) == [
            *("id", "decision", "reason", "principal_sat", "principal_minor"),
            *("commission_sat", "unallocated_sat", "shares"),
        ]
        assert (line["decision"], line["reason"]) == (answer["decision"], answer["reason"])
        for amount in ("principal_sat", "principal_minor", "commission_sat"):
            assert str(line[amount] if line[amount] is not None else "") == answer[amount]


def test_sats_and_fiat_add_up_until_the_balances_are_used_up(clients, capsys):
    lines = [json.loads(line) for line in run(clients, capsys, json=True).splitlines()]
    left = {"ana": 9_000_000, "Beto": 1_000_000, "zoe": 0}
    for line in lines:
        if line["decision"] != "distribute":
            assert (line["shares"], line["unallocated_sat"]) == ([], None)
            continue
        shared_minor = min(line["principal_minor"], sum(left.values()))
        assert sum(share["minor"] for share in line["shares"]) <= shared_minor
        shared_sat = sum(share["sat"] for share in line["shares"])
        assert shared_sat + line["unallocated_sat"] == line["principal_sat"]
        for share in line["shares"]:
            left[share["name"]] -= share["minor"]
            assert left[share["name"]] >= 0
    assert left == {"ana": 0, "Beto": 0, "zoe": 0}


def test_oldest_distribution_time_goes_first_and_equal_times_by_id():
    export = read_directory(SAMPLE / "export", datetime(1970, 1, 1, tzinfo=UTC))
    good = next(it for it in export.cash_outs if it.crypto_code == "LN" and it.dispense_confirmed)
    twins = [replace(good, id=id_) for id_ in ("b", "c", "a")]
    hour = timedelta(hours=1)
    dispense = good.actions[-1]
    older = replace(
        good, id="z", actions=(replace(dispense, created_at=dispense.created_at - hour),)
    )
    now = good.created_at + hour
    outcomes = simulate(Export((*twins, older), {}), {"ana": 10**9}, currency="GTQ", now=now)
    assert [outcome.id for outcome in outcomes] == ["z", "a", "b", "c"]
    assert {outcome.decision.verdict for outcome in outcomes} == {Verdict.DISTRIBUTE}


def test_without_clients_the_whole_principal_is_the_operators(tmp_path, capsys):
    nobody = tmp_path / "clients.csv"
    nobody.write_text("name,balance\n")
    lines = [json.loads(line) for line in run(nobody, capsys, json=True).splitlines()]
    assert all(line["unallocated_sat"] == line["principal_sat"] for line in lines)


def test_time_decides_what_still_waits(clients, capsys):
    lines = run(clients, capsys, json=True, now="2025-05-02").splitlines()
    decisions = {json.loads(line)["decision"] for line in lines}
    assert decisions == {"distribute", "wait"}


def test_other_currency_ignores_every_row(clients, capsys):
    clients.write_text("name,balance\nana,5\n")
    lines = run(clients, capsys, json=True, currency="USD").splitlines()
    assert {json.loads(line)["reason"] for line in lines} == {"other currency"}


def test_table_tells_shares_and_what_is_left(clients, capsys):
    text = run(clients, capsys)
    assert "243 distribute, 44 ignore, 13 hold, 0 wait" in text
    assert "0.00 GTQ left" in text
    assert "ana" in text


def test_records_are_plain_json():
    export = read_directory(SAMPLE / "export", datetime(1970, 1, 1, tzinfo=UTC))
    outcome = simulate(export, {}, currency="GTQ", now=datetime(2026, 1, 1, tzinfo=UTC))[0]
    assert json.loads(json.dumps(record(outcome))) == record(outcome)


@pytest.mark.parametrize(
    ("text", "balances"),
    [
        ("name,balance\nana,1500\n", {"ana": 150_000}),
        ('balance,name\r\n"1,500.50",ana\r\n', {"ana": 150_050}),
        ("\ufeffname,balance,note\nana,0.00,new\n", {"ana": 0}),
        ("name,balance\n", {}),
    ],
)
def test_clients_are_read(clients, text, balances):
    clients.write_text(text, encoding="utf-8")
    assert read_clients(clients, "GTQ") == balances


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("", "needs a first line with the columns name,balance"),
        ("name,amount\nana,5\n", "needs a first line"),
        ("name,balance\nana,1.500\n", "line 2: The amount '1.500' is not clear; write it like"),
        ("name,balance\nana,-5\n", "line 2: .*not clear"),
        ("name,balance\nana,\n", "line 2: .*not clear"),
        ("name,balance\nana\n", "line 2: .*not clear"),
        ("name,balance\nana,1,500.00\n", "line 2: too many fields; put amounts with commas in"),
        ("name,balance\n,5\n", "line 2: each line needs a name of its own"),
        ("name,balance\nana,5\nANA,6\n", "line 3: each line needs a name of its own"),
        ('name,balance\nana,"5\n', "no CSV file"),
    ],
)
def test_unclear_clients_are_refused_by_line(clients, text, words):
    clients.write_text(text)
    with pytest.raises(DcaBotError, match=words):
        read_clients(clients, "GTQ")


def test_clients_in_another_encoding_are_refused(clients):
    clients.write_bytes("name,balance\nJosé,5\n".encode("latin-1"))
    with pytest.raises(DcaBotError, match="no CSV file in UTF-8"):
        read_clients(clients, "GTQ")


def test_missing_files_are_named(clients, tmp_path):
    with pytest.raises(DcaBotError, match=r"nothing\.csv can't be read"):
        run_simulation(SAMPLE / "export", tmp_path / "nothing.csv", currency="GTQ", now=NOW)
    with pytest.raises(SourceUnavailable, match=r"cash_out_txs\.csv can't be read"):
        run_simulation(tmp_path, clients, currency="GTQ", now=NOW)


@pytest.mark.parametrize(
    ("options", "words"),
    [({"now": "tomorrow"}, "is no time; write it like"), ({"currency": "Q"}, "three capital")],
)
def test_wrong_options_are_told(clients, options, words):
    with pytest.raises(DcaBotError, match=words):
        run_simulation(SAMPLE / "export", clients, **options)
