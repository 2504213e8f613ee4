"""What a command prints, and how it ends, at terminals and in pipes that aren't the usual ones."""

import json
import os
import shutil
import signal
import sqlite3
import subprocess
import sys
from contextlib import closing
from pathlib import Path
from typing import get_args, get_type_hints

import pytest

from dca_bot.cli import app
from dca_bot.config import load_config
from dca_bot.files.secret_files import write_secret
from dca_bot.ledger.programme import machines
from dca_bot.ledger.store.database import open_database
from dca_bot.ledger.store.ledger_files import LEDGER_FILE
from dca_bot.nostr.keys import generate

ROOT = Path(__file__).parents[2]
EXPORT = ROOT / "tests" / "data" / "lamassu" / "export"
NO_UTF8 = {"LC_ALL": "C", "PYTHONUTF8": "0", "PYTHONCOERCECLOCALE": "0"}
ENCODINGS = {"ascii": NO_UTF8, "latin-1": {"PYTHONIOENCODING": "latin-1"}}
CONFIG = """\
[nostr]
relays = ["ws://127.0.0.1:9"]
operators = ["{operator}"]

[lamassu]
source = "directory"
directory.path = {export}

[lnbits]
url = "http://127.0.0.1:9"
"""
ANSWERS = ["wss://relay.example.com", "https://lnbits.example.com", "", "", "", "4", ""]


@pytest.fixture
def folder(tmp_path):
    """A bot's folder without keys, so that `check` asks nobody."""
    text = CONFIG.format(operator=generate().npub, export=json.dumps(str(EXPORT)))
    (tmp_path / "config.toml").write_text(text, encoding="utf-8")
    (tmp_path / "clients.csv").write_text("name,balance\nñandú,1000\n", encoding="utf-8")
    return tmp_path


def run(*words, folder, program=(sys.executable, "-m", "dca_bot"), env=None, **options):
    """Run a command and return what it did, as bytes."""
    clean = {name: value for name, value in os.environ.items() if not name.startswith("DCA_BOT_")}
    clean |= {"PYTHONPATH": str(ROOT), "COLUMNS": "200", "NO_COLOR": "1"}
    options = {"input": b"", "stdout": subprocess.PIPE, "stderr": subprocess.PIPE} | options
    if "stdin" in options or "preexec_fn" in options:
        del options["input"]
    command = [*map(str, program), *map(str, words)]
    return subprocess.run(
        command, cwd=folder, env=clean | (env or {}), timeout=90, check=False, **options
    )


def sentence(done):
    """Return the one sentence of a command that failed."""
    said = done.stderr.decode()
    assert (done.returncode, "Traceback" in said) == (1, False), done
    assert said.startswith(("dca-bot: ", "\ndca-bot: "))
    return said.strip().removeprefix("dca-bot: ")


# Encodings


@pytest.mark.parametrize("encoding", ENCODINGS)
def test_check_is_readable_in_an_encoding_without_its_marks(folder, encoding):
    done = run("check", folder=folder, env=ENCODINGS[encoding])
    assert done.returncode == 1
    lines = done.stdout.decode(encoding).splitlines()
    assert lines[0] == "ok config.toml is complete"
    assert lines[1].startswith("FAILED Nostr keys: There is no bot.nsec")
    mark = {"ascii": "-", "latin-1": "·"}[encoding]
    assert lines[-1] == f"{mark} Relays: not tried; Nostr keys comes first"
    assert sentence(done) == "Not everything is in order yet; see each FAILED above."


@pytest.mark.parametrize(("encoding", "name"), [("ascii", "nandu"), ("latin-1", "ñandú")])
def test_simulate_is_readable_in_an_encoding_without_its_letters(folder, encoding, name):
    words = ("--export", EXPORT, "--clients", "clients.csv")
    done = run("simulate", *words, folder=folder, env=ENCODINGS[encoding])
    assert (done.returncode, done.stderr) == (0, b"")
    assert f"{name}: 124,153 sats for 1,000.00 GTQ" in done.stdout.decode(encoding)


def test_simulate_leaves_no_amount_out_on_a_narrow_terminal(folder):
    words = ("--export", EXPORT, "--clients", "clients.csv")
    done = run("simulate", *words, folder=folder, env={"COLUMNS": "40"})
    assert done.returncode == 0
    assert "…" not in done.stdout.decode()


def test_json_keeps_each_letter_in_any_encoding(folder):
    words = ("--json", "--export", EXPORT, "--clients", "clients.csv")
    done = run("simulate", *words, folder=folder, env=NO_UTF8)
    objects = [json.loads(line) for line in done.stdout.decode("ascii").splitlines()]
    assert {share["name"] for one in objects for share in one["shares"]} == {"ñandú"}


