"""What runs all the time, each job beside the others; the jobs wake each other by `signals`.

Money: `lamassu` reads and distributes, `fixed_mode` buys, `payouts` pays. Messages: `inbox` answers,
`outbox` sends, `digests` and `daily_summary` write at their hours. `alarms` tells of what is out of
reach, `backups` copies the ledger.
"""
