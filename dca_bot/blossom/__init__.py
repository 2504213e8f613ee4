"""The adapter to a file server (Blossom)."""
