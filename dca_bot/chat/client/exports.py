"""`export`: a client's own account as CSV in the chat."""

from dca_bot.chat.command import Args, Attachment, Command, Context, Render
from dca_bot.chat.params import PAGE, RANGE, start_of
from dca_bot.core.files import FileForm
from dca_bot.core.market import rate_minor
from dca_bot.core.money import minor_digits, plain_decimal
from dca_bot.ledger.reports.statement import CASH_KINDS, StatementLine, statement
from dca_bot.ledger.store.database import Tx
from dca_bot.messages.say import Moment, Plain, Say, Word

_RANGE_DEFAULT = "90d"
MESSAGE_ROWS = 30
"""The rows of a message; even the longest rows fit."""
MESSAGES_MAX = 5
TABLE_ROWS_MAX = 5_000
"""The rows of a table that is sent as a file, the newest."""


def _export_answer(tx: Tx, ctx: Context, args: Args, _seen: object) -> tuple[Say, ...]:
    """Give the client's account, newest first, in a few messages."""
    wanted = args.text("RANGE") or _RANGE_DEFAULT
    since, page_rows = start_of(wanted, ctx.now), MESSAGE_ROWS * MESSAGES_MAX
    offset = (args.page - 1) * page_rows
    rows = statement(tx, ctx.me.id, since=since, limit=page_rows + 1, offset=offset)
    if not rows:
        return (Say("export.nothing" if args.page == 1 else "page.beyond"),)
    currency = ctx.programme.currency
    lines = [_line(row, minor_digits(currency)) for row in rows[:page_rows]]
    messages = [lines[at : at + MESSAGE_ROWS] for at in range(0, len(lines), MESSAGE_ROWS)]
    messages[0].insert(0, Say("export.header", currency=currency))
    if len(rows) > page_rows:
        messages[-1].append(Say("export.more", range=wanted, next=args.page + 1))
    return tuple(Say("lines", lines=tuple(message)) for message in messages)


def _export_table(tx: Tx, ctx: Context, args: Args, render: Render) -> Attachment | None:
    """Give the client's whole account of a range as one table, whatever the page."""
    since = start_of(args.text("RANGE") or _RANGE_DEFAULT, ctx.now)
    rows = statement(tx, ctx.me.id, since=since, limit=TABLE_ROWS_MAX, offset=0)
    if not rows:
        return None
    currency = ctx.programme.currency
    header = Say("export.header", currency=currency)
    lines = (header, *(_line(row, minor_digits(currency)) for row in rows))
    # With its mark, spreadsheets read UTF-8 as such.
    return Attachment(FileForm.TABLE, "\n".join(map(render, lines)).encode("utf-8-sig") + b"\n")


EXPORT = Command(("export",), (RANGE, PAGE), answer=_export_answer, attach=_export_table)


def _line(row: StatementLine, digits: int) -> Say:
    is_priced = row.sat > 0 and row.minor > 0
    is_cash = row.what in CASH_KINDS
    return Say(
        "export.line",
        at=Plain(Moment(row.at)),
        what=Word("statement", row.what),
        fiat=plain_decimal(row.minor, digits),
        sats="" if is_cash else row.sat,
        price=plain_decimal(rate_minor(row.minor, row.sat), digits) if is_priced else "",
        state=Word("deposit" if is_cash else "own_payout", row.state),
    )
