"""`export`: a client's own account as CSV in the chat, for the client's own books or for a tax program."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

from dca_bot.chat.command import Args, Attachment, Command, Context, Render
from dca_bot.chat.params import ALL, PAGE, RANGE_DAYS, Param, month_named, start_of
from dca_bot.core import tax_csv
from dca_bot.core.calendar import local_date
from dca_bot.core.files import FileForm, table
from dca_bot.core.payout import PayoutState
from dca_bot.core.periods import calendar_period, latest_month
from dca_bot.core.tax_csv import Kind, Movement, TaxFormat
from dca_bot.ledger.distributions.distributions import COMMISSION_SPLIT, FIXED, FLOW
from dca_bot.ledger.programme.deposits import DepositState
from dca_bot.ledger.programme.machine_cash import DEPOSIT, WITHDRAWAL
from dca_bot.ledger.reports.statement import CASH_KINDS, WITHDRAWN, StatementLine, statement
from dca_bot.ledger.store.database import Tx
from dca_bot.messages import account_table
from dca_bot.messages.say import CommandRefused, Say, Typed, refuse

_RANGE_DEFAULT = "90d"
"""Of the client's own books. A tax program needs everything: what was sold cost what was paid for it once."""
MESSAGE_ROWS = 18
"""The rows of a message; even the longest rows fit."""
MESSAGES_MAX = 5
TABLE_ROWS_MAX = 5_000
"""The rows of a table that is sent as a file; a longer one is read in the chat."""
_KINDS = {
    FLOW: Kind.PURCHASE,
    FIXED: Kind.PURCHASE,
    COMMISSION_SPLIT: Kind.INCOME,
    DEPOSIT: Kind.DEPOSIT,
    WITHDRAWAL: Kind.WITHDRAWAL,
}
_COUNTED_CASH = (DepositState.CONFIRMED, WITHDRAWN)


@dataclass(frozen=True, slots=True)
class _Asked:
    """An export as typed; `form`: None for the client's own books."""

    form: TaxFormat | None
    range: str
    page: int

    @property
    def again(self) -> str:
        """Return the command of the next page."""
        words = ("export", self.form, self.range, str(self.page + 1))
        return " ".join(word for word in words if word)


def _export_answer(tx: Tx, ctx: Context, args: Args, _seen: object) -> tuple[Say, ...]:
    """Give the client's account, newest first, in a few messages."""
    asked = _read(args.text("RANGE").split(), ctx.programme.currency)
    rows = _rows(tx, ctx, asked)
    page_rows = MESSAGE_ROWS * MESSAGES_MAX
    start = (asked.page - 1) * page_rows
    header, *lines = _told(ctx, asked, rows[start : start + page_rows])
    if not lines:
        return (Say("export.nothing" if asked.page == 1 else "page.beyond"),)
    messages = [lines[at : at + MESSAGE_ROWS] for at in range(0, len(lines), MESSAGE_ROWS)]
    messages[0].insert(0, header)
    if len(rows) > start + page_rows:
        messages[-1].append(Say("export.more", command=Typed(asked.again)))
    return tuple(Say("lines", lines=tuple(message)) for message in messages)


def _export_table(tx: Tx, ctx: Context, args: Args, render: Render) -> Attachment | None:
    """Give the whole export of a range as one table, whatever the page."""
    asked = _read(args.text("RANGE").split(), ctx.programme.currency)
    rows = _rows(tx, ctx, asked)
    if not 0 < len(rows) <= TABLE_ROWS_MAX:
        return None
    # A tax program reads the header to the letter, without a mark.
    content = table(map(render, _told(ctx, asked, rows)), is_marked=asked.form is None)
    return Attachment(FileForm.TABLE, content)


def _read_range(text: str, currency: str) -> str:
    """Read a format, a range, a month or year, and a page, each at most once and in any order."""
    words = [
        word if calendar_period(word) else month_named(word) or word
        for word in text.lower().split()
    ]
    _read(words, currency)
    return " ".join(words)


EXPORT = Command(
    ("export",),
    (Param("RANGE", _read_range, optional=True, rest=True),),
    answer=_export_answer,
    attach=_export_table,
)


def _read(words: list[str], currency: str) -> _Asked:
    forms = [TaxFormat(word) for word in words if word in tuple(TaxFormat)]
    left = [word for word in words if word not in tuple(TaxFormat)]
    ranges = [word for word in left if _is_range(word)]
    pages = [word for word in left if not _is_range(word)]
    if max(len(forms), len(ranges), len(pages)) > 1:
        raise refuse("wrong.export")
    try:
        page = int(PAGE.read(pages[0], currency)) if pages else 1
    except CommandRefused:
        raise refuse("wrong.export") from None
    form = forms[0] if forms else None
    return _Asked(form, ranges[0] if ranges else ALL if form else _RANGE_DEFAULT, page)


def _is_range(word: str) -> bool:
    return word in RANGE_DAYS or calendar_period(word) is not None or month_named(word) != ""


def _rows(tx: Tx, ctx: Context, asked: _Asked) -> list[StatementLine]:
    """Return what has a line in the table, newest first."""
    since, before = _span(ctx, asked.range)
    rows, form = statement(tx, ctx.me.id, since=since, before=before), asked.form
    if form is None:
        return rows
    return [row for row in rows if _counts(row) and tax_csv.has_line(form, _KINDS[row.what])]


def _told(ctx: Context, asked: _Asked, rows: Sequence[StatementLine]) -> list[Say]:
    """Say the header line, and the line of each row."""
    if asked.form is None:
        header = account_table.header(ctx.programme)
        return [header, *(account_table.line(ctx.programme, row) for row in rows)]
    lines = tax_csv.lines(asked.form, map(_movement, rows), ctx.programme.currency)
    return [Say("lines", lines=line) for line in (tax_csv.header(asked.form), *lines)]


def _span(ctx: Context, range_: str) -> tuple[datetime | None, datetime | None]:
    if range_ in RANGE_DAYS:
        return start_of(range_, ctx.now), None
    zone = ctx.programme.timezone
    period = calendar_period(range_) or latest_month(range_, local_date(ctx.now, zone))
    assert period is not None
    return period.span(zone)


def _counts(row: StatementLine) -> bool:
    """Tell whether a line moved something for good: no pending or voided deposit, no cancelled purchase."""
    if row.what in CASH_KINDS:
        return row.state in _COUNTED_CASH
    return row.state != PayoutState.CANCELLED


def _movement(row: StatementLine) -> Movement:
    return Movement(
        at=row.at,
        kind=_KINDS[row.what],
        minor=row.minor,
        sat=row.sat,
        number=row.number,
        payment_hash=row.payment_hash,
    )