@pytest.mark.parametrize("encoding", ENCODINGS)
def test_init_leaves_out_a_qr_code_that_the_encoding_has_no_blocks_for(tmp_path, encoding):
    answers = "\n".join([generate().npub, *ANSWERS, ""]).encode()
    done = run("init", folder=tmp_path, env=ENCODINGS[encoding], input=answers)
    assert done.returncode == 0, done
    assert "(No QR code: this terminal's encoding has no blocks.)" in done.stdout.decode(encoding)


async def test_audit_and_status_are_readable_in_an_encoding_without_their_marks(folder):
    write_secret(folder / "lnbits.key", "0" * 32)
    database = await open_database(folder / "data")
    await database.transact(lambda tx: machines.note(tx, "cobán"))
    await database.aclose()
    with closing(sqlite3.connect(folder / "data" / LEDGER_FILE)) as ledger, ledger:
        ledger.execute("UPDATE account SET balance = balance + 1 WHERE id = 1")
    audit = run("audit", folder=folder, env=NO_UTF8)
    assert audit.stdout.decode("ascii").startswith("FAILED ")
    assert "finding(s): hold payments" in sentence(audit)
    status = run("status", folder=folder, env=NO_UTF8)
    assert (status.returncode, status.stderr) == (0, b"")
    assert "coban not counted yet" in status.stdout.decode("ascii")


@pytest.mark.parametrize("words", [["demo", "--help"], ["chat", "--help"], ["chat"]])
def test_help_and_wrong_words_are_readable_in_ascii(tmp_path, words):
    done = run(*words, folder=tmp_path, env=NO_UTF8)
    assert done.returncode == (0 if "--help" in words else 2)
    assert "Usage" in (done.stdout + done.stderr).decode("ascii")


def test_file_name_that_is_no_text_is_named_all_the_same(tmp_path):
    done = run("status", "--config", b"\xff.toml".decode(errors="surrogateescape"), folder=tmp_path)
    assert sentence(done).startswith("There is no ?.toml.")


@pytest.mark.parametrize("env", [{"PYTHONIOENCODING": "utf-8"}, {"LC_ALL": "C"}])
def test_answer_in_another_encoding_ends_init_with_a_sentence(tmp_path, env):
    answers = "\n".join([generate().npub, *ANSWERS[:-1], ""]).encode() + b"\xf1and\xfa\n"
    done = run("init", folder=tmp_path, input=answers, env=env)
    # getpass warns of its own that it can't hide what comes from a pipe.
    *_, said = done.stderr.decode().splitlines()
    assert (done.returncode, "Traceback" in done.stderr.decode()) == (1, False)
    assert said.startswith("dca-bot: The answer can't be read as utf-8, so nothing is written")
    assert list(tmp_path.iterdir()) == []


def test_any_letter_of_an_answer_is_in_the_configuration_as_it_was_typed(tmp_path):
    answers = "\n".join([generate().npub, *ANSWERS[:-1], "exportación 🏧", ""]).encode()
    assert run("init", folder=tmp_path, input=answers).returncode == 0
    written = load_config(tmp_path / "config.toml").lamassu.directory.path
    assert written == Path("exportación 🏧")


# Streams that are closed, full or broken


@pytest.mark.parametrize("stdin", ["ended", "closed"])
def test_init_without_anybody_to_answer_says_that_nothing_is_written(tmp_path, stdin):
    how = {"preexec_fn": lambda: os.close(0)} if stdin == "closed" else {}
    done = run("init", folder=tmp_path, **how)
    assert "so nothing is written. Start again at a terminal" in sentence(done)
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("words", [["version"], ["check"]])
def test_output_that_cannot_be_written_is_a_sentence(folder, words):
    with Path("/dev/full").open("wb") as full:
        assert sentence(run(*words, folder=folder, stdout=full)) == "No space left on device."


def test_reader_who_leaves_ends_a_command_without_a_word(folder):
    reads, writes = os.pipe()
    os.close(reads)
    with closing(os.fdopen(writes, "wb")) as pipe:
        done = run("check", folder=folder, stdout=pipe)
    assert (done.returncode, done.stderr) == (1, b"")


def test_closed_stdout_changes_no_exit_status(folder):
    done = run("version", folder=folder, preexec_fn=lambda: os.close(1))
    assert (done.returncode, done.stderr) == (0, b"")


async def test_ctrl_c_at_a_question_ends_init_with_a_sentence(tmp_path, terminal):
    words = ("init", "--config", tmp_path / "config.toml")
    asked = terminal([sys.executable, "-m", "dca_bot", *words], cwd=ROOT)
    await asked.until("Your npub")
    asked.process.send_signal(signal.SIGINT)
    assert await asked.end() == 1
    assert "so nothing is written" in asked.shown
    assert "Traceback" not in asked.shown


# Files


