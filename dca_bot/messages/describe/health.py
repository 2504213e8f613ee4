"""Describes the health of the bot's parts."""

from datetime import datetime

from dca_bot.core.health import HealthPart, PartHealth
from dca_bot.messages.say import Moment, Say, Word


def health_trouble(part: HealthPart, health: PartHealth) -> Say:
    """Say on a line what is wrong with a part, and since when."""
    return Say(
        "health.trouble",
        part=_name(part),
        condition=Word("condition", health.condition),
        since=Moment(health.since),
    )


def health_again(part: HealthPart, since: datetime, *, until: datetime) -> Say:
    """Say on a line that a part is in order again, and how long the trouble has lasted."""
    return Say("health.again", part=_name(part), since=Moment(since), until=Moment(until))


def _name(part: HealthPart) -> Word:
    return Word("health_part", part)
