"""Who the clients are, and where their sats go.

A recipient of commission who is no client stands in the same table, so that shares and payouts work alike.
Only functions that name recipients in the docstring return recipients.
"""

import json
import sqlite3
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime

from dca_bot.core.clients import ClientRole, ClientState, LimitPeriod, Mode, Notify
from dca_bot.core.files import FilesWish
from dca_bot.core.names import skeleton
from dca_bot.errors import Changed, StateChanged
from dca_bot.ledger.store.database import Tx
from dca_bot.ledger.store.instants import instant, instant_or_none, micros

INVOICE_KEY = "invoice_key"
ADDRESS = "address"
LNURL = "lnurl"
GOES_OUTSIDE = f"destination_kind <> '{INVOICE_KEY}'"
"""SQL for a destination that is no wallet at the bot's LNbits: an address or an LNURL-pay code."""
_LEVELS = ("", "low", "used up")
_SELECT = """
SELECT client.*, coalesce(paid_as, name) AS called, fiat.balance AS balance_minor, sats.balance AS owed_sat
FROM client
JOIN account fiat ON fiat.kind = 'balance' AND fiat.client_id = client.id
JOIN account sats ON sats.kind = 'owed' AND sats.client_id = client.id
"""
LOW_LEVEL = "CASE WHEN fiat.balance = 0 THEN 'used up' WHEN fiat.balance < ? THEN 'low' ELSE '' END"
"""The level of a client's balance, in SQL: one of _LEVELS; the value is the bound in minor units."""
OPEN_CLIENT = "role = 'client' AND state <> 'closed'"


@dataclass(frozen=True, slots=True)
class Destination:
    """A destination of sats. `kind`: INVOICE_KEY, ADDRESS or LNURL; `value`: the key, address or code."""

    kind: str
    value: str
    min_sat: int = 1

    @property
    def is_internal(self) -> bool:
        """Tell whether the destination is a wallet at the bot's LNbits, so that payments stay inside."""
        return is_internal(self.kind)


def is_internal(kind: str) -> bool:
    """Tell whether destinations of this kind are wallets at the bot's LNbits."""
    return kind == INVOICE_KEY


@dataclass(frozen=True, slots=True)
class Client:
    """A client or recipient in the ledger. `owed_sat`: distributed and not yet paid.

    `key_at`: since when the client has the present key. `fixed_wanted_at`: when the client chose fixed mode
    and a limit was missing. `fixed_limit_minor`: fixed mode's limit for a `fixed_period`, 0 for none.
    `flow_cap_minor`: what cash-outs take of the client on a local date at most, None without a cap. `role`:
    RECIPIENT for somebody who gets commission only. `paid_as`: the name in LNbits' payments, which a new name
    doesn't change.
    """

    id: int
    name: str
    paid_as: str
    pubkey: str
    role: ClientRole
    state: ClientState
    mode: Mode
    fixed_limit_minor: int
    fixed_period: LimitPeriod
    flow_cap_minor: int | None
    language: str
    destination: Destination | None
    low_told: str
    notify: Notify
    statements: str
    created_at: datetime
    key_at: datetime
    fixed_wanted_at: datetime | None
    balance_minor: int
    owed_sat: int
    files: FilesWish = FilesWish.OFF


def add(
    tx: Tx,
    *,
    name: str,
    pubkey: str,
    language: str,
    now: datetime,
    role: ClientRole = ClientRole.CLIENT,
    notify: Notify = Notify.EACH,
) -> Client:
    """Record a new client, active and in flow mode; `notify`: how often the client is told of payouts.

    Raise sqlite3.IntegrityError if the name, a name that looks alike, or the key is an open client's.

    Taken is also a name that people take for an open client's.
    """
    added = tx.execute(
        "INSERT INTO client (name, skeleton, pubkey, role, language, notify, created_at)"
        " VALUES (?, ?, ?, ?, ?, ?, ?)",
        (name, skeleton(name), pubkey, role, language, notify, micros(now)),
    )
    return by_id(tx, added.lastrowid or 0)


def matching(
    tx: Tx, where: str, values: Sequence[object] = (), *, order: str = "name"
) -> list[Client]:
    """Return the clients and recipients for whom a condition of SQL holds; `order` may end with a LIMIT.

    Columns: those of `client`, and `balance` of the accounts `fiat` and `sats`.
    """
    rows = tx.execute(f"{_SELECT} WHERE {where} ORDER BY {order}", values)
    return [_client(row) for row in rows]


def by_id(tx: Tx, client_id: int) -> Client:
    """Return an existing client or recipient."""
    return _client(tx.execute(f"{_SELECT} WHERE client.id = ?", (client_id,)).fetchone())


