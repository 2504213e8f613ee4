"""`today`, `month` and `earnings` tell what the sales brought, by machine and by day."""

from datetime import UTC, datetime, timedelta

import pytest
from talk import START

from dca_bot.ledger.programme import machines

DAY = timedelta(days=1)
MARKET, ZONE_10 = "d" * 64, "e" * 64


@pytest.fixture
async def shop(talk):
    """Two machines, a client with a balance, and rosa, who gets a tenth of the commission."""
    await talk.add_client("maria", balance="1000")
    await talk.do("op", "commission set rosa 10 rosa@pay.example")
    names = {MARKET: "Market", ZONE_10: "Zona 10"}
    await talk.database.transact(lambda tx: machines.record(tx, names))
    return talk


async def sell(talk, id_, minor, *, device_id=MARKET, at=None):
    """Share out a sale of as many sats as minor units, and a tenth of them as commission."""
    talk.clock.at = at or talk.clock.at
    await talk.distribute(id_, fiat_minor=minor, sat=minor)
    await talk.sql("UPDATE cash_out SET device_id = ? WHERE id = ?", device_id, id_)


async def test_today_without_sales(shop):
    assert await shop.tell("op", "today") == (
        "1 Mar:\n0 sales, Q0.00\nTo clients: Q0.00, 0 sats\nCommission: 0 sats, worth Q0.00"
    )


async def test_today_has_the_sales_of_the_local_date_by_machine(shop):
    await sell(shop, "before", 1_000, at=datetime(2026, 3, 1, 5, 59, tzinfo=UTC))
    await sell(shop, "one", 20_000, at=START + DAY / 24)
    await sell(shop, "two", 10_000, device_id=ZONE_10)
    await sell(shop, "three", 5_000)
    text = await shop.tell("op", "today")
    lines = text.splitlines()
    assert lines[:3] == [
        "1 Mar:",
        "3 sales, Q350.00",
        "To clients: Q350.00, 35,000 sats",
    ]
    assert lines[-3:] == ["By machine:", "  Market: Q250.00 (2)", "  Zona 10: Q100.00 (1)"]
    assert len(lines) <= 12


async def test_month_has_the_days_newest_first_a_page_at_a_time(shop):
    for number in range(12):
        await sell(shop, f"s{number}", 1_000 + number, at=START + number * DAY)
    first = (await shop.tell("op", "month")).splitlines()
    days = first[first.index("By day:") + 1 :]
    assert first[:2] == ["1 Mar to 31 Mar:", "12 sales, Q120.66"]
    assert days[0] == "  12 Mar: Q10.11 (1)"
    assert len(days) == 11
    assert days[-1] == "More: month 2026-03 2"
    second = (await shop.tell("op", "month 2026-03 2")).splitlines()
    assert second == [
        "1 Mar to 31 Mar:",
        "By day:",
        "  2 Mar: Q10.01 (1)",
        "  1 Mar: Q10.00 (1)",
    ]
    assert "no more pages" in await shop.tell("op", "month 2026-03 3")
    assert "0 sales" in await shop.tell("op", "month 2026-02")


async def test_earnings_split_the_commission_and_take_the_fees_off(shop):
    await sell(shop, "one", 20_000)
    (sale,) = await shop.sql("SELECT commission_sat FROM cash_out WHERE id = 'one'")
    commission = sale["commission_sat"]
    rosa = round(commission / 10)
    await shop.bring_to((await shop.payout()).id, "invoice", "submit", "debit")
    await shop.sql("UPDATE payout SET state = 'DONE', done_at = debited_at WHERE debited_at > 0")
    await shop.sql("UPDATE payout SET fee_msat = 2001 WHERE state = 'DONE'")
    lines = (await shop.tell("op", "earnings")).splitlines()
    assert lines[1].startswith(f"Commission: {commission:,} sats, worth ")
    assert lines[2:6] == [
        f"  rosa: {rosa:,} sats",
        f"  yours: {commission - rosa:,} sats",
        "Routing fees: 3 sats",
        f"Yours after fees: {commission - rosa - 3:,} sats",
    ]


