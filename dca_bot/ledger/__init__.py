"""The exact record of who is owed what, in SQLite."""
