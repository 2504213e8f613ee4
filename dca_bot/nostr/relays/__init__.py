"""The bot's side of one relay: the connection, the protocol, and events made as the relay takes them."""
