"""Logs in to a server over SSH; a refusal is explained in a sentence with a remedy.

The invariant: only the configured key logs in, and only to a server with a known key.
"""

import asyncio
import shlex
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import asyncssh

from dca_bot.errors import FileRefused, SourceUnavailable, in_words
from dca_bot.faults import SourceFault
from dca_bot.files.rights import open_to_read, refuse_unfit_file

_COMMENT = "dca-bot"
_KEEPALIVE_S = 15
_SETTING = "[lamassu.ssh]"
_HOST_KEY_KINDS = {
    "ED25519": ("ssh-ed25519",),
    "ECDSA": ("ecdsa-sha2-nistp256", "ecdsa-sha2-nistp384", "ecdsa-sha2-nistp521"),
    "RSA": ("rsa-sha2-512", "rsa-sha2-256"),
}
"""The algorithms of each kind of host key: a server shows one key for each connection."""
_HEAD_BYTES = 64
_PUBLIC = (b"ssh-", b"ecdsa-", b"sk-ssh-", b"sk-ecdsa-", b"---- BEGIN SSH2 PUBLIC KEY")
_PUTTY = b"PuTTY-User-Key-File"


@dataclass(frozen=True, slots=True)
class SshServer:
    """Address and login of an SSH server; the private key has no passphrase.

    `setting`: the place in the configuration, for the texts of errors.
    """

    host: str
    port: int
    username: str
    private_key_file: Path
    known_hosts_file: Path
    setting: str = _SETTING

    @property
    def address(self) -> str:
        """Return host and port for messages."""
        return f"{self.host}:{self.port}"


@dataclass(frozen=True, slots=True)
class HostKey:
    """A server's host key: the line for known_hosts, and the fingerprint as ssh-keygen shows it."""

    line: str
    fingerprint: str


async def host_keys(server: SshServer, *, limit_s: float) -> list[HostKey]:
    """Ask a server for its host key of each kind, without a login; raise SourceUnavailable."""
    found: list[HostKey] = []
    failure: Exception | None = None
    for kind, algorithms in _HOST_KEY_KINDS.items():
        try:
            async with asyncio.timeout(limit_s):
                key = await asyncssh.get_server_host_key(
                    server.host, server.port, server_host_key_algs=algorithms, config=None
                )
        except (asyncssh.KeyExchangeFailed, asyncssh.ConnectionLost) as error:
            # The server has no key of the kind; whichever end sees so first hangs up.
            failure = error
        except (asyncssh.Error, ValueError, OSError) as error:
            raise _refusal(error, server, limit_s) from error
        else:
            assert key is not None
            found.append(_host_key(server, kind, key))
    if failure is not None and not found:
        raise _refusal(failure, server, limit_s) from failure
    return found


def make_key() -> tuple[str, str]:
    """Make a key without a passphrase; return the private half and the public line, in OpenSSH's form."""
    key = asyncssh.generate_private_key("ssh-ed25519", comment=_COMMENT)
    return key.export_private_key().decode().strip(), _public_line(key)


def public_key_of(path: Path) -> str:
    """Return the public line of a private key's file; raise SourceUnavailable for an unusable key."""
    try:
        return _public_line(asyncssh.read_private_key(path))
    except (asyncssh.KeyImportError, asyncssh.KeyEncryptionError) as error:
        said = _unusable_key(path, in_words(error))
        raise SourceUnavailable(said, fault=SourceFault.KEY_UNUSABLE, path=str(path)) from error


def is_noted(server: SshServer) -> bool:
    """Tell whether known_hosts has keys of a server, right or wrong, or is a file that can't be read."""
    try:
        return bool(_noted(server))
    except (ValueError, OSError):
        return True


async def connect(server: SshServer, *, limit_s: float) -> asyncssh.SSHClientConnection:
    """Log in with the configured key, to a host key in known_hosts; raise SourceUnavailable."""
    _refuse_unfit_files(server)
    try:
        return await asyncssh.connect(
            server.host,
            server.port,
            username=server.username,
            client_keys=[str(server.private_key_file)],
            known_hosts=str(server.known_hosts_file),
            preferred_auth="publickey",
            # Neither an agent's keys nor ~/.ssh/config take part.
            agent_path=None,
            config=None,
            connect_timeout=limit_s,
            login_timeout=limit_s,
            keepalive_interval=_KEEPALIVE_S,
        )
    except (asyncssh.Error, ValueError, OSError) as error:
        raise _refusal(error, server, limit_s) from error


def keyscan(server: SshServer) -> str:
    """Write the command that prints a server's keys in the form of known_hosts."""
    port = [] if server.port == asyncssh.DEFAULT_PORT else ["-p", str(server.port)]
    return shlex.join(["ssh-keyscan", *port, server.host])


def _public_line(key: asyncssh.SSHKey) -> str:
    algorithm, data, *_ = key.export_public_key().decode().split()
    return f"{algorithm} {data} {_COMMENT}"


def _host_key(server: SshServer, kind: str, key: asyncssh.SSHKey) -> HostKey:
    is_usual = server.port == asyncssh.DEFAULT_PORT
    place = server.host if is_usual else f"[{server.host}]:{server.port}"
    line = f"{place} {key.export_public_key().decode().strip()}"
    return HostKey(line, f"{key.get_fingerprint()} ({kind})")


def _refuse_unfit_files(server: SshServer) -> None:
    """Raise SourceUnavailable if others could read the private key or write known_hosts."""
    for path in (server.private_key_file, server.known_hosts_file):
        try:
            refuse_unfit_file(path, private=path == server.private_key_file)
        except FileNotFoundError:
            raise SourceUnavailable(
                _missing(server, path), fault=SourceFault.FILE_MISSING, path=str(path)
            ) from None
        except FileRefused as error:
            raise SourceUnavailable(
                str(error), fault=SourceFault.FILE_UNFIT, path=str(path)
            ) from error


