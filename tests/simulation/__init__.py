"""A simulated world around the real program: from one seed, on virtual time, in one thread."""
