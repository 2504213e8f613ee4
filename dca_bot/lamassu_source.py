"""Builds the reader of the configured source of Lamassu.

A module of its own, because asyncssh and asyncpg are a quarter of the time of a command's start, and most
commands read no Lamassu.
"""

from collections.abc import Mapping

from dca_bot.config import Config
from dca_bot.core.ports import CashOutSource
from dca_bot.files.secret_files import POSTGRES_PASSWORD_VARIABLE, read_secret
from dca_bot.lamassu.directory import DirectorySource
from dca_bot.lamassu.postgres import PostgresSource
from dca_bot.lamassu.postgres_login import PostgresLimits, PostgresServer
from dca_bot.lamassu.ssh import SshCsvSource
from dca_bot.lamassu.ssh_login import SshServer


def build_source(config: Config, environment: Mapping[str, str]) -> CashOutSource:
    """Make the reader of the configured source of Lamassu; raise ConfigError for a missing password."""
    lamassu = config.lamassu
    if lamassu.source == "directory":
        return DirectorySource(config.path(lamassu.directory.path))
    if lamassu.source == "postgres":
        return build_postgres(config, environment)
    return SshCsvSource(ssh_server(config), lamassu.csv.command)


def build_postgres(config: Config, environment: Mapping[str, str]) -> PostgresSource:
    """Make the reader of Lamassu's database; raise ConfigError for a missing password."""
    postgres = config.lamassu.postgres
    password_path = config.secret_path(postgres.password_file)
    server = PostgresServer(
        host=postgres.host,
        port=postgres.port,
        database=postgres.database,
        user=postgres.user,
        password=read_secret(
            password_path,
            POSTGRES_PASSWORD_VARIABLE,
            environment,
            remedy=f"put the password of {postgres.user} there",
        ),
        tls=postgres.tls_mode,
        ca_file=None if postgres.ca_file is None else config.path(postgres.ca_file),
    )
    tunnel = ssh_server(config) if postgres.tunnel else None
    return PostgresSource(
        server, tunnel, PostgresLimits(statement_s=postgres.statement_timeout_seconds)
    )


def ssh_server(config: Config) -> SshServer:
    """Return address and login of the SSH server; the configuration must have a section [lamassu.ssh]."""
    ssh = config.lamassu.ssh
    assert ssh is not None
    return SshServer(
        host=ssh.host,
        port=ssh.port,
        username=ssh.username,
        private_key_file=config.secret_path(ssh.private_key_file),
        known_hosts_file=config.path(ssh.known_hosts_file),
    )
