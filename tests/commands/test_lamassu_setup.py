"""The script for Lamassu's server, as text; tests/commands/test_init.py runs it."""

import base64
from pathlib import Path

import pytest

from dca_bot.commands.lamassu_setup import (
    LamassuAccess,
    Way,
    is_made_password,
    is_name,
    is_username,
    made_password,
    scram_verifier,
)

KEY = "ssh-ed25519 AAAA… dca-bot"
GUIDE = (Path(__file__).parents[2] / "docs" / "operating.md").read_text(encoding="utf-8")


def test_guide_has_the_export_script_and_the_keys_options_as_init_makes_them():
    csv = LamassuAccess(Way.CSV, "lamassu", "dca", KEY)
    tunnel = LamassuAccess(Way.TUNNEL, "lamassu", "dca", KEY, "dca_readonly")
    assert csv.export_script in GUIDE
    assert csv.authorized_key in GUIDE
    assert tunnel.authorized_key in GUIDE


def test_verifier_is_the_one_that_postgresql_makes():
    # From PostgreSQL 15: CREATE ROLE … PASSWORD 'pencil', then rolpassword of pg_authid.
    kept = (
        "SCRAM-SHA-256$4096:zCXbUEV7jxjK0Zp2VQLncg=="
        "$lDzmsjFQ6OH5DVj0u7+LiXHjlOZC/AiCjcIZtgP8u54=:hpk7adszFG3ybeUdJaf3VVJWYenfeUs5mgly87NLXNY="
    )
    salt = base64.b64decode("zCXbUEV7jxjK0Zp2VQLncg==")
    assert scram_verifier("pencil", salt) == kept


def test_only_a_password_that_init_has_made_is_turned_into_a_verifier():
    made = made_password(bytes(range(24)))
    assert (is_made_password(made), len(made)) == (True, 40)
    others = [made.swapcase(), made[:-1], made + "A", made[:32], made[:-8], made[-8:], "", "ñ" * 40]
    others += ["correct-horse-battery-staple-2024", "correct-horse-battery-staple-2024-please"]
    assert not any(map(is_made_password, others))


@pytest.mark.parametrize("text", ["", "a b", "x;y", "$(id)", "a'b", 'a"b', "ñ", "a" * 64, "-x"])
def test_names_that_a_shell_or_sql_could_misread_are_refused(text):
    assert not is_name(text)
    assert not is_username(text)
