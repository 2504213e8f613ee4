"""`dca-bot` in a process of its own, without the half second in which Python loads the program.

A mother process loads the program once; each command is a fork of the mother, with its own words, folder,
environment and streams. How Python itself starts, as with other encodings, is tried with real starts.

`DCA_BOT_HOOK` in the environment of a command names a module of the tests, whose `install` is called first.
"""

import atexit
import contextlib
import json
import os
import socket
import subprocess
import sys
import tempfile
from functools import cache
from importlib import import_module
from pathlib import Path

from forked_process import Forked

from dca_bot.chat.understanding.reading import vocabulary_of
from dca_bot.cli import main
from dca_bot.messages.lexicon import LEXICONS

ROOT = Path(__file__).parents[1]
COMMANDS = ROOT / "dca_bot" / "commands"
BYTES_MAX = 65_536
START_LIMIT_S = 60
HOOK = "DCA_BOT_HOOK"


def run(words, *, folder, environment, answers="", limit_s=90):
    """Run `dca-bot` with words, and return what subprocess.run would, with texts."""
    with contextlib.ExitStack() as opened:
        streams = [opened.enter_context(tempfile.TemporaryFile()) for _ in range(3)]
        streams[0].write(answers.encode())
        streams[0].seek(0)
        started = start(words, folder=folder, environment=environment, streams=streams)
        code = started.wait(limit_s)
        texts = []
        for stream in streams[1:]:
            stream.seek(0)
            texts.append(stream.read().decode())
    return subprocess.CompletedProcess(list(words), code, *texts)


def start(words, *, folder, environment, streams):
    """Start `dca-bot` with words on three open files; return what subprocess.Popen would."""
    connection = socket.socket(socket.AF_UNIX)
    connection.settimeout(START_LIMIT_S)
    connection.connect(_mother())
    request = json.dumps([list(words), str(folder), environment]).encode()
    assert len(request) < BYTES_MAX
    socket.send_fds(connection, [request], [stream.fileno() for stream in streams])
    return Forked(connection)


@cache
def _mother():
    """Start the mother, once for these tests; return the path of her socket."""
    folder = tempfile.TemporaryDirectory()
    path = str(Path(folder.name) / "mother")
    environment = {**os.environ, "PYTHONPATH": str(ROOT), "COLUMNS": "200", "NO_COLOR": "1"}
    mother = subprocess.Popen(
        [sys.executable, __file__, path],
        env=environment,
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
    )

    def end():
        mother.kill()
        mother.communicate()
        folder.cleanup()

    atexit.register(end)
    assert mother.stdout.readline() == b"ready\n"
    return path


def _serve(path):
    """Fork for each request, until the tests that started this process are gone."""
    # For all forks: the commands load these modules when they run.
    for name in ("app", *(f"commands.{path.stem}" for path in COMMANDS.glob("[!_]*.py"))):
        import_module(f"dca_bot.{name}")
    # And the example sentences, which take half a second at an operator's first message.
    vocabulary_of("operator", LEXICONS)
    listener = socket.socket(socket.AF_UNIX)
    listener.bind(path)
    listener.listen()
    sys.stdout.write("ready\n")
    sys.stdout.flush()
    while True:
        connection, _ = listener.accept()
        if os.fork() == 0:
            listener.close()
            _answer(connection)
            os._exit(0)
        connection.close()
        with contextlib.suppress(ChildProcessError):
            while os.waitpid(-1, os.WNOHANG)[0]:
                pass


def _answer(connection):
    """Run one command in a fork of this fork, and send the process's id and the exit status."""
    request, streams, *_ = socket.recv_fds(connection, BYTES_MAX, 3)
    child = os.fork()
    if child == 0:
        connection.close()
        _become(*json.loads(request), streams)
    for stream in streams:
        os.close(stream)
    connection.send(b"%d\n" % child)
    _, status = os.waitpid(child, 0)
    connection.send(b"%d\n" % os.waitstatus_to_exitcode(status))


def _become(words, folder, environment, streams):
    """Be `dca-bot` to the end of this process."""
    os.setsid()
    for number, stream in enumerate(streams):
        os.dup2(stream, number)
        os.close(stream)
    os.chdir(folder)
    os.environ.clear()
    os.environ.update(environment)
    sys.argv = ["dca-bot", *words]
    sys.stdin, sys.stdout, sys.stderr = (os.fdopen(n, mode) for n, mode in enumerate("rww"))
    if HOOK in environment:
        import_module(environment[HOOK]).install()
    code = 1
    try:
        main()
        code = 0
    except SystemExit as error:
        code = error.code or 0
    except Exception:  # noqa: BLE001 - as Python itself ends
        sys.excepthook(*sys.exc_info())
    sys.stdout.flush()
    sys.stderr.flush()
    os._exit(code)


if __name__ == "__main__":
    _serve(sys.argv[1])
