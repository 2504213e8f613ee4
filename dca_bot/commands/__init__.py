"""What the command line does beside running the bot: one file for each group of its commands."""
