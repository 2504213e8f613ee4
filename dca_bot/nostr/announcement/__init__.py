"""The bot's own events: profile, relay lists and commands, published to own and discovery relays."""
