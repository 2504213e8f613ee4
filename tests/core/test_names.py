"""Names that people take for one have one skeleton; others have another."""

import unicodedata

import pytest
from hypothesis import given
from hypothesis import strategies as st

from dca_bot.core.names import folded, mixes_scripts, shape, skeleton, visible

MARIA = (
    *(
        "maria",
        "MARIA",
        "Maria",
        "maría",
        "marìa",
        "Mária",
        "mari\u0301a",
        "m\u0430ria",
        "mari\u0430",
    ),
    *("\uff4d\uff41\uff52\uff49\uff41", "ma\u200bria", "\u202emaria", "maria\ufeff", "mar\u00adia"),
    *(
        "mar\u0131a",
        "\U0001d426\U0001d41a\U0001d42b\U0001d422\U0001d41a",
        "mar\u00efa",
        "m\u0430r\u0456\u0430",
    ),
    *("\u041c\u0430ria", "maria\ufe0f", "m\u2060aria", "maria\u3164"),
)


@pytest.mark.parametrize("name", MARIA)
def test_what_people_read_as_maria_has_her_skeleton(name):
    assert skeleton(name) == "maria"


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ("ana", "\u0430na"),
        ("ANA", "\u0391\u039d\u0391"),
        ("pepe", "\u0440\u0435\u0440\u0435"),
        ("ñandú", "nandu"),
        ("straße", "STRASSE"),
        ("łukasz", "lukasz"),
        ("fiona", "\ufb01ona"),
        ("admin", "\u0430\u217em\u0456\u0578"),
        ("Νίκος", "ΝΙΚΟΣ"),
    ],
)
def test_look_alikes_have_one_skeleton(one, other):
    assert skeleton(one) == skeleton(other)


@pytest.mark.parametrize(
    ("one", "other"),
    [("ana", "anna"), ("ana1", "ana2"), ("ana1", "anal"), ("juan", "joan"), ("a", "b")],
)
def test_other_names_have_another_skeleton(one, other):
    assert skeleton(one) != skeleton(other)


@pytest.mark.parametrize(
    ("one", "other"), [("limes11", "Iimes11"), ("ana1", "anal"), ("b0b", "bOb"), ("b0b", "bob")]
)
def test_new_names_that_look_alike_in_print_have_one_shape(one, other):
    assert skeleton(one) != skeleton(other) or one.casefold() == other.casefold()
    assert shape(one) == shape(other)


@pytest.mark.parametrize(
    ("name", "is_mixed"),
    [
        *(
            (name, True)
            for name in ("m\u0430ria", "\u041c\u0430ria", "an\u03b1", "h\u0585la", "a\u05d0")
        ),
        *(
            (name, False)
            for name in ("maria", "maría", "ñandú", "ana-1.b_2", "\u0430\u043d\u043d\u0430")
        ),
        *(
            (name, False)
            for name in ("\u6771\u4eac\u306e\u30a2\u30fc", "\uae40\u91d1", "12", "Νίκος", "")
        ),
    ],
)
def test_name_of_several_scripts_is_known(name, is_mixed):
    assert mixes_scripts(name) is is_mixed


@given(st.text(max_size=20))
def test_skeleton_doesnt_depend_on_how_a_name_is_written(text):
    found = skeleton(text)
    for form in ("NFC", "NFD", "NFKC", "NFKD"):
        assert skeleton(unicodedata.normalize(form, text)) == found or not folded(text)
    assert skeleton(visible(text)) == found or not folded(text)


@given(st.text(st.characters(codec="ascii", categories=["Ll", "Lu", "Nd"]), min_size=1))
def test_plain_names_differ_by_more_than_case_if_their_skeletons_do(name):
    assert skeleton(name) == name.casefold()


@pytest.mark.parametrize(
    ("first", "last"), [(0x180B, 0x180F), (0xFE00, 0xFE0F), (0xE0100, 0xE01EF), (0x115F, 0x1160)]
)
def test_marks_that_nobody_sees_are_removed_to_the_last(first, last):
    assert visible("".join(map(chr, range(first, last + 1)))) == ""
    assert len(visible(f"{chr(first - 1)}{chr(last + 1)}")) == 2


@pytest.mark.parametrize(
    ("first", "last"), [(0x0300, 0x036F), (0x1DC0, 0x1DFF), (0x20D0, 0x20F0), (0xFE20, 0xFE2F)]
)
def test_every_accent_is_left_out(first, last):
    accents = {chr(code) for code in range(first, last + 1)} - {"\u0345"}  # A letter below: iota.
    assert folded("".join(f"a{accent}" for accent in sorted(accents))).strip("a") == ""
