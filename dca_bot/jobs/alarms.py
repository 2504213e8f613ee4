"""Tells the operators of outages: a part out of reach, or polls or copies that are late, for long.

The invariant: one alarm and one all-clear for each outage. The ledger keeps the start of each outage and
the alarms given, so a restart neither repeats nor delays an alarm. An alarm that could not leave during
the outage is told together with the outage's end, as one message. While everything is paused nobody
reads Lamassu: Lamassu raises no alarm then, and an earlier alarm ends. The alarm of a stale copy ends
when a poll has read a newer copy.
"""

import logging
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta

from dca_bot.core.freshness import is_stale
from dca_bot.core.ports import Clock, Messenger
from dca_bot.core.reach import Part, Reach
from dca_bot.jobs.alarm_raiser import AlarmRaiser
from dca_bot.jobs.clock import look_at_clock
from dca_bot.jobs.error_boundary import ErrorBoundary, Guarded
from dca_bot.jobs.operator_alarms import OperatorAlarms
from dca_bot.jobs.relay_alarms import RelayAlarms
from dca_bot.jobs.signals import STEADY, Signals
from dca_bot.ledger.correspondence import alarms, outbox
from dca_bot.ledger.distributions import readings
from dca_bot.ledger.payouts import slow_destinations
from dca_bot.ledger.store import bot_state
from dca_bot.ledger.store.database import Database, Tx
from dca_bot.messages import describe
from dca_bot.messages.notices import Notices
from dca_bot.messages.say import NOTHING, Moment, Say, Word

_FIRST_LOOK_S = 15
"""The relays need a moment to connect."""
_WATCH_S = 60
"""The pause between two looks; while all is well, at the relays' connection and at the clock alone."""
_POLLS = alarms.POLLS
"""The alarm that Lamassu has not been read, whatever the cause."""
_COPY = "copy"
"""The alarm that Lamassu is read from a copy that nobody renews."""
_HELD_BACK = STEADY + timedelta(minutes=1)
"""The delay of an alarm after the relays came back: the outage may have ended as well."""
_SLOW_AFTER = timedelta(hours=24)
_STEP = timedelta(seconds=2)
"""A clock that is set by more is looked at at once; time servers correct smaller errors."""
_Known = Mapping[str, datetime | None]
"""The recorded outages by name: the start of those that the operators were told of, or None."""
_EPOCH = datetime.fromtimestamp(0, UTC)
_log = logging.getLogger(__name__)


