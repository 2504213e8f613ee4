"""Other people: the relays where they read, their profiles, and the visits that deliver messages there."""
