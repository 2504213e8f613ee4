"""The lexicons of some languages as one index: which phrases a token belongs to.

A token that no lexicon has is looked up by the sound, then by the nearest word of a phrase. Small words,
numbers, names, codes and addresses are never corrected.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property

from dca_bot.core.names import folded
from dca_bot.core.secrets import is_seed_word
from dca_bot.messages.lexicon import Lexicon

STRENGTHS = {"sure": (10, 3), "likely": (6, 2), "hint": (3, 1)}
"""The points of a phrase by its strength: for the first word, and for each further word."""
PLACES = frozenset({"NAME", "AMOUNT", "ID", "NPUB", "DESTINATION", "PERCENT"})
"""Words of a phrase that stand for an argument."""
_BOTH = "both"
_TYPO_LENGTH_MIN = 4
_TYPO_STEM_MIN = 6
_WORD_LENGTH_MAX = 24
_STEM_LENGTH_MIN = 3


@dataclass(frozen=True, slots=True)
class Cue:
    """A phrase that means a command; of each place in `places` the message has one of the words."""

    intent: str
    points: int
    places: tuple[frozenset[str], ...]


@dataclass(frozen=True, slots=True)
class Match:
    """The words of the lexicon that a token can be; `corrected`: none of them was typed so."""

    words: frozenset[str]
    corrected: bool = False
    is_typo: bool = False
    """Whether the token doesn't even sound like one of the words."""


NO_MATCH = Match(frozenset())


