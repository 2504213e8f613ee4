"""Files for people: those that wait to be uploaded, and those that a file server has until they are deleted.

The invariant: a file is recorded before it is uploaded, so whatever crashes, the bot knows what to delete.
"""

import sqlite3
from dataclasses import dataclass
from datetime import datetime, timedelta

from dca_bot.core.files import SIZES, FileForm, FilesWish, SealedFile
from dca_bot.core.ports import DmProtocol
from dca_bot.ledger.correspondence import inbox, outbox
from dca_bot.ledger.programme import clients
from dca_bot.ledger.programme.clients import Client
from dca_bot.ledger.store.clock import FILE_LIFE
from dca_bot.ledger.store.database import Tx
from dca_bot.ledger.store.instants import instant, micros

UNSENT_LIFE = timedelta(hours=1)
"""When a file is deleted whose upload nobody knows of, or whose message was never written."""
TRIES_MAX = 8
"""The tries of one file, over about ten minutes: the text has come, and a late file helps nobody."""
DELETE_TRIES_MAX = 60
WAITING_MAX = 3
"""The files of one person that wait at a time; drawing takes 1.3 s of CPU."""
_ROWS = 20


@dataclass(frozen=True, slots=True)
class WaitingFile:
    """A file that waits for its upload; `content`: a table's bytes, or what a chart shows."""

    id: int
    recipient: str
    relay: str
    form: FileForm
    content: bytes
    tries: int


@dataclass(frozen=True, slots=True)
class UploadedFile:
    """A file that a server may have; `tries`: how often deleting it has failed."""

    sha256: str
    server: str
    tries: int


def wanted_by(tx: Tx, client: Client) -> bool:
    """Tell whether a client gets files: by the client's own wish, and never over NIP-04."""
    return client.files is not FilesWish.OFF and can_get(tx, client.pubkey)


def can_get(tx: Tx, pubkey: str) -> bool:
    """Tell whether the protocol that a person wrote in last has file messages."""
    person = inbox.person(tx, pubkey)
    return person is not None and person.protocol is DmProtocol.NIP17


def set_wish(tx: Tx, client_id: int, wish: FilesWish) -> None:
    """Set whether a client gets files, and which pictures."""
    tx.execute("UPDATE client SET files = ? WHERE id = ?", (wish, client_id))


def add(
    tx: Tx, recipient: str, form: FileForm, content: bytes, *, now: datetime, relay: str = ""
) -> None:
    """Have a file uploaded and sent, unless WAITING_MAX files of the person wait already or it is too large.

    `relay`: for an answer, the relay from which the question came.
    """
    if len(content) > SIZES[-1]:
        return
    tx.execute(
        "INSERT INTO file_waiting (recipient, relay, form, content, try_at) SELECT ?1, ?2, ?3, ?4, ?5"
        " WHERE (SELECT count(*) FROM file_waiting WHERE recipient = ?1) < ?6",
        (recipient, relay, form, content, micros(now), WAITING_MAX),
    )


def due(tx: Tx, now: datetime) -> list[WaitingFile]:
    """Return a few files whose upload is due, the oldest first."""
    rows = tx.execute(
        "SELECT * FROM file_waiting WHERE try_at <= ? ORDER BY id LIMIT ?", (micros(now), _ROWS)
    )
    return [
        WaitingFile(
            row["id"],
            row["recipient"],
            row["relay"],
            FileForm(row["form"]),
            row["content"],
            row["tries"],
        )
        for row in rows
    ]


def drop(tx: Tx, file: WaitingFile) -> None:
    """Give a file up that was not uploaded."""
    tx.execute("DELETE FROM file_waiting WHERE id = ?", (file.id,))


def put_off(tx: Tx, file: WaitingFile, *, delay_s: int, now: datetime) -> bool:
    """Have a file tried again after `delay_s`; return whether the file is given up instead."""
    if file.tries + 1 >= TRIES_MAX:
        drop(tx, file)
        return True
    tx.execute(
        "UPDATE file_waiting SET tries = tries + 1, try_at = ? WHERE id = ?",
        (micros(now + timedelta(seconds=delay_s)), file.id),
    )
    return False


def begin_upload(tx: Tx, sealed: SealedFile, server: str, *, now: datetime) -> None:
    """Record an encrypted file that is about to be uploaded; unless sent, it is deleted soon."""
    tx.execute(
        "INSERT INTO uploaded_file (sha256, server, delete_at) VALUES (?, ?, ?)",
        (sealed.sha256, server, micros(now + UNSENT_LIFE)),
    )


def keep_if_wanted(tx: Tx, file: WaitingFile) -> bool:
    """Give a file up, and return False, unless the recipient is a client who wants files."""
    client = clients.by_pubkey(tx, file.recipient)
    is_wanted = client is not None and wanted_by(tx, client)
    if not is_wanted:
        drop(tx, file)
    return is_wanted


def send(tx: Tx, file: WaitingFile, sealed: SealedFile, url: str, *, now: datetime) -> bool:
    """Write the message that brings an uploaded file; the file is deleted FILE_LIFE later.

    Return False for a file that isn't wanted any more: without a message it is deleted soon.
    """
    if not keep_if_wanted(tx, file):
        return False
    message_id = outbox.write(
        tx, file.recipient, url, now=now, protocol=DmProtocol.NIP17, relay=file.relay
    )
    outbox.attach(tx, message_id, sealed.tags(file.form))
    tx.execute(
        "UPDATE uploaded_file SET message_id = ?, delete_at = ? WHERE sha256 = ?",
        (message_id, micros(now + FILE_LIFE), sealed.sha256),
    )
    drop(tx, file)
    return True


def outdated(tx: Tx, now: datetime) -> list[UploadedFile]:
    """Return a few files that are to be deleted, the longest due first."""
    rows = tx.execute(
        "SELECT * FROM uploaded_file WHERE delete_at <= ? ORDER BY delete_at LIMIT ?",
        (micros(now), _ROWS),
    )
    return [UploadedFile(row["sha256"], row["server"], row["tries"]) for row in rows]


def forget(tx: Tx, file: UploadedFile) -> None:
    """Forget a file that the server has no more, and the message with the file's key."""
    row = tx.execute(
        "DELETE FROM uploaded_file WHERE sha256 = ? RETURNING message_id", (file.sha256,)
    ).fetchone()
    if row is not None and row["message_id"] is not None:
        outbox.delete_file_message(tx, row["message_id"])


def put_off_deletion(tx: Tx, file: UploadedFile, *, delay_s: int, now: datetime) -> bool:
    """Have a file deleted after `delay_s`; return whether the file is forgotten instead."""
    if file.tries + 1 >= DELETE_TRIES_MAX:
        forget(tx, file)
        return True
    tx.execute(
        "UPDATE uploaded_file SET tries = tries + 1, delete_at = ? WHERE sha256 = ?",
        (micros(now + timedelta(seconds=delay_s)), file.sha256),
    )
    return False


def next_at(tx: Tx) -> datetime | None:
    """Return when the next upload or deletion is due; None for nothing to do."""
    row: sqlite3.Row = tx.execute(
        "SELECT min(at) AS at FROM (SELECT min(try_at) AS at FROM file_waiting"
        " UNION ALL SELECT min(delete_at) FROM uploaded_file)"
    ).fetchone()
    return None if row["at"] is None else instant(row["at"])
