"""Compares names by the look, as people do, not by the characters.

`folded` forgives careless typing: case, accents, other forms of a letter, invisible characters.
`skeleton` also maps letters of other scripts to the Latin letters of the same look. The idea is
Unicode's (UTS 39), the table our own: letters of Cyrillic, Greek, Armenian and Latin, by the small
forms, as case doesn't count. ASCII characters all stay different.
"""

import unicodedata

_ACCENTS = (
    (0x0300, 0x036F),
    (0x1AB0, 0x1AFF),
    (0x1DC0, 0x1DFF),
    (0x20D0, 0x20FF),
    (0xFE20, 0xFE2F),
)
"""Combining marks that stand on letters of any script; others are letters of their own script."""
_UNSEEN = frozenset("\u115f\u1160\u17b4\u17b5\u3164\uffa0")
_UNSEEN_RANGES = ((0x180B, 0x180F), (0xFE00, 0xFE0F), (0xE0100, 0xE01EF))

_LOOK_ALIKES = str.maketrans(
    {
        # Cyrillic
        **dict(zip("\u0430\u0432\u0433\u0435\u0437\u043a\u043c\u043d", "abre3kmh", strict=True)),
        **dict(zip("\u043e\u043f\u0440\u0441\u0442\u0443\u0445\u044c", "onpctyxb", strict=True)),
        **dict(zip("\u0455\u0456\u0458\u0475\u04af\u04bb\u04cf", "sijvyhl", strict=True)),
        **dict(zip("\u0501\u050d\u051b\u051d", "dgqw", strict=True)),
        # Greek; where the two cases look like different letters, the capital counts
        **dict(zip("\u03b1\u03b2\u03b3\u03b5\u03b6\u03b7\u03b9\u03ba", "abyezhik", strict=True)),
        **dict(zip("\u03bc\u03bd\u03bf\u03c1\u03c4\u03c5\u03c7\u03c9", "mnoptyxw", strict=True)),
        **dict(zip("\u03f2\u03f3", "cj", strict=True)),
        # Armenian
        **dict(zip("\u0566\u0570\u0575\u0578\u057d\u0581\u0585", "qhjnugo", strict=True)),
        # Latin letters with a stroke, a hook, or another shape
        **dict(zip("\u0131\u0237\u0142\u00f8\u0111\u0127\u0167", "ijlodht", strict=True)),
        **dict(zip("\u0180\u0199\u0253\u0257\u01b4\u0268\u0289", "bkbdyiu", strict=True)),
        **dict(zip("\u0251\u0261\u0269\u026a\u028f\u0274\u0280", "agiiynr", strict=True)),
        **dict(zip("\u029c\u029f\u0299\u0262\u014b\u00f0\u0192", "hlbgndf", strict=True)),
        "\u00e6": "ae",
        "\u0153": "oe",
    }
)
_NPUB_CHARS = 12
_SAME_SHAPE = str.maketrans({"I": "l", "1": "l"})
_LETTERS = frozenset({"Ll", "Lo", "Lt", "Lu"})
_EAST_ASIAN = ("BOPOMOFO", "CJK", "HANGUL", "HIRAGANA", "KATAKANA", "KATAKANA-HIRAGANA")
"""Scripts that are written together."""


def short_id(id_: str) -> str:
    """Return the beginning of an id, as logs and people are shown a payout's or a cash-out's.

    >>> short_id("9c04ae1b77d2")
    '9c04ae1b'
    """
    return id_[:8]


def short_npub(npub: str) -> str:
    """Return the beginning of an npub, as logs and people are shown an operator's or a stranger's.

    >>> short_npub("npub1gylv5z2nanh3t6deex99q6eqpytv70smp7")
    'npub1gylv5z2…'
    """
    return f"{npub[:_NPUB_CHARS]}…"


def folded(text: str) -> str:
    """Return a text without case, accents, compatibility forms and invisible characters.

    >>> folded("José")
    'jose'
    """
    if text.isascii():
        return text.casefold()
    apart = unicodedata.normalize("NFKD", unicodedata.normalize("NFKC", visible(text)).casefold())
    plain = "".join(char for char in apart if char.isascii() or not _is_in(char, _ACCENTS))
    return unicodedata.normalize("NFKC", visible(plain)).casefold()


def visible(text: str) -> str:
    """Remove the invisible characters: of no width, or for the direction of writing."""
    if text.isascii():
        return text
    return "".join(
        char
        for char in text
        if char.isascii()
        or (
            unicodedata.category(char) != "Cf"
            and char not in _UNSEEN
            and not _is_in(char, _UNSEEN_RANGES)
        )
    )


def on_one_line(text: str, length_max: int) -> str:
    r"""Return a text from outside as it can be shown within a line: without marks of control, and cut.

    >>> on_one_line("Ana\u202e\n\n  María", 8)
    'Ana Mar…'
    """
    apart = (" " if char.isspace() else char for char in visible(text))
    plain = "".join(char for char in apart if not unicodedata.category(char).startswith("C"))
    line = " ".join(plain.split())
    return line if len(line) <= length_max else f"{line[: length_max - 1].rstrip()}…"


def skeleton(name: str) -> str:
    r"""Return a text that is equal for two names of the same look; never empty for a name.

    >>> skeleton("\N{CYRILLIC SMALL LETTER A}na") == skeleton("Ana")
    True
    """
    return folded(name).translate(_LOOK_ALIKES) or name.casefold()


def shape(name: str) -> str:
    """Return a skeleton that also equates `I`, `l` and `1`, and `O` and `0`: for new names only."""
    plain = unicodedata.normalize("NFKC", name).translate(_SAME_SHAPE)
    return skeleton(plain).replace("o", "0")


def mixes_scripts(name: str) -> bool:
    """Tell whether a name has letters of several scripts, as an imitation of another name often has."""
    return len({_script(char) for char in name if unicodedata.category(char) in _LETTERS}) > 1


def _script(char: str) -> str:
    script = unicodedata.name(char, "UNNAMED").split()[0]
    return _EAST_ASIAN[0] if script in _EAST_ASIAN else script


def _is_in(char: str, ranges: tuple[tuple[int, int], ...]) -> bool:
    return any(first <= ord(char) <= last for first, last in ranges)
