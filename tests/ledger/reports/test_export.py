"""The bookkeeper's files: their sums are the ledger's, nothing in them is a secret or a formula."""

import csv
import re
import resource
import shutil
import subprocess
import sys
import threading
from datetime import date, time, timedelta
from decimal import Decimal
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st
from ledger.story import KEY, START, hex_of
from lnurl_codes import SPECIFIED

from dca_bot.core.fixed_schedule import runs_of
from dca_bot.core.money import minor_digits, plain_decimal
from dca_bot.core.rate import Quote
from dca_bot.errors import LedgerError
from dca_bot.ledger.correspondence import command_log
from dca_bot.ledger.distributions import fixed_mode, fixed_runs
from dca_bot.ledger.payouts import holds
from dca_bot.ledger.programme import clients, deposits, machines
from dca_bot.ledger.programme.clients import ADDRESS, LNURL, Destination
from dca_bot.ledger.reports.export import Form, export_ledger, neutral
from dca_bot.ledger.reports.export_shelf import KEPT, export_to_shelf
from dca_bot.ledger.reports.export_tables import TABLES
from dca_bot.ledger.store import accounts
from dca_bot.ledger.store.ledger_files import LEDGER_FILE

FORM = Form("GTQ", ZoneInfo("America/Guatemala"), npub="npub-{}".format)
DAY = date(2026, 3, 1)
# How the bot works, not what it did: messages, codes, alarms, and sums of what is exported.
NOT_EXPORTED = {
    "alarm",
    "cash_sum",
    "client_sum",
    "command_subject",
    "confirmation",
    "delivery",
    "distribution_sum",
    "fact",
    "file_waiting",
    "import_source",
    "imported_cash_out",
    "inbox",
    "knock",
    "lease",
    "lease_dispute",
    "oldest_copy",
    "outbox",
    "payout_move",
    "person",
    "question",
    "refused_event",
    "relay",
    "relay_hint",
    "relay_list",
    "slow_destination",
    "task",
    "ticker",
    "top_up",
    "uploaded_file",
    "verify_due",
    "verify_look",
    "witnessed",
}
SECRET = "0123456789abcdef" * 2


def export(story, folder, form=FORM):
    counts = export_ledger(story.folder, folder, form)
    tables = {}
    for name, count in counts.items():
        with (folder / f"{name}.csv").open(encoding="utf-8-sig", newline="") as file:
            tables[name] = list(csv.DictReader(file))
        assert len(tables[name]) == count
    return tables


def total(rows, column, **wanted):
    found = [row for row in rows if all(row[key] == value for key, value in wanted.items())]
    return sum((Decimal(row[column] or 0) for row in found), Decimal(0))


def fiat(minor):
    return Decimal(minor).scaleb(-2)


@pytest.fixture
def busy(story):
    """A ledger in which everything has happened once."""
    ana = story.client("ana", balance=900_000)
    ben = story.client(
        "ben", balance=100_050, destination=Destination(ADDRESS, "ben@wallet.example")
    )
    story.client("carla")
    story.pending(ana, 5_000)
    voided = story.pending(ben, 700)
    story.do(deposits.void, voided, now=story.later(minutes=1))
    story.withdraw(ben, 50)
    story.do(machines.record, {"d" * 64: "Antigua, Zona 10"})
    for n, to in enumerate(["DONE", "CANCELLED", "SUBMITTED", "PLANNED", "VOID", "HELD"]):
        story.later(hours=7)
        story.cash_out(f"cash-out {n}", 123_457, 98_765, commission_sat=9_876)
        for payout in story.payouts():
            if payout.due_at == story.now:
                story.bring(payout.id, to)
    story.record("held one", state="held", reason="contradiction")
    story.do(holds.open_hold, "cash-out", "held one", "contradiction", now=story.now)
    return story


