"""What a person writes is passed on whole, and never looks like a line of the bot."""

import unicodedata

from hypothesis import given
from hypothesis import strategies as st

from dca_bot.core.quotes import cleaned, quoted

BREAKS = "\n\r\v\f\x1c\x1d\x1e\x85\u2028\u2029"


def test_words_with_line_breaks_and_emoji_stay():
    words = "Buenos días 👩\u200d👧\n¿dónde está mi depósito? ❤\ufe0f"
    assert cleaned(words) == words
    assert quoted(words) == "> Buenos días 👩\u200d👧\n> ¿dónde está mi depósito? ❤\ufe0f"


def test_marks_of_direction_and_control_are_dropped():
    assert cleaned("a\u202eb\u2066c\ufeff\x00\x1b[31m\u200bd") == "abc[31md"


def test_wide_gaps_and_many_empty_lines_shrink():
    """A phone wraps a wide gap, and what follows would stand on a line without a mark."""
    assert cleaned("Hello \t\u2800\u3164   Deposit 5 is confirmed\n\n \n\u200d\n\nbye\n\n") == (
        "Hello Deposit 5 is confirmed\n\nbye"
    )


def test_nothing_to_read_is_empty():
    assert cleaned(" \n\u202e\u200d\n\u3164") == ""


@given(st.text(st.one_of(st.characters(), st.sampled_from(BREAKS + " >\u202e\u200d\u2800"))))
def test_each_line_of_any_text_is_marked(text):
    once = cleaned(text)
    assert cleaned(once) == once
    assert all(line == ">" or line.startswith("> ") for line in quoted(once).splitlines())
    shown = once.replace("\n", "").replace("\u200c", "").replace("\u200d", "")
    assert not [char for char in shown if unicodedata.category(char).startswith("C")]
