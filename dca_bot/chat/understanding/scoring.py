"""Ranks the commands that the words of a line can mean, by the phrases of the lexicons.

Points: a command's best phrase, a third of the points of another phrase over other words, some points where
nothing else was said, and fewer for each word that the command doesn't account for. The example sentences
judge the same line (`examples`), and `joined` adds both judgements up.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace

from dca_bot.chat.understanding.examples import POINT
from dca_bot.chat.understanding.vocabulary import Cue, Match, Vocabulary

_WHOLE = 4
"""Points for a command that accounts for each word that says something."""
_LOST, _LOST_MAX = 2, 6
"""Points lost for each word that a command doesn't account for."""
_CORRECTED, _BETWEEN = 1, 3
"""Points that a phrase loses for each corrected word, and for each word that lies between its words."""
_FURTHER_PART = 3
_NOTHING: frozenset[int] = frozenset()


@dataclass(frozen=True, slots=True)
class Spoken:
    """A token for the phrases: the possible words, and whether the token says something when alone."""

    match: Match
    says_something: bool
    is_number: bool = False


@dataclass(frozen=True, slots=True)
class Candidate:
    """A command with points; `used`: the places of the tokens that the command's phrases account for."""

    intent: str
    points: int
    used: frozenset[int]
    is_corrected: bool = False
    """Whether a phrase holds only with a corrected spelling."""
    is_typo: bool = False
    """Whether a phrase holds only with a word that doesn't even sound like the typed word."""
    phrase_points: int = 0
    """The points of the best phrase alone."""
    left_over: int = 0
    """How many words that say something the phrases don't account for."""
    score: int = 0
    """The score by the example sentences."""

    @property
    def weight(self) -> int:
        """Return what phrases and examples say together."""
        return self.points * POINT + self.score


@dataclass(frozen=True, slots=True)
class _Hit:
    points: int
    used: frozenset[int]
    is_corrected: bool
    is_typo: bool


def rank(
    words: Sequence[Spoken], vocabulary: Vocabulary, takes_numbers: Callable[[str], bool]
) -> list[Candidate]:
    """Return the commands that some phrase means, the likeliest first.

    `takes_numbers`: whether a command has a number among the arguments.
    """
    hits: dict[str, list[_Hit]] = {}
    for cue, used in _matched(words, vocabulary):
        hits.setdefault(cue.intent, []).append(_hit(cue, used, words))
    content = frozenset(place for place, word in enumerate(words) if word.says_something)
    numbers = frozenset(place for place in content if words[place].is_number)
    ranked = [
        _candidate(intent, found, content - numbers if takes_numbers(intent) else content)
        for intent, found in hits.items()
    ]
    return sorted(ranked, key=lambda one: (-one.points, one.intent))


def joined(ranked: Sequence[Candidate], scores: Mapping[str, int]) -> list[Candidate]:
    """Return the commands by phrases and by examples together, the likeliest first.

    `scores`: of each command with examples; a command without examples has the lowest.
    """
    if not scores:
        return list(ranked)
    by_name = {one.intent for one in ranked}
    lowest = min(scores.values())
    found = [replace(one, score=scores.get(one.intent, lowest)) for one in ranked]
    found += [
        Candidate(name, 0, _NOTHING, score=score)
        for name, score in scores.items()
        if name not in by_name
    ]
    return sorted(found, key=lambda one: (-one.weight, one.intent))


def _hit(cue: Cue, used: Sequence[int], words: Sequence[Spoken]) -> _Hit:
    corrected = sum(words[place].match.is_corrected for place in used)
    between = sum(
        words[place].says_something and not words[place].is_number and place not in used
        for place in range(min(used), max(used))
    )
    points = cue.points - corrected * _CORRECTED - between * _BETWEEN
    is_typo = any(words[place].match.is_typo for place in used)
    return _Hit(points, frozenset(used), corrected > 0, is_typo)


def _candidate(intent: str, hits: Sequence[_Hit], content: frozenset[int]) -> Candidate:
    best, *others = sorted(hits, key=lambda one: (-one.points, sorted(one.used)))
    used, further = best.used, 0
    for one in others:
        if not one.used & used:
            used, further = used | one.used, further + max(one.points, 0) // _FURTHER_PART
    left_over = len(content - used)
    whole = -min(_LOST * left_over, _LOST_MAX) if left_over else _WHOLE
    points = best.points + min(further, _WHOLE) + whole
    return Candidate(intent, points, used, best.is_corrected, best.is_typo, best.points, left_over)


def _matched(words: Sequence[Spoken], vocabulary: Vocabulary) -> list[tuple[Cue, list[int]]]:
    """Return the phrases of which all words stand close together, with the places of the words."""
    said = [(text, number) for number, word in enumerate(words) for text in word.match.words]
    texts = frozenset(text for text, _ in said)
    near = {number for text in texts for number in vocabulary.cues_of_word.get(text, ())}
    found = []
    for cue in (vocabulary.cues[number] for number in near):
        if any(map(texts.isdisjoint, cue.places)):
            continue
        by_place: dict[int, list[int]] = {}
        for text, number in said:
            for place, group in enumerate(cue.places):
                if text in group:
                    by_place.setdefault(place, []).append(number)
        used = _close_together(by_place, 2 * len(cue.places) + 4)
        is_last = len(used) > 1 and used.get(cue.negation) == max(used.values())
        if used and not is_last:
            found.append((cue, list(used.values())))
    return found


def _close_together(by_place: Mapping[int, list[int]], span_max: int) -> dict[int, int]:
    """Choose a token for each place of a phrase, all near each other; empty if impossible."""
    rarest, *others = sorted(by_place, key=lambda place: len(by_place[place]))
    for start in by_place[rarest]:
        chosen = {rarest: start}
        for place in others:
            taken = chosen.values()
            near = [n for n in by_place[place] if abs(n - start) <= span_max and n not in taken]
            if not near:
                break
            chosen[place] = min(near, key=lambda one: (abs(one - start), one))
        span = max(chosen.values()) - min(chosen.values())
        if len(chosen) == len(by_place) and span <= span_max:
            return chosen
    return {}
