"""What a world of the matrix consists of: the bot's relays, the people, their relays, and who does what."""

import itertools
from dataclasses import dataclass
from random import Random

from reach.faults import FAULTS, SOUND
from reach.gate import Fault

KINDS = ("here", "elsewhere", "auth", "dead", "mixed", "none", "nip04")
"""Kinds of people, by where their list of inbox relays (kind 10050) is found, and what it names.

here: published at the bot's relays; elsewhere: only at relays of their own; auth: names relays that want
authentication; dead: names only relays that don't work; mixed: the fifth of five works; none: no list;
nip04: no list, and kind 4.
"""
LISTLESS = ("none", "nip04")
AT_THE_BOTS = ("dead", *LISTLESS)
"""Whose answers can only be read where they wrote: at the bot's relays."""
PATIENT_S = (4.0, 15.0)
"""Pauses over which a relay closes every connection, and comes and goes."""
WAYS = ("kind 10002", "discovery", "hint")
"""How a person is found whose list lies elsewhere."""


@dataclass(frozen=True)
class Role:
    """A person of a world: kind, the faults of the person's own relays, and for `elsewhere` the way there."""

    kind: str
    faults: tuple[Fault, ...]
    way: str = WAYS[0]
    with_the_bots: bool = False
    """Whether the list names a relay of the bot's too."""


@dataclass(frozen=True)
class Cast:
    """A world to be played; `column` is what the figures are summed by, or empty."""

    name: str
    seed: int
    bot_faults: tuple[Fault, ...]
    people: tuple[Role, ...]
    commands: int
    notices: int
    restarts: int = 0
    column: str = ""
    pause_s: tuple[float, float] = (0.5, 6.0)
    """How long a person waits between two commands; the bot waits twice as long between notices."""


def matrix(seed: int, *, commands: int, notices: int, faults=FAULTS) -> list[Cast]:
    """Return a world for each fault: one person of each kind, the fault at the bot's and at each own relay.

    A fault that leaves no way through stands beside a sound relay.
    """
    made = []
    for number, fault in enumerate(faults):
        alone = (fault,) if fault.alone else (fault, SOUND)
        people = tuple(
            Role(kind, alone, way=WAYS[(number + place) % len(WAYS)])
            for place, kind in enumerate(KINDS)
        )
        made.append(
            Cast(
                name=f"matrix {fault.name}",
                seed=seed + number,
                bot_faults=alone,
                people=people,
                commands=commands,
                notices=notices,
                column=fault.name,
                pause_s=PATIENT_S,
            )
        )
    return made


def combinations(seed: int, count: int, *, people: int, commands: int, notices: int) -> list[Cast]:
    """Return worlds of random combinations: everybody has one sound path at least."""
    return [
        _combination(seed + number, people=people, commands=commands, notices=notices)
        for number in range(count)
    ]


def _combination(seed: int, *, people: int, commands: int, notices: int) -> Cast:
    random = Random(seed)
    return Cast(
        name=f"combination {seed}",
        seed=seed,
        bot_faults=_beside_sound(random, random.choice((1, 2, 2, 3))),
        people=tuple(
            Role(
                kind,
                _beside_sound(random, random.choice((1, 1, 2, 3))),
                way=random.choice(WAYS),
                with_the_bots=random.random() < 0.3,
            )
            for kind in itertools.islice(itertools.cycle(random.sample(KINDS, len(KINDS))), people)
        ),
        commands=commands,
        notices=notices,
        restarts=random.choice((0, 1, 1, 2)),
    )


def _beside_sound(random: Random, others: int) -> tuple[Fault, ...]:
    faults = [SOUND, *random.choices(FAULTS[1:], k=others)]
    random.shuffle(faults)
    return tuple(faults)
