"""Proof of work (NIP-13): a nonce that gives an event's id leading zero bits. Mining blocks the caller.

Each try hashes the content anew, since the tags come before the content: about 300,000 tries a second.
20 bits take three seconds on average, and each further bit doubles the time.
"""

import json
import re
from collections.abc import Callable
from dataclasses import replace
from hashlib import sha256
from itertools import count

from dca_bot.nostr.events import Event, UnsignedEvent

BITS_MAX = 22
LIMIT_S = 40
BITS_UNTOLD = (16, 20)
"""What is tried, in turn, at a relay that doesn't say how much work is wanted."""
_TRIES_BETWEEN_LOOKS = 4_096
_ID_BITS = 256
_NUMBER = re.compile(r"\d+")


def mine(event: UnsignedEvent, bits: int, is_over: Callable[[], bool]) -> UnsignedEvent | None:
    """Find the event with a nonce tag whose id has `bits` leading zero bits; None once `is_over`.

    `bits`: at least 1. The same event always gives the same nonce.
    """
    tags = tuple(tag for tag in event.tags if tag[:1] != ("nonce",))
    before, after = _halves(event, tags, bits)
    start, highest = sha256(before), (1 << (_ID_BITS - bits)).to_bytes(32, "big")
    for nonce in count():
        if nonce % _TRIES_BETWEEN_LOOKS == 0 and is_over():
            return None
        tried = start.copy()
        tried.update(b"%d" % nonce + after)
        if tried.digest() < highest:
            return replace(event, tags=(*tags, ("nonce", str(nonce), str(bits))))
    return None


def work_of(event: Event) -> int:
    """Return how many leading zero bits an event's id has."""
    return _ID_BITS - int(event.id, 16).bit_length()


def bits_asked(words: str) -> int:
    """Return the bits that a relay's refusal asks for, 0 for none.

    Refusals name the done and the wanted bits, in either order; the larger are the wanted.

    >>> bits_asked("pow: difficulty 26 is less than 30"), bits_asked("pow: do some work")
    (30, 0)
    """
    return max((int(number[:3]) for number in _NUMBER.findall(words)), default=0)


def _halves(
    event: UnsignedEvent, tags: tuple[tuple[str, ...], ...], bits: int
) -> tuple[bytes, bytes]:
    """Return the serialization (NIP-01) before and after the digits of the nonce."""
    mark = "nonce"
    numbered = [*tags, ("nonce", mark, str(bits))]
    fields = [0, event.pubkey, event.created_at, event.kind, numbered]
    head = json.dumps(fields, separators=(",", ":"), ensure_ascii=False)
    cut = head.rindex(f'"{mark}"') + 1
    content = json.dumps(event.content, ensure_ascii=False)
    tail = f"{head[cut + len(mark) : -1]},{content}]"
    return head[:cut].encode(), tail.encode()
