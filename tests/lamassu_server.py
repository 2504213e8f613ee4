"""A Lamassu server as the bot meets it: SSH in front, psql and PostgreSQL behind."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path

import asyncpg
import asyncssh
from postgres_process import PASSWORD, READER, PostgresProcess

from dca_bot.lamassu.postgres_login import PostgresServer
from dca_bot.lamassu.ssh_login import SshServer

_SESSIONS = """
SELECT pid FROM pg_stat_activity
WHERE application_name = 'dca-bot' AND datname = current_database()
"""


class _Gate(asyncssh.SSHServer):
    """Forwards; the key's own options say whereto."""

    def connection_requested(self, *_where):
        return True


@dataclass
class LamassuServer:
    """A real SSH server: it runs commands where psql finds the database, and forwards to PostgreSQL.

    `options` stand before the key in authorized_keys; `connections` has those that are open.
    """

    postgres: PostgresProcess
    database: str
    folder: Path
    options: str = ""
    port: int = 0
    logins: int = 0
    commands: list[str] = field(default_factory=list)
    connections: set[asyncssh.SSHServerConnection] = field(default_factory=set)

    async def start(self) -> None:
        if not self.port:
            self._host_key = asyncssh.generate_private_key("ssh-ed25519")
            self._client_key = asyncssh.generate_private_key("ssh-ed25519")
            self._client_key.write_private_key(self.folder / "lamassu.key")
            (self.folder / "lamassu.key").chmod(0o600)
        allowed = f"{self.options} {self._client_key.export_public_key().decode()}"
        (self.folder / "authorized_keys").write_text(allowed.strip(), encoding="utf-8")
        self._listener = await asyncssh.create_server(
            _Gate,
            "127.0.0.1",
            self.port,
            server_host_keys=[self._host_key],
            authorized_client_keys=str(self.folder / "authorized_keys"),
            process_factory=self._serve,
            encoding=None,
            config=None,
            acceptor=self._accept,
        )
        self.port = self._listener.get_port()
        public_key = self._host_key.export_public_key().decode()
        (self.folder / "known_hosts").write_text(f"[127.0.0.1]:{self.port} {public_key}")

    async def stop(self) -> None:
        self._listener.close()
        self.cut()
        await self._listener.wait_closed()

    def cut(self) -> None:
        """Break all connections."""
        for connection in self.connections:
            connection.abort()
        self.connections.clear()

    def ssh(self) -> SshServer:
        return SshServer(
            host="127.0.0.1",
            port=self.port,
            username="dca",
            private_key_file=self.folder / "lamassu.key",
            known_hosts_file=self.folder / "known_hosts",
        )

    async def enter(self) -> asyncpg.Connection:
        """Enter the database as its owner."""
        return await asyncpg.connect(
            host="127.0.0.1",
            port=self.postgres.port,
            user="postgres",
            password=self.postgres.admin_password,
            database=self.database,
        )

    def sql(self, text: str) -> str:
        """Run a script in the database as its owner."""
        return self.postgres.sql(text, self.database)

    @asynccontextmanager
    async def locked(self, table: str) -> AsyncIterator[Callable[[], Awaitable[None]]]:
        """Keep others out of a table; what is given waits until somebody stands before it."""
        connection, looking = await self.enter(), await self.enter()

        async def wait() -> None:
            while not await looking.fetchval("SELECT count(*) FROM pg_locks WHERE NOT granted"):
                pass

        try:
            async with connection.transaction():
                await connection.execute(f"LOCK TABLE {table} IN ACCESS EXCLUSIVE MODE")
                yield wait
        finally:
            await connection.close()
            await looking.close()

    def sessions(self) -> list[str]:
        """Return the process ids of the bot's sessions."""
        return self.sql(_SESSIONS).split()

    async def left(self) -> None:
        """Wait until the bot has no session any more."""
        looking = await self.enter()
        while await looking.fetchval(_SESSIONS):
            pass
        await looking.close()

    def end_sessions(self) -> None:
        """Do what an administrator's pg_terminate_backend does."""
        self.sql("\n".join(f"SELECT pg_terminate_backend({pid});" for pid in self.sessions()))

    def _accept(self, connection: asyncssh.SSHServerConnection) -> None:
        self.logins += 1
        self.connections.add(connection)

    async def _serve(self, process: asyncssh.SSHServerProcess[bytes]) -> None:
        self.commands.append(process.command)
        # `psql lamassu` is what the configuration says unless it is told otherwise.
        command = process.command.replace("psql lamassu", f"psql {self.database}")
        running = await asyncio.create_subprocess_shell(
            command,
            stdin=asyncio.subprocess.DEVNULL,
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.PIPE,
            env=self.postgres.environment(READER, PASSWORD),
        )
        output, complaint = await running.communicate()
        process.stdout.write(output)
        process.stderr.write(complaint)
        process.exit(running.returncode)


def login(server: LamassuServer, **changes) -> PostgresServer:
    """Where and how the bot's role gets in."""
    known = {
        "host": "127.0.0.1",
        "port": server.postgres.port,
        "database": server.database,
        "user": READER,
        "password": PASSWORD,
        "tls": "disable",
    }
    return PostgresServer(**known | changes)
