"""The conversation: commands as data, and their answers as text."""
