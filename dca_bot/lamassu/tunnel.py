"""Leads to a PostgreSQL server through SSH, as `ssh -L` does.

The invariant: nobody else on this computer can enter. The near end is a socket in a folder that
only the bot's user can open, never a port.
"""

import asyncio
import tempfile
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import asyncssh

from dca_bot.errors import SourceUnavailable, in_words, one_line
from dca_bot.faults import SourceFault
from dca_bot.lamassu.ssh_login import SshServer, connect


@asynccontextmanager
async def open_tunnel(
    server: SshServer, host: str, port: int, *, limit_s: float
) -> AsyncIterator[str]:
    """Log in over SSH and yield the folder of a Unix socket, in libpq's form, that leads to host:port.

    Raise SourceUnavailable if the server refuses the login or the way to host:port.
    """
    connection = await connect(server, limit_s=limit_s)
    try:
        await _try_way(connection, server, host, port, limit_s=limit_s)
        with _near_end() as folder:
            path = Path(folder) / f".s.PGSQL.{port}"
            try:
                await connection.forward_local_path_to_port(str(path), host, port)
            except OSError as error:
                raise _no_near_end(error) from error
            yield folder
    finally:
        connection.abort()
        await connection.wait_closed()


def _near_end() -> tempfile.TemporaryDirectory[str]:
    try:
        return tempfile.TemporaryDirectory(prefix="dca-bot-")
    except OSError as error:
        raise _no_near_end(error) from error


def _no_near_end(error: OSError) -> SourceUnavailable:
    return SourceUnavailable(
        f"The tunnel's near end can't be made ({in_words(error)}): have a folder for temporary files"
        " that isn't full and that the bot can write, with a short path (TMPDIR).",
        fault=SourceFault.NO_TUNNEL_SOCKET,
    )


async def _try_way(
    connection: asyncssh.SSHClientConnection,
    server: SshServer,
    host: str,
    port: int,
    *,
    limit_s: float,
) -> None:
    """Connect to host:port once: behind the socket a refusal would look like a lost connection."""
    try:
        async with asyncio.timeout(limit_s):
            _, writer = await connection.open_connection(host, port)
    except asyncssh.ChannelOpenError as error:
        said = one_line(error.reason)
        if error.code == asyncssh.OPEN_ADMINISTRATIVELY_PROHIBITED:
            raise SourceUnavailable(
                f"{server.host} doesn't let {server.username} through to {host}:{port} ({said}):"
                f' allow it with permitopen="{host}:{port}" and port-forwarding before the key in'
                " authorized_keys, and AllowTcpForwarding in sshd_config.",
                fault=SourceFault.TUNNEL_FORBIDDEN,
                host=server.host,
                user=server.username,
                target=f"{host}:{port}",
                said=said,
            ) from error
        raise SourceUnavailable(
            f"{server.host} can't reach PostgreSQL at {host}:{port} ({said}): check"
            " [lamassu.postgres] host and port, as seen from there, and that PostgreSQL runs.",
            fault=SourceFault.TUNNEL_ASTRAY,
            host=server.host,
            target=f"{host}:{port}",
            said=said,
        ) from error
    except (asyncssh.Error, OSError) as error:
        raise SourceUnavailable(
            f"The connection to {server.host} broke on the way to {host}:{port}"
            f" ({in_words(error)}); the next poll tries again.",
            fault=SourceFault.CONNECTION_LOST,
            address=server.host,
        ) from error
    writer.close()
