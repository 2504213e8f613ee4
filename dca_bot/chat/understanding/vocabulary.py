"""The lexicons of some languages as an index: the phrases that the words of a message belong to.

A token that no lexicon has is looked up by the sound, then by the nearest word of a phrase. Small words,
numbers and well-known words are never corrected, nor are names, codes and addresses.
"""

from collections import Counter
from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property

from dca_bot.chat.understanding.examples import Examples
from dca_bot.chat.understanding.spelling import Spelling
from dca_bot.core.names import folded
from dca_bot.core.secrets import is_seed_word
from dca_bot.messages.lexicon import Lexicon

STRENGTHS = {"sure": (10, 3), "likely": (6, 2), "hint": (3, 1)}
"""The points of a phrase by its strength: for the first word, and for each further word."""
PLACES = frozenset({"NAME", "AMOUNT", "ID", "NPUB", "DESTINATION", "PERCENT"})
"""Words of a phrase that stand for an argument."""
PHRASE_WORDS_MAX = 4
"""The words of the longest phrase that is looked for at the beginning or the end of a line."""
_BOTH = "both"
_SEEN_MAX = 20_000


@dataclass(frozen=True, slots=True)
class Cue:
    """A phrase that means a command; of each place in `places` the message has a word.

    `negation`: the place of a word like `no`, never behind the other words; -1 in other phrases.
    """

    intent: str
    points: int
    places: tuple[frozenset[str], ...]
    negation: int = -1


@dataclass(frozen=True, slots=True)
class Match:
    """The words of the lexicons that a typed word can be.

    `is_corrected`: none of the words was typed. `is_typo`: the typed word doesn't even sound like the words.
    """

    words: frozenset[str]
    is_corrected: bool = False
    is_typo: bool = False


NO_MATCH = Match(frozenset())


