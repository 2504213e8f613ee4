"""Notices: the messages that people have not asked for; a file for each subject."""

from dca_bot.messages.notices.notices import Notices

__all__ = ["Notices"]
