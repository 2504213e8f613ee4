"""Writes replies: into the outbox, in the reader's language."""

from dataclasses import dataclass
from datetime import datetime

from dca_bot.core.ports import IncomingMessage
from dca_bot.ledger.correspondence import inbox, outbox, questions
from dca_bot.ledger.correspondence.outbox import Urgency
from dca_bot.ledger.programme import clients
from dca_bot.ledger.store.database import Tx
from dca_bot.messages.render import Texts
from dca_bot.messages.say import Say, expiry


@dataclass(frozen=True, slots=True)
class Replies:
    """The writer of replies; operators and strangers read `language`."""

    texts: Texts
    language: str

    def write(self, tx: Tx, message: IncomingMessage, told: Say, now: datetime) -> None:
        """Put the reply to a message into the outbox, for the relay from which the message came."""
        client = clients.by_pubkey(tx, message.sender)
        message_id = outbox.write(
            tx,
            message.sender,
            self.texts.render(told, client.language if client else self.language, now=now),
            now=now,
            urgency=Urgency.ANSWER,
            protocol=message.protocol,
            relay=message.relay,
        )
        outbox.expire(tx, message_id, expiry(told))

    def close(
        self,
        tx: Tx,
        message: IncomingMessage,
        told: Say | None,
        *,
        command: str,
        now: datetime,
        is_late: bool = False,
    ) -> None:
        """Record a message that ran nothing, and the reply if there is one.

        The bot's last question ends, unless the message came late.
        """
        if inbox.receive(tx, message, command=command, now=now):
            if not is_late:
                questions.close(tx, message.sender)
            inbox.note_person(tx, message, now=now)
            if told is not None:
                self.write(tx, message, told, now)
