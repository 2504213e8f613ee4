"""The bot's files and folders: who may read and change them, and what to do if others can."""