def test_code_of_a_destination_is_exported_whole(story, tmp_path):
    code = SPECIFIED.lower()
    story.client("eva", balance=1_000, destination=Destination(LNURL, code))
    story.bring(story.cash_out("d1", 600, 60).shares[0].payout_id, "DONE")
    tables = export(story, tmp_path / "out")
    assert [row["destination"] for row in tables["clients"] + tables["payouts"]] == [code, code]


def test_sums_of_the_files_are_the_ledgers(busy, tmp_path):
    tables = export(busy, tmp_path / "out")
    entries, shares, payouts = tables["entries"], tables["shares"], tables["payouts"]
    balances = tables["accounts"]
    for account in balances:
        mine = {"from_client": account["client"]}, {"to_client": account["client"]}
        for unit in ("GTQ", "sat"):
            taken = total(entries, f"amount_{unit}", from_account=account["account"], **mine[0])
            given_ = total(entries, f"amount_{unit}", to_account=account["account"], **mine[1])
            assert given_ - taken == Decimal(account[f"balance_{unit}"] or 0), account
    assert total(balances, "balance_GTQ") == total(balances, "balance_sat") == 0
    for client in tables["clients"]:
        name, number = client["client"], int(client["client_id"])
        assert Decimal(client["balance_GTQ"]) == fiat(busy.balance(number))
        assert Decimal(client["owed_sat"]) == busy.owed(number)
        confirmed = total(tables["deposits"], "amount_GTQ", client=name, state="confirmed")
        taken = total(tables["withdrawals"], "amount_GTQ", client=name)
        bought = total(shares, "fiat_GTQ", client=name, reversed="no")
        assert Decimal(client["balance_GTQ"]) == confirmed - taken - bought
    for row in tables["distributions"]:
        of_it = {"distribution": row["distribution"]}
        assert total(shares, "amount_sat", **of_it) == Decimal(row["shared_sat"])
        assert total(shares, "fiat_GTQ", **of_it) == Decimal(row["shared_GTQ"])
        assert int(row["shared_sat"]) + int(row["unallocated_sat"]) == int(row["principal_sat"])
    for row in payouts:
        assert total(shares, "amount_sat", payout=row["payout"]) == Decimal(row["amount_sat"])
        assert total(shares, "fiat_GTQ", payout=row["payout"]) == Decimal(row["fiat_GTQ"])
    paid = sum(total(payouts, "amount_sat", state=state) for state in ("DONE", "DEBITED"))
    assert paid == busy.total(accounts.PAID) > 0
    assert total(tables["cash_outs"], "principal_sat") == total(
        tables["distributions"], "principal_sat"
    )


def test_each_payout_has_fee_and_payment_hash_but_no_invoice_or_preimage(busy, tmp_path):
    (done,) = [p for p in export(busy, tmp_path / "out")["payouts"] if p["state"] == "DONE"][:1]
    assert done["fee_sat"] == "0.000"
    attempts = busy.sql("SELECT payment_hash FROM attempt WHERE payout_id = ?", done["payout"])
    assert done["payment_hash"] == attempts[0]["payment_hash"]
    busy.do(lambda tx: tx.execute("UPDATE payout SET preimage = ?", (SECRET,)))
    export(busy, tmp_path / "again")
    everything = b"".join(path.read_bytes() for path in (tmp_path / "again").iterdir()).decode()
    for secret in (SECRET, KEY.value, "lnbc1"):
        assert secret not in everything
    assert "ffff…ffff" in everything
    assert "ben@wallet.example" in everything


def test_instants_are_written_in_utc_and_in_local_time(busy, tmp_path):
    first = export(busy, tmp_path / "out")["deposits"][0]
    assert first["confirmed_at_utc"] == "2026-03-01T12:00:00Z"
    assert first["confirmed_at_local"] == "2026-03-01 06:00:00"
    assert first["voided_at_utc"] == first["voided_at_local"] == ""


