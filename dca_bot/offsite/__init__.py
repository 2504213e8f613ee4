"""Encrypted copies of the ledger in other places: a folder, an SSH server, a Blossom server."""
