"""Ranks the commands that the words of a line can mean, by the phrases of the lexicons.

Points: a command's best phrase, a third of the points of further phrases over other words, some points
where nothing else was said, and fewer for each word that the command doesn't account for.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

from dca_bot.chat.understanding.vocabulary import Cue, Match, Vocabulary

_WHOLE = 4
_LOST_KNOWN, _LOST_UNKNOWN, _LOST_MAX = 2, 2, 6
_FURTHER_PART = 3
_CORRECTED, _BETWEEN = 1, 3


@dataclass(frozen=True, slots=True)
class Candidate:
    """A command with its points; `used`: the places of the tokens that its phrases account for."""

    intent: str
    points: int
    used: frozenset[int]
    is_corrected: bool
    """Whether a phrase holds only with a corrected spelling."""
    left_over: int = 0


@dataclass(frozen=True, slots=True)
class Word:
    """A token as the phrases see it: the words that it can be; `says_something`: no small word."""

    match: Match
    says_something: bool
    is_number: bool = False


def rank(
    words: Sequence[Word], vocabulary: Vocabulary, takes_numbers: Callable[[str], bool]
) -> list[Candidate]:
    """Return the commands that some phrase means, the likeliest first.

    `takes_numbers`: whether a command has a number among its arguments.
    """
    found: dict[str, list[tuple[int, frozenset[int], bool]]] = {}
    for cue, places in _matched(words, vocabulary):
        corrected = sum(words[place].match.corrected for place in places)
        between = sum(
            words[place].says_something and not words[place].is_number and place not in places
            for place in range(min(places), max(places))
        )
        points = cue.points - corrected * _CORRECTED - between * _BETWEEN
        found.setdefault(cue.intent, []).append((points, frozenset(places), corrected > 0))
    content = frozenset(place for place, word in enumerate(words) if word.says_something)
    known = frozenset(place for place, word in enumerate(words) if word.match.words)
    numbers = frozenset(place for place, word in enumerate(words) if word.is_number)
    ranked = [
        _candidate(intent, matches, content - numbers if takes_numbers(intent) else content, known)
        for intent, matches in found.items()
    ]
    return sorted(ranked, key=lambda one: (-one.points, one.intent))


def _candidate(
    intent: str,
    matches: list[tuple[int, frozenset[int], bool]],
    content: frozenset[int],
    known: frozenset[int],
) -> Candidate:
    best, *others = sorted(matches, key=lambda one: (-one[0], sorted(one[1])))
    points, used, corrected = best
    further = 0
    for more, places, _ in others:
        if not places & used:
            used, further = used | places, further + more // _FURTHER_PART
    left_over = content - used
    points += min(further, _WHOLE)
    lost = sum(_LOST_KNOWN if place in known else _LOST_UNKNOWN for place in left_over)
    points += _WHOLE if not left_over else -min(lost, _LOST_MAX)
    return Candidate(intent, points, used, corrected, len(left_over))


def _matched(words: Sequence[Word], vocabulary: Vocabulary) -> list[tuple[Cue, list[int]]]:
    """Return the phrases whose words all stand close together, with the places of these words."""
    hits: dict[int, dict[int, list[int]]] = {}
    for number, word in enumerate(words):
        for text in word.match.words:
            for cue, place in vocabulary.cues_of_word.get(text, ()):
                hits.setdefault(cue, {}).setdefault(place, []).append(number)
    found = []
    for number, by_place in hits.items():
        cue = vocabulary.cues[number]
        if len(by_place) == len(cue.places):
            places = _close_together(by_place, 2 * len(cue.places) + 4)
            if places:
                found.append((cue, places))
    return found


def _close_together(by_place: Mapping[int, list[int]], span_max: int) -> list[int]:
    """Choose a token for each place of a phrase, all near one another; empty if that can't be."""
    rarest, *others = sorted(by_place.values(), key=len)
    for start in rarest:
        chosen = [start]
        for positions in others:
            free = [one for one in positions if one not in chosen]
            if not free:
                break
            chosen.append(min(free, key=lambda one: (abs(one - start), one)))
        if len(chosen) == len(by_place) and max(chosen) - min(chosen) <= span_max:
            return chosen
    return []
