"""Single values of the bot that outlive a restart, by name."""

import json
from collections.abc import Mapping
from datetime import datetime, timedelta
from random import Random
from sqlite3 import Connection as Tx  # not from `database`, which opens a ledger by its facts
from typing import Any

from dca_bot.errors import LedgerError, LedgerFault

CURRENCY = "currency"
"""The currency of all minor units in the ledger (ISO 4217)."""
REHEARSAL = "rehearsal"
"""When a rehearsal first started (ISO 8601): present in a rehearsal's ledger, for good, and in no other."""
IS_REHEARSAL = f"EXISTS (SELECT 1 FROM fact WHERE name = '{REHEARSAL}')"
"""SQL that tells whether the ledger is a rehearsal's."""
START_AT = "start_at"
"""When the bot first started: ISO 8601."""
START_USED = "start_used"
"""The instant since which cash-outs counted at the last start (ISO 8601): `start_at`, or the first start."""
START_IMPORTED = "start_imported"
"""The oldest cash-out that the source of an import has processed (ISO 8601); absent without an import."""
START_ASKED = "start_asked"
"""An instant before START_USED (ISO 8601); present while the operators are asked to accept the instant."""
PAUSED = "paused"
"""Present while the operator has stopped deciding and paying."""
PAUSE_WRITTEN_AT = "pause_written_at"
"""When the newest `pause all` was written, by the clock of the writer's phone."""
LAST_POLL_AT = "last_poll_at"
NEWEST_AT = "newest_at"
"""When the newest cash-out or cash-in was created that a poll has read (ISO 8601)."""
FIXED_DAY = "fixed_day"
"""The local date of the current fixed runs (ISO 8601); absent while fixed mode is off."""
POLLS = "polls"
"""How many polls have succeeded since the operators' last daily summary."""
SUMMARY_DATE = "summary_date"
"""The local date of the operators' last daily summary (ISO 8601)."""
SUMMARY_AT = "summary_at"
"""When the operators' last daily summary was written (ISO 8601): the next one counts from there."""
REHEARSED_AT = "rehearsed_at"
"""When a rehearsal's last report was written (ISO 8601): the next one counts from there."""
LISTENED_AT = "listened_at"
"""When a relay was last connected (ISO 8601), by a bot before 0.4.0; the table `relay` has it since."""
COPIED = "copied"
"""Present in a copy of the ledger, until a bot is started on it."""
RESTORED_AT = "restored_at"
"""When a bot was last started on a copy (ISO 8601)."""
UNRECONCILED = "unreconciled"
"""Present in a ledger that was put back, until the payments of its own source wallet were read."""
PUT_BACK = "put_back"
"""Present after `dca-bot restore`, until the operators resume: that takes a code."""
CLOCK_AT = "clock_at"
"""The latest reading of the clock (ISO 8601)."""
CLOCK_BACK_AT = "clock_back_at"
"""When the clock was last found to be ahead, in µs: the schema lets instants be pulled back to this one."""
CLOCK_DOUBTED = "clock_doubted"
"""Present while the clock shows more than a day less than before: nothing is decided or paid."""
LOOKED_AT = "looked_at"
"""When the job `alarms` last looked at the outside parts (ISO 8601)."""
POLLS_DUE_AT = "polls_due_at"
"""Since when Lamassu should be read (ISO 8601): the start of the job `alarms`, or the end of a pause."""
LEDGER_ID = "ledger_id"
"""The id that a ledger shares with its copies."""
LEASE_REFUSED = "lease_refused"
"""LNbits' words for refusing a lease row; present once the operators were told."""
SOURCE_WALLET = "source_wallet"
"""The id of the LNbits wallet that payouts leave from."""
SOURCE_REFUSED = "source_refused"
"""The id of another wallet that is not paid from; present once the operators were told."""
UNCLEAR_NAMES = "unclear_names"
"""Clients' names that look alike or read like a command, as told to the operators (JSON)."""
CLIENT_OPERATORS = "client_operators"
"""Clients' names with an operator's npub, as told to the operators (JSON)."""
GREETED = "greeted"
"""The operators whom a start has greeted: public keys (JSON)."""
UNCOVERED = "uncovered"
"""Present once the operators were told that the clients' balances exceed the machines' cash."""
PROGRAM = "program"
"""The version of dca-bot that opened the ledger last."""
SCHEMA = "schema"
"""The schema at the last opening by a bot: fingerprint, and a digest of the exact text."""
BACKUP_AT = "backup_at"
"""When the job `backups` last made a copy (ISO 8601)."""
BACKUP_PROVEN_AT = "backup_proven_at"
"""When a copy was last checked against all its indexes and references (ISO 8601)."""
RELAY_STATES = "relay_states"
"""The state of each relay at the last look of the job `alarms` (JSON)."""
LONGEST_STALL = "longest_stall"
"""The longest stall of the event loop in the running bot (JSON)."""
ALERTED = "alerted"
"""The parts whose trouble was told beside Nostr, with the trouble's beginning (JSON)."""
HEALTH = "health"
"""The running bot's last judgement of its own health (JSON); absent while no bot runs."""
INVOICES_FORGOTTEN = "invoices_forgotten"
"""When the last payout was done whose invoices are forgotten (ISO 8601)."""
BACKUP_FAILING = "backup_failing"
"""Since when no copy can be made (ISO 8601); present once the operators were told."""
COPY_REHEARSED_AT = "copy_rehearsed_at"
"""When the newest copy on this computer was last migrated and audited beside the ledger (ISO 8601)."""
RESTORE_REMINDED_AT = "restore_reminded_at"
"""When the operators were last asked to rehearse a restore with the recovery key (ISO 8601)."""
OFFSITE = "offsite"
"""What each place has of the copies that are sent away (JSON, see `offsite_states`)."""