def _refusal(error: Exception, server: SshServer, limit_s: float) -> SourceUnavailable:
    """Return the error to raise for a login that failed."""
    said = in_words(error)
    match error:
        case asyncssh.HostKeyNotVerifiable():
            return _unknown_server(server)
        case asyncssh.PermissionDenied():
            return SourceUnavailable(
                f"{server.address} refuses the key {server.private_key_file} for {server.username}:"
                " add its public part to that user's authorized_keys on the server, or correct"
                f" {server.setting} username. The server's log says why (journalctl -u ssh).",
                fault=SourceFault.KEY_REFUSED,
                address=server.address,
                path=str(server.private_key_file),
                user=server.username,
            )
        case asyncssh.KeyImportError() | asyncssh.KeyEncryptionError():
            path = server.private_key_file
            return SourceUnavailable(
                _unusable_key(path, said, setting=server.setting),
                fault=SourceFault.KEY_UNUSABLE,
                path=str(path),
            )
        case ValueError() if "idna" not in str(error):
            return SourceUnavailable(
                f"{server.known_hosts_file} can't be read ({said}); correct it.",
                fault=SourceFault.FILE_UNREADABLE,
                path=str(server.known_hosts_file),
            )
        case _:
            return _unreachable(error, said, server, limit_s)


def _unreachable(
    error: Exception, said: str, server: SshServer, limit_s: float
) -> SourceUnavailable:
    """Return the error to raise for a server that can't be reached, or ends the connection."""
    match error:
        case ValueError():
            text = f"{server.host} is no host name ({said}); correct {server.setting} host."
        case TimeoutError():
            return SourceUnavailable(
                f"{server.address} did not answer within {limit_s:g} seconds; check host, port and"
                " firewall.",
                fault=SourceFault.NO_ANSWER,
                address=server.address,
            )
        case (
            asyncssh.ConnectionLost()
            | asyncssh.KeyExchangeFailed()
            | ConnectionResetError()
            | BrokenPipeError()
        ):
            return SourceUnavailable(
                _hung_up(server, said), fault=SourceFault.HUNG_UP, address=server.address
            )
        case _:
            text = f"{server.address} can't be reached ({said}); check host, port and network."
    return SourceUnavailable(text, fault=SourceFault.UNREACHABLE, address=server.address)


def _unknown_server(server: SshServer) -> SourceUnavailable:
    """Explain a server without a key in known_hosts, or with another key than noted there."""
    path, command = str(server.known_hosts_file), keyscan(server)
    if _noted(server):
        return SourceUnavailable(
            f"{server.address} shows another key than {path} has for it. Unless"
            " somebody who runs that server tells you that it has a new one, somebody may be"
            f" listening: change nothing. Else compare what `{command}` prints with the key"
            " that they tell you, and put its line in the old one's place.",
            fault=SourceFault.HOST_KEY_CHANGED,
            address=server.address,
            path=path,
            command=command,
        )
    return SourceUnavailable(
        f"The key of {server.address} is not in {path}: run `{command}`,"
        " compare the key with the one that the server's owner tells you, and add the line to that"
        " file.",
        fault=SourceFault.HOST_KEY_UNKNOWN,
        address=server.address,
        path=path,
        command=command,
    )


def _hung_up(server: SshServer, said: str) -> str:
    algorithms = ", ".join(sorted({key.get_algorithm() for key in _noted(server)}))
    other_key = (
        f" {server.known_hosts_file} knows its {algorithms} key only; if it has no such key any"
        f" more, compare what `{keyscan(server)}` prints and add that."
    )
    return (
        f"{server.address} hung up before the login ({said}): check that SSH listens on this port,"
        " and that the server doesn't keep this computer out (fail2ban, MaxStartups)."
        f"{other_key if algorithms else ''}"
    )


def _noted(server: SshServer) -> Sequence[asyncssh.SSHKey]:
    """Return the keys that known_hosts has for a server; none without the file."""
    if not server.known_hosts_file.exists():
        return ()
    path = str(server.known_hosts_file)
    keys, *_ = asyncssh.match_known_hosts(path, server.host, "", server.port)
    return keys


def _unusable_key(path: Path, said: str, *, setting: str = _SETTING) -> str:
    quoted = shlex.quote(str(path))
    if "assphrase" in said:
        return (
            f"{path} has a passphrase, which nobody is there to type; take it off with"
            f" `ssh-keygen -p -N '' -f {quoted}`, or make a key without a passphrase."
        )
    head = _head(path)
    if head.startswith(_PUBLIC):
        return f"{path} is the public half of a key; {setting} takes the other half, without .pub."
    if head.startswith(_PUTTY):
        return (
            f"{path} is a key in PuTTY's format; turn it into OpenSSH's with"
            f" `puttygen {quoted} -O private-openssh -o openssh.key`."
        )
    return (
        f"{path} is not a usable SSH key ({said}); make one without a passphrase:"
        f" `ssh-keygen -t ed25519 -N '' -f {quoted}.new`."
    )


def _head(path: Path) -> bytes:
    try:
        with open_to_read(path) as file:
            return file.read(_HEAD_BYTES)
    except (OSError, FileRefused):
        return b""


def _missing(server: SshServer, path: Path) -> str:
    quoted = shlex.quote(str(path))
    if path != server.private_key_file:
        return (
            f"There is no {path}: run `{keyscan(server)} > {quoted}`, and compare the key with the"
            " one that the server's owner tells you."
        )
    return (
        f"There is no {path}: make it with `ssh-keygen -t ed25519 -N '' -f {quoted}`, and add"
        f" {path}.pub to the authorized_keys of {server.username} on {server.host}."
    )
