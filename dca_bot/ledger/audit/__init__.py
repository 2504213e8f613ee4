"""The proof that the ledger's accounts, shares, cash and payments agree."""
