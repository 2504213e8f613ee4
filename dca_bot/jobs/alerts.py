"""Sends alerts by mail, webhook and the like: trouble that Nostr may not be able to tell of.

The invariant: what is told is what was sent. An alert that no place took is sent again at each look, until
the part is in order again.
"""

import json
import logging
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta

from dca_bot.core import alerts as rules
from dca_bot.core.alerts import Due
from dca_bot.core.health import Health, HealthPart
from dca_bot.core.ports import Alert, Clock
from dca_bot.errors import AlertFailed
from dca_bot.jobs.repeat import repeat
from dca_bot.ledger.correspondence import health
from dca_bot.ledger.store import bot_state
from dca_bot.ledger.store.database import Database, Tx
from dca_bot.messages import describe
from dca_bot.messages.render import Texts

_PAUSE_S = 60
_log = logging.getLogger(__name__)


@dataclass(slots=True)
class Alerts:
    """The sender of alerts; `alert_after`: the length of a trouble that is told. `title`: the bot's name."""

    database: Database
    send: Alert
    texts: Texts
    language: str
    title: str
    clock: Clock
    alert_after: timedelta
    _is_failing: bool = field(default=False, init=False)

    async def run(self) -> None:
        """Look at the last judgement of the bot's health each minute; never return."""
        await repeat(self.look_once, self.clock, _PAUSE_S)

    async def look_once(self) -> None:
        """Send what is due, as one message, and record it once a place has taken it."""
        judged, told = await self.database.read(lambda tx: (health.read(tx), _told(tx)))
        now = self.clock.now()
        if judged is None or judged.is_overdue(now):
            return
        due = rules.due(judged, told, now, alert_after=self.alert_after)
        if due and await self._send(due, judged):
            known = due.after(told)
            await self.database.transact(lambda tx: _note_told(tx, known))

    async def _send(self, due: Due, judged: Health) -> bool:
        """Send a message; log the first failure of several. Return whether a place has taken the message."""
        lines = [
            *(describe.health_trouble(part, one) for part, one in due.raised.items()),
            *(
                describe.health_again(part, since, until=judged.parts[part].since)
                for part, since in due.over.items()
            ),
        ]
        now = self.clock.now()
        text = "\n".join(self.texts.render(line, self.language, now=now) for line in lines)
        try:
            await self.send(self.title, text)
        except AlertFailed as failure:
            if not self._is_failing:
                _log.error("alert failed why=%s", failure)
            self._is_failing = True
            return False
        self._is_failing = False
        _log.info("alert sent raised=%s over=%s", _listed(due.raised), _listed(due.over))
        return True


def _listed(parts: Mapping[HealthPart, object]) -> str:
    return ",".join(parts) or "-"


def _told(tx: Tx) -> dict[HealthPart, datetime]:
    """Return the trouble that people know of, by its beginning."""
    fields = json.loads(bot_state.get(tx, bot_state.ALERTED) or "{}")
    known = {part.value for part in HealthPart}
    return {
        HealthPart(part): datetime.fromisoformat(since)
        for part, since in fields.items()
        if part in known
    }


def _note_told(tx: Tx, told: Mapping[HealthPart, datetime]) -> None:
    fields = {part: since.isoformat() for part, since in told.items()}
    bot_state.put(tx, bot_state.ALERTED, json.dumps(fields))
