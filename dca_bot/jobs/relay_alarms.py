"""Tells of single relays out of reach for long, while the bot's other relays work.

The invariant: one alarm and one all-clear for each outage of a relay, across restarts. While all relays are
out of reach only the alarm of all relays is given.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta

from dca_bot.core.relay_state import RelayState
from dca_bot.jobs.alarm_raiser import AlarmRaiser
from dca_bot.jobs.signals import STEADY
from dca_bot.ledger.correspondence import alarms, relay_states
from dca_bot.ledger.store.database import Tx
from dca_bot.messages import describe
from dca_bot.messages.say import Moment, Say

PREFIX = "relay:"
"""The beginning of the names of these alarms; the relay's URL follows."""
_TOLD_STEADY = timedelta(hours=1)
"""How long a relay must listen before its alarm ends: public relays come and go for hours."""


@dataclass(frozen=True, slots=True)
class RelayAlarms:
    """The watcher of single relays.

    `alert_after`: the length of an outage that raises the alarm. `counted_from`: outages count from this
    time at the earliest, after a leap of the clock or a long gap. `all_back_at`: the end of the last outage
    of all relays, after which each relay has time to come back.
    """

    raiser: AlarmRaiser
    alert_after: timedelta
    counted_from: datetime | None = None
    all_back_at: datetime | None = None

    def see(self, tx: Tx, states: Sequence[RelayState], now: datetime) -> bool:
        """Record the states, and give each alarm and all-clear that is due; tell whether one was given."""
        relay_states.note(tx, states)
        watched = [self._placed(state, now) for state in states] if len(states) > 1 else []
        names = {PREFIX + state.url for state in watched}
        self.raiser.forget(tx, PREFIX, but=names, now=now)
        is_any_heard = any(state.listening for state in states)
        told = [self._see(tx, state, now, is_any_heard=is_any_heard) for state in watched]
        return any(told)

    def _see(self, tx: Tx, state: RelayState, now: datetime, *, is_any_heard: bool) -> bool:
        name = PREFIX + state.url
        alarm = alarms.since(tx, name)
        if state.listening:
            steady = STEADY if alarm is None else _TOLD_STEADY
            return now - state.since >= steady and self._end(tx, state, alarm, now)
        since = max(state.since, self.counted_from or state.since)
        lost_at = alarms.lose(tx, name, min(since, now))
        if alarm is not None or not is_any_heard or now < self._due_at(lost_at):
            return False
        told = Say("notice.relay_lost", relay=describe.relay_lost(state, lost_at))
        self.raiser.start(tx, name, told, since=lost_at, now=now)
        return True

    def _placed(self, state: RelayState, now: datetime) -> RelayState:
        """Return a state with a beginning that lies not ahead, as noted while the clock was ahead."""
        return state if state.since <= now else replace(state, since=self.counted_from or now)

    def _due_at(self, lost_at: datetime) -> datetime:
        if self.all_back_at is not None:
            lost_at = max(lost_at, self.all_back_at + STEADY)
        return lost_at + self.alert_after

    def _end(self, tx: Tx, state: RelayState, alarm: datetime | None, now: datetime) -> bool:
        name = PREFIX + state.url
        if alarm is None:
            alarms.end(tx, name)
            return False
        since, until = Moment(alarm), Moment(state.since)
        over = Say("notice.relay_back", relay=state.url, since=since, until=until)
        unheard = Say("notice.relay_was_lost", relay=state.url, since=since, until=until)
        return self.raiser.end(tx, name, over=over, unheard=unheard, now=now)
