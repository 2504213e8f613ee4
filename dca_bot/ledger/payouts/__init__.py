"""Payouts in the ledger: planning, moves, holds, unknown payments, witnesses, and the lease."""
