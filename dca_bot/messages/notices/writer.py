"""Writes a notice into the outbox, in the transaction of the caller.

The invariant: a notice leaves if, and only if, the transaction that the notice tells of was committed.
"""

from collections.abc import Iterable
from datetime import datetime

from dca_bot.core.clients import ClientRole
from dca_bot.core.files import FileForm, table
from dca_bot.core.programme import Programme
from dca_bot.ledger.correspondence import files, outbox
from dca_bot.ledger.correspondence.outbox import Urgency
from dca_bot.ledger.programme import clients
from dca_bot.ledger.programme.clients import Client
from dca_bot.ledger.store.database import Tx
from dca_bot.messages.render import Texts
from dca_bot.messages.say import Say, expiry


class NoticeWriter:
    """Writes notices: to clients in the client's language, to operators in the programme's.

    `written`: how many notices were written so far, also in transactions that were undone.
    """

    def __init__(self, programme: Programme, texts: Texts) -> None:
        self.written = 0
        self._programme = programme
        self._texts = texts

    def tell_client(
        self,
        tx: Tx,
        client: Client,
        told: Say,
        now: datetime,
        *,
        urgency: Urgency = Urgency.NOTICE,
    ) -> None:
        """Write to a client; a recipient of commission reads no messages, and in a rehearsal nobody does."""
        if client.role is ClientRole.RECIPIENT or self._programme.is_rehearsal:
            return
        self.written += 1
        text = self._texts.render(told, client.language, now=now)
        message_id = outbox.write(tx, client.pubkey, text, now=now, urgency=urgency)
        outbox.expire(tx, message_id, expiry(told))

    def send_table(self, tx: Tx, client: Client, lines: Iterable[Say], now: datetime) -> None:
        """Have a table sent as a file after its text, to a client who wants files."""
        if self._programme.sends_files and files.wanted_by(tx, client):
            rows = (self._texts.render(line, client.language, now=now) for line in lines)
            files.add(tx, client.pubkey, FileForm.TABLE, table(rows), now=now)

    def tell_person(self, tx: Tx, pubkey: str, told: Say, now: datetime) -> None:
        """Write to the client or the operator of a pubkey; a stranger gets no notices."""
        client = clients.by_pubkey(tx, pubkey)
        if client is not None:
            self.tell_client(tx, client, told, now)
        elif pubkey in self._programme.operators:
            self.tell_operator(tx, pubkey, told, now)

    def tell_operators(
        self,
        tx: Tx,
        told: Say,
        now: datetime,
        except_for: str | None = None,
        *,
        alarm: str = "",
    ) -> None:
        """Write to each operator but the pubkey `except_for`.

        `alarm`: the alarm with which the notice can be withdrawn until the notice has left.
        """
        for operator in sorted(self._programme.operators):
            if operator != except_for:
                self.tell_operator(tx, operator, told, now, alarm=alarm)

    def tell_operator(
        self, tx: Tx, operator: str, told: Say, now: datetime, *, alarm: str = ""
    ) -> None:
        """Write to the operator of a pubkey."""
        self.written += 1
        text = self._texts.render(told, self._programme.language, now=now)
        message_id = outbox.write(tx, operator, text, now=now, alarm=alarm)
        outbox.expire(tx, message_id, expiry(told))
