"""Describes holds: a file for each kind of hold."""
