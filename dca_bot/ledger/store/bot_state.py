"""Single values that outlive a restart, by name."""

from datetime import datetime, timedelta
from random import Random
from sqlite3 import Connection as Tx  # not from `database`, which opens a ledger by its facts

from dca_bot.errors import LedgerError

CURRENCY = "currency"
"""What all minor units of the ledger are of (ISO 4217)."""
START_AT = "start_at"
"""When the bot first started: ISO 8601."""
START_USED = "start_used"
"""From which instant on cash-outs counted at the last start (ISO 8601): `start_at`, or the first start."""
START_ASKED = "start_asked"
"""An earlier such instant (ISO 8601), present while the operators are asked whether it shall count."""
PAUSED = "paused"
"""Present while the operator has stopped deciding and paying."""
LAST_POLL_AT = "last_poll_at"
OLDEST_COPY = "oldest_copy"
"""The oldest copy of Lamassu's data that the last poll has read: name and time (ISO 8601), as JSON.
Absent where Lamassu itself was read."""
NEWEST_AT = "newest_at"
"""When the newest cash-out or cash-in was created that a poll has read (ISO 8601)."""
TICKER = "ticker"
"""The newest usable price of the server: its row's time (ISO 8601), and the price of a coin."""
FIXED_DAY = "fixed_day"
"""The local date whose fixed runs are being seen to (ISO 8601); absent while fixed mode is off."""
POLLS = "polls"
"""How many polls have succeeded since the operators' last daily summary."""
SUMMARY_DATE = "summary_date"
"""The local date of the operators' last daily summary (ISO 8601)."""
SUMMARY_AT = "summary_at"
"""When the operators' last daily summary was written (ISO 8601): the next one counts from there."""
LISTENED_AT = "listened_at"
"""When a relay was last connected (ISO 8601): the next subscription looks back from there."""
COPIED = "copied"
"""Present in a copy of the ledger, until a bot is started on it."""
RESTORED_AT = "restored_at"
"""When a bot was last started on a copy (ISO 8601)."""
CLOCK_AT = "clock_at"
"""The latest time that the clock has shown (ISO 8601)."""
CLOCK_BACK_AT = "clock_back_at"
"""When the clock was last found to have been ahead, in µs: the schema lets instants be pulled back to it."""
CLOCK_DOUBTED = "clock_doubted"
"""Present while the clock shows more than a day less than before: nothing is decided or paid."""
WITNESSED = "witnessed"
"""The computer's start, how long it has run since then, how much time was witnessed in all, and what
the clock showed at that moment: an id and three times in µs."""
LOOKED_AT = "looked_at"
"""When the watch last looked at what is in reach (ISO 8601)."""
POLLS_DUE_AT = "polls_due_at"
"""Since when Lamassu should be read (ISO 8601): the watch's start, or the end of a pause."""
LEDGER_ID = "ledger_id"
"""What copies of this ledger have in common and other ledgers haven't."""
LEASE_REFUSED = "lease_refused"
"""Why LNbits keeps no lease row, in LNbits' words; present while the operators know that."""
SOURCE_WALLET = "source_wallet"
"""The id of the LNbits wallet that payouts leave from."""
SOURCE_REFUSED = "source_refused"
"""The id of another wallet, which the operators have been told isn't paid from."""
UNCLEAR_NAMES = "unclear_names"
"""The clients' names of which the operators were told that they look alike or read like a command (JSON)."""
CLIENT_OPERATORS = "client_operators"
"""The clients' names of which the operators were told that an operator has their npub (JSON)."""
UNCOVERED = "uncovered"
"""Present while the operators know that the clients' balances exceed the machines' cash."""
TOP_UP = "top_up"
"""While the source wallet is low or short: which of the two, the top-up invoice's expiry (µs), the
balance (msat) when the operators were told, and the invoice's amount (sats)."""
PROGRAM = "program"
"""The version of dca-bot that opened the ledger last."""
SCHEMA = "schema"
"""What the schema was when a bot opened the ledger last: its fingerprint, and a digest of its letters."""
BACKUP_AT = "backup_at"
"""When the last copy of the ledger was made by itself: ISO 8601."""
BACKUP_FAILING = "backup_failing"
"""Since when no copy can be made, ISO 8601; present while that is so, and the operators know it."""