@dataclass(slots=True)
class Alarms:
    """The watcher of outages.

    `alert_after`: the length of an outage that raises the alarm of a part. `polls_after`: the time without a
    successful poll that raises the alarm of polls. `operators`: watches whether operators are reached.
    """

    database: Database
    messenger: Messenger
    notices: Notices
    clock: Clock
    signals: Signals
    alert_after: timedelta
    polls_after: timedelta
    operators: OperatorAlarms
    _looked_at: datetime | None = field(default=None, init=False)
    _boundary: ErrorBoundary = field(init=False)
    _raiser: AlarmRaiser = field(init=False)
    _relays: RelayAlarms = field(init=False)

    def __post_init__(self) -> None:
        self._raiser = AlarmRaiser(self.notices, self.signals)
        self._relays = RelayAlarms(self._raiser, self.alert_after)
        self._boundary = ErrorBoundary(
            self.database, self.notices, self.clock, self.signals.outbox.ring
        )

    async def run(self) -> None:
        """Look at everything each minute, and seldom while all is well; never return."""
        await self.clock.sleep(_FIRST_LOOK_S)
        while True:
            await self.look_once()
            await self._rest()

    async def _rest(self) -> None:
        """Wait for the next look: a minute, or while all is well until something changes.

        A step of the computer's clock, or a computer that was asleep, is seen here, and wakes each job that
        waits for an instant: no job's wait counts the time asleep.
        """
        rest_s = self.signals.rest_s
        pause_s = min(_WATCH_S, rest_s)
        offset, outlook = self._offset(self._elapsed()), self._outlook()
        is_well = await self._is_well()
        begun = woken = self._elapsed()
        while True:
            before = woken
            await self.signals.reach.wait(self.clock, pause_s)
            woken = self._elapsed()
            was_asleep = woken - before > timedelta(seconds=pause_s) + _STEP
            if was_asleep or abs(self._offset(woken) - offset) > _STEP:
                self.signals.step_clock()
                return
            is_over = woken - begun >= timedelta(seconds=rest_s)
            if not is_well or is_over or self._outlook() != outlook:
                return

    async def _is_well(self) -> bool:
        """Tell whether nothing is out of reach, and no alarm is open or under way."""
        outlook = self._outlook()
        is_any = await self.database.read(alarms.is_any)
        return all(outlook) and not is_any

    def _outlook(self) -> tuple[bool, ...]:
        """Return whether any relay is connected, each relay listens, and each part is reachable."""
        states, parts = self.messenger.relay_states(), self.signals.parts.values()
        return (
            self.messenger.connected() > 0,
            *(state.listening for state in states),
            *(part.reachable for part in parts),
        )

    def _elapsed(self) -> timedelta:
        return self.clock.uptime().elapsed

    def _offset(self, elapsed: timedelta) -> timedelta:
        """Return the clock's time less the computer's uptime: constant while nobody sets the clock."""
        return self.clock.now() - _EPOCH - elapsed

    async def look_once(self) -> None:
        """Record the reach of the relays, and give each alarm and all-clear that is due."""
        now, uptime, is_back = self.clock.now(), self.clock.uptime(), False
        async with self._boundary.over(Guarded.REACH):
            is_back = self._note_relays(now)
        states = self.messenger.relay_states()
        looks: tuple[tuple[Guarded, Callable[[Tx], bool]], ...] = (
            (Guarded.REACH, lambda tx: look_at_clock(tx, self.notices, now, uptime=uptime)),
            (Guarded.REACH, lambda tx: self._see_reach(tx, now, is_back=is_back)),
            (Guarded.RELAY, lambda tx: self._relays.see(tx, states, now)),
            (Guarded.UNREACHED, lambda tx: self.operators.see(tx, now)),
            (Guarded.SLOW, lambda tx: self._see_destinations(tx, now)),
        )
        if any(await self._boundary.over_all(looks)):
            self.signals.outbox.ring()

    def _note_relays(self, now: datetime) -> bool:
        """Note whether any relay is connected; return whether that is so again, or for the first time."""
        if self._looked_at is not None and abs(now - self._looked_at) > self.alert_after:
            self.signals.begin_anew(now)
            self._relays = replace(self._relays, counted_from=now)
        self._looked_at = now
        connected = self.messenger.connected() > 0
        before = self.signals.parts.get(Part.RELAYS)
        is_back = connected and not (before and before.reachable)
        if is_back and before is not None:
            self._relays = replace(self._relays, all_back_at=now)
        if self.signals.note(Part.RELAYS, reachable=connected, now=now):
            _log.warning("relays reachable=%s", connected)
        return is_back

    def _see_reach(self, tx: Tx, now: datetime, *, is_back: bool) -> bool:
        """Give the alarms and all-clears of the parts; tell whether messages are to leave now."""
        if bot_state.paused(tx):
            self.signals.parts.pop(Part.LAMASSU, None)
        if is_back:
            was_long = alarms.since(tx, Part.RELAYS) is not None
            outbox.hurry(tx, now, alarms_at=now + _HELD_BACK if was_long else now)
        self._note_look(tx, now)
        known = alarms.everything(tx)
        # The event loop may note a further part meanwhile.
        parts = tuple(self.signals.parts.values())
        told = [self._see_part(tx, part, known, now) for part in parts]
        if any(told):
            known = alarms.everything(tx)
        told.append(self._see_polls(tx, known, now))
        told.append(self._see_copy(tx, known.get(_COPY), now))
        return any((*told, is_back))

    def _note_look(self, tx: Tx, now: datetime) -> None:
        """Record when somebody has watched, and since when Lamassu should have been read.

        A short restart is no gap. After a longer gap all outages are timed anew.
        """
        looked_at = bot_state.moment(tx, bot_state.LOOKED_AT)
        is_gap = looked_at is None or abs(now - looked_at) > self.alert_after
        if is_gap:
            alarms.forget_untold(tx)
        if is_gap or bot_state.paused(tx):
            bot_state.put(tx, bot_state.POLLS_DUE_AT, now.isoformat())
        bot_state.put(tx, bot_state.LOOKED_AT, now.isoformat())

    def _see_part(self, tx: Tx, reach: Reach, known: _Known, now: datetime) -> bool:
        """Give the alarm or the all-clear of a part; tell whether one was given."""
        alarm = known.get(reach.part)
        name = Word("part", reach.part)
        if reach.reachable:
            if now - reach.since < STEADY:
                return False
            if alarm is None:
                if reach.part in known:
                    alarms.end(tx, reach.part)
                return False
            over = Say("notice.back_in_reach", part=name, since=Moment(alarm))
            unheard = Say(
                "notice.was_out_of_reach", part=name, since=Moment(alarm), until=Moment(reach.since)
            )
            return self._raiser.end(tx, reach.part, over=over, unheard=unheard, now=now)
        lost_at = alarms.lose(tx, reach.part, reach.since)
        is_told = reach.part == Part.LAMASSU and known.get(_POLLS) is not None
        if alarm is not None or is_told or now - lost_at < self.alert_after:
            return False
        why = Say("notice.why", detail=describe.failure(reach)) if reach.detail else NOTHING
        told = Say("notice.out_of_reach", part=name, since=Moment(lost_at), why=why)
        # Without relays no notice leaves: the journal alone can tell.
        level = logging.ERROR if reach.part == Part.RELAYS else logging.WARNING
        self._raiser.start(tx, reach.part, told, since=lost_at, now=now, level=level)
        return True

    def _see_polls(self, tx: Tx, known: _Known, now: datetime) -> bool:
        """Give the alarm or the all-clear of polls; tell whether one was given.

        Lamassu's own alarm takes the place of the alarm of polls.
        """
        if bot_state.paused(tx):
            return any(self._drop(tx, name, now) for name in (Part.LAMASSU, _POLLS))
        alarm, polled_at = known.get(_POLLS), bot_state.last_poll_at(tx)
        if alarm is not None:
            if polled_at is None or polled_at <= alarm:
                return False
            over = Say("notice.polls_again", since=Moment(alarm))
            unheard = Say("notice.polls_missed", since=Moment(alarm), until=Moment(polled_at))
            return self._raiser.end(tx, _POLLS, over=over, unheard=unheard, now=now)
        due_at = bot_state.moment(tx, bot_state.POLLS_DUE_AT) or now
        since = max(due_at, polled_at or due_at)
        lamassu = self.signals.parts.get(Part.LAMASSU)
        is_away = lamassu is not None and not lamassu.reachable
        is_told = known.get(Part.LAMASSU) is not None
        if is_away or is_told or now - since < self.polls_after:
            return False
        key = "notice.no_polls" if self.signals.reconciled.is_set() else "notice.no_polls_yet"
        self._raiser.start(tx, _POLLS, Say(key, since=Moment(since)), since=since, now=now)
        return True

    def _see_copy(self, tx: Tx, alarm: datetime | None, now: datetime) -> bool:
        """Give the alarm or the all-clear of a stale copy; tell whether one was given.

        Only a recent poll counts: without one, the alarm of polls tells.
        """
        polled_at, due_at = (
            bot_state.last_poll_at(tx),
            bot_state.moment(tx, bot_state.POLLS_DUE_AT) or now,
        )
        if polled_at is None or polled_at < due_at or now - polled_at >= self.polls_after:
            return False
        copy = readings.oldest_copy(tx)
        stale = copy if copy is not None and is_stale(copy, now) else None
        if alarm is None and stale is not None:
            name = Word("copy", stale.name)
            told = Say("notice.copy_stale", copy=name, since=Moment(stale.as_of))
            self._raiser.start(tx, _COPY, told, since=stale.as_of, now=now)
            return True
        if alarm is None or stale is not None:
            return False
        over = Say("notice.copy_renewed", since=Moment(alarm))
        unheard = Say("notice.copy_was_stale", since=Moment(alarm), until=Moment(polled_at))
        return self._raiser.end(tx, _COPY, over=over, unheard=unheard, now=now)

    def _drop(self, tx: Tx, name: str, now: datetime) -> bool:
        """End an alarm whose all-clear nobody can observe; tell whether there was an alarm."""
        alarm = alarms.since(tx, name)
        if alarm is None:
            alarms.end(tx, name)
            return False
        told = Say("notice.polls_paused", since=Moment(alarm))
        return self._raiser.end(tx, name, over=told, unheard=told, now=now)

    def _see_destinations(self, tx: Tx, now: datetime) -> bool:
        """Tell of payouts that wait for their destination for more than a day.

        While LNbits is out of reach or everything is paused, no destination is blamed.
        """
        if not slow_destinations.note(tx, now):
            return False
        lnbits = self.signals.parts.get(Part.LNBITS)
        if bot_state.paused(tx) or (lnbits is not None and not lnbits.reachable):
            return False
        slow = slow_destinations.take_untold(tx, before=now - _SLOW_AFTER, now=now)
        for one in slow:
            self.notices.payouts.destination_slow(tx, one, now)
            _log.warning("payouts wait for a destination client=%d", one.client_id)
        return bool(slow)