def test_headers_name_the_unit_and_the_currency(story, tmp_path):
    story.client("ana", balance=1_500)
    tables = export(story, tmp_path / "out", Form("JPY", ZoneInfo("Asia/Tokyo"), npub=str))
    assert tables["deposits"][0]["amount_JPY"] == "1500"
    for table in TABLES:
        header = (tmp_path / "out" / f"{table.name}.csv").read_text("utf-8-sig").splitlines()[0]
        endings = {name.rpartition("_")[2] for name in header.split(",")}
        assert not endings & {"minor", "msat", "at", "bp", "whole"}, table.name


def test_price_is_that_of_one_coin(busy, tmp_path):
    share = export(busy, tmp_path / "out")["shares"][0]
    price = Decimal(share["fiat_GTQ"]) / Decimal(share["amount_sat"]) * 10**8
    assert Decimal(share["price_of_one_btc_GTQ"]) == price.quantize(Decimal("0.01"))


def test_commission_has_no_price(story, tmp_path):
    story.client("ana", balance=900_000)
    story.recipient("rosa", 2_500)
    story.cash_out("d1", 100_000, 5_000, commission_sat=777)
    shares = export(story, tmp_path / "out")["shares"]
    prices = {row["kind"]: row["price_of_one_btc_GTQ"] for row in shares}
    assert prices == {"flow": "50000.00", "commission": ""}


def test_terms_of_the_commission_stand_there_with_their_parts(story, tmp_path):
    story.client("ana", balance=900_000)
    rosa = story.recipient("rosa", 2_505)
    story.cash_out("d1", 100_000, 5_000, commission_sat=777)
    story.percent(rosa, 0)
    tables = export(story, tmp_path / "out")
    terms = [(row["terms"], row["given_percent"]) for row in tables["commission_terms"]]
    assert terms == [("1", "25.05"), ("2", "0.00")]
    (part,) = tables["commission_parts"]
    assert (part["terms"], part["client"], part["percent"]) == ("1", "rosa", "25.05")
    used = {row["kind"]: row["commission_terms"] for row in tables["distributions"]}
    assert used == {"flow": "", "commission": "1"}


def test_runs_of_fixed_mode_have_their_price_and_its_source(story, tmp_path):
    def fix(tx, client_id):
        clients.set_mode(tx, client_id, "fixed")
        clients.set_fixed_limit(tx, client_id, 10_000)

    story.do(fix, story.client("ana", balance=900_000))
    first, second = runs_of(DAY, (time(9), time(18)), FORM.timezone)
    terms = {"ceiling_minor": 200_000, "currency": "GTQ", "now": story.now}
    story.do(fixed_mode.carry_out, first, Quote(Decimal("800000.125"), "lnbits"), **terms)
    story.do(fixed_runs.put_off, second, "waiting", "paused", now=story.now)
    tables = export(story, tmp_path / "out")
    done, waiting = tables["fixed_runs"]
    assert done["fixed_run"] == tables["distributions"][0]["distribution"]
    assert (done["price_of_one_btc_GTQ"], done["price_source"]) == ("800000.125", "lnbits")
    assert (done["state"], done["clients"], done["day_limit_GTQ"]) == ("done", "1", "2000.00")
    assert (waiting["state"], waiting["reason"]) == ("waiting", "paused")
    assert waiting["price_of_one_btc_GTQ"] == waiting["price_source"] == ""


def test_cash_of_each_machine_adds_up_and_machines_of_one_name_are_told_apart(story, tmp_path):
    one, other = "a1" * 32, "b2" * 32
    story.names({one: "Market", other: "Market"})
    story.cash_in("i1", 700, machine=one)
    story.cash_left("o1", 300, machine=other)
    story.count(one, 650)
    story.deposit(story.client("ana"), 55)
    tables = export(story, tmp_path / "out")
    moves, (count,) = tables["cash_moves"], tables["cash_counts"]
    assert (count["machine"], count["counted_GTQ"]) == ("Market (a1a1a1a1)", "6.50")
    assert total(moves, "amount_GTQ", machine="Market (a1a1a1a1)") == Decimal("6.50")
    assert total(moves, "amount_GTQ", machine="Market (b2b2b2b2)") == Decimal("-3.00")
    assert [row["kind"] for row in moves if row["machine"] == ""] == ["deposit"]
    assert [row["cash_count"] for row in moves if row["kind"] == "count"] == [count["cash_count"]]


