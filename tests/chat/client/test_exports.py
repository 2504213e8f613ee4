"""`export`: each format read back as the makers' descriptions say, with exact sums."""

import csv
from datetime import UTC, datetime, timedelta
from decimal import Decimal

import pytest

from dca_bot.chat.client.exports import MESSAGE_ROWS, MESSAGES_MAX
from dca_bot.core import tax_csv
from dca_bot.core.tax_csv import Kind, Movement, TaxFormat
from dca_bot.ledger.payouts import booking
from dca_bot.messages.render import TEXT_BYTES_MAX

KOINLY = (
    "Date,Sent Amount,Sent Currency,Received Amount,Received Currency,Fee Amount,Fee Currency,"
    "Net Worth Amount,Net Worth Currency,Label,Description,TxHash"
)
COINTRACKER = (
    "Date,Received Quantity,Received Currency,Sent Quantity,Sent Currency,Fee Amount,Fee Currency,"
    "Tag"
)
CTC = (
    "Timestamp (UTC),Type,Base Currency,Base Amount,Quote Currency (Optional),Quote Amount (Optional),"
    "Fee Currency (Optional),Fee Amount (Optional),From (Optional),To (Optional),Blockchain (Optional),"
    "ID (Optional),Description (Optional),Reference Price Per Unit (Optional),"
    "Reference Price Currency (Optional)"
)
AT = datetime(2026, 12, 31, 23, 59, 58, tzinfo=UTC)


def read_back(text, header):
    """Read a table strictly: this header, as many cells in each row, and no cell like a formula."""
    lines = text.splitlines()
    assert lines[0] == header
    rows = list(csv.DictReader(lines, strict=True, restkey="more", restval="missing"))
    assert all("more" not in row and "missing" not in row.values() for row in rows)
    assert not any(cell[:1] in "=+-@\t\r" for row in rows for cell in row.values() if cell)
    return rows


def koinly(text):
    """Yield (time, out, into, label) as Koinly's universal template means the columns."""
    for row in read_back(text, KOINLY):
        time = datetime.strptime(row["Date"], "%Y-%m-%d %H:%M:%S UTC").replace(tzinfo=UTC)
        out = row["Sent Amount"], row["Sent Currency"]
        yield time, out, (row["Received Amount"], row["Received Currency"]), row["Label"]


def cointracker(text):
    for row in read_back(text, COINTRACKER):
        time = datetime.strptime(row["Date"], "%m/%d/%Y %H:%M:%S").replace(tzinfo=UTC)
        out = row["Sent Quantity"], row["Sent Currency"]
        yield time, out, (row["Received Quantity"], row["Received Currency"]), row["Tag"]


def ctc(text):
    """Yield (time, out, into, type): the base is bought or received, the quote is given for it."""
    for row in read_back(text, CTC):
        time = datetime.strptime(row["Timestamp (UTC)"], "%Y-%m-%d %H:%M:%S").replace(tzinfo=UTC)
        base = row["Base Amount"], row["Base Currency"]
        quote = row["Quote Amount (Optional)"], row["Quote Currency (Optional)"]
        out, into = (base, quote) if row["Type"] == "fiat-withdrawal" else (quote, base)
        assert row["ID (Optional)"]
        yield time, out, into, row["Type"]


READERS = {"koinly": koinly, "cointracker": cointracker, "ctc": ctc}
NAMES_OF_INCOME = {"koinly": "income", "cointracker": "payment", "ctc": "income"}


def total(rows, side, currency):
    return sum((Decimal(row[side][0]) for row in rows if row[side][1] == currency), Decimal(0))


@pytest.fixture
async def maria(talk):
    """Maria has a deposit, one that is pending, cash back, commission, and a purchase that was cancelled."""
    await talk.add_client("maria", balance="1000")
    await talk.tell("op", "deposit maria 70")
    await talk.do("op", "commission set maria 12.5")
    for number in range(3):
        talk.clock.at += timedelta(days=31)
        await talk.distribute(f"cash-out-{number}", sat=24_001 + number)
    await talk.do("op", "withdraw maria 50")
    payout = await talk.payout()
    await talk.database.transact(lambda tx: booking.cancel(tx, payout, now=talk.clock.now()))
    return talk


async def exported(talk, text):
    return "\n".join(await talk.tell_all("maria", text))


