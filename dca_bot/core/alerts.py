"""Decides which alerts and all-clears go out beside Nostr: one of each for the trouble of a part."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta

from dca_bot.core.health import Health, HealthPart, PartHealth

STEADY = timedelta(minutes=2)
"""How long a part must be in good condition before its all-clear."""


@dataclass(frozen=True, slots=True)
class Due:
    """What is to be told: parts in trouble, and parts that were, with the beginning of the trouble."""

    raised: Mapping[HealthPart, PartHealth]
    over: Mapping[HealthPart, datetime]

    def after(self, told: Mapping[HealthPart, datetime]) -> dict[HealthPart, datetime]:
        """Return the trouble that people know of, by its beginning, once this was told."""
        rest = {part: since for part, since in told.items() if part not in self.over}
        return rest | {part: one.since for part, one in self.raised.items()}

    def __bool__(self) -> bool:
        return bool(self.raised or self.over)


def due(
    health: Health, told: Mapping[HealthPart, datetime], now: datetime, *, alert_after: timedelta
) -> Due:
    """Return what is to be told at a look; `told`: the trouble that people know of, by its beginning."""
    parts = health.parts.items()
    return Due(
        raised={
            part: one
            for part, one in parts
            if not one.is_good and part not in told and now - one.since >= alert_after
        },
        over={
            part: told[part]
            for part, one in parts
            if one.is_good and part in told and now - one.since >= STEADY
        },
    )