def test_cash_out_is_at_the_machine_as_operators_know_it(story, tmp_path):
    story.names({"d" * 64: "Market", "e" * 64: "Market"})
    story.record("w1")
    (row,) = export(story, tmp_path / "out")["cash_outs"]
    assert row["machine"] == "Market (dddddddd)"


def test_cash_out_that_passed_somebody_by_is_exported_with_the_client(story, tmp_path):
    story.client("ana", balance=1_000)
    story.client("ben", balance=1_000, destination=None)
    story.cash_out("c1", 5_000, 400)
    (row,) = export(story, tmp_path / "out")["missed_sales"]
    assert (row["distribution"], row["client"]) == ("c1", "ben")


def test_log_says_who_did_what(story, tmp_path):
    ana = story.client("ana")
    for actor, client_id, command in (("0a" * 32, None, "deposit"), (hex_of("ana"), ana, "pause")):
        named = {"actor": actor, "client_id": client_id, "message_id": "4" * 64}
        story.do(command_log.record, **named, command=command, done="=done", now=story.now)
    ordered, paused = export(story, tmp_path / "out")["command_log"]
    assert (ordered["actor"], ordered["client"]) == (f"npub-{'0a' * 32}", "")
    assert (ordered["command"], ordered["done"]) == ("deposit", "'=done")
    assert (paused["actor"], paused["client"]) == (f"npub-{hex_of('ana')}", "ana")
    assert paused["at_utc"] == "2026-03-01T12:00:00Z"


def test_each_table_of_the_ledger_is_exported_or_is_known_to_say_nothing_to_a_bookkeeper(story):
    names = {
        row["name"] for row in story.sql("SELECT name FROM sqlite_schema WHERE type = 'table'")
    }
    queries = " ".join(table.query for table in TABLES)
    missing = {name for name in names if not re.search(rf"\b{name}\b", queries)}
    assert missing == NOT_EXPORTED


def test_files_are_for_their_owner_alone_and_in_utf_8_that_excel_knows(story, tmp_path):
    story.client("Núñez")
    export(story, tmp_path / "out")
    assert (tmp_path / "out").stat().st_mode & 0o777 == 0o700
    files = list((tmp_path / "out").iterdir())
    assert {path.stat().st_mode & 0o777 for path in files} == {0o600}
    assert sorted(path.stem for path in files) == sorted(table.name for table in TABLES)
    assert (tmp_path / "out" / "clients.csv").read_bytes().startswith(b"\xef\xbb\xbf")
    assert "Núñez" in (tmp_path / "out" / "clients.csv").read_text("utf-8-sig")


@pytest.mark.parametrize(
    "note",
    [
        '=HYPERLINK("http://evil")',
        "+1",
        "-1+1",
        "@SUM(A1)",
        "=A1,A2",
        "\t=1",
        "\r=1",
        "  =1",
        "\uff1d1",
        "\n-1",
    ],
)
def test_text_that_a_spreadsheet_would_run_is_neutralised(story, tmp_path, note):
    ana = story.client("ana", balance=100)
    story.do(deposits.withdraw, ana, amount_minor=7, note=note, now=story.now)
    (row,) = export(story, tmp_path / "out")["withdrawals"]
    assert row["note"] == f"'{note}"
    assert row["amount_GTQ"] == "0.07"


def test_negative_amounts_stay_numbers(busy, tmp_path):
    rows = export(busy, tmp_path / "out")["accounts"]
    (machine,) = [row for row in rows if row["account"] == "machine"]
    assert int(machine["balance_sat"]) == busy.total(accounts.MACHINE) < 0


@given(st.text())
def test_neutral_text_begins_no_formula_and_loses_nothing(text):
    assert neutral(text).removeprefix("'") == text.removeprefix("'")
    assert not neutral(text).lstrip(" ").startswith(("=", "+", "-", "@", "\t", "\r", "\n"))


