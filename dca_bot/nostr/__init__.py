"""Encrypted Nostr direct messages: relays, NIP-04, NIP-17, NIP-44 and NIP-59."""
