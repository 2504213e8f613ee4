"""`dca-bot recovery-key`: the key to which copies of the ledger are encrypted, before they are sent away.

The secret half is shown once and kept nowhere; `recovery.pub` has the public half. Reading the secret half
again, for a restore, keeps it nowhere either.
"""

import os
import sys
from pathlib import Path

import typer
from rich.console import Console

from dca_bot.commands.console import say
from dca_bot.config import Config
from dca_bot.config_secrets import refuse_key_as_path
from dca_bot.config_sections import BackupConfig
from dca_bot.errors import ConfigError, DcaBotError, KeyRefused
from dca_bot.files.rights import refuse_unfit_new_file
from dca_bot.files.secret_files import read_secret_file, write_secret
from dca_bot.offsite.sealing import RecoveryKey, generate_key, parse_key

_PROOF_CHARS = 6
_TRIES = 3
_HEAD = "# The public half of dca-bot's recovery key: it encrypts, and opens nothing."
_SHOWN = """\
The recovery key opens the copies of the ledger that are sent away. Without it nobody can, and nobody can
make it again. Write it down now, on paper or into a password manager, and keep it away from this computer.
It is shown this once:

{key}
"""


def make_recovery_key(config: Config) -> None:
    """Make a recovery key, show the secret half, and keep the public half; raise DcaBotError."""
    show_new_key(config.path(config.backup.recipients_file))
    if not config.backup.to:
        say(
            "So that copies are sent away, name a place in the configuration:\n"
            '[backup]\nto = ["/mnt/usb/dca-bot"]'
        )


def offer_recovery_key(config_path: Path) -> None:
    """Make a recovery key beside a new configuration, at a terminal; else say how one is made later.

    Raise DcaBotError if the key could not be kept.
    """
    path = config_path.parent / BackupConfig().recipients_file
    if os.path.lexists(path):
        return
    if not sys.stdin.isatty():
        say("No recovery key is made without a terminal. Make one there: dca-bot recovery-key")
        return
    show_new_key(path)


def show_new_key(path: Path) -> None:
    """Make a key, have its owner prove at a terminal that it is written down, and keep its public half.

    Raise ConfigError if the file is there already or can't be made, DcaBotError without the proof.
    """
    if os.path.lexists(path):
        raise ConfigError(
            f"{path} is there already: copies are encrypted to the keys in it. For another key move it away;"
            " copies that are there stay with the key that they were made with."
        )
    refuse_unfit_new_file(path)
    key = generate_key()
    say(_SHOWN.format(key=key.secret))
    if sys.stdin.isatty():
        _have_proven(key)
    write_secret(path, f"{_HEAD}\n{key.public}")
    say(f"Its public half is in {path}.")


def read_recovery_key(key_file: Path | None) -> RecoveryKey:
    """Read the secret half from a file that only the owner can read, from the terminal or from a pipe.

    Raise DcaBotError.
    """
    if key_file is not None:
        refuse_key_as_path(key_file)
        text = read_secret_file(key_file, remedy="put the recovery key there")
        try:
            return parse_key(text)
        except KeyRefused as error:
            raise ConfigError(f"{key_file}: {error}") from None
    if not sys.stdin.isatty():
        return parse_key(sys.stdin.read())
    for _ in range(_TRIES):
        try:
            return parse_key(typer.prompt("Recovery key (it isn't shown)", hide_input=True))
        except KeyRefused as error:
            say(str(error))
    raise KeyRefused("No recovery key was typed, so nothing was done.")


def _have_proven(key: RecoveryKey) -> None:
    """Take the key off the screen, and ask for its end, which is then read from where it was written."""
    typer.prompt("Written down? Enter takes it off the screen", default="", show_default=False)
    Console().clear()
    for _ in range(_TRIES):
        typed: str = typer.prompt(
            f"The last {_PROOF_CHARS} characters of what you have written down"
        )
        ending = "".join(typed.split()).upper()
        if len(ending) >= _PROOF_CHARS and key.secret.endswith(ending):
            return
        say("That isn't the end of the key. If you can't read it, Ctrl-C drops the key.")
    raise DcaBotError("The key is dropped, and nothing was kept of it. Begin anew.")
