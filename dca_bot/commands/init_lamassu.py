"""Lamassu's side of `dca-bot init`: the key, the script for root on the server, and the host keys.

The invariant: no host key gets into known_hosts but by a person's word that the server has it.
"""

import asyncio
import os
import secrets
from collections.abc import Sequence
from pathlib import Path

import typer

from dca_bot.commands.console import say
from dca_bot.commands.init_config import LamassuAnswers
from dca_bot.commands.lamassu_setup import (
    LamassuAccess,
    Way,
    is_made_password,
    made_password,
    scram_verifier,
    setup_script,
)
from dca_bot.config import Config
from dca_bot.errors import SourceUnavailable
from dca_bot.files.secret_files import read_secret_file
from dca_bot.lamassu.ssh_login import host_keys, is_noted, make_key, public_key_of
from dca_bot.lamassu_source import ssh_server

SCRIPT = "lamassu-setup.sh"
_KEY, _PASSWORD = "lamassu.key", "lamassu.pgpass"
_PASSWORD_BYTES = 24
_SALT_BYTES = 16
_SSH_LIMIT_S = 10


def refuse_unusable_secrets(folder: Path) -> None:
    """Raise DcaBotError if a key or a password of an earlier init can't be used, before anything is asked."""
    for name in (_KEY, _PASSWORD, "lnbits.key"):
        if os.path.lexists(folder / name):
            read_secret_file(folder / name, remedy="run init again")
    if os.path.lexists(folder / _KEY):
        public_key_of(folder / _KEY)


def lamassu_files(folder: Path, lamassu: LamassuAnswers) -> dict[Path, str]:
    """Return the new files for Lamassu with their contents; a key and a password that are there are used."""
    if lamassu.way is Way.FOLDER:
        return {}
    files: dict[Path, str] = {}
    public_key, password = "", lamassu.password
    if lamassu.way.uses_ssh:
        path = folder / _KEY
        private_key, public_key = _key(path)
        files |= {path: private_key}
    if lamassu.way.uses_role:
        path = folder / _PASSWORD
        password = password or made_password(secrets.token_bytes(_PASSWORD_BYTES))
        files |= {} if os.path.lexists(path) else {path: password}
    access = LamassuAccess(
        lamassu.way,
        lamassu.database,
        username=lamassu.username,
        public_key=public_key,
        role=lamassu.role,
        verifier=_verifier(password),
    )
    files |= {folder / SCRIPT: setup_script(access).rstrip()}
    return {path: text for path, text in files.items() if text}


def show_script(path: Path, lamassu: LamassuAnswers) -> None:
    """Show the script, and wait until root has run it."""
    say(
        f"\nPaste this on {lamassu.server}, as root ({path} has it too; there is no secret in it):\n"
    )
    say(path.read_text(encoding="utf-8"))
    typer.prompt('Press Enter once it has said "Done."', default="", show_default=False)


def note_host_keys(config: Config) -> None:
    """Show the server's host keys, and write them into known_hosts if a person has compared them.

    A server with a key in known_hosts is left as it is; a server out of reach is left to the check.
    """
    server = ssh_server(config)
    if is_noted(server):
        return
    try:
        found = asyncio.run(host_keys(server, limit_s=_SSH_LIMIT_S))
    except SourceUnavailable as error:
        say(f"\n✗ SSH host keys: {error}")
        return
    say(f"\nThe SSH host keys of {server.address}, as this computer sees them:")
    for key in found:
        say(f"  {key.fingerprint}")
    say(
        "The script has shown the server's own; there this shows them again:\n"
        "  for key in /etc/ssh/ssh_host_*_key.pub; do ssh-keygen -lf $key; done"
    )
    if typer.confirm("Does each fingerprint stand there too?", default=False):
        _append(server.known_hosts_file, [key.line for key in found])
    else:
        say("Then nothing is noted: somebody in between may be listening. Find out first.")


def _key(path: Path) -> tuple[str, str]:
    """Return the private key to write, empty for a key that is there, and the public line."""
    if not os.path.lexists(path):
        return make_key()
    say(f"{path} is there and is used.")
    return "", public_key_of(path)


def _verifier(password: str) -> str:
    """Return the verifier of a password that init has made; empty for another, whose role exists."""
    if not is_made_password(password):
        return ""
    return scram_verifier(password, secrets.token_bytes(_SALT_BYTES))


def _append(path: Path, lines: Sequence[str]) -> None:
    known = path.read_text(encoding="utf-8") if path.exists() else ""
    gap = "" if known.endswith("\n") or not known else "\n"
    with path.open("a", encoding="utf-8") as file:
        file.write(gap + "".join(f"{line}\n" for line in lines))
