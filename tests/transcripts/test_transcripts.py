"""The transcripts of the documentation: as long as promised, and without what differs between runs."""

import re

import pytest

from transcripts.page import CODE, Page, phone_lines
from transcripts.play import ABOUT, DOCS, play
from transcripts.stage import Parts

TURN = re.compile(r"^ ?(\d+) \d\d:\d\d (Maria|Emily|Carlos)  ", re.MULTILINE)


@pytest.mark.parametrize("name", ABOUT)
def test_transcript_has_sixty_turns_in_order(name):
    page = (DOCS / f"{name}.md").read_text(encoding="utf-8")
    turns = [int(number) for number, _ in TURN.findall(page)]
    assert turns == list(range(1, len(turns) + 1))
    assert len(turns) >= 60


@pytest.mark.parametrize("name", ABOUT)
def test_transcript_has_no_host_secret_or_whole_invoice(name):
    page = (DOCS / f"{name}.md").read_text(encoding="utf-8")
    assert re.findall(r"127\.0\.0\.1|nsec1|\b[0-9a-f]{32}\b|\bln\w{60}", page) == []


def test_code_is_masked_as_typed_and_as_sent():
    page = Page("Ana", "seed")
    page.bot("Responda: confirmar 7K2Q (10 minutos)")
    page.person(1, "sí, 7k2q.")
    text = page.text("A title", "A head.")
    assert "7K2Q" not in text.upper()
    (shown,) = CODE.findall(text)
    assert f"sí, {shown.lower()}." in text


def test_phone_breaks_long_lines():
    assert [phone_lines(text) for text in ("a" * 40, "a" * 41, "a\n\nb")] == [1, 2, 3]


@pytest.mark.long
@pytest.mark.slow(150)
@pytest.mark.parametrize("name", ABOUT)
async def test_conversation_on_real_parts_has_the_expected_answers(
    name, lnbits, remote_lnbits, tmp_path
):
    stage, _ = await play(name, Parts(lnbits, remote_lnbits), tmp_path)
    assert stage.wrong == []
