"""Pays the payouts: sends, resolves, reconciles with LNbits, and holds the lease."""
