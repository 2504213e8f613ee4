"""Makes big ledgers for benchmarks: many clients, and many shares that were paid and told.

People and deposits go through the program. Distributions, payouts, postings, entries and messages are
written in bulk, as they are once a payout is done and told, with every trigger on but those that insist on a
payout's way of life. `dca-bot audit` finds the ledger in order.
"""

import hashlib
import random
import sqlite3
import uuid
from collections.abc import Sequence
from contextlib import closing
from datetime import UTC, datetime, timedelta
from pathlib import Path

from dca_bot.core.payout import payout_id
from dca_bot.ledger.programme import clients, deposits
from dca_bot.ledger.programme.clients import INVOICE_KEY, Destination
from dca_bot.ledger.store.database import open_database
from dca_bot.ledger.store.instants import micros
from dca_bot.ledger.store.ledger_files import LEDGER_FILE
from dca_bot.nostr.keys import SecretKey

BEGIN = datetime(2026, 1, 1, tzinfo=UTC)
_DEPOSIT_MINOR = 2_000_000
_WAY_OF_LIFE = ("payout_starts", "share_starts_alone", "share_joins_payout", "payout_is_told_once")
_SECOND = 1_000_000
_PAID = "{sats} sats have arrived in your wallet, for Q{minor}. Balance: Q1,234.56."

Rows = list[tuple[object, ...]]


