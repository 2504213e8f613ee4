"""Says how far the clock of a person's phone is off."""

from datetime import timedelta

from dca_bot.messages.say import NOTHING, Say

CLOCK_OFF_MIN = timedelta(minutes=10)
"""A phone's clock that is off by less is not named."""
_MINUTE, _HOUR, _DAY = timedelta(minutes=1), timedelta(hours=1), timedelta(days=1)


def span(length: timedelta) -> Say:
    """Say a length of time in whole minutes, hours or days, rounded to the nearest."""
    for key, unit in (("span.days", _DAY), ("span.hours", _HOUR)):
        if length >= 2 * unit:
            return Say(key, n=(length + unit // 2) // unit)
    return Say("span.minutes", n=(length + _MINUTE // 2) // _MINUTE)


def phone_clock(behind: timedelta | None) -> Say:
    """Say how far a phone's clock is behind or ahead; NOTHING for a clock that is right or not known."""
    if behind is None or abs(behind) < CLOCK_OFF_MIN:
        return NOTHING
    key = "phone.slow" if behind > timedelta() else "phone.fast"
    return Say(key, off=span(abs(behind)))
