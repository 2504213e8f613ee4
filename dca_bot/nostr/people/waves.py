"""Publishes one event to relays in waves, until a counting relay (`core/routing`) has accepted.

A wave begins when every relay of earlier waves has answered, or WAVE_S seconds after the wave before. When a
counting relay has accepted, the other relays have GRACE_S seconds more to take the event too.
"""

import asyncio
from collections.abc import Callable, Collection, Coroutine, Sequence
from typing import Any

from dca_bot.core.delivery import RelayAnswer
from dca_bot.nostr.people.recipient_relays import GRACE_S

WAVE_S = 2
BESIDE_S = 1
"""Seconds left to the counting relays once another relay has the event; the next try is more patient."""

Send = Callable[[str], Coroutine[Any, Any, RelayAnswer]]


async def publish_in_waves(
    waves: Sequence[Sequence[str]],
    counting: Collection[str],
    send: Send,
    group: asyncio.TaskGroup,
) -> list[RelayAnswer]:
    """Return the answers up to the first acceptance by a counting relay; without one, all answers.

    Once another relay has the event, answers are waited for BESIDE_S seconds at most. `group` runs the visits
    that are still under way.
    """
    answers: list[RelayAnswer] = []
    pending: set[asyncio.Task[RelayAnswer]] = set()
    for number, wave in enumerate(waves, start=1):
        pending |= _started(group, [send(url) for url in wave])
        limit_s = WAVE_S if number < len(waves) else None
        pending = await _collect(pending, answers, counting, limit_s)
        if _counts(answers, counting):
            break
    for task in pending:
        asyncio.get_running_loop().call_later(GRACE_S, task.cancel)
    return answers


def _started(
    group: asyncio.TaskGroup, visits: Sequence[Coroutine[Any, Any, RelayAnswer]]
) -> set[asyncio.Task[RelayAnswer]]:
    """Start visits, unless the group is ending: the bot is being stopped then."""
    try:
        return {group.create_task(visit) for visit in visits}
    except RuntimeError:
        for visit in visits:
            visit.close()
        return set()


async def _collect(
    pending: set[asyncio.Task[RelayAnswer]],
    answers: list[RelayAnswer],
    counting: Collection[str],
    limit_s: float | None,
) -> set[asyncio.Task[RelayAnswer]]:
    """Add answers as they come, until one counts or the time is over; return the visits without an answer."""
    loop = asyncio.get_running_loop()
    until = None if limit_s is None else loop.time() + limit_s
    while pending and not _counts(answers, counting):
        if until is None and any(answer.accepted for answer in answers):
            until = loop.time() + BESIDE_S
        left_s = None if until is None else max(until - loop.time(), 0)
        done, pending = await asyncio.wait(
            pending, timeout=left_s, return_when=asyncio.FIRST_COMPLETED
        )
        if not done:
            break
        answers += [task.result() for task in done]
    return pending


def _counts(answers: Sequence[RelayAnswer], counting: Collection[str]) -> bool:
    return any(answer.accepted and answer.relay in counting for answer in answers)
