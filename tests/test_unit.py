"""The systemd unit: what it gives the bot, and that the documented installation fits it."""

import re
import shutil
import subprocess
from pathlib import Path

import pytest

from dca_bot.config import load_config

ROOT = Path(__file__).parent.parent
UNIT = ROOT / "deploy" / "dca-bot.service"
FOLDER = "/srv/dca-bot"
EXPOSURE_MAX = 20  # systemd-analyze counts tenths
ANALYZE = shutil.which("systemd-analyze")
needs_systemd = pytest.mark.skipif(ANALYZE is None, reason="systemd-analyze isn't installed")
WITHOUT = (
    *("NoNewPrivileges", "LockPersonality", "PrivateTmp", "PrivateDevices", "RemoveIPC"),
    *("ProtectClock", "ProtectControlGroups", "ProtectHostname", "ProtectKernelLogs"),
    *("ProtectKernelModules", "ProtectKernelTunables"),
    *("RestrictNamespaces", "RestrictRealtime", "RestrictSUIDSGID"),
)


def settings(section: str = "Service") -> dict[str, list[str]]:
    """Every setting with its values: a setting may be repeated."""
    lines = UNIT.read_text(encoding="utf-8").split(f"[{section}]\n")[1].split("\n[")[0]
    found: dict[str, list[str]] = {}
    for line in lines.splitlines():
        if line and not line.startswith("#"):
            name, _, value = line.partition("=")
            found.setdefault(name, []).append(value)
    return found


def documentation(name: str, heading: str) -> str:
    text = (ROOT / name).read_text(encoding="utf-8")
    return text.split(f"## {heading}\n")[1].split("\n## ")[0]


def shell_blocks() -> list[str]:
    texts = [path.read_text(encoding="utf-8") for path in (ROOT / "docs").glob("*.md")]
    texts.append((ROOT / "README.md").read_text(encoding="utf-8"))
    return [block for text in texts for block in re.findall(r"```sh\n(.*?)```", text, re.DOTALL)]


def test_unit_takes_every_privilege_that_the_bot_does_not_need():
    unit = settings()
    assert [name for name in WITHOUT if unit.get(name) != ["true"]] == []
    assert unit["CapabilityBoundingSet"] == [""]
    assert unit["RestrictAddressFamilies"] == ["AF_INET AF_INET6 AF_UNIX"]
    assert unit["SystemCallFilter"] == ["@system-service", "~@privileged @resources"]
    assert unit["UMask"] == ["0077"]
    assert unit["LimitCORE"] == ["0"]


def test_unit_lets_the_bot_write_to_its_folder_but_not_to_its_own_program():
    unit = settings()
    assert unit["ProtectSystem"] == ["strict"]
    assert unit["ReadWritePaths"] == [FOLDER]
    assert unit["ReadOnlyPaths"] == [f"-{FOLDER}/.venv -{FOLDER}/src -{FOLDER}/release"]
    assert unit["ProtectHome"] == ["read-only"]


def test_unit_leaves_what_the_bot_cannot_do_without():
    # pynostr makes a callback when it is imported; the bot reads the computer's boot id in /proc/sys.
    assert not {"MemoryDenyWriteExecute", "ProcSubset", "PrivateNetwork"} & settings().keys()


def test_unit_waits_for_the_bots_word_and_starts_it_again():
    unit = settings()
    assert unit["Type"] == ["notify"]
    assert unit["Restart"] == ["always"]
    assert int(unit["WatchdogSec"][0]) == 300


@needs_systemd
def test_systemd_rates_the_unit_below_two():
    done = subprocess.run(
        [ANALYZE, "security", "--offline=true", f"--threshold={EXPOSURE_MAX}", "--no-pager", UNIT],
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stdout.splitlines()[-1:] or done.stderr
    assert "Overall exposure level" in done.stdout


@needs_systemd
def test_systemd_finds_nothing_wrong_with_the_unit(tmp_path):
    program = tmp_path / ".venv" / "bin" / "dca-bot"
    program.parent.mkdir(parents=True)
    program.touch(mode=0o755)
    copy = tmp_path / UNIT.name
    text = UNIT.read_text(encoding="utf-8")
    copy.write_text(text.replace(FOLDER, str(tmp_path)), encoding="utf-8")
    done = subprocess.run([ANALYZE, "verify", copy], capture_output=True, text=True, check=False)
    assert (done.returncode, done.stderr) == (0, "")


def test_documented_installation_makes_the_user_and_the_folder_of_the_unit():
    text = documentation("docs/operating.md", "A server of its own")
    unit = settings()
    user = unit["User"][0]
    assert f"adduser --system --group --home {FOLDER} --shell /bin/bash {user}\n" in text
    assert f"chmod 700 {FOLDER}\n" in text
    assert f"install -m 644 {FOLDER}/src/deploy/{UNIT.name} /etc/systemd/system/" in text
    assert unit["WorkingDirectory"] == [FOLDER]
    assert unit["ExecStart"] == [f"{FOLDER}/.venv/bin/dca-bot run --config {FOLDER}/config.toml"]


def test_documented_credentials_are_the_secrets_that_the_configuration_names():
    listed = re.search(
        "^for key in (.*); do$",
        documentation("docs/operating.md", "A server of its own"),
        re.MULTILINE,
    )
    named = load_config(ROOT / "config.example.toml").named_files()
    secrets = {path.name for path, is_private in named if is_private}
    assert len(secrets) > 3
    assert secrets <= set(listed[1].split())


def test_documented_commands_need_no_sudo():
    # A clean Debian has none, and `sudo -u` keeps the folder in which root stands.
    assert [block for block in shell_blocks() if re.search(r"^sudo ", block, re.MULTILINE)] == []


@pytest.mark.parametrize("block", shell_blocks())
def test_documented_shell_blocks_can_be_read_by_a_shell(block):
    done = subprocess.run(["sh", "-n"], input=block, capture_output=True, text=True, check=False)
    assert (done.returncode, done.stderr) == (0, "")
