"""Faults to plant into the program, each a small wrong change of a rule that savings depend on."""
