"""The understanding of messages: plain words, in the languages of the lexicons, become commands."""
