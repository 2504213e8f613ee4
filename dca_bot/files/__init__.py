"""The bot's files and folders: rights of reading and changing, and the remedy for wrong rights."""
