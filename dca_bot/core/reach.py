"""Whether the outside parts answer: Lamassu, LNbits and the relays."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum

from dca_bot.faults import Fault


class Part(StrEnum):
    """An outside part; each catalogue has its name under `word.part`."""

    LAMASSU = "lamassu"
    LNBITS = "lnbits"
    RELAYS = "relays"


@dataclass(frozen=True, slots=True)
class Reach:
    """Whether a part answers, since when, and why not.

    `detail`: the failure as an English sentence. `fault`: the failure's code, None for a failure without
    a code. `fields`: what the words of the code name, a host for example.
    """

    part: Part
    reachable: bool
    since: datetime
    detail: str = ""
    fault: Fault | None = None
    fields: Mapping[str, str | int] = field(default_factory=dict)
