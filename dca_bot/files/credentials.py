"""Finds the secrets that systemd hands to a service: `LoadCredential=` and its kin.

systemd copies each credential into the folder $CREDENTIALS_DIRECTORY, which only the service can read. File
and folder belong to root, and an ACL grants the service's user the right to read; `stat` shows the mask of
the ACL as rights of the group: 0440 and 0550. Where there are no ACLs, both belong to the service's user.
"""

import os
import stat
from pathlib import Path

from dca_bot.files.remedies import ROOT

FOLDER_VARIABLE = "CREDENTIALS_DIRECTORY"
_FILE_RIGHTS, _FOLDER_RIGHTS = 0o440, 0o550


def credential_or(path: Path) -> Path:
    """Return the credential with the name of a secret's file; without one, the path of the file itself.

    With `LoadCredential=bot.nsec:/etc/dca-bot/bot.nsec`, `/srv/dca-bot/bot.nsec` becomes
    `/run/credentials/dca-bot.service/bot.nsec`.
    """
    folder = _folder()
    return path if folder is None or not os.path.lexists(folder / path.name) else folder / path.name


def is_credential(path: Path, found: os.stat_result) -> bool:
    """Tell whether root gave a file to this service alone; `found` is the status of the file.

    The file has to lie in the credentials' folder itself: a link out of the folder leads elsewhere.
    """
    folder = _folder()
    return (
        folder is not None
        and path.resolve().parent == folder
        and _is_roots(found, _FILE_RIGHTS)
        and _is_roots(folder.stat(), _FOLDER_RIGHTS)
    )


def _folder() -> Path | None:
    """Return the folder of credentials; None without one, or if the variable can't be systemd's."""
    folder = Path(os.environ.get(FOLDER_VARIABLE, ""))
    is_plain = folder.is_absolute() and folder.name and ".." not in folder.parts
    return folder.resolve() if is_plain else None


def _is_roots(found: os.stat_result, rights: int) -> bool:
    return found.st_uid == ROOT and not stat.S_IMODE(found.st_mode) & ~rights