@dataclass(frozen=True)
class Vocabulary:
    """The phrases of a role in some languages; `currency`: the bot's, whose names stand beside amounts."""

    role: str
    lexicons: Sequence[Lexicon]
    currency: str
    _seen: dict[str, Match] = field(default_factory=dict)

    @cached_property
    def cues(self) -> tuple[Cue, ...]:
        """Return the phrases of the role and of both roles; equal phrases of two languages once."""
        found: dict[tuple[str, tuple[frozenset[str], ...]], int] = {}
        for lexicon in self.lexicons:
            groups = lexicon.section("groups")
            for role in (_BOTH, self.role):
                for intent, strength, phrase in lexicon.cues(role):
                    places = tuple(sorted(_places(phrase, groups), key=sorted))
                    first, more = STRENGTHS[strength]
                    points = first + more * (len(places) - 1)
                    found[intent, places] = max(points, found.get((intent, places), 0))
        return tuple(Cue(intent, points, places) for (intent, places), points in found.items())

    @cached_property
    def cues_of_word(self) -> Mapping[str, Sequence[tuple[int, int]]]:
        """Return, for each word, the phrases (by number) and the places in which the word stands."""
        found: dict[str, list[tuple[int, int]]] = {}
        for number, cue in enumerate(self.cues):
            for place, words in enumerate(cue.places):
                for word in words:
                    found.setdefault(word, []).append((number, place))
        return found

    @cached_property
    def small(self) -> frozenset[str]:
        """Return the words that say nothing by themselves."""
        return frozenset(
            word for one in self.lexicons for word in one.section("small").get("words", ())
        )

    @cached_property
    def polite(self) -> frozenset[tuple[str, ...]]:
        """Return the polite phrases and greetings, as words."""
        return frozenset(
            tuple(phrase.split())
            for one in self.lexicons
            for phrase in one.section("polite").get("phrases", ())
        )

    def list_of(self, section: str, key: str) -> frozenset[str]:
        """Return the phrases of a key in all languages: `mood`, `negations`, for example."""
        return frozenset(
            phrase for one in self.lexicons for phrase in one.section(section).get(key, ())
        )

    def values(self, *path: str) -> Mapping[str, str]:
        """Return the key of each phrase of a section in all languages: `semanal` means `weekly`."""
        return {
            phrase: key
            for one in self.lexicons
            for key, listed in one.section(*path).items()
            for phrase in listed
        }

    def match(self, word: str) -> Match:
        """Return the words of the lexicon that a typed word can be."""
        if word not in self._seen:
            if len(self._seen) > 50_000:
                self._seen.clear()
            self._seen[word] = self._match(word)
        return self._seen[word]

    def is_known(self, word: str) -> bool:
        """Tell whether a word stands in a lexicon as typed."""
        return word in self.small or word in self._known or bool(self.match(word).words)

    def _match(self, word: str) -> Match:
        found = self._exact(word)
        if found or word in self.small or word in self._known or not word.isalpha():
            return Match(found)
        if is_seed_word(word):
            # The lists of seed words are lists of well-known words: none is a typing mistake.
            return Match(found)
        sound = self.sound(word)
        by_sound = frozenset(self._by_sound.get(sound, ())) | self._stems_of(
            sound, self._stem_sounds
        )
        if by_sound:
            return Match(by_sound, corrected=True)
        near = self._nearest(sound) or self._nearest(word)
        return Match(near, corrected=True, is_typo=True)

    def sound(self, word: str) -> str:
        """Return a word as it sounds: `kiero` and `quiero` are equal; repeated letters count once."""
        for text, sound in self._sounds:
            word = word.replace(text, sound)
        return "".join(char for n, char in enumerate(word) if n == 0 or char != word[n - 1])

    def _exact(self, word: str) -> frozenset[str]:
        words = frozenset({word}) if word in self._words else frozenset()
        return words | self._stems_of(word, self._stems)

    @cached_property
    def _sounds(self) -> tuple[tuple[str, str], ...]:
        listed = (pair for one in self.lexicons for pair in one.section("spelling").get("sounds", ()))
        return tuple((text, sound) for text, _, sound in (pair.partition("=") for pair in listed))

    @cached_property
    def _words(self) -> frozenset[str]:
        return frozenset(self.cues_of_word) - PLACES

    @cached_property
    def _known(self) -> frozenset[str]:
        """Return the words that no correction touches: those of moods, values, numbers and courtesy."""
        lists = [
            listed
            for one in self.lexicons
            for section in ("mood", "yes", "polite", "joining")
            for listed in one.section(section).values()
        ]
        lists += [
            listed
            for one in self.lexicons
            for name in one.sections.get("values", {})
            for listed in one.section("values", name).values()
        ]
        lists += [
            listed
            for one in self.lexicons
            for name in (_BOTH, self.role)
            for listed in one.section("commands", name).values()
        ]
        words = {word for listed in lists for phrase in listed for word in phrase.split()}
        return frozenset(words) | frozenset(
            number.partition("=")[0]
            for one in self.lexicons
            for listed in one.section("numbers").values()
            for number in listed
        )

    @cached_property
    def _stems(self) -> Mapping[str, frozenset[str]]:
        return {word[:-1]: frozenset({word}) for word in self._words if word.endswith("*")}

    @cached_property
    def _stem_sounds(self) -> Mapping[str, frozenset[str]]:
        found: dict[str, frozenset[str]] = {}
        for stem, words in self._stems.items():
            sound = self.sound(stem)
            found[sound] = found.get(sound, frozenset()) | words
        return found

    @cached_property
    def _by_sound(self) -> Mapping[str, set[str]]:
        found: dict[str, set[str]] = {}
        for word in self._words:
            if not word.endswith("*"):
                found.setdefault(self.sound(word), set()).add(word)
        return found

    @cached_property
    def _by_deletion(self) -> Mapping[str, set[str]]:
        """Return the sounds of words and stems, by each text that is left when a letter is dropped."""
        found: dict[str, set[str]] = {}
        for sound in (*self._by_sound, *self._stem_sounds):
            if sound.isalpha() and len(sound) >= _TYPO_LENGTH_MIN:
                for left in _shortened(sound):
                    found.setdefault(left, set()).add(sound)
        for word in self._words:
            if word.isalpha() and len(word) >= _TYPO_LENGTH_MIN:
                for left in _shortened(word):
                    found.setdefault(left, set()).add(self.sound(word))
        return found

    @cached_property
    def _stems_by_deletion(self) -> Mapping[str, set[str]]:
        found: dict[str, set[str]] = {}
        for sound in self._stem_sounds:
            if len(sound) >= _TYPO_STEM_MIN:
                for left in _shortened(sound):
                    found.setdefault(left, set()).add(sound)
        return found

    def _stems_of(self, word: str, stems: Mapping[str, frozenset[str]]) -> frozenset[str]:
        lengths = range(_STEM_LENGTH_MIN, min(len(word), _WORD_LENGTH_MAX) + 1)
        return frozenset().union(*(stems.get(word[:length], ()) for length in lengths))

    def _nearest(self, sound: str) -> frozenset[str]:
        """Return the words that differ by one letter, or by a letter that stands elsewhere."""
        if not _TYPO_LENGTH_MIN <= len(sound) <= _WORD_LENGTH_MAX:
            return frozenset()
        stems = self._nearest_stems(sound)
        if stems:
            return stems
        near = {found for left in _shortened(sound) for found in self._by_deletion.get(left, ())}
        if not near:
            return frozenset()
        best = min((sound[0] != one[0], abs(len(sound) - len(one)), one) for one in near)
        if best[0] and len(sound) < _TYPO_LENGTH_MIN + 2:
            return frozenset()
        alike = {one for one in near if (sound[0] != one[0], abs(len(sound) - len(one))) == best[:2]}
        words = (frozenset(self._by_sound.get(one, ())) for one in alike)
        short_stems = (self._stem_sounds.get(one, frozenset()) for one in alike)
        return frozenset().union(*words, *short_stems)

    def _nearest_stems(self, sound: str) -> frozenset[str]:
        """Return the longest stems that a word's beginning differs from by one letter."""
        for length in range(len(sound), _TYPO_STEM_MIN - 2, -1):
            near = {
                stem
                for left in _shortened(sound[:length])
                for stem in self._stems_by_deletion.get(left, ())
                if stem[0] == sound[0]
            }
            if near:
                return frozenset().union(*(self._stem_sounds[stem] for stem in near))
        return frozenset()


def _shortened(word: str) -> Iterator[str]:
    yield word
    for place in range(len(word)):
        yield word[:place] + word[place + 1 :]


def _places(phrase: str, groups: Mapping[str, Sequence[str]]) -> Iterator[frozenset[str]]:
    """Yield the words for each place of a phrase: `cuanto tengo/llevo` has two places."""
    for place in phrase.split():
        words: set[str] = set()
        parts = place.split("/")
        for word in parts if max(map(len, parts)) > 1 and parts[0] else [place]:
            if word.startswith("<"):
                words.update(groups[word.strip("<>")])
            else:
                words.add(word if word in PLACES else folded(word))
        yield frozenset(words)
