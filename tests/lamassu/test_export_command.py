"""What the server's side refuses, as it says it, and what the operator is told to do."""

import os
import subprocess
from pathlib import Path

import pytest

from dca_bot.lamassu.export_command import Ending, what_to_do

SCRIPTED, DEFAULT = "{table} {since}", "psql {table}"


@pytest.mark.parametrize(
    ("command", "status", "said", "remedy"),
    [
        (SCRIPTED, 127, "sh: 1: cash_out_txs: not found", 'put command="'),
        (DEFAULT, 127, "sh: 1: psql: not found", "install that program"),
        (DEFAULT, 126, "sh: 1: Permission denied", "chmod 755"),
        (DEFAULT, 128, "fatal: unrecognized command 'psql'", "usermod -s /bin/sh dca"),
        (DEFAULT, 1, "rbash: line 1: /bin/psql: restricted", "usermod -s /bin/sh dca"),
        (DEFAULT, 1, "This service allows sftp connections only.", "ForceCommand"),
        (DEFAULT, 1, "ERROR:  relation is missing", "by hand as dca"),
        (DEFAULT, 255, "", "authorized_keys"),
        (SCRIPTED, 64, "", "let it say on stderr"),
        (DEFAULT, None, "", "the connection broke"),
    ],
)
def test_what_a_server_refuses_is_told_with_what_to_do(command, status, said, remedy):
    assert remedy in what_to_do(Ending(status, None, said), command, "dca")


DOCUMENTATION = Path(__file__).parents[2] / "docs" / "operating.md"
FAKE_PSQL = '#!/bin/sh\nprintf "%s\\n" "psql $*"\n'


@pytest.mark.parametrize(
    ("asked", "status", "said"),
    [
        (
            "cash_out_txs 2025-05-20T00:00:00+00:00",
            0,
            "from cash_out_txs where created >= '2025-05",
        ),
        ("devices 1970-01-01T00:00:00+00:00", 0, "from devices where"),
        ("PGDATESTYLE=ISO psql lamassu -c x", 64, '[lamassu.csv] command = "{table} {since}"'),
        ("customers 2025-05-20T00:00:00+00:00", 64, "takes a table and a time"),
        ("devices", 64, "takes a table and a time"),
        ("devices x';drop", 64, "takes a table and a time"),
        ("", 64, "takes a table and a time"),
    ],
)
def test_documented_script_says_why_it_refuses(tmp_path, asked, status, said):
    script = (
        "#!/bin/sh" + DOCUMENTATION.read_text("utf-8").split("```sh\n#!/bin/sh")[1].split("```")[0]
    )
    for name, text in {"dca-export": script, "psql": FAKE_PSQL}.items():
        (tmp_path / name).write_text(text, encoding="utf-8")
        (tmp_path / name).chmod(0o755)
    env = {"PATH": f"{tmp_path}:{os.environ['PATH']}", "SSH_ORIGINAL_COMMAND": asked}
    done = subprocess.run(
        [tmp_path / "dca-export"], env=env, capture_output=True, text=True, check=False
    )
    assert done.returncode == status
    assert said in (done.stdout if status == 0 else done.stderr)