@dataclass(frozen=True)
class Vocabulary:
    """The phrases and example sentences of a role in some languages.

    `currency`: the bot's currency, named beside amounts.
    """

    role: str
    lexicons: Sequence[Lexicon]
    currency: str
    examples: Examples
    _matches: dict[str, Match] = field(default_factory=dict)
    _lists: dict[tuple[str, str], frozenset[str]] = field(default_factory=dict)
    _values: dict[tuple[str, ...], dict[str, str]] = field(default_factory=dict)

    def match(self, word: str) -> Match:
        """Return the words of the lexicons that a typed word can be."""
        if word not in self._matches:
            if len(self._matches) > _SEEN_MAX:
                self._matches.clear()
            self._matches[word] = self._match(word)
        return self._matches[word]

    def has(self, word: str) -> bool:
        """Tell whether a word stands in a lexicon as typed."""
        match = self.match(word)
        return word in self.small or (bool(match.words) and not match.is_corrected)

    def is_written(self, word: str) -> bool:
        """Tell whether a word stands in a lexicon as typed, or is a word that is never corrected."""
        return self.has(word) or word in self._untouched

    def is_known(self, word: str) -> bool:
        """Tell whether a word stands in a lexicon, as typed or nearly."""
        return self.is_written(word) or bool(self.match(word).words)

    def list_of(self, section: str, key: str) -> frozenset[str]:
        """Return the phrases of a key in all languages: `mood`, `negations`, for example."""
        if (section, key) not in self._lists:
            lists = (one.section(section).get(key, ()) for one in self.lexicons)
            self._lists[section, key] = frozenset(phrase for listed in lists for phrase in listed)
        return self._lists[section, key]

    def values(self, *path: str) -> Mapping[str, str]:
        """Return the key of each phrase of a section in all languages: `semanal` means `weekly`."""
        if path not in self._values:
            sections = (one.section(*path) for one in self.lexicons)
            self._values[path] = {
                phrase: key
                for section in sections
                for key, listed in section.items()
                for phrase in listed
            }
        return self._values[path]

    def values_of(self, lists: Sequence[str]) -> Mapping[str, str]:
        """Return the value of each phrase of some lists of values; of two values the last list's counts."""
        path = ("lists", *lists)
        if path not in self._values:
            self._values[path] = {
                phrase: value
                for one in lists
                for phrase, value in self.values("values", one).items()
            }
        return self._values[path]

    @cached_property
    def around_codes(self) -> tuple[frozenset[str], frozenset[str]]:
        """Return the phrases before a code in an answer, and those after; a letter alone is no yes there."""
        yes = frozenset(one for one in self.list_of("yes", "words") if len(one) > 1)
        return yes | self.list_of("code", "before"), yes | self.list_of("code", "after")

    @cached_property
    def cues(self) -> tuple[Cue, ...]:
        """Return the phrases of the role and of both roles; equal phrases of two languages once."""
        found: dict[tuple[str, tuple[frozenset[str], ...]], int] = {}
        for intent, strength, places in self._phrases():
            first, more = STRENGTHS[strength]
            points = first + more * (len(places) - 1)
            found[intent, places] = max(points, found.get((intent, places), 0))
        negations = self.list_of("mood", "negations")
        return tuple(
            Cue(intent, points, places, _place_within(negations, places))
            for (intent, places), points in found.items()
        )

    @cached_property
    def cues_of_word(self) -> Mapping[str, Sequence[int]]:
        """Return the phrases (by number) of each word of the place whose words are the rarest in phrases.

        A message without a word of this place hasn't the phrase.
        """
        frequent = Counter(word for cue in self.cues for place in cue.places for word in place)
        found: dict[str, list[int]] = {}
        for number, cue in enumerate(self.cues):
            for word in min(cue.places, key=lambda place: sum(frequent[word] for word in place)):
                found.setdefault(word, []).append(number)
        return found

    @cached_property
    def small(self) -> frozenset[str]:
        """Return the words that say nothing when alone, forms of address included."""
        polite = self.list_of("polite", "phrases")
        return self.list_of("small", "words") | {phrase for phrase in polite if " " not in phrase}

    @cached_property
    def courtesy(self) -> Mapping[str, frozenset[tuple[str, ...]]]:
        """Return greetings and polite phrases by the first word."""
        found: dict[str, set[tuple[str, ...]]] = {}
        for phrase in self.list_of("polite", "phrases"):
            words = tuple(phrase.split())
            found.setdefault(words[0], set()).add(words)
        return {word: frozenset(phrases) for word, phrases in found.items()}

    def _match(self, word: str) -> Match:
        found = self._spelling.exact(word) | self._spelling.exact(self._short.get(word, ""))
        # The lists of seed words hold well-known words: none is a typing mistake.
        is_right = word in self.small or word in self._untouched or is_seed_word(word)
        if found or is_right or not word.isalpha():
            return Match(found)
        by_sound = self._spelling.by_sound(word)
        if by_sound:
            return Match(by_sound, is_corrected=True)
        return Match(self._spelling.nearest(word), is_corrected=True, is_typo=True)

    def _phrases(self) -> Iterator[tuple[str, str, tuple[frozenset[str], ...]]]:
        for lexicon in self.lexicons:
            groups = lexicon.section("groups")
            for role in (_BOTH, self.role):
                for intent, strength, phrase in lexicon.cues(role):
                    places = sorted(_places(phrase, groups), key=sorted)
                    yield intent, strength, tuple(places)

    @cached_property
    def _spelling(self) -> Spelling:
        pairs = (
            pair for one in self.lexicons for pair in one.section("spelling").get("sounds", ())
        )
        sounds = [(text, sound) for text, _, sound in (pair.partition("=") for pair in pairs)]
        words = frozenset(word for cue in self.cues for place in cue.places for word in place)
        return Spelling(words - PLACES, sounds)

    @cached_property
    def _short(self) -> Mapping[str, str]:
        """Return the words that people write short: `q` is `que`."""
        pairs = (one.partition("=") for one in self.list_of("spelling", "short"))
        return {short: word for short, _, word in pairs}

    @cached_property
    def _untouched(self) -> frozenset[str]:
        """Return the words of moods, values, numbers, courtesy and commands: none is corrected."""
        sections = ("mood", "yes", "joining", "polite", "numbers", "dictated", "values", "commands")
        texts = (text for one in self.lexicons for text in one.texts(*sections))
        return frozenset(word.partition("=")[0] for text in texts for word in text.split())


def begun(words: Sequence[str], phrases: Collection[str]) -> int:
    """Return how many words the longest phrase has with which words begin; 0 without one."""
    left = words[:PHRASE_WORDS_MAX]
    while left and " ".join(left) not in phrases:
        left = left[:-1]
    return len(left)


def ended(words: Sequence[str], phrases: Collection[str]) -> int:
    """Return how many words the longest phrase has with which words end; 0 without one."""
    left = words[-PHRASE_WORDS_MAX:]
    while left and " ".join(left) not in phrases:
        left = left[1:]
    return len(left)


def _place_within(words: frozenset[str], places: Sequence[frozenset[str]]) -> int:
    return next((number for number, place in enumerate(places) if place <= words), -1)


def _places(phrase: str, groups: Mapping[str, Sequence[str]]) -> Iterator[frozenset[str]]:
    """Yield the words for each place of a phrase: `cuanto tengo/llevo` has two places."""
    for place in phrase.split():
        parts = place.split("/")
        # `p/l` and `/dia` are words; `tengo/llevo` are two.
        is_list = parts[0] and max(map(len, parts)) > 1
        words: set[str] = set()
        for word in parts if is_list else [place]:
            if word.startswith("<"):
                words.update(groups[word.strip("<>")])
            else:
                words.add(word if word in PLACES else folded(word))
        yield frozenset(words)
