"""A client's own account as a table: what `export` tells, and the file of a monthly statement."""

from collections.abc import Iterator

from dca_bot.core.market import rate_minor
from dca_bot.core.money import minor_digits, plain_decimal
from dca_bot.core.periods import Period
from dca_bot.core.programme import Programme
from dca_bot.ledger.programme.clients import Client
from dca_bot.ledger.reports.statement import CASH_KINDS, StatementLine, statement
from dca_bot.ledger.store.database import Tx
from dca_bot.messages.say import Say, Word


def of_period(tx: Tx, programme: Programme, client: Client, period: Period) -> Iterator[Say]:
    """Yield the table of a period, with the columns' names; nothing is read before the first line."""
    since, before = period.span(programme.timezone)
    yield header(programme)
    for row in statement(tx, client.id, since=since, before=before):
        yield line(programme, row)


def header(programme: Programme) -> Say:
    """Say the names of the columns."""
    return Say("export.header", currency=programme.currency)


def line(programme: Programme, row: StatementLine) -> Say:
    """Say a row; its time is local, with the offset."""
    digits = minor_digits(programme.currency)
    is_priced = row.sat > 0 and row.minor > 0
    is_cash = row.what in CASH_KINDS
    return Say(
        "export.line",
        at=row.at.astimezone(programme.timezone).isoformat(timespec="seconds"),
        what=Word("statement", row.what),
        fiat=plain_decimal(row.minor, digits),
        sats="" if is_cash else row.sat,
        price=plain_decimal(rate_minor(row.minor, row.sat), digits) if is_priced else "",
        state=Word("deposit" if is_cash else "own_payout", row.state),
        receipt="" if is_cash else row.number,
        hash=row.payment_hash,
    )
