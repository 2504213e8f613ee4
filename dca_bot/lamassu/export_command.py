"""The command that prints a table on the Lamassu server: how to write the command, and why a run failed.

Nothing is run here. The exit status and the first line of the complaint tell what the server most
likely refuses.
"""

import re
from dataclasses import dataclass
from datetime import UTC, datetime

_FOR_SCRIPT = "{table}"
_NOT_FOUND, _NOT_RUN = 127, 126
_NO_COMMANDS = re.compile(
    "not available|nologin|unrecognized command|restricted|rssh|only supports sftp|sftp connections only",
    re.IGNORECASE,
)

_OTHER_COMMAND = (
    'the server most likely binds the key to another command (command="…" in authorized_keys, or'
    " ForceCommand in sshd_config). If that is the script of the documentation, set [lamassu.csv]"
    ' command = "{table} {since}"'
)


@dataclass(frozen=True, slots=True)
class Ending:
    """How a command ended: `said` is the first line of the complaint, empty without a complaint.

    `status` is None if the server reported none; `signal` names the signal that ended the command,
    if any.
    """

    status: int | None
    signal: str | None
    said: str

    @property
    def is_its_own(self) -> bool:
        """Tell whether the command ended by itself: neither a lost connection nor a signal."""
        return self.signal is None and self.status is not None

    def __str__(self) -> str:
        said = self.said or "it said nothing"
        if self.signal:
            return f"ended by SIG{self.signal}: {said}"
        return said if self.status == 0 else f"exit status {self.status}: {said}"


def fill_command(template: str, table: str, since: datetime) -> str:
    """Put table and time into a command; both consist of characters that need no quoting in a shell.

    >>> fill_command("dca-export {table} {since}", "devices", datetime(2026, 7, 1, tzinfo=UTC))
    'dca-export devices 2026-07-01T00:00:00+00:00'
    """
    instant = since.astimezone(UTC).isoformat()
    return template.replace("{table}", table).replace("{since}", instant)


def what_to_do(ending: Ending, template: str, username: str) -> str:
    """Say what to do after a command failed or printed nothing; `template` is the configured command."""
    asks_script = template.lstrip().startswith(_FOR_SCRIPT)
    is_found = ending.status != _NOT_FOUND
    rules = (
        (
            ending.signal is not None,
            "look there for what ended it, like a lack of memory; the next poll tries again",
        ),
        (ending.status is None, "the connection broke; the next poll tries again"),
        (
            _NO_COMMANDS.search(ending.said) is not None,
            f"there {username} may run no commands: see the key's line in authorized_keys, ForceCommand"
            f" in sshd_config, and the user's shell (usermod -s /bin/sh {username})",
        ),
        (
            not is_found and asks_script,
            'put command="/usr/local/bin/dca-export" before the key in authorized_keys there, with the'
            " script's own path, or leave [lamassu.csv] command out",
        ),
        (
            not is_found,
            "install that program there, or correct its path in [lamassu.csv] command, or in the"
            " key's line in authorized_keys",
        ),
        (ending.status == _NOT_RUN, f"let {username} run that program there (chmod 755)"),
        (
            ending.said != "",
            f"run it there by hand as {username}, and check [lamassu.csv] command",
        ),
        (asks_script, "run the script there by hand, and let it say on stderr why it refuses"),
    )
    return next((remedy for applies, remedy in rules if applies), _OTHER_COMMAND)
