"""Reads and writes secrets: keys and passwords in private files, or in variables of the environment.

The invariant: only the owner can read a secret's file, and no error shows a secret.
"""

import os
from collections.abc import Mapping
from pathlib import Path

from dca_bot.errors import ConfigError, FileRefused, in_words
from dca_bot.files.rights import read_text, refuse_unfit_new_file

NOSTR_KEY_VARIABLE = "DCA_BOT_NOSTR_KEY"
LNBITS_KEY_VARIABLE = "DCA_BOT_LNBITS_ADMIN_KEY"
POSTGRES_PASSWORD_VARIABLE = "DCA_BOT_POSTGRES_PASSWORD"  # noqa: S105 (the variable's name)


def read_secret(path: Path, variable: str, environment: Mapping[str, str], *, remedy: str) -> str:
    """Return a secret from the environment, or from a file that only the owner can read.

    `remedy` says how to get the file. Raise ConfigError without a secret, or for a file that others
    can read.
    """
    if environment.get(variable):
        return environment[variable].strip()
    return read_secret_file(path, remedy=f"{remedy}, or into {variable}")


def secret_place(path: Path, variable: str, environment: Mapping[str, str]) -> str:
    """Name the place where `read_secret` finds a secret: the variable or the file."""
    return variable if environment.get(variable) else str(path)


def read_secret_file(path: Path, *, remedy: str) -> str:
    """Return a secret from a file that only the owner can read; `remedy` says how to get the file.

    Raise ConfigError if the file is missing, empty or readable by others.
    """
    try:
        text = read_text(path, private=True).strip()
    except FileNotFoundError:
        raise ConfigError(f"There is no {path}; {remedy}.") from None
    except FileRefused as error:
        raise ConfigError(str(error)) from error
    if not text:
        raise ConfigError(f"{path} is empty. Remove it, then {remedy}.")
    return text


def write_secret(path: Path, text: str) -> None:
    """Make a file that only the owner can read; raise FileExistsError if the file exists.

    Raise ConfigError, and leave no file, if writing fails. Raise UnicodeEncodeError, and make no
    file, for a text that can't be encoded.
    """
    content = f"{text}\n".encode()
    try:
        refuse_unfit_new_file(path)
        descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    except FileExistsError:
        raise
    except (FileRefused, OSError) as error:
        raise _not_written(path, error) from error
    try:
        with os.fdopen(descriptor, "wb") as file:
            file.write(content)
    except OSError as error:
        path.unlink()
        raise _not_written(path, error) from error


def _not_written(path: Path, error: Exception) -> ConfigError:
    if isinstance(error, FileRefused):
        return ConfigError(str(error))
    return ConfigError(f"{path} can't be written ({in_words(error)}).")
