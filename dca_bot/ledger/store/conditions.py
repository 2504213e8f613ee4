"""Conditions of SQL that several rooms of the ledger use."""

UNSENT_MESSAGE = "sent_at IS NULL AND dropped_at IS NULL"
"""Of `outbox`: no relay has taken the message, and the bot has not given the message up.

Word by word as in the partial indexes, which SQLite uses for this condition alone.
"""