async def test_rest_and_cancelled_payouts_are_named(shop):
    await sell(shop, "one", 150_000)
    await shop.do("op", f"payout cancel {(await shop.payout()).id[:8]}")
    text = await shop.tell("op", "earnings today")
    assert "Beyond their balances: Q500.00, 50,000 sats, yours" in text
    assert "One payout cancelled: Q1,000.00 back, 100,000 sats yours" in text


@pytest.mark.parametrize(
    ("span", "heading"),
    [
        ("today", "1 Mar:"),
        ("month", "1 Mar to 31 Mar:"),
        ("2026-02", "1 Feb to 28 Feb:"),
        ("february", "1 Feb to 28 Feb:"),
        ("noviembre", "1 Nov 2025 to 30 Nov 2025:"),
        ("last month", "1 Feb to 28 Feb:"),
        ("this month", "1 Mar to 31 Mar:"),
        ("2026", "1 Jan to 31 Dec:"),
        ("7d", "23 Feb to 1 Mar:"),
        ("1y", "2 Mar 2025 to 1 Mar:"),
        ("all", "26 Feb to 1 Mar:"),
    ],
)
async def test_spans_of_earnings(shop, span, heading):
    await sell(shop, "one", 1_000, at=START - 3 * DAY)
    shop.clock.at = START
    assert (await shop.tell("op", f"earnings {span}")).splitlines()[0] == heading


@pytest.mark.parametrize(
    ("text", "heading"),
    [
        ("month february", "1 Feb to 28 Feb:"),
        ("mes febrero", "1 Feb to 28 Feb:"),
        ("month noviembre", "1 Nov 2025 to 30 Nov 2025:"),
        ("last month", "1 Feb to 28 Feb:"),
    ],
)
async def test_month_by_its_name(shop, text, heading):
    assert (await shop.tell("op", text)).splitlines()[0] == heading


async def test_long_span_is_listed_by_month(shop):
    await sell(shop, "one", 1_000, at=START - 40 * DAY)
    await sell(shop, "two", 2_000, at=START)
    lines = (await shop.tell("op", "earnings 90d")).splitlines()
    months = lines[lines.index("By month:") + 1 :]
    assert [line.split(":")[0].strip() for line in months] == ["2026-03", "2026-01"]


@pytest.mark.parametrize(
    ("text", "why"),
    [
        ("earnings lots", "Which time? today, month, 2026-03"),
        ("earnings 2026-13", "Which time?"),
        ("month 3", "Write a month like 2026-03."),
        ("month 2026", "Write a month like 2026-03."),
    ],
)
async def test_unreadable_spans_are_refused(shop, text, why):
    assert why in await shop.tell("op", text)


async def test_many_machines_are_cut_to_the_largest(shop):
    names = {f"{n}" * 64: f"M{n}" for n in range(8)}
    await shop.database.transact(lambda tx: machines.record(tx, names))
    for n, device_id in enumerate(names):
        await sell(shop, f"s{n}", 1_000 * (n + 1), device_id=device_id)
    lines = (await shop.tell("op", "today")).splitlines()
    assert lines[-6:] == [
        "  M7: Q80.00 (1)",
        "  M6: Q70.00 (1)",
        "  M5: Q60.00 (1)",
        "  M4: Q50.00 (1)",
        "  M3: Q40.00 (1)",
        "  the others: Q60.00 (3)",
    ]


async def test_clients_have_no_such_commands(shop):
    for text in ("today", "earnings 2026-03", "month 2026-03"):
        assert "ommission" not in await shop.tell("maria", text)


async def test_earnings_in_spanish(spanish):
    assert (await spanish.tell("op", "earnings")).splitlines()[1:] == [
        "Comisión: 0 sats, que valen Q0.00",
        "Le queda sin esos costos: 0 sats",
    ]