FIRST_WORD = timedelta(minutes=2)
"""Operators write while the bot is starting for the first time, and phones' clocks may be slow."""


def get(tx: Tx, name: str) -> str | None:
    """Return a value, or None if not set."""
    row = tx.execute("SELECT value FROM fact WHERE name = ?", (name,)).fetchone()
    return None if row is None else str(row[0])


def put(tx: Tx, name: str, value: str) -> None:
    """Record a value; an earlier value is replaced."""
    tx.execute(
        "INSERT INTO fact (name, value) VALUES (?, ?)"
        " ON CONFLICT (name) DO UPDATE SET value = excluded.value",
        (name, value),
    )


def drop(tx: Tx, name: str) -> bool:
    """Remove a value; return whether the value was set."""
    return tx.execute("DELETE FROM fact WHERE name = ?", (name,)).rowcount == 1


def note_stall(tx: Tx, fields: Mapping[str, Any] | None) -> None:
    """Record the longest stall of the event loop since the start; None: no stall so far."""
    if fields is None:
        drop(tx, LONGEST_STALL)
    else:
        put(tx, LONGEST_STALL, json.dumps(fields))


def longest_stall(tx: Tx) -> dict[str, Any] | None:
    """Return the fields of the longest stall since the last start; None if there was none."""
    value = get(tx, LONGEST_STALL)
    return None if value is None else json.loads(value)


def moment(tx: Tx, name: str) -> datetime | None:
    """Return a value that is an instant (ISO 8601), or None if not set."""
    value = get(tx, name)
    return None if value is None else datetime.fromisoformat(value)


def ledger_id(tx: Tx, random: Random) -> str:
    """Return the id that all copies of this ledger share; a ledger without an id gets a random id."""
    known = get(tx, LEDGER_ID)
    if known is None:
        known = f"{random.getrandbits(128):032x}"
        put(tx, LEDGER_ID, known)
    return known


def check_currency(tx: Tx, currency: str) -> None:
    """Raise LedgerError if the ledger counts another currency: the amounts would mean other sums."""
    counted = get(tx, CURRENCY)
    if counted not in (None, currency):
        raise LedgerError(
            f"The ledger counts {counted}, but bot.currency is {currency}. Write {counted} again, or"
            " choose another bot.data_dir for a programme of its own.",
            LedgerFault.OTHER_CURRENCY,
            counted=counted,
            currency=currency,
        )


def keep_currency(tx: Tx, currency: str) -> None:
    """Record the ledger's currency, for good; raise LedgerError as `check_currency` does."""
    check_currency(tx, currency)
    put(tx, CURRENCY, currency)


def check_kind(tx: Tx, *, rehearsal: bool) -> None:
    """Raise LedgerError for a rehearsal on a programme's ledger, or a programme on a rehearsal's.

    An empty ledger becomes the one or the other with the first start or import.
    """
    is_rehearsals = get(tx, REHEARSAL) is not None
    if is_rehearsals and not rehearsal:
        raise LedgerError(
            "The ledger in bot.data_dir is a rehearsal's: nobody was paid what it says. Choose another"
            ' bot.data_dir for the programme, like "data"; or write rehearsal = true again.',
            LedgerFault.OTHER_KIND,
        )
    if rehearsal and not is_rehearsals and not tx.execute(_IS_EMPTY).fetchone()[0]:
        raise LedgerError(
            "The ledger in bot.data_dir is a programme's, and bot.rehearsal is true. Choose another"
            ' bot.data_dir for the rehearsal, like "data-rehearsal"; or write rehearsal = false again.',
            LedgerFault.OTHER_KIND,
        )


def keep_kind(tx: Tx, *, rehearsal: bool, now: datetime) -> None:
    """Make an empty ledger a rehearsal's, for good, if so wanted; raise LedgerError as `check_kind` does."""
    check_kind(tx, rehearsal=rehearsal)
    if rehearsal and get(tx, REHEARSAL) is None:
        put(tx, REHEARSAL, now.isoformat())


def note_poll(tx: Tx, at: datetime) -> None:
    """Record that a poll has read Lamassu whole."""
    put(tx, LAST_POLL_AT, at.isoformat())
    put(tx, POLLS, str(polls(tx) + 1))


def last_poll_at(tx: Tx) -> datetime | None:
    """Return when a poll last read Lamassu whole, or None if never."""
    return moment(tx, LAST_POLL_AT)


def alive_since(tx: Tx) -> datetime | None:
    """Return the instant from which on messages to the bot are carried out; None before any start.

    The instant is the bot's first start on the ledger, less FIRST_WORD, or the last start on a restored
    ledger, to the second: a restored ledger may hold a code that was used since. If the clock was ahead at
    that start, messages count from the moment when the clock came into doubt: an operator's word on the
    clock must be heard.
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
    """Tell whether deciding and paying are stopped: by an operator, a doubted clock or a `start_at`."""
    # One look-up each: for IN, SQLite would build a table at each call.
    row = tx.execute(_PAUSED, (PAUSED, CLOCK_DOUBTED, START_ASKED)).fetchone()
    return row is not None


_PAUSED = " UNION ALL ".join(["SELECT 1 FROM fact WHERE name = ?"] * 3)
_IS_EMPTY = (
    f"SELECT NOT EXISTS (SELECT 1 FROM fact WHERE name = '{START_AT}')"
    " AND NOT EXISTS (SELECT 1 FROM client) AND NOT EXISTS (SELECT 1 FROM cash_out)"
)
"""As the schema asks of a ledger that becomes a rehearsal's."""
