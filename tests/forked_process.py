"""A process that is a fork of a mother, with as much of Popen's interface as the tests use."""

import contextlib
import os
import select
import signal
import subprocess


class Forked:
    """The process that a mother tells of: its id in a line, and its exit status in another."""

    def __init__(self, connection):
        self._connection = connection
        self._lines = connection.makefile("rb", buffering=0)
        self.pid = int(self._lines.readline())
        self.returncode = None

    def poll(self):
        with contextlib.suppress(subprocess.TimeoutExpired):
            return self.wait(0)
        return None

    def wait(self, timeout=None):
        if self.returncode is None:
            if not select.select([self._connection], [], [], timeout)[0]:
                raise subprocess.TimeoutExpired("dca-bot", timeout)
            self.returncode = int(self._lines.readline())
            self._lines.close()
            self._connection.close()
        return self.returncode

    def send_signal(self, number):
        if self.poll() is None:
            os.kill(self.pid, number)

    def kill(self):
        self.send_signal(signal.SIGKILL)
