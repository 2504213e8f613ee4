"""What a client can type."""
