"""Judges messages by their own times, and by when they arrived.

A message's own time comes from the clock of the sender's phone. Only a message that a relay passes on as new
shows how wrong that clock is. A message that a relay had stored is old, not slow. The rules:

    own time good                  the message runs
    own time wrong, passed on new  commands that only tell something run; others are told how far the
                                   phone's clock is off, and nothing is changed
    own time wrong, stored         nothing runs; the sender is told that the message came too late
    written before a message that  stored: commands that only tell something run; nothing is changed, and
    was answered already           the sender is told so. Passed on new: the message runs
    written before the sender was  stored: no answer, a stranger wrote that
    a client, or had this key      passed on new: own time wrong

A replayed message runs nothing twice: the inbox keeps each message's id for good. A copy of an old message
that the bot never saw can come as new, from somebody who kept it: then commands run that only tell
something, and their answers go to the sender of the message alone. So does a message that the app has sent
late: the answer names both causes.
"""

from datetime import datetime, timedelta

from dca_bot.chat.senders import SLOW_CLOCK_MAX, Sender
from dca_bot.core.ports import IncomingMessage
from dca_bot.messages import describe
from dca_bot.messages.say import Say

_AHEAD_MAX = timedelta(minutes=10)


def time_problem(
    message: IncomingMessage, sender: Sender, now: datetime, *, age_max: timedelta
) -> Say | None:
    """Say why a message may change nothing by its own time; None for a message that may.

    `age_max`: how old a message may be.
    """
    arrived_at = message.arrived_at
    ahead = message.sent_at - (arrived_at or now)
    if ahead > _AHEAD_MAX:
        return Say("problem.in_future", ahead=describe.span(ahead))
    is_too_old = now - message.sent_at > age_max
    if not is_too_old and not sender.is_early:
        return None
    if arrived_at is not None and arrived_at - message.sent_at > SLOW_CLOCK_MAX:
        return Say("problem.phone_slow", behind=describe.span(arrived_at - message.sent_at))
    return Say("problem.too_old" if is_too_old else "problem.before_start")
