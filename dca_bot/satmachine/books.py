"""The rows of satmachineadmin as values: each column means the same in either kind of database.

Amounts are exact: a float of SQLite counts as the shortest decimal that reads as the float.
"""

from collections.abc import Mapping, Sequence
from collections.abc import Set as AbstractSet
from dataclasses import dataclass
from datetime import UTC, datetime
from decimal import Decimal
from fractions import Fraction
from typing import Any

from dca_bot.core.money import SAT_MAX
from dca_bot.core.moving_in import OldClient, OldDeposit, OldPayment
from dca_bot.errors import DcaBotError
from dca_bot.satmachine.database import (
    CASH_OUTS,
    CLIENTS,
    DEPOSITS,
    EXTENSIONS,
    PAYMENTS,
    POLLS,
    WALLETS,
    Tables,
)

_EXTENSION = "satmachineadmin"
_TEXT_CHARS_MAX = 200


@dataclass(frozen=True, slots=True)
class Books:
    """What satmachineadmin has recorded.

    `clients`: at least one, the oldest first. `processed`: ids of the cash-outs at Lamassu that the extension
    has processed, the oldest at `since`; None without one. `invoice_keys`: of LNbits' wallets that aren't
    deleted, by the wallet's id; empty if the wallets couldn't be read. `is_on`: LNbits runs the extension;
    None if LNbits' tables couldn't be read. `polled_at`: when the extension last looked at Lamassu.
    """

    clients: Sequence[OldClient]
    deposits: Sequence[OldDeposit]
    payments: Sequence[OldPayment]
    processed: AbstractSet[str]
    since: datetime | None
    invoice_keys: Mapping[str, str]
    is_on: bool | None
    polled_at: datetime | None


def read_books(tables: Tables) -> Books:
    """Read the rows of all tables; raise DcaBotError without clients, and for a value that can't be meant."""
    if not tables[CLIENTS]:
        raise DcaBotError("That database of satmachineadmin has no clients. Is it the one in use?")
    payments, cash_outs = tables[PAYMENTS], tables.get(CASH_OUTS, ())
    # Each table alone lacks some: a cash-out for which nobody had a balance has no payment.
    times = [
        *(_instant(row.get("transaction_time")) for row in cash_outs),
        *(_instant(row.get("transaction_time") or row.get("created_at")) for row in payments),
    ]
    polls = [_instant(row.get("last_poll_time")) for row in tables.get(POLLS, ())]
    ids = {_text(row["lamassu_transaction_id"]) for row in (*cash_outs, *payments)}
    return Books(
        clients=[_client(row) for row in sorted(tables[CLIENTS], key=_age)],
        deposits=[_deposit(row) for row in tables[DEPOSITS]],
        payments=[_payment(row) for row in payments],
        processed=ids - {""},
        since=min(filter(None, times), default=None),
        invoice_keys={
            _text(row["id"]): _text(row["inkey"])
            for row in tables.get(WALLETS, ())
            if not row.get("deleted")
        },
        is_on=_is_on(tables),
        polled_at=max(filter(None, polls), default=None),
    )


def _is_on(tables: Tables) -> bool | None:
    rows = tables.get(EXTENSIONS)
    if rows is None:
        return None
    return any(row.get("id") == _EXTENSION and bool(row.get("active")) for row in rows)


def _age(row: Mapping[str, Any]) -> tuple[datetime, str]:
    return _instant(row.get("created_at")) or datetime.max.replace(tzinfo=UTC), _text(row["id"])


def _client(row: Mapping[str, Any]) -> OldClient:
    limit = row.get("fixed_mode_daily_limit")
    return OldClient(
        id=_text(row["id"]),
        user_id=_text(row["user_id"]),
        wallet_id=_text(row["wallet_id"]),
        username=_text(row.get("username")),
        mode=_text(row["dca_mode"]),
        limit=None if limit is None else _amount(limit),
        status=_text(row["status"]),
    )


def _deposit(row: Mapping[str, Any]) -> OldDeposit:
    return OldDeposit(
        client_id=_text(row["client_id"]),
        amount=_amount(row["amount"]),
        currency=_text(row["currency"]),
        status=_text(row["status"]),
    )


def _payment(row: Mapping[str, Any]) -> OldPayment:
    sat = _amount(row["amount_sats"])
    if sat.denominator != 1:
        raise DcaBotError(f"A payment has {row['amount_sats']!r} sats, which is no whole number.")
    return OldPayment(
        client_id=_text(row["client_id"]),
        amount=_amount(row["amount_fiat"]),
        sat=sat.numerator,
        status=_text(row["status"]),
        cash_out_id=_text(row["lamassu_transaction_id"]),
    )


def _text(value: object) -> str:
    return "" if value is None else str(value).strip()[:_TEXT_CHARS_MAX]


def _amount(value: object) -> Fraction:
    """Return a number exactly; raise DcaBotError for a text, and for more than there can be of anything."""
    if isinstance(value, int | Decimal | float) and not isinstance(value, bool):
        try:
            amount = Fraction(repr(value) if isinstance(value, float) else value)
        except (ValueError, OverflowError):
            pass
        else:
            if abs(amount) <= SAT_MAX:
                return amount
    raise DcaBotError(f"The database has {str(value)[:30]!r} where an amount should be.")


def _instant(value: object) -> datetime | None:
    """Return an instant: SQLite has seconds since 1970, PostgreSQL a time without a zone; None if neither."""
    if isinstance(value, datetime):
        return value if value.tzinfo else value.replace(tzinfo=UTC)
    if isinstance(value, int | float):
        try:
            return datetime.fromtimestamp(value, UTC)
        except (ValueError, OverflowError, OSError):
            return None
    return None
