"""What people ask the ledger for; nothing here changes anything."""
