"""Publishes one event to relays in waves, until a relay that counts has accepted.

A wave begins when every relay of the waves before has answered, or after WAVE_S seconds without an acceptance
that counts. Once enough relays have the event, the others have GRACE_S seconds more to take the event too.
"""

import asyncio
from collections.abc import Callable, Collection, Coroutine, Sequence
from typing import Any

from dca_bot.core.delivery import RelayAnswer
from dca_bot.nostr.recipient_relays import GRACE_S

WAVE_S = 2
BESIDE_S = 1
"""Seconds in which a relay that counts must accept once another relay has: the next try is more patient."""

Send = Callable[[str], Coroutine[Any, Any, RelayAnswer]]


async def publish_in_waves(
    waves: Sequence[Sequence[str]],
    counting: Collection[str],
    send: Send,
    group: asyncio.TaskGroup,
) -> list[RelayAnswer]:
    """Return the answers that came, up to the first acceptance that counts.

    Without such an acceptance all answers are waited for, but BESIDE_S seconds at most once a relay that
    doesn't count has the event. `group` runs the visits that are still under way.
    """
    answers: list[RelayAnswer] = []
    pending: set[asyncio.Task[RelayAnswer]] = set()
    for number, wave in enumerate(waves, start=1):
        pending |= {group.create_task(send(url)) for url in wave}
        limit_s = WAVE_S if number < len(waves) else None
        pending = await _collect(pending, answers, counting, limit_s)
        if _counts(answers, counting):
            break
    for task in pending:
        asyncio.get_running_loop().call_later(GRACE_S, task.cancel)
    return answers


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
