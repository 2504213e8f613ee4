"""The adapter to matplotlib, which draws charts in a process of its own."""
