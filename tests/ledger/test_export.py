"""The bookkeeper's files: their sums are the ledger's, nothing in them is a secret or a formula."""

import csv
import resource
import shutil
import threading
from decimal import Decimal
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st

from dca_bot.core.money import minor_digits, plain_decimal
from dca_bot.errors import LedgerError
from dca_bot.ledger import books, clients, deposits, distributions, holds
from dca_bot.ledger.clients import ADDRESS, Destination
from dca_bot.ledger.database import LEDGER_FILE
from dca_bot.ledger.export import Form, export_ledger, neutral
from dca_bot.ledger.export_tables import TABLES

from .story import KEY

FORM = Form("GTQ", ZoneInfo("America/Guatemala"))
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
    story.do(distributions.record_machines, {"d" * 64: "Antigua, Zona 10"})
    for n, to in enumerate(["DONE", "CANCELLED", "SUBMITTED", "PLANNED", "VOID", "HELD"]):
        story.later(hours=7)
        story.cash_out(f"cash-out {n}", 123_457, 98_765, commission_sat=9_876)
        for payout in story.payouts():
            if payout.due_at == story.now:
                story.bring(payout.id, to)
    story.record("held one", state="held", reason="contradiction")
    story.do(holds.open_hold, "cash-out", "held one", "contradiction", now=story.now)
    return story


def test_sums_of_the_files_are_the_ledgers(busy, tmp_path):
    tables = export(busy, tmp_path / "out")
    entries, shares, payouts = tables["entries"], tables["shares"], tables["payouts"]
    accounts = tables["accounts"]
    for account in accounts:
        mine = {"from_client": account["client"]}, {"to_client": account["client"]}
        for unit in ("GTQ", "sat"):
            taken = total(entries, f"amount_{unit}", from_account=account["account"], **mine[0])
            given_ = total(entries, f"amount_{unit}", to_account=account["account"], **mine[1])
            assert given_ - taken == Decimal(account[f"balance_{unit}"] or 0), account
    assert total(accounts, "balance_GTQ") == total(accounts, "balance_sat") == 0
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
    assert paid == busy.total(books.PAID) > 0
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
    tables = export(story, tmp_path / "out", Form("JPY", ZoneInfo("Asia/Tokyo")))
    assert tables["deposits"][0]["amount_JPY"] == "1500"
    for table in TABLES:
        header = (tmp_path / "out" / f"{table.name}.csv").read_text("utf-8-sig").splitlines()[0]
        endings = {name.rpartition("_")[2] for name in header.split(",")}
        assert not endings & {"minor", "msat", "at"}, table.name


def test_price_is_that_of_one_coin(busy, tmp_path):
    share = export(busy, tmp_path / "out")["shares"][0]
    price = Decimal(share["fiat_GTQ"]) / Decimal(share["amount_sat"]) * 10**8
    assert Decimal(share["price_of_one_btc_GTQ"]) == price.quantize(Decimal("0.01"))


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
    assert int(machine["balance_sat"]) == busy.total(books.MACHINE) < 0


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


@pytest.mark.parametrize(("make", "said"), [("open", "chmod 700"), ("file", "can't be made")])
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


def _many_deposits(tx, count):
    tx.executemany(
        "INSERT INTO deposit (client_id, amount_minor, created_at) VALUES (1, ?, 0)",
        ((n + 1,) for n in range(count)),
    )


def test_ledger_of_another_version_is_refused(story, tmp_path):
    known = story.sql("PRAGMA user_version")[0][0]
    story.sql("PRAGMA user_version = 99")
    with pytest.raises(LedgerError, match="another version"):
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
