"""Records in a ledger that messages don't reach a person, or do again."""

from dca_bot.ledger.store.instants import micros


async def lose(database, pubkey, at, *, reason="refused", said="", reached_at=None, relay=""):
    """Have messages to a person fail from `at` on."""
    values = (pubkey, reached_at and micros(reached_at), relay, micros(at), reason, said)
    await database.transact(
        lambda tx: tx.execute(
            "INSERT OR REPLACE INTO delivery (pubkey, reached_at, relay, lost_at, reason, detail)"
            " VALUES (?, ?, ?, ?, ?, ?)",
            values,
        )
    )


async def reach(database, pubkey, at, relay="wss://relay.example.com"):
    """Have a message reach a person."""
    await database.transact(
        lambda tx: tx.execute(
            "INSERT OR REPLACE INTO delivery (pubkey, reached_at, relay) VALUES (?, ?, ?)",
            (pubkey, micros(at), relay),
        )
    )