@given(st.integers(-(10**15), 10**15), st.sampled_from(["GTQ", "JPY", "KWD"]))
def test_decimals_are_exact(minor, currency):
    digits = minor_digits(currency)
    assert Decimal(plain_decimal(minor, digits)) == Decimal(minor).scaleb(-digits)


# Where it can't be written


def test_folder_with_something_in_it_is_refused(story, tmp_path):
    folder = tmp_path / "out"
    folder.mkdir(mode=0o700)
    export(story, folder)
    before = sorted(folder.iterdir())
    with pytest.raises(LedgerError, match="is not empty"):
        export_ledger(story.folder, folder, FORM)
    assert sorted(folder.iterdir()) == before


@pytest.mark.parametrize(("make", "said"), [("open", "chmod 700"), ("file", "move it away")])
def test_place_that_is_unsafe_or_no_folder_is_refused(story, tmp_path, make, said):
    folder = tmp_path / "out"
    if make == "file":
        folder.touch()
    else:
        folder.mkdir(mode=0o755)
        folder.chmod(0o755)
    with pytest.raises(LedgerError, match=said):
        export_ledger(story.folder, folder, FORM)


def test_export_that_breaks_off_leaves_no_file(busy, tmp_path):
    stop = threading.Event()
    stop.set()
    folder = tmp_path / "stopped"
    busy.do(lambda tx: _many_deposits(tx, 20_000))
    with pytest.raises(LedgerError, match="could not be made"):
        export_ledger(busy.folder, folder, FORM, stop=stop)
    assert list(folder.iterdir()) == []
    limits = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (50_000, limits[1]))
    try:
        with pytest.raises(LedgerError, match="could not be made"):
            export_ledger(busy.folder, tmp_path / "full", FORM)
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, limits)
    assert list((tmp_path / "full").iterdir()) == []


# Another process: stops in the middle of an export, and waits to be killed.
EXPORTER = """
import pathlib, sys, time
from zoneinfo import ZoneInfo
from dca_bot.ledger.reports import export

def npub(_key):
    print("exporting", flush=True)
    time.sleep(600)

form = export.Form("GTQ", ZoneInfo("UTC"), npub)
export.export_ledger(pathlib.Path(sys.argv[1]), pathlib.Path(sys.argv[2]), form)
"""


def test_export_that_was_killed_is_replaced_and_one_under_way_is_not(busy, tmp_path):
    folder = tmp_path / "out"
    done = {
        "actor": hex_of("op"),
        "client_id": None,
        "message_id": "m",
        "command": "c",
        "done": "d",
    }
    busy.do(command_log.record, **done, now=busy.now)
    process = subprocess.Popen(
        [sys.executable, "-c", EXPORTER, str(busy.folder), str(folder)],
        stdout=subprocess.PIPE,
        text=True,
    )
    try:
        assert process.stdout.readline() == "exporting\n"
        with pytest.raises(LedgerError, match="just being written"):
            export_ledger(busy.folder, folder, FORM)
        assert any(folder.glob("*.csv"))
    finally:
        process.kill()
        process.communicate()
    assert export_ledger(busy.folder, folder, FORM)["payouts"] > 0
    assert {path.suffix for path in folder.iterdir()} == {".csv"}
    with pytest.raises(LedgerError, match="is not empty"):
        export_ledger(busy.folder, folder, FORM)


def test_killed_export_that_somebody_has_put_something_into_is_refused(busy, tmp_path):
    folder = tmp_path / "out"
    folder.mkdir(mode=0o700)
    (folder / ".unfinished").touch(mode=0o600)
    (folder / "notes.ods").touch()
    with pytest.raises(LedgerError, match="is not empty"):
        export_ledger(busy.folder, folder, FORM)
    assert (folder / "notes.ods").exists()


