"""The ways out for those who watch the bot from outside."""

from collections.abc import Awaitable, Callable
from typing import Protocol

from dca_bot.core.figures import Figures

Beat = Callable[[], Awaitable[None]]
"""Calls the heartbeat's URL once, 5 seconds at most; raises HeartbeatFailed."""


class Metrics(Protocol):
    """Shows numbers to whoever collects metrics, while `run` runs."""

    def show(self, figures: Figures) -> None:
        """Show these numbers from now on."""
        ...

    async def run(self) -> None:
        """Answer collectors until cancelled; a port that another program has is tried again."""
        ...


Alert = Callable[[str, str], Awaitable[None]]
"""Sends an alert, title and text, to each place that is configured; raises AlertFailed if none took it."""