async def fill(data_dir: Path, *, people: int, shares: int, step: timedelta) -> None:
    """Make a ledger of so many clients and about so many shares, with a distribution each `step`."""
    database = await open_database(data_dir)
    await database.transact(
        lambda tx: _add_people(tx, people, deposits_each=max(1, shares // people // 1000))
    )
    await database.aclose()
    with closing(sqlite3.connect(data_dir / LEDGER_FILE, isolation_level=None)) as ledger:
        ledger.execute("PRAGMA synchronous = OFF")
        ledger.execute("PRAGMA cache_size = -200000")
        named = ",".join("?" * len(_WAY_OF_LIFE))
        off = ledger.execute(
            f"SELECT name, sql FROM sqlite_schema WHERE name IN ({named})", _WAY_OF_LIFE
        ).fetchall()
        for name, _ in off:
            ledger.execute(f"DROP TRIGGER {name}")
        filler = _Filler(ledger)
        for number in range(shares // people):
            ledger.execute("BEGIN IMMEDIATE")
            filler.distribute(BEGIN + number * step)
            ledger.execute("COMMIT")
        for _, sql in off:
            ledger.execute(sql)
        ledger.execute("PRAGMA wal_checkpoint(TRUNCATE)")


def _add_people(tx: sqlite3.Connection, count: int, *, deposits_each: int) -> None:
    now = BEGIN - timedelta(days=1)
    for number in range(count):
        key = SecretKey(hashlib.sha256(b"%d" % number).digest())
        client = clients.add(
            tx, name=f"client{number}", pubkey=key.public_key, language="en", now=now
        )
        wallet = hashlib.sha256(b"wallet %d" % number).hexdigest()[:32]
        clients.set_destination(tx, client.id, Destination(INVOICE_KEY, wallet))
        for _ in range(deposits_each):
            deposit = deposits.add(tx, client.id, amount_minor=_DEPOSIT_MINOR, note="", now=now)
            deposits.confirm(tx, deposit, machine=None, now=now)


class _Filler:
    """Writes distributions, one after the other, to all clients of a ledger."""

    def __init__(self, ledger: sqlite3.Connection) -> None:
        self._ledger = ledger
        self._random = random.Random(3)
        self._people = ledger.execute(
            "SELECT id, pubkey, destination FROM client ORDER BY id"
        ).fetchall()
        self._account = {
            (kind, client): id_
            for id_, kind, client in ledger.execute("SELECT id, kind, client_id FROM account")
        }
        (self._posting,) = ledger.execute("SELECT coalesce(max(id), 0) FROM posting").fetchone()

    def distribute(self, at: datetime) -> None:
        """Record a cash-out that was shared out among all, with payouts that are done and told."""
        chance, at_us = self._random, micros(at)
        id_ = str(uuid.UUID(int=chance.getrandbits(128)))
        given = [(chance.randrange(150, 350), chance.randrange(200, 500)) for _ in self._people]
        minor, sat = (sum(part) for part in zip(*given, strict=True))
        rest_sat, commission_sat = chance.randrange(50), sat * 5 // 100
        self._ledger.execute(
            "INSERT INTO cash_out (id, device_id, state, created_at, at, fiat_code, crypto_code,"
            " principal_minor, principal_sat, commission_sat, dispensed_minor, first_seen_at, changed_at)"
            " VALUES (?, 'm1', 'distributed', ?, ?, 'GTQ', 'BTC', ?, ?, ?, ?, ?, ?)",
            (id_, at_us, at_us, minor, sat + rest_sat, commission_sat, minor, at_us, at_us),
        )
        payouts = [payout_id(pubkey, [id_]) for _, pubkey, _ in self._people]
        self._write_payouts(payouts, given, at_us)
        self._ledger.executemany(
            "INSERT INTO share (distribution_id, client_id, minor, sat, payout_id) VALUES (?, ?, ?, ?, ?)",
            [
                (id_, client, *part, payout)
                for (client, _, _), part, payout in zip(self._people, given, payouts, strict=True)
            ],
        )
        self._ledger.execute(
            "INSERT INTO distribution (id, kind, at, processed_at, principal_sat, principal_minor,"
            " commission_sat, unallocated_sat) VALUES (?, 'flow', ?, ?, ?, ?, ?, ?)",
            (id_, at_us, at_us, sat + rest_sat, minor, commission_sat, rest_sat),
        )
        self._post(id_, payouts, given, (rest_sat, commission_sat), at_us)

    def _write_payouts(
        self, payouts: Sequence[str], given: Sequence[tuple[int, int]], at_us: int
    ) -> None:
        done, attempts, letters = Rows(), Rows(), Rows()
        for (client, pubkey, wallet), (minor, sat), payout in zip(
            self._people, given, payouts, strict=True
        ):
            hash_ = hashlib.sha256(payout.encode()).hexdigest()
            times = (at_us, at_us, *(at_us + n * _SECOND for n in (1, 2, 3)))
            done.append((payout, client, sat, wallet, *times, hash_))
            attempts.append((payout, "lnbc" + 8 * payout, hash_, at_us + 86_400 * _SECOND, at_us))
            text = _PAID.format(sats=sat, minor=minor)
            letters.append((pubkey, text, at_us // _SECOND, at_us, at_us + 4 * _SECOND))
        self._ledger.executemany(
            "INSERT INTO payout (id, client_id, amount_sat, state, attempt, destination,"
            " destination_kind, try_at, due_at, submitted_at, debited_at, done_at, fee_msat, preimage,"
            " told) VALUES (?, ?, ?, 'DONE', 1, ?, 'invoice_key', ?, ?, ?, ?, ?, 0, ?, 'told')",
            done,
        )
        self._ledger.executemany(
            "INSERT INTO attempt (payout_id, number, bolt11, payment_hash, expires_at, created_at)"
            " VALUES (?, 1, ?, ?, ?, ?)",
            attempts,
        )
        self._ledger.executemany(
            "INSERT INTO outbox (recipient, text, created_at, protocol, urgency, try_at, sent_at)"
            " VALUES (?, ?, ?, 'nip17', 1, ?, ?)",
            letters,
        )

    def _post(
        self,
        id_: str,
        payouts: Sequence[str],
        given: Sequence[tuple[int, int]],
        rest: tuple[int, int],
        at_us: int,
    ) -> None:
        account, first = self._account, self._posting + 1
        machine, converted, paid = (
            account[kind, None] for kind in ("machine", "converted", "paid")
        )
        entries: Rows = []
        for kind, amount in zip(("operator", "commission"), rest, strict=True):
            if amount:
                entries.append((first, machine, account[kind, None], amount))
        for number, ((client, _, _), (minor, sat)) in enumerate(
            zip(self._people, given, strict=True), first + 1
        ):
            entries.append((first, machine, account["owed", client], sat))
            entries.append((first, account["balance", client], converted, minor))
            entries.append((number, account["owed", client], paid, sat))
        self._ledger.executemany(
            "INSERT INTO entry (posting_id, from_account, to_account, amount) VALUES (?, ?, ?, ?)",
            entries,
        )
        self._ledger.execute(
            "INSERT INTO posting (id, kind, posted_at, distribution_id) VALUES (?, 'distribution', ?, ?)",
            (first, at_us, id_),
        )
        paid_at_us = at_us + 2 * _SECOND
        self._ledger.executemany(
            "INSERT INTO posting (id, kind, posted_at, payout_id) VALUES (?, 'payout', ?, ?)",
            [(number, paid_at_us, payout) for number, payout in enumerate(payouts, first + 1)],
        )
        self._posting = first + len(payouts)
