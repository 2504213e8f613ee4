"""Pays what is owed: the worker takes one payout after the other through its steps."""
