"""The ways out for those who watch the bot from outside."""

from collections.abc import Awaitable, Callable

Beat = Callable[[], Awaitable[None]]
"""Calls the heartbeat's URL once, 5 seconds at most; raises HeartbeatFailed."""
