"""Starts LNbits as forks of one process, which has loaded what LNbits imports; runs with LNbits' Python.

LNbits itself is imported by each fork, after its environment. Each fork is killed when the connection of
whoever asked for it ends, and all are when the process that started this one ends.
"""

import contextlib
import ctypes
import gc
import json
import os
import select
import signal
import socket
import sys
import time
from importlib import import_module
from traceback import print_exc

BYTES_MAX = 65_536
PR_SET_PDEATHSIG = 1
# Half of the time that LNbits takes to be imported. A version may lack some.
LIBRARIES = """
aiohttp aiosqlite asyncpg bolt11 embit fastapi fastapi_sso grpc httpx jinja2 jsonpath_ng jwt lnurl loguru
PIL py_vapid pyln.client pynostr pywebpush random_username.generate shortuuid slowapi smtplib
sqlalchemy.dialects.postgresql.asyncpg sqlalchemy.dialects.sqlite.aiosqlite sqlalchemy.ext.asyncio
starlette.middleware.sessions uvicorn.lifespan.on uvicorn.loops.auto uvicorn.protocols.http.auto
uvicorn.protocols.websockets.auto wasmtime websocket
"""


def main():
    """Take connections from the listening socket that was handed over, until standard input ends."""
    end_with_parent()
    listener = socket.socket(fileno=int(sys.argv[1]))
    is_loaded = False
    while sys.stdin not in select.select([listener, sys.stdin], [], [])[0]:
        connection, _ = listener.accept()
        if not is_loaded:
            load()
            is_loaded = True
        if os.fork() == 0:
            listener.close()
            answer(connection)
            os._exit(0)
        connection.close()
        reap(os.WNOHANG)
    reap(0)


def reap(how):
    with contextlib.suppress(ChildProcessError):
        while os.waitpid(-1, how)[0]:
            pass


def load():
    for name in LIBRARIES.split():
        with contextlib.suppress(ImportError):
            import_module(name)
    gc.collect()
    gc.freeze()


def answer(connection):
    """Run what is asked for in a fork of this fork, and send its id and exit status."""
    end_with_parent()
    request, streams, *_ = socket.recv_fds(connection, BYTES_MAX, 1)
    ended, is_running = os.pipe()
    child = os.fork()
    if child == 0:
        os.setsid()
        connection.send(b"%d\n" % os.getpid())
        connection.close()
        become(**json.loads(request), log=streams[0])
    os.close(is_running)
    os.close(streams[0])
    if ended not in select.select([ended, connection], [], [])[0]:
        os.killpg(child, signal.SIGKILL)
    _, status = os.waitpid(child, 0)
    with contextlib.suppress(OSError):
        connection.send(b"%d\n" % os.waitstatus_to_exitcode(status))


def become(code, words, folder, environment, log):
    """Be `python -c code words` to the end of this process."""
    nothing = os.open(os.devnull, os.O_RDONLY)
    for number, stream in enumerate((nothing, log, log)):
        os.dup2(stream, number)
    os.chdir(folder)
    os.environ.clear()
    os.environ.update(environment)
    time.tzset()
    sys.argv = ["-c", *words]
    status = 0
    try:
        exec(code, {"__name__": "__main__"})  # noqa: S102 - as `python -c` does
    except SystemExit as error:
        status = error.code if isinstance(error.code, int) else error.code is not None
    except BaseException:  # noqa: BLE001 - as Python itself ends
        print_exc()
        status = 1
    sys.stdout.flush()
    sys.stderr.flush()
    os._exit(status)


def end_with_parent():
    if sys.platform == "linux":
        ctypes.CDLL(None).prctl(PR_SET_PDEATHSIG, signal.SIGKILL)


if __name__ == "__main__":
    main()
