"""The sums of a span are exact: those of the days and of the machines add up, and all are the accounts'."""

from contextlib import suppress
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from tempfile import TemporaryDirectory
from zoneinfo import ZoneInfo

from hypothesis import given, settings
from hypothesis import strategies as st
from ledger.story import Story
from query_plans import too_long, traced

from dca_bot.core.calendar import local_date
from dca_bot.core.periods import Period, month_of
from dca_bot.core.takings import Takings, parted, total
from dca_bot.errors import StateChanged
from dca_bot.ledger.payouts import booking
from dca_bot.ledger.reports import takings
from dca_bot.ledger.store import accounts

ZONE = ZoneInfo("Europe/Berlin")
EVER = (datetime(2000, 1, 1, tzinfo=UTC), datetime(2100, 1, 1, tzinfo=UTC))
STEPS = st.lists(
    st.tuples(
        st.integers(1, 60 * 24),
        st.sampled_from(["sale", "sale", "sale", "deposit", "cancel", "percent"]),
        st.integers(1, 30_000),
        st.integers(1, 40_000),
    ),
    min_size=1,
    max_size=25,
)


def tell(story, steps):
    """Have sales, deposits, cancelled payouts and changes of the commission, minutes apart."""
    ana, ben = story.client("ana", balance=20_000), story.client("ben", balance=5_000)
    rosa = story.recipient("rosa", 1_500)
    story.now = datetime(2026, 3, 27, 12, tzinfo=UTC)
    for number, (minutes, what, minor, sat) in enumerate(steps):
        story.later(minutes=minutes)
        if what == "sale":
            story.cash_out(f"s{number}", sat, minor, commission_sat=sat % 97)
        elif what == "deposit":
            story.deposit(ana if minor % 2 else ben, minor)
        elif what == "percent":
            story.percent(rosa, sat % 5_000)
        else:
            cancel_one(story, (ana, ben, rosa)[sat % 3])


def cancel_one(story, client_id):
    for payout in story.payouts(client_id)[:1]:
        with suppress(StateChanged):
            story.do(booking.cancel, payout, now=story.now)


@settings(max_examples=40, deadline=None)
@given(steps=STEPS)
def test_sums_are_those_of_the_ledger_and_add_up_by_day_and_by_machine(steps):
    with TemporaryDirectory() as name:
        story = Story(Path(name) / "data")
        try:
            tell(story, steps)
            check(story)
        finally:
            story.end()


def check(story):
    sales = story.read(takings.sales, EVER)
    whole, back = total(sales), story.read(takings.reversed_payouts, EVER)
    split = story.read(takings.split, EVER)
    given_sat = sum(sat for _, sat in split)
    assert whole.shared_minor - back.minor == story.total(accounts.CONVERTED)
    assert whole.rest_sat + back.sat == story.total(accounts.OPERATOR)
    assert whole.commission_sat - given_sat == story.total(accounts.COMMISSION)
    assert whole.sat + whole.commission_sat == -story.total(accounts.MACHINE)
    assert story.findings() == ()
    by_machine = parted(sales, lambda sale: sale.device_id)
    assert sum(by_machine.values(), Takings()) == whole
    months = {month_of(local_date(sale.at, ZONE)) for sale in sales}
    assert sum((of_month(story, month) for month in months), Takings()) == whole


def of_month(story, month):
    """Return the sums of a month, which must be those of its days."""
    whole = total(story.read(takings.sales, month.span(ZONE)))
    days = [month.first + timedelta(n) for n in range(month.days)]
    each = [total(story.read(takings.sales, Period(day, day).span(ZONE))) for day in days]
    assert sum(each, Takings()) == whole
    return whole


def test_commission_is_worth_what_the_sale_paid_for_sats_rounded_down(story):
    story.client("ana", balance=100_000)
    story.cash_out("one", 3_000, 10_000, commission_sat=100)
    story.cash_out("two", 3, 1, commission_sat=2)
    found = total(story.read(takings.sales, EVER))
    assert (found.commission_sat, found.commission_minor) == (102, 333)


def test_part_that_no_client_can_pay_is_the_rest(story):
    story.client("ana", balance=4_000)
    story.cash_out("one", 5_000, 10_000)
    found = total(story.read(takings.sales, EVER))
    assert (found.sales, found.minor, found.sat) == (1, 10_000, 5_000)
    assert (found.shared_minor, found.shared_sat) == (4_000, 2_000)
    assert (found.rest_minor, found.rest_sat) == (6_000, 3_000)


def test_split_names_each_recipient_the_largest_part_first(story):
    story.recipient("rosa", 1_000)
    story.recipient("rita", 2_500)
    story.cash_out("one", 5_000, 10_000, commission_sat=400)
    assert story.read(takings.split, EVER) == [("rita", 100), ("rosa", 40)]


def test_fees_count_when_the_payout_is_finished(story):
    ana = story.client("ana", balance=10_000)
    story.cash_out("one", 5_000, 10_000)
    (payout,) = story.payouts(ana)
    story.bring(payout.id, "DONE")
    story.sql("UPDATE payout SET fee_msat = 1001")
    day = local_date(story.now, ZONE)
    assert story.read(takings.fees_msat, Period(day, day).span(ZONE)) == 1_001
    before = day - timedelta(1)
    assert story.read(takings.fees_msat, Period(before, before).span(ZONE)) == 0


def test_sale_before_midnight_is_of_the_local_date(story):
    zone = ZoneInfo("America/Guatemala")
    story.client("ana", balance=10_000)
    story.now = datetime(2026, 4, 1, 5, 59, tzinfo=UTC)
    story.cash_out("one", 100, 100)
    march = month_of(date(2026, 3, 1)).span(zone)
    assert total(story.read(takings.sales, march)).sales == 1


def test_sums_read_the_span_alone_and_no_share(story):
    ana = story.client("ana", balance=10_000)
    story.recipient("rosa", 1_000)
    story.cash_out("one", 5_000, 10_000, commission_sat=100)
    cancel_one(story, ana)
    with traced(story.database) as plans:
        for work in (
            takings.sales,
            takings.fixed_runs,
            takings.split,
            takings.reversed_payouts,
            takings.fees_msat,
        ):
            story.read(work, EVER)
        story.read(takings.first_at)
    assert story.read(lambda tx: too_long(tx, plans)) == []
    (sales_plan,) = (plan for sql, plan in plans.items() if "distribution_sum" in sql)
    assert not any("share" in line for line in sales_plan)
