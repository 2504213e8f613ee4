"""The jobs: all of them run side by side all the time, and wake each other by `signals`.

Money: `lamassu` reads and distributes, `fixed_mode` buys, `payouts` pays. Messages: `inbox` answers,
`outbox` sends, `digests` and `daily_summary` write at their hours. `alarms` tells of outages, `backups`
copies the ledger.
"""
