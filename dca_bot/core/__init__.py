"""Decides: pure functions and values, with no input or output, no clock and no floats."""
