"""Tells the operators when the readings of Lamassu lack what they must have, once and after a while.

The invariant: nothing here moves money. Whatever a reading lacks waits; what lasts is told, so that
nobody waits for a sale that an export cut short has lost.
"""

from collections.abc import Iterable, Sequence
from collections.abc import Set as AbstractSet
from dataclasses import dataclass, replace
from datetime import datetime, timedelta

from dca_bot.core.cash_out import CashOut, Decision, Reason, Verdict
from dca_bot.core.change import MISSING_MAX
from dca_bot.core.ports import Export
from dca_bot.ledger.correspondence import alarms
from dca_bot.ledger.distributions import cash_outs
from dca_bot.ledger.store.database import Tx
from dca_bot.messages.notices import Notices
from dca_bot.messages.say import Moment, Say

TELL_AFTER = timedelta(minutes=15)
"""A file that is being written lacks its end for a poll or two; that is nothing to tell."""
UNREPORTED = "reports"
ENDS_EARLY = "rows"
_FIRST_MAX = 100


Found = tuple[CashOut, Decision]


def lacking_report(found: Iterable[Found]) -> list[str]:
    """Return the sales that are to be held as no dispense action of them is there."""
    held = (Verdict.HOLD, Reason.NO_REPORT)
    return [
        cash_out.id for cash_out, decision in found if (decision.verdict, decision.reason) == held
    ]


def spared(found: list[Found], staying: AbstractSet[str]) -> list[Found]:
    """Let those wait that lack their report, unless they are `staying`, where they are more than MISSING_MAX.

    So many can't all be machines that have never reported: the reading has lost them.
    """
    spare = set(lacking_report(found)) - staying
    if len(spare) <= MISSING_MAX:
        return found
    return [
        (one, replace(decision, verdict=Verdict.WAIT) if one.id in spare else decision)
        for one, decision in found
    ]


@dataclass(frozen=True, slots=True)
class PartialWatch:
    """Looks at each reading for the two things that a file cut at a line's end lacks."""

    notices: Notices

    def look(
        self,
        tx: Tx,
        export: Export,
        found: Sequence[Found],
        *,
        since: datetime,
        now: datetime,
    ) -> bool:
        """Give or end the alarms of a reading of what was created since then; True if one was given."""
        unreported = [
            cash_out.id
            for cash_out, decision in found
            if (decision.verdict, decision.reason) == (Verdict.WAIT, Reason.NO_REPORT)
        ]
        newest = max((cash_out.created_at for cash_out in export.cash_outs), default=since)
        beyond = cash_outs.newest_shared_out(tx, newest, limit=_FIRST_MAX)
        lacking = [id_ for id_ in beyond if id_ not in export.unreadable_ids]
        told = [
            self._see(tx, UNREPORTED, "notice.reports_missing", unreported, now),
            self._see(tx, ENDS_EARLY, "notice.rows_end_early", lacking, now),
        ]
        return any(told)

    def _see(self, tx: Tx, name: str, key: str, ids: Sequence[str], now: datetime) -> bool:
        """Give the alarm of something that is lacking for long; end it where nothing is."""
        told_since = alarms.since(tx, name)
        if not ids:
            alarms.end(tx, name)
            if told_since is not None:
                over = Say("notice.readings_whole", since=Moment(told_since))
                self.notices.tell_operators(tx, over, now)
            return told_since is not None
        since = alarms.lose(tx, name, now)
        if told_since is not None or now - since < TELL_AFTER:
            return False
        alarms.start(tx, name, since, now=now)
        told = Say(key, n=len(ids), first=ids[0], since=Moment(since))
        self.notices.tell_operators(tx, told, now)
        return True
