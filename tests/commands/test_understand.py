"""`dca-bot understand`: lines in, an object a line out, without configuration, ledger or network."""

import json
import os
import subprocess
import sys
from pathlib import Path

import forked
import pytest

ROOT = Path(__file__).parents[2]


def dca_bot_understand(*words, answers, folder):
    environment = {"PATH": os.environ["PATH"], "PYTHONPATH": str(ROOT), "NO_COLOR": "1"}
    return forked.run(
        ("understand", *words), folder=folder, environment=environment, answers=answers
    )


def read(*words, answers, folder):
    done = dca_bot_understand(*words, answers=answers, folder=folder)
    assert (done.returncode, done.stderr) == (0, "")
    return [json.loads(line) for line in done.stdout.splitlines()]


def test_each_line_becomes_an_object(tmp_path):
    found = read(answers="cuánto tengo\nquiero pausar\nqwerty\n", folder=tmp_path)
    balance, pause, nothing = found
    assert balance == {
        "text": "cuánto tengo",
        "intents": [{"intent": "balance", "arguments": {}}],
        "certainty": "sure",
        "asked": [],
    }
    assert (pause["certainty"], pause["asked"][0]) == ("ask", "pause")
    assert nothing["intents"] == [{"intent": "none", "arguments": {}}]
    assert (nothing["certainty"], nothing["asked"]) == ("none", [])
    assert list(tmp_path.iterdir()) == []


def test_a_line_break_is_written_as_two_characters_and_an_empty_line_is_an_empty_message(tmp_path):
    two, empty, last = read(answers="saldo\\nhistorial\n\nsaldo", folder=tmp_path)
    assert two["text"] == "saldo\nhistorial"
    assert [one["intent"] for one in two["intents"]] == ["balance", "history"]
    assert (empty["text"], empty["certainty"]) == ("", "none")
    assert last["certainty"] == "sure"


def test_an_operators_words_mean_an_operators_commands(tmp_path):
    (client,) = read(answers="pausar\n", folder=tmp_path)
    (operator,) = read("--operator", answers="pausar maria\n", folder=tmp_path)
    assert client["intents"][0]["intent"] == "pause"
    assert operator["asked"] == ["client pause"]
    assert operator["intents"][0]["arguments"] == {"name": "maria"}


def test_one_language_alone_can_be_tried(tmp_path):
    text = "quisiera saber cuánto dinero tengo\n"
    (every,) = read(answers=text, folder=tmp_path)
    (spanish,) = read("--language", "es", answers=text, folder=tmp_path)
    (english,) = read("--language", "en", answers=text, folder=tmp_path)
    assert every["intents"] == spanish["intents"]
    assert english["certainty"] != "sure"


def test_amounts_are_read_in_the_given_currency(tmp_path):
    text = "limit 100 lempiras\n"
    (quetzales,) = read(answers=text, folder=tmp_path)
    (lempiras,) = read("--currency", "HNL", answers=text, folder=tmp_path)
    assert quetzales["intents"][0]["intent"] == "refused"
    assert lempiras["intents"][0]["arguments"] == {"amount": "100.00"}


@pytest.mark.parametrize(
    ("words", "status", "told"),
    [
        (("--language", "xx"), 2, "en, es"),
        (("--currency", "XXX"), 1, "no currency of cash"),
    ],
)
def test_wrong_options_are_refused_with_a_sentence(words, status, told, tmp_path):
    done = dca_bot_understand(*words, answers="saldo\n", folder=tmp_path)
    assert done.returncode == status
    assert told in done.stderr
    assert "Traceback" not in done.stderr


def test_bytes_that_are_no_text_do_not_end_the_command(tmp_path):
    done = subprocess.run(
        [sys.executable, "-m", "dca_bot", "understand"],
        input=b"\xff\xfe saldo\nsaldo\n",
        capture_output=True,
        cwd=tmp_path,
        env={**os.environ, "PYTHONPATH": str(ROOT)},
        check=True,
        timeout=60,
    )
    assert [json.loads(line)["certainty"] for line in done.stdout.splitlines()][1] == "sure"
    assert done.stderr == b""
