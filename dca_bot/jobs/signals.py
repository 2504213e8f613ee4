"""How the jobs wake each other, and share the outside parts' reach."""

import asyncio
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta

from dca_bot.core.ports import Clock
from dca_bot.core.reach import Part, Reach
from dca_bot.errors import OutsideError

STEADY = timedelta(minutes=2)
"""Hysteresis: how long a part must stay reachable before its outage ends."""
REST_S = 300
"""The longest pause between two looks at an outside part, and at the alarms."""
SLEEP_MAX_S = 3_600
"""The longest sleep of a job that waits for a known instant, or for a bell."""


class Bell:
    """Wakes one job; several rings before the job looks wake the job once."""

    def __init__(self) -> None:
        self._rung = asyncio.Event()

    def ring(self) -> None:
        """Wake the job now."""
        self._rung.set()

    async def wait(self, clock: Clock, delay_s: float) -> None:
        """Return when rung, or after `delay_s`."""
        if not self._rung.is_set():
            sleeping = asyncio.ensure_future(clock.sleep(delay_s))
            # The end of the sleep rings too: the job itself waits for the bell alone.
            sleeping.add_done_callback(self._end_sleep)
            try:
                await self._rung.wait()
            finally:
                sleeping.remove_done_callback(self._end_sleep)
                sleeping.cancel()
        self._rung.clear()

    def _end_sleep(self, _sleeping: "asyncio.Future[None]") -> None:
        self.ring()


def pause_until(
    now: datetime, until: datetime | None, *, least_s: float = 0, most_s: float = SLEEP_MAX_S
) -> float:
    """Return how long a job sleeps that has nothing to do before `until`; None for no known instant.

    The sleep is `least_s` long at least, and never longer than `most_s`.
    """
    if until is None:
        return most_s
    return min(max((until - now).total_seconds(), least_s), most_s)


@dataclass(slots=True)
class Signals:
    """The bells of the jobs, and the outside parts' reach as the jobs have found it.

    `rest_s`: the longest pause between two looks at an outside part, and at the alarms. `reconciled`: set
    once the ledger was compared with LNbits; nothing is distributed before. `leaving`: the ids of the outbox
    messages that are on their way to relays. `stepped_at`: when the payout worker last ended a step or a
    round, or a rehearsal a look.
    """

    rest_s: float = REST_S
    poll: Bell = field(default_factory=Bell)
    payouts: Bell = field(default_factory=Bell)
    verify: Bell = field(default_factory=Bell)
    fixed: Bell = field(default_factory=Bell)
    outbox: Bell = field(default_factory=Bell)
    digests: Bell = field(default_factory=Bell)
    files: Bell = field(default_factory=Bell)
    copies: Bell = field(default_factory=Bell)
    summary: Bell = field(default_factory=Bell)
    reach: Bell = field(default_factory=Bell)
    reconciled: asyncio.Event = field(default_factory=asyncio.Event)
    parts: dict[Part, Reach] = field(default_factory=dict)
    leaving: set[int] = field(default_factory=set)
    stepped_at: datetime | None = None
    _notices_written: int = field(default=0, init=False)

    def wake_outbox(self, notices_written: int) -> None:
        """Wake the outbox if notices were written since the last call, by whatever job."""
        if notices_written != self._notices_written:
            self._notices_written = notices_written
            self.outbox.ring()

    def step_clock(self) -> None:
        """Wake each job that waits for an instant: the computer's clock was set."""
        for bell in (
            self.payouts,
            self.verify,
            self.fixed,
            self.outbox,
            self.digests,
            self.files,
            self.summary,
        ):
            bell.ring()

    def begin_anew(self, now: datetime) -> None:
        """Time each part's state from now, after a leap of the clock or a long gap."""
        self.parts = {one.part: replace(one, since=now) for one in self.parts.values()}

    def note(
        self,
        part: Part,
        *,
        reachable: bool,
        now: datetime,
        detail: str = "",
        failure: OutsideError | None = None,
    ) -> bool:
        """Record whether a part answered, or the failure; return whether that is a change."""
        before = self.parts.get(part)
        is_as_before = before is not None and before.reachable is reachable
        since = before.since if before is not None and is_as_before else now
        self.parts[part] = Reach(part, reachable, since, detail)
        if failure is not None:
            self.parts[part] = Reach(
                part, reachable, since, str(failure), failure.fault, failure.fields
            )
        if not is_as_before:
            self.reach.ring()
        return not is_as_before and (before is not None or not reachable)
