"""What people wrote and are told: inbox, outbox, notices of payouts, alarms, codes, the command log."""
