"""The operators' commands: a file for each subject, and `table` with all commands."""
