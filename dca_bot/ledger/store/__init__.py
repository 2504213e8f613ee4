"""The ledger's file: its tables, its transactions, its accounts, its clock and its copies."""
