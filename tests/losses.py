"""Records in a ledger that messages don't reach a person, or do again."""

from dca_bot.core.delivery import Undelivered
from dca_bot.ledger.correspondence import delivery


async def lose(database, pubkey, at, *, reason="refused", said="", reached_at=None, relay=""):
    """Have messages to a person fail from `at` on, as a fresh loss."""

    def work(tx):
        delivery.note_reached(tx, pubkey, relay, now=reached_at or at)
        delivery.note_lost(tx, pubkey, Undelivered(reason), said, now=at)
        if reached_at is None:
            tx.execute("UPDATE delivery SET reached_at = NULL WHERE pubkey = ?", (pubkey,))

    await database.transact(work)


async def reach(database, pubkey, at, relay="wss://relay.example.com"):
    """Have a message reach a person."""
    await database.transact(lambda tx: delivery.note_reached(tx, pubkey, relay, now=at))
