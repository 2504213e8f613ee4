"""A program at a terminal of its own (a pseudo-terminal), and who types there."""

import asyncio
import codecs
import contextlib
import os
import pty
import re
import subprocess
import threading
import time

LIMIT_S = 60


class Typist:
    """Types at a program's terminal; what it shows gathers in `shown`."""

    def __init__(self, command, environment=None, cwd=None, *, start=None):
        self.near, far = pty.openpty()
        self.process = (start or _start)(command, environment, cwd, far)
        os.close(far)
        self.shown = ""
        self.reader = threading.Thread(target=self._read, daemon=True)
        self.reader.start()

    def _read(self):
        decoder = codecs.getincrementaldecoder("utf-8")()  # a read may end within a character
        with contextlib.suppress(OSError):  # the other end has gone
            while chunk := os.read(self.near, 4096):
                self.shown += decoder.decode(chunk)

    def type(self, text):
        os.write(self.near, text.encode())

    async def until(self, pattern, limit_s=LIMIT_S):
        deadline = time.monotonic() + limit_s
        while not re.search(pattern, self.shown):
            assert time.monotonic() < deadline, self.shown[-3000:]
            assert self.process.poll() is None or self.reader.is_alive(), self.shown[-3000:]
            await asyncio.sleep(0.05)

    async def end(self):
        return await asyncio.to_thread(self.process.wait, LIMIT_S)

    def close(self):
        if self.process.poll() is None:
            self.process.kill()
            self.process.wait()
        self.reader.join(5)
        os.close(self.near)


def _start(command, environment, cwd, far):
    return subprocess.Popen(command, stdin=far, stdout=far, stderr=far, env=environment, cwd=cwd)
