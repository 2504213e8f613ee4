"""Reading the Lamassu server: CSV from a folder or over SSH."""
