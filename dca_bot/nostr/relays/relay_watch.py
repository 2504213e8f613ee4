"""Notes whether a relay listens, since when, and the trouble if not.

The log has a line when the relay begins to listen and a line when the relay ceases, none for attempts
in between, and few for a relay that comes and goes.
"""

import logging
from datetime import datetime, timedelta

from dca_bot.core.delivery import RelayAnswer
from dca_bot.core.ports import Clock
from dca_bot.core.relay_state import RelayState, RelayTrouble
from dca_bot.nostr.relays.relay_troubles import Trouble, unreached

_LOG = logging.getLogger(__name__)
_SAME_LINE_AFTER = timedelta(hours=1)
_NOT_TRIED = Trouble(RelayTrouble.NOT_TRIED, "not connected yet")
_NO_CONNECTION = Trouble(RelayTrouble.LOST, "not connected")
NOT_LISTENING = Trouble(RelayTrouble.NO_ANSWER, "connected, but not listening")

DEAF = Trouble(
    RelayTrouble.DEAF, "connected, but doesn't pass on what the bot has written to itself"
)


class RelayWatch:
    """The state of one relay; `logs`: whether changes are logged."""

    def __init__(self, url: str, clock: Clock, *, logs: bool) -> None:
        self.listened_at: datetime | None = None
        self._url = url
        self._clock = clock
        self._logs = logs
        self._listening = False
        self._trouble: Trouble | None = _NOT_TRIED
        self._since = clock.now()
        self._logged_code: RelayTrouble | None = None
        self._logged_at = self._since
        self._is_quiet = False

    @property
    def state(self) -> RelayState:
        """Return the state of the relay."""
        trouble = self._trouble
        return RelayState(
            url=self._url,
            listening=self._listening,
            detail="listening" if trouble is None else trouble.detail,
            since=self._since,
            trouble=None if trouble is None else trouble.code,
            words="" if trouble is None else trouble.words,
            status=0 if trouble is None else trouble.status,
            ever_listened=self.listened_at is not None,
        )

    def unreached(self) -> RelayAnswer:
        """Return the answer to a message that the present trouble keeps from being sent."""
        return unreached(self._url, self._trouble or _NO_CONNECTION)

    def note(self, trouble: Trouble | None, *, listening: bool) -> None:
        """Note the present trouble; log the first failure and each change."""
        is_first = self._trouble is _NOT_TRIED
        if is_first and trouble == NOT_LISTENING:
            return  # The first answer is still to come.
        now = self._clock.now()
        self._trouble = trouble
        self.listened_at = now if listening else self.listened_at
        if listening != self._listening or (is_first and not listening):
            self._listening, self._since = listening, now
            if self._logs:
                self._log(now)

    def _log(self, now: datetime) -> None:
        """Log a change; a loss is logged once an hour for the same trouble, together with the return."""
        code = None if self._trouble is None else self._trouble.code
        if not self._listening:
            is_told = code is self._logged_code and now - self._logged_at < _SAME_LINE_AFTER
            self._is_quiet = is_told
        if self._is_quiet:
            return
        if not self._listening:
            self._logged_code, self._logged_at = code, now
        _LOG.log(
            logging.INFO if self._listening else logging.WARNING,
            "relay_listening=%s relay=%s detail=%r",
            self._listening,
            self._url,
            self.state.detail,
        )
