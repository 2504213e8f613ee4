"""How well messages are understood: prints figures by kind, and what a long message costs.

.venv/bin/python tests/understanding_figures.py            all languages are tried
.venv/bin/python tests/understanding_figures.py --own      each sentence in its own language only
.venv/bin/python tests/understanding_figures.py --show     what is not understood, too
"""

import sys
import time
from collections import Counter
from dataclasses import dataclass
from pathlib import Path

from dca_bot.chat.understanding.meaning import Certainty
from dca_bot.chat.understanding.reading import understand, vocabulary_of
from dca_bot.messages.lexicon import LEXICONS

DATA = Path(__file__).parent / "data" / "understanding"
FILES = ("listed", *(f"written_{number}" for number in range(1, 17)))


@dataclass(frozen=True)
class Sentence:
    """What somebody typed, and the commands that were meant."""

    role: str
    language: str
    text: str
    meant: tuple[str, ...]


def say(text):
    sys.stdout.write(f"{text}\n")


def rows(name):
    lines = (DATA / f"{name}.tsv").read_text(encoding="utf-8").splitlines()[1:]
    return [line.split("\t") for line in lines]


def sentences(name):
    return [
        Sentence(role, language, text.replace("\\n", "\n"), tuple(meant.split(",")))
        for role, language, text, meant in rows(name)
    ]


def understood(sentence, *, own_language=False):
    languages = (sentence.language,) if own_language else LEXICONS
    return understand(sentence.text, vocabulary_of(sentence.role, languages))


def ruling(sentence, *, own_language=False):
    return ruled(sentence, understood(sentence, own_language=own_language))


def ruled(sentence, found):
    """Rule over a reading: `right`, `asked` with the right one first, `wrong` though sure, or `missed`."""
    names = tuple(one.intent for one in found.intents)
    if found.certainty is Certainty.ASK:
        return "asked" if found.asked[0] == sentence.meant[0] else "missed"
    if names == sentence.meant:
        return "right"
    return "wrong" if found.certainty is Certainty.SURE else "missed"


def counted(name, *, own_language=False, read_by=None):
    """Count the rulings over a file; `read_by`: returns the vocabulary for a sentence."""
    if read_by is None:
        return Counter(ruling(one, own_language=own_language) for one in sentences(name))
    return Counter(ruled(one, understand(one.text, read_by(one))) for one in sentences(name))


def percent(part, whole):
    return f"{100 * part / whole:5.1f} %"


def row(name, rulings):
    whole = sum(rulings.values())
    good = rulings["right"] + rulings["asked"]
    return (
        f"{name:28}{whole:6}{percent(good, whole):>10}{percent(rulings['asked'], whole):>10}"
        f"{percent(rulings['wrong'], whole):>10}"
    )


def print_figures(*, own_language, show):
    for name in FILES:
        kinds = {}
        for one in sentences(name):
            ruled = ruling(one, own_language=own_language)
            kinds.setdefault(f"{one.role} {','.join(one.meant)}", Counter())[ruled] += 1
            if show and ruled in ("wrong", "missed"):
                found = understood(one, own_language=own_language)
                say(f"  {ruled:7}{one.text!r}: {one.meant}, read as {found}")
        say(f"\n{name:28}{'number':>6}{'right':>10}{'asked':>10}{'wrong':>10}")
        for kind, rulings in sorted(kinds.items()):
            say(row(kind, rulings))
        say(row("all", sum(kinds.values(), Counter())))


def print_costs():
    listed = [one.text for one in sentences("listed")]
    vocabulary = vocabulary_of("client", LEXICONS)
    start = time.process_time()
    for text in listed:
        understand(text, vocabulary)
    each = 1000 * (time.process_time() - start) / len(listed)
    texts = {
        "sentences in a row": " ".join(listed)[:2000],
        "one request, many times": ("cuanto tengo " * 200)[:2000],
        "a list": ("saldo, " * 300)[:2000],
        "lines": "saldo\n" * 333,
        "amounts": ("1.500 mil " * 200)[:2000],
        "emoji": "👍" * 2000,
    }
    say(f"\nmilliseconds for a message of the list: {each:.2f}; for 2,000 characters:")
    for name, text in texts.items():
        start = time.process_time()
        understand(text, vocabulary)
        say(f"  {name:26}{1000 * (time.process_time() - start):6.1f}")


if __name__ == "__main__":
    print_figures(own_language="--own" in sys.argv, show="--show" in sys.argv)
    print_costs()
