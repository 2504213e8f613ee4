"""The cells of SSH: what a command, a connection or a login may come to, on each table that is read."""

import asyncio
from collections.abc import Iterator
from functools import partial

import asyncssh

from faults.poll_cells import (
    CUTS,
    KEPT,
    LOGIN,
    PollSeries,
    PollStrike,
    cut_between,
    cut_new,
    greet,
    refuse,
    restart_ssh,
)
from faults.polls import TABLES, PollWorld, over_ssh

_SSH_FAULTS = (
    "exit status 1",
    "killed",
    "cut",
    "no exit status",
    "truncated",
    "cut at a line's end",
    "as printed before",
    "printed twice",
    "column missing",
    "hangs",
)
_PRINTED = {
    "banner and exit 0": (b"Last login: Mon Nov 29 08:00\n", b"", 0),
    "HTML and exit 0": (b"<html><body>502 Bad Gateway</body></html>", b"", 0),
    "nothing and exit 0": (b"", b"", 0),
    "complaint and exit 0": (b"", b"psql: error: the database system is starting up\n", 0),
    "UTF-16 and exit 0": ("id,created\n".encode("utf-16"), b"", 0),
    "binary and exit 0": (bytes(range(256)) * 40, b"", 0),
    "huge line and exit 0": (b"x" * 2**22, b"", 0),
    "exit status 255": (b"", b"Connection closed by remote host\n", 255),
}
"""What a command may print instead: output, complaint, exit status."""
_SLOW = ("hangs", "never greets", "goes silent")


def ssh_series() -> Iterator[PollSeries]:
    quick = [*_of_ssh_logins(), *_of_ssh_tables()]
    yield PollSeries(over_ssh, [one for one in quick if one.fault not in _SLOW])
    for strike in quick:
        if strike.fault in _SLOW:
            yield PollSeries(over_ssh, [strike], waits=True)


def _of_ssh_tables() -> Iterator[PollStrike]:
    for table in TABLES:
        for fault in _SSH_FAULTS:
            yield PollStrike(table, fault, partial(_break_command, table=table, fault=fault))
        for fault, (printed, complaint, status) in _PRINTED.items():
            play = partial(
                _break_command,
                table=table,
                fault="something else",
                printed=printed,
                complaint=complaint,
                status=status,
            )
            yield PollStrike(table, fault, play)


async def _break_command(world: PollWorld, *, table: str, fault: str, **printed) -> None:
    ssh = world.faulty_ssh
    ssh.fault, ssh.faulty = fault, table
    for name, value in printed.items():
        setattr(ssh, name, value)
    await world.poll()
    ssh.fault = ""


def _of_ssh_logins() -> Iterator[PollStrike]:
    yield PollStrike(LOGIN, "connection refused", refuse)
    yield PollStrike(LOGIN, "host key changed", _change_host_key)
    yield PollStrike(LOGIN, "host key unknown", _forget_host_key)
    yield PollStrike(LOGIN, "client key refused", _refuse_client_key)
    yield PollStrike(LOGIN, "no SSH but HTTP", partial(greet, greeting=b"HTTP/1.1 400 Bad\r\n\r\n"))
    yield PollStrike(LOGIN, "closed at once", partial(greet, greeting=b""))
    yield PollStrike(LOGIN, "never greets", _never_greet)
    for cut_after in CUTS:
        yield PollStrike(LOGIN, f"cut after {cut_after} bytes", partial(cut_new, after=cut_after))
    yield PollStrike(KEPT, "cut between two polls", cut_between)
    yield PollStrike(KEPT, "server started again", restart_ssh)
    yield PollStrike(KEPT, "goes silent", _go_silent)


async def _change_host_key(world: PollWorld) -> None:
    ssh = world.faulty_ssh
    key, ssh.host_key = ssh.host_key, asyncssh.generate_private_key("ssh-ed25519")
    await restart_ssh(world)
    ssh.host_key = key
    await ssh.stop()
    await ssh.start()


async def _forget_host_key(world: PollWorld) -> None:
    known_hosts = world.faulty_ssh.keys / "known_hosts"
    text = known_hosts.read_text()
    known_hosts.write_text(f"#{text}")
    world.ssh.cut()
    await world.poll()
    known_hosts.write_text(text)


async def _refuse_client_key(world: PollWorld) -> None:
    authorized = world.faulty_ssh.keys / "authorized_keys"
    text = authorized.read_text()
    other = asyncssh.generate_private_key("ssh-ed25519")
    authorized.write_text(other.export_public_key().decode())
    await restart_ssh(world)
    authorized.write_text(text)
    await world.ssh.stop()
    await world.ssh.start()


async def _never_greet(world: PollWorld) -> None:
    world.ssh.cut()
    world.wire.silent = True
    await world.poll()
    world.wire.silent = False


async def _go_silent(world: PollWorld) -> None:
    world.wire.silent = True
    polling = asyncio.create_task(world.poll())
    await world.wire.swallowed.wait()
    await polling
    world.wire.silent = False
