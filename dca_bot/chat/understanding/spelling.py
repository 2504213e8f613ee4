"""Finds the word that a misspelt word means: by the sound, or by a single letter that differs.

Letters are dropped on both sides: `slado` meets `saldo` at `sado`. Looking a word up costs as many steps
as the word has letters, however many words are known.
"""

from collections.abc import Collection, Iterator, Mapping, Sequence
from functools import cached_property

_LENGTH_MIN, _LENGTH_MAX = 4, 24
_OTHER_BEGINNING_MIN = 6
"""The letters of a word whose first letter may be the wrong one."""
_STEM_MIN = 3
_LONG_STEM_MIN = 6
"""The letters of a stem that a word may begin with misspelt."""


class Spelling:
    """Known words, and stems written with a `*`: `ahorr*` is every word that begins with `ahorr`."""

    def __init__(self, words: Collection[str], sounds: Sequence[tuple[str, str]]) -> None:
        self._words = frozenset(words)
        self._sounds = tuple(sounds)

    def exact(self, word: str) -> frozenset[str]:
        """Return the known word and stems that a word is written like."""
        found = self._begun(word, self._stems)
        return found | {word} if word in self._words else found

    def by_sound(self, word: str) -> frozenset[str]:
        """Return the known words and stems that a word sounds like."""
        sound = self.sound(word)
        return self._by_sound.get(sound, frozenset()) | self._begun(sound, self._stem_sounds)

    def nearest(self, word: str) -> frozenset[str]:
        """Return the known words that differ by a letter, or by a letter that stands elsewhere."""
        return self._nearest(self.sound(word)) or self._nearest(word)

    def sound(self, word: str) -> str:
        """Return a word as it sounds: `kiero` and `quiero` are equal; repeated letters count once."""
        for text, sound in self._sounds:
            word = word.replace(text, sound)
        return "".join(char for n, char in enumerate(word) if n == 0 or char != word[n - 1])

    def _begun(self, word: str, stems: Mapping[str, frozenset[str]]) -> frozenset[str]:
        lengths = range(_STEM_MIN, min(len(word), _LENGTH_MAX) + 1)
        return frozenset().union(*(stems.get(word[:length], ()) for length in lengths))

    def _nearest(self, sound: str) -> frozenset[str]:
        if not _LENGTH_MIN <= len(sound) <= _LENGTH_MAX:
            return frozenset()
        stems = self._nearest_stems(sound)
        if stems:
            return stems
        near = {one for left in _shortened(sound) for one in self._by_deletion.get(left, ())}
        if len(sound) < _OTHER_BEGINNING_MIN:
            near = {one for one in near if one[0] == sound[0]}
        rank = {one: (one[0] != sound[0], abs(len(one) - len(sound))) for one in near}
        best = [one for one in near if rank[one] == min(rank.values())]
        none: frozenset[str] = frozenset()
        return none.union(
            *(self._by_sound.get(one, none) | self._stem_sounds.get(one, none) for one in best)
        )

    def _nearest_stems(self, sound: str) -> frozenset[str]:
        """Return the longest stems that a word begins with, but for a single letter."""
        for length in range(len(sound), _LONG_STEM_MIN - 2, -1):
            near = {
                stem
                for left in _shortened(sound[:length])
                for stem in self._stems_by_deletion.get(left, ())
                if stem[0] == sound[0]
            }
            if near:
                return frozenset().union(*(self._stem_sounds[stem] for stem in near))
        return frozenset()

    @cached_property
    def _stems(self) -> Mapping[str, frozenset[str]]:
        return {word[:-1]: frozenset({word}) for word in self._words if word.endswith("*")}

    @cached_property
    def _stem_sounds(self) -> Mapping[str, frozenset[str]]:
        return _gathered((self.sound(stem), words) for stem, words in self._stems.items())

    @cached_property
    def _by_sound(self) -> Mapping[str, frozenset[str]]:
        whole = (word for word in self._words if not word.endswith("*"))
        return _gathered((self.sound(word), frozenset({word})) for word in whole)

    @cached_property
    def _by_deletion(self) -> Mapping[str, frozenset[str]]:
        """Return the sounds of words and stems by each text that is left when a letter is dropped."""
        written = [(word, self.sound(word)) for word in self._words if word.isalpha()]
        heard = [
            (sound, sound) for sound in (*self._by_sound, *self._stem_sounds) if sound.isalpha()
        ]
        return _gathered(
            (left, frozenset({sound}))
            for text, sound in (*written, *heard)
            if len(text) >= _LENGTH_MIN
            for left in _shortened(text)
        )

    @cached_property
    def _stems_by_deletion(self) -> Mapping[str, frozenset[str]]:
        return _gathered(
            (left, frozenset({sound}))
            for sound in self._stem_sounds
            if len(sound) >= _LONG_STEM_MIN
            for left in _shortened(sound)
        )


def _shortened(word: str) -> Iterator[str]:
    """Yield a word, and each text that is left when a letter of the word is dropped."""
    yield word
    for place in range(len(word)):
        yield word[:place] + word[place + 1 :]


def _gathered(pairs: Iterator[tuple[str, frozenset[str]]]) -> dict[str, frozenset[str]]:
    found: dict[str, set[str]] = {}
    for key, words in pairs:
        found.setdefault(key, set()).update(words)
    return {key: frozenset(words) for key, words in found.items()}