FIRST_WORD = timedelta(minutes=2)
"""Operators write while the bot is starting for the first time, and phones' clocks may be slow."""


def get(tx: Tx, name: str) -> str | None:
    """Return a value, or None."""
    row = tx.execute("SELECT value FROM fact WHERE name = ?", (name,)).fetchone()
    return None if row is None else str(row[0])


def put(tx: Tx, name: str, value: str) -> None:
    """Record a value, in place of the one before."""
    tx.execute(
        "INSERT INTO fact (name, value) VALUES (?, ?)"
        " ON CONFLICT (name) DO UPDATE SET value = excluded.value",
        (name, value),
    )


def drop(tx: Tx, name: str) -> bool:
    """Remove a value; tell whether there was one."""
    return tx.execute("DELETE FROM fact WHERE name = ?", (name,)).rowcount == 1


def moment(tx: Tx, name: str) -> datetime | None:
    """Return a value that is an instant, or None."""
    value = get(tx, name)
    return None if value is None else datetime.fromisoformat(value)


def ledger_id(tx: Tx, random: Random) -> str:
    """Return what copies of this ledger have in common; a new ledger gets it here."""
    known = get(tx, LEDGER_ID)
    if known is None:
        known = f"{random.getrandbits(128):032x}"
        put(tx, LEDGER_ID, known)
    return known


def check_currency(tx: Tx, currency: str) -> None:
    """Raise LedgerError if the ledger counts another currency: its amounts would mean other sums."""
    counted = get(tx, CURRENCY)
    if counted not in (None, currency):
        raise LedgerError(
            f"The ledger counts {counted}, but bot.currency is {currency}. Write {counted} again, or"
            " choose another bot.data_dir for a programme of its own."
        )


def keep_currency(tx: Tx, currency: str) -> None:
    """Record what the ledger counts, for good; raise LedgerError as `check_currency`."""
    check_currency(tx, currency)
    put(tx, CURRENCY, currency)


def note_poll(tx: Tx, at: datetime) -> None:
    """Record that Lamassu was read whole."""
    put(tx, LAST_POLL_AT, at.isoformat())
    put(tx, POLLS, str(polls(tx) + 1))


def last_poll_at(tx: Tx) -> datetime | None:
    """Return when Lamassu was last read whole, or None if never."""
    return moment(tx, LAST_POLL_AT)


def alive_since(tx: Tx) -> datetime | None:
    """Return when this ledger's life began: the bot's first start on it, or the last one on a copy.

    In whole seconds, as messages' times are; None before any start. What was written to the bot before
    isn't carried out. The first start is taken FIRST_WORD earlier; on a copy not even a moment is, as it
    may hold a code that was used since. Where the clock was ahead then, the operator's word on it has to
    be heard before: what is written since it is in doubt counts.
    """
    first, restored = moment(tx, START_AT), moment(tx, RESTORED_AT)
    begun = [at for at in (first and first - FIRST_WORD, restored) if at is not None]
    if not begun:
        return None
    return min(max(begun), moment(tx, CLOCK_DOUBTED) or max(begun)).replace(microsecond=0)


def polls(tx: Tx) -> int:
    """Return how many polls have succeeded since the last daily summary."""
    return int(get(tx, POLLS) or 0)


def paused(tx: Tx) -> bool:
    """Tell whether deciding and paying are stopped: by the operator, a doubted clock or a `start_at`."""
    row = tx.execute(
        "SELECT 1 FROM fact WHERE name IN (?, ?, ?)", (PAUSED, CLOCK_DOUBTED, START_ASKED)
    ).fetchone()
    return row is not None
