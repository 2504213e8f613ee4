"""Messages in and out: inbox, outbox, notices of payouts, alarms, confirmation codes, the command log."""
