"""A Lamassu server's SSH side that fails in each way that is known."""

import asyncio
import shlex
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

import asyncssh

from dca_bot.lamassu.ssh_login import SshServer

_PRINTED: dict[str, Callable[[bytes], bytes]] = {
    "": lambda data: data,
    "truncated": lambda data: data[:-5],
    "cut at a line's end": lambda data: b"".join(data.splitlines(keepends=True)[:-1]),
    "printed twice": lambda data: data + data,
    "column missing": lambda data: data.replace(b",created,", b",renamed,", 1),
}
"""What a command prints that ends well."""


@dataclass
class FaultySsh:
    """A real SSH server that prints tables from the folder `export`, and breaks as it is told.

    `faulty`: the table whose command meets the `fault`. `keys`: where the client's files are written.
    """

    export: Path
    keys: Path
    fault: str = ""
    faulty: str = "cash_out_actions"
    printed: bytes = b""
    complaint: bytes = b""
    status: int = 0
    commands: list[str] = field(default_factory=list)
    before: dict[str, bytes] = field(default_factory=dict)
    """What each table was when the command for the table was run last."""
    hanging: asyncio.Event = field(default_factory=asyncio.Event)
    logins: int = 0
    port: int = 0

    def __post_init__(self) -> None:
        self.host_key = asyncssh.generate_private_key("ssh-ed25519")
        client_key = asyncssh.generate_private_key("ssh-ed25519")
        client_key.write_private_key(self.keys / "lamassu.key")
        (self.keys / "lamassu.key").chmod(0o600)
        client_key.write_public_key(self.keys / "authorized_keys")

    def be_known(self, port: int = 0) -> None:
        """Have the client know the server's key, at another port if one is given."""
        public_key = self.host_key.export_public_key().decode()
        known_hosts = f"[127.0.0.1]:{port or self.port} {public_key}"
        (self.keys / "known_hosts").write_text(known_hosts, encoding="utf-8")

    def login(self, port: int = 0) -> SshServer:
        return SshServer(
            host="127.0.0.1",
            port=port or self.port,
            username="dca",
            private_key_file=self.keys / "lamassu.key",
            known_hosts_file=self.keys / "known_hosts",
        )

    async def start(self) -> None:
        self._listener = await asyncssh.listen(
            "127.0.0.1",
            self.port,
            server_host_keys=[self.host_key],
            authorized_client_keys=str(self.keys / "authorized_keys"),
            process_factory=self._serve,
            encoding=None,
            config=None,
        )
        self.port = self._listener.get_port()
        self._connections: set[asyncssh.SSHServerConnection] = set()

    async def stop(self) -> None:
        self._listener.close()
        self.cut()
        await self._listener.wait_closed()

    def cut(self) -> None:
        """Break all connections."""
        for connection in self._connections:
            connection.abort()
        self._connections.clear()

    async def _serve(self, process: asyncssh.SSHServerProcess[bytes]) -> None:
        connection = process.channel.get_connection()
        self.logins += connection not in self._connections
        self._connections.add(connection)
        self.commands.append(process.command)
        table = shlex.split(process.command)[1]
        data = (self.export / f"{table}.csv").read_bytes()
        fault = self.fault if table == self.faulty else ""
        before, self.before[table] = self.before.get(table, data), data
        if fault == "as printed before":
            fault, data = "", before
        if fault in _PRINTED:
            process.stdout.write(_PRINTED[fault](data))
            process.exit(0)
        else:
            await self._fail(fault, data, process, connection)

    async def _fail(
        self,
        fault: str,
        data: bytes,
        process: asyncssh.SSHServerProcess[bytes],
        connection: asyncssh.SSHServerConnection,
    ) -> None:
        match fault:
            case "exit status 1":
                process.stdout.write(data)
                process.stderr.write(b"\nERROR:  relation \x1b[1mis missing\nLINE 1: select\n")
                process.exit(1)
            case "something else":
                process.stdout.write(self.printed)
                process.stderr.write(self.complaint)
                process.exit(self.status)
            case "killed":
                process.stdout.write(data)
                process.exit_with_signal("KILL")
            case "cut":
                process.stdout.write(data[: len(data) // 2])
                await process.stdout.drain()
                connection.abort()
            case "no exit status":
                process.stdout.write(data)
                process.channel.write_eof()
                process.channel.close()
            case "hangs":
                process.stdout.write(data[:1000])
                self.hanging.set()
                await asyncio.Event().wait()
