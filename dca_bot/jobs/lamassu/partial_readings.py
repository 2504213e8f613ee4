"""Tells the operators, once, that readings of Lamassu have been partial for a while.

The invariant: nothing here moves money. Cash-outs that a partial reading lacks wait, and the operators learn
of a lasting lack, because an export that is cut short can lose a sale.
"""

from collections.abc import Sequence
from collections.abc import Set as AbstractSet
from dataclasses import dataclass
from datetime import datetime, timedelta

from dca_bot.ledger.correspondence import alarms
from dca_bot.ledger.distributions import changes
from dca_bot.ledger.store.database import Tx
from dca_bot.messages.notices import Notices
from dca_bot.messages.say import Moment, Say

TELL_AFTER = timedelta(minutes=15)
"""A file that is being written lacks its end for a poll or two: no reason to tell anybody."""
Some = tuple[int, str]
"""How many rows, and the first one's id."""
_UNREPORTED = "reports"
_ENDS_EARLY = "rows"
_FIRST_MAX = 100


@dataclass(frozen=True, slots=True)
class PartialWatch:
    """Looks at each reading for the two signs of a file that is cut at a line's end.

    The signs: sales without dispense reports, and distributed cash-outs beyond the newest row.
    """

    notices: Notices

    def look(
        self,
        tx: Tx,
        *,
        newest_at: datetime,
        unreadable_ids: AbstractSet[str],
        unreported: Some,
        now: datetime,
    ) -> bool:
        """Give or end the alarms of a reading; return whether the operators were told something.

        `newest_at`: when the newest row was created, or since when the reading has the rows. `unreported`:
        the cash-outs that wait for a dispense report.
        """
        beyond = changes.newest_shared_out(tx, newest_at, limit=_FIRST_MAX)
        lacking = [id_ for id_ in beyond if id_ not in unreadable_ids]
        told = [
            self._see(tx, _UNREPORTED, "notice.reports_missing", unreported, now),
            self._see(tx, _ENDS_EARLY, "notice.rows_end_early", _some(lacking), now),
        ]
        return any(told)

    def _see(self, tx: Tx, name: str, key: str, some: Some, now: datetime) -> bool:
        """Give the alarm `name` if some have been lacking for long; end the alarm if none are lacking."""
        told_since = alarms.since(tx, name)
        n, first = some
        if not n:
            alarms.end(tx, name)
            if told_since is not None:
                over = Say("notice.readings_whole", since=Moment(told_since))
                self.notices.tell_operators(tx, over, now)
            return told_since is not None
        since = alarms.lose(tx, name, now)
        if told_since is not None or now - since < TELL_AFTER:
            return False
        alarms.start(tx, name, since, now=now)
        told = Say(key, n=n, first=first, since=Moment(since))
        self.notices.tell_operators(tx, told, now)
        return True


def _some(ids: Sequence[str]) -> Some:
    return len(ids), ids[0] if ids else ""