def by_name(tx: Tx, name: str) -> Client | None:
    """Find a client by name, whatever the case; a closed client only if no open client has the name."""
    row = tx.execute(
        f"{_SELECT} WHERE name = ? AND role = 'client'"
        " ORDER BY state = 'closed', client.id DESC LIMIT 1",
        (name,),
    ).fetchone()
    return None if row is None else _client(row)


def paid_as(tx: Tx, name: str) -> Client | None:
    """Find the client whom LNbits' payments name so, whatever the case; an open client first."""
    found = matching(
        tx, "called = ? COLLATE NOCASE AND role = 'client'", (name,), order="client.id DESC"
    )
    return next(
        (one for one in found if one.state is not ClientState.CLOSED), next(iter(found), None)
    )


def by_pubkey(tx: Tx, pubkey: str) -> Client | None:
    """Find the open client with this public key in hex."""
    row = tx.execute(
        f"{_SELECT} WHERE pubkey = ? AND role = 'client' AND state <> 'closed'", (pubkey,)
    ).fetchone()
    return None if row is None else _client(row)


def everyone(tx: Tx, *, limit: int = -1, offset: int = 0) -> list[Client]:
    """Return the open clients, by name; without a limit all."""
    order = "name LIMIT ? OFFSET ?"
    return matching(tx, OPEN_CLIENT, (limit, offset), order=order)


def pubkeys(tx: Tx) -> list[str]:
    """Return the public keys of the open clients, by name."""
    rows = tx.execute(f"SELECT pubkey FROM client WHERE {OPEN_CLIENT} ORDER BY name")
    return [row["pubkey"] for row in rows]


def with_balance(tx: Tx) -> list[Client]:
    """Return the open clients with a balance above 0, by name."""
    return matching(tx, f"{OPEN_CLIENT} AND fiat.balance > 0")


def names_without_wallet(tx: Tx) -> list[str]:
    """Return the names of the open clients without a destination."""
    rows = tx.execute(
        f"SELECT name FROM client WHERE {OPEN_CLIENT} AND destination IS NULL ORDER BY name"
    )
    return [str(row["name"]) for row in rows]


def set_state(tx: Tx, client: Client, state: ClientState) -> None:
    """Move a client between active, paused (by the client), stopped (by the operator) and closed.

    Raise StateChanged if the client has moved meanwhile.
    """
    done = tx.execute(
        "UPDATE client SET state = ? WHERE id = ? AND state = ?", (state, client.id, client.state)
    )
    if done.rowcount != 1:
        raise StateChanged(Changed.CLIENT, name=client.name)


def rename(tx: Tx, client: Client, name: str) -> None:
    """Give a client another name; LNbits' payments go on with the first one.

    Raise sqlite3.IntegrityError if the name is an open client's, or names one in LNbits' payments.
    """
    tx.execute(
        "UPDATE client SET name = ?, skeleton = ?, paid_as = ? WHERE id = ?",
        (name, skeleton(name), client.paid_as, client.id),
    )


def set_note(tx: Tx, client_id: int, note: str) -> None:
    """Set what operators note about a client; empty for nothing."""
    tx.execute("UPDATE client SET operators_note = ? WHERE id = ?", (note, client_id))


def note(tx: Tx, client_id: int) -> str:
    """Return what operators note about a client."""
    row = tx.execute("SELECT operators_note FROM client WHERE id = ?", (client_id,)).fetchone()
    return str(row["operators_note"])


def set_mode(tx: Tx, client_id: int, mode: Mode) -> None:
    """Set a client's mode from now on: flow (shares of each cash-out) or fixed (buys at fixed times)."""
    tx.execute("UPDATE client SET mode = ?, fixed_wanted_at = NULL WHERE id = ?", (mode, client_id))


def want_fixed(tx: Tx, client_id: int, *, now: datetime) -> None:
    """Record that a client wants fixed mode; fixed mode begins with a limit."""
    tx.execute("UPDATE client SET fixed_wanted_at = ? WHERE id = ?", (micros(now), client_id))


def set_fixed_limit(
    tx: Tx, client_id: int, limit_minor: int, period: LimitPeriod = LimitPeriod.DAILY
) -> None:
    """Set a client's limit of fixed mode, from the next run on."""
    tx.execute(
        "UPDATE client SET fixed_limit_minor = ?, fixed_period = ? WHERE id = ?",
        (limit_minor, period, client_id),
    )


