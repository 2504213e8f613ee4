"""Whether the outside parts answer: Lamassu, LNbits and the relays."""

from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum


class Part(StrEnum):
    """An outside part; each catalogue has its name under `word.part`."""

    LAMASSU = "lamassu"
    LNBITS = "lnbits"
    RELAYS = "relays"


@dataclass(frozen=True, slots=True)
class Reach:
    """Whether a part answers, since when, and the part's or its reader's words about a failure."""

    part: Part
    reachable: bool
    since: datetime
    detail: str = ""