@pytest.mark.parametrize("name", TaxFormat)
async def test_a_tax_export_adds_up_to_the_sat_and_has_utc_times(maria, name):
    rows = list(READERS[name](await exported(maria, f"export {name}")))
    (got,) = await maria.sql("SELECT * FROM client_sum")
    trades = [row for row in rows if row[1][1] == "GTQ" and row[2][1] == "BTC"]
    incomes = [row for row in rows if row[3] == NAMES_OF_INCOME[name]]
    assert total(trades, 2, "BTC") * 10**8 == got["bought_sat"]
    assert total(trades, 1, "GTQ") * 100 == got["spent_minor"]
    assert total(incomes, 2, "BTC") * 10**8 == got["earned_sat"] > 0
    left = total(rows, 2, "GTQ") - total(rows, 1, "GTQ")
    balance = (await maria.client("maria")).balance_minor
    has_cash = name is not TaxFormat.COINTRACKER
    assert left * 100 == (balance if has_cash else -got["spent_minor"])
    times = {row["at"] // 10**6 for row in await maria.sql("SELECT at FROM distribution")}
    assert {int(row[0].timestamp()) for row in [*trades, *incomes]} <= times
    assert len(rows) == (7 if has_cash else 5)


@pytest.mark.parametrize("name", TaxFormat)
@pytest.mark.parametrize(
    ("currency", "fiat"), [("GTQ", "1234.50"), ("JPY", "123450"), ("KWD", "123.450")]
)
def test_amounts_are_exact_decimals_in_each_currency(name, currency, fiat):
    bought = Movement(AT, Kind.PURCHASE, 123_450, 7, number=3, payment_hash="ab" * 32)
    text = "\n".join([tax_csv.header(name), *tax_csv.lines(name, [bought], currency)])
    (row,) = READERS[name](text)
    assert row[:3] == (AT, (fiat, currency), ("0.00000007", "BTC"))


async def test_own_books_have_the_zone_the_receipt_and_the_hash(maria):
    await maria.distribute("cash-out-9")
    await maria.sql("UPDATE payout SET state = state")
    (row,) = await maria.sql(
        "SELECT id FROM payout WHERE state = 'PLANNED' ORDER BY rowid DESC LIMIT 1"
    )
    await maria.bring_to(row["id"], "invoice", "submit", "debit")
    header, first, *_rest = (await exported(maria, "export 7d")).splitlines()
    assert header == ("date,what,fiat (GTQ),sats,price of 1 BTC (GTQ),state,receipt,payment hash")
    assert len(next(csv.reader([first]))) == len(next(csv.reader([header])))
    assert "-06:00," in first
    assert datetime.fromisoformat(first.partition(",")[0]).tzinfo is not None


@pytest.mark.parametrize(
    ("text", "purchases"),
    [
        ("export koinly 2026", 2),
        ("export 2026-05 cointracker", 1),
        ("export ctc may", 1),
        ("export koinly 2025", 0),
        ("exportar koinly mayo", 1),
        ("export CoinTracker ALL", 2),
    ],
)
async def test_an_export_takes_a_month_or_a_year(maria, text, purchases):
    told = await exported(maria, text)
    trades = [line for line in told.splitlines() if "BTC" in line and "GTQ" in line]
    assert len(trades) == purchases


@pytest.mark.parametrize("text", ["export 1 2", "export 0"])
async def test_an_export_that_is_unclear_says_how_it_is_written(maria, text):
    assert "export koinly" in await maria.tell("maria", text)


async def test_a_long_export_comes_in_messages_that_fit_and_pages_that_join(maria):
    for number in range(MESSAGE_ROWS * MESSAGES_MAX // 2):
        await maria.distribute(f"more-{number}", fiat_minor=20, sat=20)
    whole, again = [], "export koinly"
    for page in (2, 3):
        messages = await maria.tell_all("maria", again)
        assert all(len(message.encode()) < TEXT_BYTES_MAX for message in messages)
        text, _, again = "\n".join(messages).partition("\n\nMore, further back: ")
        assert again == (f"export koinly all {page}" if page == 2 else "")
        whole += koinly(text)
    (got,) = await maria.sql("SELECT * FROM client_sum")
    assert total(whole, 2, "BTC") * 10**8 == got["bought_sat"] + got["earned_sat"]


@pytest.mark.parametrize("name", TaxFormat)
def test_the_longest_rows_of_a_message_fit(name):
    most = Movement(AT, Kind.WITHDRAWAL, 10**15, 21 * 10**14, number=10**9, payment_hash="f" * 64)
    (line,) = tax_csv.lines(name, [most], "GTQ")
    assert len(tax_csv.header(name)) + MESSAGE_ROWS * (len(line) + 1) < TEXT_BYTES_MAX
