"""How a share was rounded, so that a receipt lets anybody work the share out anew.

Largest remainder gives each share the quota rounded down, or one unit more; `allotment` says to whom.
"""

from enum import StrEnum


class Rounding(StrEnum):
    """How a share differs from its exact quota."""

    NONE = "none"
    DOWN = "down"
    UP = "up"


def rounding(part: int, total: int, weight: int, weight_sum: int) -> Rounding:
    """Tell how `part` of `total` was rounded; the exact quota is `total * weight / weight_sum`.

    >>> rounding(4, 10, 1, 3)
    <Rounding.UP: 'up'>
    """
    apart = part * weight_sum - total * weight
    if not apart:
        return Rounding.NONE
    return Rounding.UP if apart > 0 else Rounding.DOWN
