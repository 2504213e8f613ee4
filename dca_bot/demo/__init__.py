"""The main job shown end to end on parts started here: relay, LNbits, bot."""