def set_flow_cap(tx: Tx, client_id: int, cap_minor: int | None) -> None:
    """Set what cash-outs take of a client on a local date at most, from the next on; None: no cap."""
    tx.execute("UPDATE client SET flow_cap_minor = ? WHERE id = ?", (cap_minor, client_id))


def set_language(tx: Tx, client_id: int, language: str) -> None:
    """Set the language of a client's messages."""
    tx.execute("UPDATE client SET language = ? WHERE id = ?", (language, client_id))


def set_destination(tx: Tx, client_id: int, destination: Destination) -> None:
    """Set the destination of a client's future payouts; submitted payouts keep their destinations."""
    tx.execute(
        "UPDATE client SET destination = ?, destination_kind = ?, destination_min_sat = ?"
        " WHERE id = ?",
        (destination.value, destination.kind, destination.min_sat, client_id),
    )


def set_minimum(tx: Tx, client_id: int, destination: Destination | None, min_sat: int) -> None:
    """Record a destination's minimum; raise StateChanged if the client has another destination by now."""
    done = tx.execute(
        "UPDATE client SET destination_min_sat = ? WHERE id = ? AND destination = ?",
        (min_sat, client_id, destination.value if destination else None),
    )
    if done.rowcount != 1:
        raise StateChanged(Changed.WALLET)


def set_pubkey(tx: Tx, client_id: int, pubkey: str, *, now: datetime) -> None:
    """Give a client a new key, and closed clients with the old key too: a daily limit is a person's.

    IntegrityError if another client has it.
    """
    tx.execute(
        "UPDATE client SET pubkey = ?, key_at = ?"
        " WHERE pubkey = (SELECT pubkey FROM client WHERE id = ?)",
        (pubkey, micros(now), client_id),
    )


def cross_low(tx: Tx, client_ids: Iterable[int], low_minor: int) -> dict[int, str]:
    """Record the level of some clients' balances (LOW_LEVEL).

    Return, in the order of `client_ids`, the levels to which balances have just sunk. Each crossing is
    returned once; a balance that rises can cross again.
    """
    looked_at = list(client_ids)
    if not looked_at:
        return {}
    rows = tx.execute(
        f"SELECT client.id, low_told, {LOW_LEVEL} AS level FROM json_each(?)"
        " CROSS JOIN client ON client.id = value"
        " JOIN account fiat ON fiat.kind = 'balance' AND fiat.client_id = client.id"
        " WHERE low_told <> level ORDER BY json_each.key",
        (low_minor, json.dumps(looked_at)),
    ).fetchall()
    tx.executemany(
        "UPDATE client SET low_told = ? WHERE id = ?", [(row["level"], row["id"]) for row in rows]
    )
    rank = _LEVELS.index
    return {row["id"]: row["level"] for row in rows if rank(row["level"]) > rank(row["low_told"])}


def open_items(tx: Tx, client_id: int) -> tuple[int, int, int]:
    """Return what keeps a client open: (balance, open payouts and unplanned shares, pending deposits)."""
    row = tx.execute(
        "SELECT (SELECT balance FROM account WHERE kind = 'balance' AND client_id = ?1) AS minor,"
        " (SELECT count(*) FROM open_payout WHERE client_id = ?1)"
        " + (SELECT count(*) FROM share WHERE client_id = ?1 AND payout_id IS NULL) AS payouts,"
        " (SELECT count(*) FROM deposit WHERE client_id = ?1 AND state = 'pending') AS deposits",
        (client_id,),
    ).fetchone()
    return row["minor"], row["payouts"], row["deposits"]


def _client(row: sqlite3.Row) -> Client:
    destination = None
    if row["destination"] is not None:
        destination = Destination(
            kind=row["destination_kind"],
            value=row["destination"],
            min_sat=row["destination_min_sat"],
        )
    return Client(
        id=row["id"],
        name=row["name"],
        paid_as=row["called"],
        pubkey=row["pubkey"],
        role=ClientRole(row["role"]),
        state=ClientState(row["state"]),
        mode=Mode(row["mode"]),
        fixed_limit_minor=row["fixed_limit_minor"],
        fixed_period=LimitPeriod(row["fixed_period"]),
        flow_cap_minor=row["flow_cap_minor"],
        language=row["language"],
        destination=destination,
        low_told=row["low_told"],
        notify=Notify(row["notify"]),
        statements=row["statements"],
        created_at=instant(row["created_at"]),
        key_at=instant(max(row["created_at"], row["key_at"])),
        fixed_wanted_at=instant_or_none(row["fixed_wanted_at"]),
        balance_minor=row["balance_minor"],
        owed_sat=row["owed_sat"],
        files=FilesWish(row["files"]),
    )
