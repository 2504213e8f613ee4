"""The conversation: commands as data, handlers, and the way of a message from sender to reply."""
