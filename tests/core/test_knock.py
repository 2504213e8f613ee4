import random

import pytest

from dca_bot.core import knock
from dca_bot.core.names import on_one_line

CODES = [knock.make(random.Random(seed)) for seed in range(300)]
ALPHABET = sorted(set("".join(CODES).replace("KNOCK-", "")))


def test_codes_are_read_as_they_are_made_and_differ():
    assert [knock.read(code) for code in CODES] == CODES
    assert len(set(CODES)) == len(CODES)


def test_no_code_is_a_number_or_has_characters_that_people_confuse():
    assert not [code for code in CODES if code.removeprefix("KNOCK-").isdigit()]
    assert not set("0O1IL2Z5S8B6GUAED") & set(ALPHABET) - set("2568")


def test_code_of_digits_alone_is_never_made_nor_read():
    class Digits(random.Random):
        def choice(self, seq):
            self.turns = getattr(self, "turns", 0) + 1
            return seq[0] if self.turns < 40 else super().choice(seq)

    made = knock.make(Digits(1))
    assert not made.removeprefix("KNOCK-").isdigit()
    assert knock.read("KNOCK-222222") is None


@pytest.mark.parametrize(
    "text",
    [
        "KNOCK-7K2QXM",
        "knock-7k2qxm",
        "Knock-7K2qxm.",
        "KNOCK7K2QXM",
        "KNOCK\u20117K2QXM",
        "KNOCK\u20137K2QXM",
        "\u2068KNOCK-7K2QXM\u2069",
        "«KNOCK-7K2QXM",
    ],
)
def test_code_is_read_as_phones_and_people_write_it(text):
    assert knock.is_knock(text)
    assert knock.read(text) == "KNOCK-7K2QXM"


@pytest.mark.parametrize("text", ["7K2QXM", "npub1knock", "ana", "", "-", "KNOC-7K2QXM"])
def test_other_words_are_no_knock(text):
    assert not knock.is_knock(text)
    assert knock.read(text) is None


@pytest.mark.parametrize(
    "text", ["KNOCK", "KNOCK-", "KNOCK-7K2QX", "KNOCK-7K2QXMM", "KNOCK-7K2OXM", "KNOCK-7K2QXÑ"]
)
def test_mistyped_code_is_a_knock_and_never_put_right(text):
    assert knock.is_knock(text)
    assert knock.read(text) is None


def test_each_wrong_character_and_each_swap_of_two_is_found():
    for code in CODES[:40]:
        word, body = code[:6], code[6:]
        for place in range(6):
            for other in set(ALPHABET) - {body[place]}:
                assert knock.read(word + body[:place] + other + body[place + 1 :]) is None
            for later in range(place + 1, 6):
                swapped = list(body)
                swapped[place], swapped[later] = swapped[later], swapped[place]
                if "".join(swapped) != body:
                    assert knock.read(word + "".join(swapped)) is None


@pytest.mark.parametrize(
    ("text", "line"),
    [
        ("Ana María", "Ana María"),
        ("  Ana\r\n\tMaría ", "Ana María"),
        ("Ana\u202eairaM\u2066", "AnaairaM"),
        ("A\x00\x1b[31mna\x07", "A[31mna"),
        ("\u200b\u2060", ""),
        ("x" * 31, "x" * 29 + "…"),
        ("😀" * 40, "😀" * 29 + "…"),
        ("\ue000a\u0378", "a"),
        ("Z" + "\u0301" * 50, "Z" + "\u0301" * 28 + "…"),
    ],
)
def test_name_from_outside_is_one_short_line(text, line):
    assert on_one_line(text, 30) == line