def paths_of(command):
    """Return what the parser is told of each path that a command takes."""
    hints = get_type_hints(command.callback, include_extras=True).values()
    told = [hint for hint in hints if hasattr(hint, "__metadata__")]
    return [
        hint.__metadata__[0]
        for hint in told
        if Path in (hint.__origin__, *get_args(hint.__origin__))
    ]


def test_no_path_is_judged_by_the_parser_which_ends_with_2():
    paths = [path for command in app.registered_commands for path in paths_of(command)]
    assert len(paths) >= 12
    assert not any(path.readable or path.exists or path.writable for path in paths)


@pytest.mark.parametrize(
    "words", [["status"], ["backup", "copy"], ["chat", "--key", "config.toml"]]
)
def test_file_that_may_not_be_read_ends_with_1_and_is_named(folder, words):
    (folder / "config.toml").chmod(0)
    more = ["--relay", "ws://127.0.0.1:9", "--to", generate().npub] if words[0] == "chat" else []
    # Root reads every file, so it lays its rights down.
    bare = ("setpriv", "--bounding-set=-all", "--inh-caps=-all") if os.geteuid() == 0 else ()
    if bare and not shutil.which("setpriv"):
        pytest.skip("root without setpriv reads every file")
    program = (*bare, sys.executable, "-m", "dca_bot")
    said = sentence(run(*words, *more, folder=folder, program=program))
    assert said.startswith("config.toml")
    assert "Run: chmod 600 config.toml" in said


@pytest.mark.parametrize(
    ("words", "named"),
    [
        (["check", "--config", "."], "."),
        (["check", "--config", "config.toml/x"], "config.toml/x"),
        (["backup", "nowhere/copy"], "nowhere"),
        (["export", "config.toml"], "config.toml"),
        (["simulate", "--export", ".", "--clients", "."], "."),
        (["chat", "--key", "nobody.nsec", "--relay", "ws://h", "--to", "x"], "nobody.nsec"),
    ],
)
async def test_path_that_cannot_be_used_is_named_in_a_sentence(folder, words, named):
    await (await open_database(folder / "data")).aclose()
    assert (folder / "data" / LEDGER_FILE).exists()
    said = sentence(run(*words, folder=folder))
    assert named in said
    assert said.count("\n") == 0


# The program's own name


@pytest.fixture
def installed(tmp_path):
    """The command as an installation has it, in `venv/bin`."""
    script = tmp_path / "venv" / "bin" / "dca-bot"
    script.parent.mkdir(parents=True)
    script.write_text(f"#!{sys.executable}\nfrom dca_bot.cli import main\nmain()\n")
    script.chmod(0o755)
    return script


@pytest.mark.parametrize(
    ("started", "config", "following"),
    [
        ("venv/bin/dca-bot", "config.toml", "venv/bin/dca-bot check"),
        ("venv/bin/dca-bot", "my bot/c.toml", "venv/bin/dca-bot check --config 'my bot/c.toml'"),
        ("dca-bot", "config.toml", "dca-bot check"),
    ],
)
def test_init_ends_with_a_command_that_can_be_pasted(
    tmp_path, installed, started, config, following
):
    (tmp_path / config).parent.mkdir(exist_ok=True)
    env = {"PATH": f"{installed.parent}:{os.environ['PATH']}"} if "/" not in started else {}
    answers = "\n".join([generate().npub, *ANSWERS, ""]).encode()
    words = () if config == "config.toml" else ("--config", config)
    done = run("init", *words, folder=tmp_path, program=["env", started], env=env, input=answers)
    assert done.returncode == 0, done
    assert done.stdout.decode().splitlines()[-1] == f"Next: {following}"
    # `check` would ask the network; `status` gets as far with the same words.
    pasted = following.replace(" check", " status")
    assert "start the bot once" in sentence(
        run(folder=tmp_path, program=["sh", "-c", pasted], env=env)
    )


@pytest.mark.parametrize("words", [["check"], ["check", "--config", "other.toml"]])
def test_command_that_a_sentence_names_is_the_one_that_was_started(tmp_path, installed, words):
    said = sentence(run(*words, folder=tmp_path, program=[installed]))
    config = " --config other.toml" if len(words) > 1 else ""
    assert f"Make one with `{installed} init{config}`" in said


# Currencies


def test_init_and_simulate_refuse_the_currency_that_check_would_refuse(folder):
    words = ("--export", EXPORT, "--clients", "clients.csv", "--currency", "GTG")
    assert "Did you mean GTQ?" in sentence(run("simulate", *words, folder=folder))
    (folder / "new").mkdir()
    answers = "\n".join([generate().npub, *ANSWERS[:3], "GTG", *ANSWERS[3:], ""]).encode()
    asked = run("init", "--config", "new/c.toml", folder=folder, input=answers)
    assert asked.returncode == 0, asked
    assert b"Did you mean GTQ?" in asked.stdout + asked.stderr
