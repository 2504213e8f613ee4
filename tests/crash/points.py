"""Counts the points at which a bot can be killed, in the bot's own process, and strikes at one of them.

A point is a durable write (a commit of SQLite that changes something, a page copied by SQLite, a file that is
opened for writing, brought to disk, renamed or removed) or a request over HTTP. Each point has the sides
before and after, a request also `sent`: the request has left, and the answer is still to come.

The shipped program knows nothing of this: `tests/forked.py` calls `install` before the program runs.
"""

import builtins
import io
import json
import os
import re
import signal
import sqlite3
import subprocess
import threading
import time
from collections import Counter
from importlib import import_module
from pathlib import Path

import httpx

VARIABLE = "DCA_BOT_CRASH"
COMMIT = "commit"
_WRITES = re.compile(
    r"\s*(?:INSERT(?:\s+OR\s+\w+)?\s+INTO|REPLACE\s+INTO|UPDATE(?:\s+OR\s+\w+)?|DELETE\s+FROM"
    r"|(?:CREATE|ALTER|DROP)\s+\w+)\s+(\w+)",
    re.IGNORECASE,
)
_CHANGING = re.compile(r"[0-9a-f]{64}|\d{4}-\d\d-\d\dT\d{6}Z")
_SENT = "http11.receive_response_headers.started"
_CHECKPOINT_PAGES = 40
_FILES = ("ledger.sqlite3", "ledger.sqlite3-wal")


def install():
    """Count the points of this process from now on, and strike as the environment says."""
    plan = json.loads(os.environ[VARIABLE])
    points = Points(plan)
    _watch_sqlite(points)
    _watch_files(points, Path(plan["folder"]))
    _watch_requests(points)
    if plan.get("plant"):
        # Only now: the module loads the program's.
        import_module("crash.planted").PLANTS[plan["plant"]]()


class Points:
    """The points of a process so far: each gets a name, and the name a line in the journal.

    A name is `request POST /api/v1/payments #3`: jobs run side by side, so that a mere number would name
    another point in each run. `at` and `side`: where to strike, nowhere for an empty name. `lnbits`: the
    process group to be killed instead of this process. `snapshot`: a folder for the ledger's files from
    before the commit, if it is one.
    """

    def __init__(self, plan):
        self._at, self._side = plan["at"], plan["side"]
        self._lnbits, self._delay_s = plan.get("lnbits"), plan.get("delay_s", 0)
        self._data, self._snapshot = Path(plan["folder"]) / "data", plan.get("snapshot")
        self._journal = os.open(plan["journal"], os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600)
        self._lock = threading.RLock()
        self._seen = Counter()

    @property
    def cuts_power(self):
        return self._snapshot is not None

    def around(self, kind, about, work, *args, **named):
        """Do the work of a point, and return the result."""
        name = self.before(kind, about)
        try:
            return work(*args, **named)
        finally:
            self.strike(name, "after")

    def before(self, kind, about):
        """Count a point that is about to be reached, and return the name."""
        point = f"{kind} {_CHANGING.sub('…', about)}"
        with self._lock:
            self._seen[point] += 1
            name = f"{point} #{self._seen[point]}"
            os.write(self._journal, f"{name}\n".encode())
            if name == self._at and self._snapshot and kind == COMMIT:
                self._prepare()
            self.strike(name, "before")
            return name

    def strike(self, name, side):
        """Kill, if this side of this point is the one."""
        if name != self._at or side != self._side:
            return
        self._at = ""
        if self._lnbits is None:
            os.kill(os.getpid(), signal.SIGKILL)
            signal.pause()
        killing = threading.Thread(target=self._kill_lnbits, daemon=True)
        killing.start()
        if side == "before":
            killing.join()

    def _prepare(self):
        # By another program: closing a file in this process would drop SQLite's locks on the file.
        files = [self._data / name for name in _FILES]
        Path(self._snapshot).mkdir()
        subprocess.run(
            ["cp", *(path for path in files if path.exists()), self._snapshot], check=True
        )

    def _kill_lnbits(self):
        time.sleep(self._delay_s)
        os.killpg(self._lnbits, signal.SIGKILL)


class _Watched:
    """A connection that counts its durable writes; mixed into the class of the connection."""

    points: Points
    kind: str
    changes_before = 0
    tables = frozenset()

    def execute(self, sql, *values):
        first, write = sql.lstrip()[:6].upper(), _WRITES.match(sql)
        if first == "COMMIT" and self.in_transaction and self.total_changes != self.changes_before:
            return self._durably(sql, *values)
        if write and not self.in_transaction:
            self.tables = {write[1]}
            return self._durably(sql, *values)
        if first.startswith("BEGIN"):
            self.changes_before, self.tables = self.total_changes, set()
        elif write:
            self.tables.add(write[1])
        return super().execute(sql, *values)

    def executescript(self, sql):
        # A script of a migration; the tables that are made don't count as changes.
        self.changes_before, self.tables = -1, {"schema"}
        return super().executescript(sql)

    def backup(self, target, *, progress, **named):
        def step(*state):
            self.points.around("copy", "pages", progress, *state)

        return super().backup(target, progress=step, **named)

    def _durably(self, sql, *values):
        about = ",".join(sorted(self.tables)) or "-"
        result = self.points.around(self.kind, about, super().execute, sql, *values)
        self.changes_before = self.total_changes
        return result


def _watch_sqlite(points):
    connect = sqlite3.connect

    def watched(database, *args, factory=sqlite3.Connection, **named):
        if database != ":memory:":
            kind = "mark" if str(database).endswith(".part") else COMMIT
            factory = type("Watched", (_Watched, factory), {"points": points, "kind": kind})
        connection = connect(database, *args, factory=factory, **named)
        if points.cuts_power:
            # A small ledger would never get to a checkpoint, at which power is cut too.
            connection.execute(f"PRAGMA wal_autocheckpoint = {_CHECKPOINT_PAGES}")
        return connection

    sqlite3.connect = watched


def _watch_files(points, folder):
    real_open, fsync = io.open, os.fsync

    def is_ours(path):
        return isinstance(path, str | os.PathLike) and Path(path).is_relative_to(folder)

    def opened(file, mode="r", *args, **named):
        if set(mode) & set("wax") and is_ours(file):
            return points.around("open", Path(file).name, real_open, file, mode, *args, **named)
        return real_open(file, mode, *args, **named)

    def synced(descriptor):
        name = Path(f"/proc/self/fd/{descriptor}").readlink().name
        points.around("fsync", name, fsync, descriptor)

    def counted(name, real):
        def work(path, *args, **named):
            if is_ours(path):
                return points.around(name, Path(path).name, real, path, *args, **named)
            return real(path, *args, **named)

        return work

    io.open = builtins.open = opened
    os.fsync = synced
    for name in ("rename", "replace", "unlink"):
        setattr(os, name, counted(name, getattr(os, name)))


def _watch_requests(points):
    handle = httpx.AsyncHTTPTransport.handle_async_request

    async def watched(self, request):
        name = points.before("request", f"{request.method} {request.url.path}")

        async def trace(event, _info):
            if event == _SENT:
                points.strike(name, "sent")

        request.extensions = {**request.extensions, "trace": trace}
        response = await handle(self, request)
        points.strike(name, "after")
        return response

    httpx.AsyncHTTPTransport.handle_async_request = watched
