"""Takes apart the texts of several values that earlier versions of the ledger kept in one column.

Migrations call these functions: their results are frozen.
"""

import sqlite3
from datetime import datetime

from dca_bot.core.names import skeleton
from dca_bot.ledger.store.instants import micros

_TERMS = ("crypto_atoms", "fiat", "commission", "ticker", "discount")


def offer(tx: sqlite3.Connection) -> None:
    """Let the SQL of a connection call the functions of this module."""
    for name, arguments, function in (
        ("name_skeleton", 1, skeleton),
        ("old_terms", 2, old_terms),
        ("old_word", 2, old_word),
        ("old_micros", 1, old_micros),
    ):
        tx.create_function(name, arguments, function, deterministic=True)


def old_terms(text: str, field: str) -> str | None:
    """Return a field of the text in which versions 2 to 4 kept the amounts of a cash-out's row.

    Return None for NULL, and for the fixed fee in a text from before fees were known.

    >>> text = "BTC GTQ 125e3 8e2 none 8e5 0 fee=2e1"
    >>> [old_terms(text, name) for name in ("fiat", "commission", "fixed_fee")]
    ['8e2', None, '2e1']
    """
    row, has_fee, fee = text.rpartition(" fee=")
    codes, *numbers = (row if has_fee else text).rsplit(" ", 5)
    crypto_code, _, fiat_code = codes.partition(" ")
    fields = {"crypto_code": crypto_code, "fiat_code": fiat_code}
    fields |= dict(zip(_TERMS, numbers, strict=True))
    fields |= {"fixed_fee": fee if has_fee else "none"}
    value = fields[field]
    return None if value == "none" and not field.endswith("_code") else value


def old_word(text: str, number: int) -> str:
    """Return word `number`, from 0, of a text that is split by spaces.

    >>> old_word("short 1772366400000000 5000 70", 2)
    '5000'
    """
    return text.split()[number]


def old_micros(text: str) -> int:
    """Return an instant in ISO 8601 as microseconds since 1970.

    >>> old_micros("1970-01-01T00:00:01+00:00")
    1000000
    """
    return micros(datetime.fromisoformat(text))