def test_killed_exports_on_the_shelf_push_no_good_one_out(busy):
    shelf, stop = busy.folder / "exports", threading.Event()
    for day in range(1, 6):
        export_to_shelf(busy.folder, FORM, START + timedelta(days=day), stop)
    kept = sorted(path.name for path in shelf.iterdir())
    for day in (20, 21):
        part = shelf / f"{START + timedelta(days=day):%Y-%m-%dT%H%M%SZ}.part"
        part.mkdir(mode=0o700)
        (part / ".unfinished").touch(mode=0o600)
        (part / "clients.csv").touch(mode=0o600)
    newest = export_to_shelf(busy.folder, FORM, START + timedelta(days=6), stop)
    assert sorted(path.name for path in shelf.iterdir()) == [*kept[1:], newest.name]


def test_exports_of_a_clock_that_was_ahead_push_no_new_one_out(busy):
    stop = threading.Event()
    for days in range(400, 400 + KEPT):
        export_to_shelf(busy.folder, FORM, START + timedelta(days=days), stop)
    made = [export_to_shelf(busy.folder, FORM, START + timedelta(days=n), stop) for n in (1, 2)]
    assert all(folder.is_dir() for folder in made)
    assert len(list(made[0].parent.iterdir())) == KEPT


def _many_deposits(tx, count):
    tx.executemany(
        "INSERT INTO deposit (client_id, amount_minor, created_at) VALUES (1, ?, 0)",
        ((n + 1,) for n in range(count)),
    )


def test_ledger_of_another_version_is_refused(story, tmp_path):
    known = story.sql("PRAGMA user_version")[0][0]
    story.sql("PRAGMA user_version = 99")
    with pytest.raises(LedgerError, match="install the newer dca-bot"):
        export_ledger(story.folder, tmp_path / "out", FORM)
    assert list((tmp_path / "out").iterdir()) == []
    story.sql(f"PRAGMA user_version = {known}")


def test_missing_ledger_makes_no_folder(tmp_path):
    with pytest.raises(LedgerError, match="no ledger"):
        export_ledger(tmp_path / "data", tmp_path / "out", FORM)
    assert list(tmp_path.iterdir()) == []


def test_export_shows_one_state_while_the_bot_writes(story, tmp_path):
    ana = story.client("ana", balance=1_000)
    story.do(lambda tx: _many_deposits(tx, 20_000))

    class Writes(threading.Event):
        """Withdraws, through the bot's own connection, whenever the export comes to breathe."""

        times = 0

        def is_set(self):
            self.times += 1
            story.withdraw(ana, 1)
            return False

    busy = Writes()
    export_ledger(story.folder, tmp_path / "out", FORM, stop=busy)
    assert busy.times > 0
    with (tmp_path / "out" / "accounts.csv").open(encoding="utf-8-sig") as file:
        (balance,) = [row for row in csv.DictReader(file) if row["account"] == "balance"]
    assert balance["balance_GTQ"] == "10.00"


def test_same_ledger_gives_the_same_files_again(busy, tmp_path):
    first = export(busy, tmp_path / "first")
    copy = tmp_path / "copy"
    copy.mkdir(mode=0o700)
    busy.close()
    shutil.copy2(busy.folder / LEDGER_FILE, copy / LEDGER_FILE)
    busy.open()
    (copy / LEDGER_FILE).chmod(0o600)
    export_ledger(copy, tmp_path / "second", FORM)
    for name in first:
        one, other = (tmp_path / f / f"{name}.csv" for f in ("first", "second"))
        assert one.read_bytes() == other.read_bytes()


def test_names_stand_beside_numbers_as_a_closed_clients_name_can_be_given_again(story, tmp_path):
    old = story.client("ana")
    story.state(old, "closed")
    new = story.client("ana", balance=100)
    tables = export(story, tmp_path / "out")
    assert [row["client_id"] for row in tables["clients"]] == [str(old), str(new)]
    assert tables["deposits"][0]["client_id"] == str(new)
    assert story.read(clients.by_name, "ana").id == new
