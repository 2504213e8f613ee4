"""The adapters for those who watch the bot from outside: the heartbeat, metrics, alerts."""
