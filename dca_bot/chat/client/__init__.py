"""The clients' commands."""
