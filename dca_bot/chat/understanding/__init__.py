"""What people mean: plain words, in any language of the lexicons, become commands."""
