"""Prints how often a reader of one payout, message or cash-out comes back to a file already left.

    python tests/walks.py [--files]

Each walk is taken from a test on real parts: the functions of the package in the order of their first
call, from the moment when the bench's door is entered until it is left. A reader who follows them opens
the files in that order. `returns` counts how often a file is opened again after it was left. The adapters
and the ledger are read by their functions' names alone: who follows a satoshi opens no HTTP and no SQL.
"""

import dis
import sys
import threading
from pathlib import Path

import pytest

HERE = Path(__file__).parent
PACKAGE = str(HERE.parent / "dca_bot") + "/"
OUTSIDE = tuple(f"{PACKAGE}{part}/" for part in ("lamassu", "lnbits", "nostr", "ledger"))
ENDS = {dis.opmap[name] for name in ("RETURN_VALUE", "RETURN_CONST") if name in dis.opmap}
SKIPPED = {"<lambda>", "<listcomp>", "<genexpr>", "<dictcomp>", "<setcomp>", "<module>"}
# A walk's name, the test that takes it, and the function of the tests that is its door.
WALKS = {
    "a payout": (
        "jobs/payouts/test_worker.py::test_payouts_to_key_and_address_arrive_once",
        "settle",
    ),
    "a client's message": (
        "chat/test_walks.py::test_client_is_told_the_balance",
        "walk",
    ),
    "an operator's command with its code": (
        "chat/test_walks.py::test_operator_gives_a_command_with_a_code",
        "walk",
    ),
    "a cash-out": (
        "jobs/lamassu/test_ingest.py::test_cash_out_read_again_and_again_is_distributed_once",
        "poll",
    ),
}


class Walk:
    """Records which functions of the package are called for the first time, and in which files."""

    def __init__(self, door: str) -> None:
        self.door, self.is_open, self.seen, self.files = door, False, set(), []

    def __call__(self, frame, event, _arg) -> None:
        code = frame.f_code
        if code.co_name == self.door and code.co_filename.startswith(str(HERE)):
            # A coroutine that waits looks as if it returned.
            is_over = event == "return" and code.co_code[frame.f_lasti] in ENDS
            self.is_open = event == "call" or (self.is_open and not is_over)
        path = code.co_filename
        if (
            event != "call"
            or not self.is_open
            or not path.startswith(PACKAGE)
            or path.startswith(OUTSIDE)
        ):
            return
        if code in self.seen or code.co_name in SKIPPED or code.co_name.startswith("__"):
            return
        self.seen.add(code)
        if not self.files or self.files[-1] != path:
            self.files.append(path)


def main() -> int:
    shown = "--files" in sys.argv
    for name, (test, door) in WALKS.items():
        walk = Walk(door)
        threading.setprofile(walk)
        sys.setprofile(walk)
        code = pytest.main(["-p", "no:terminal", "-p", "no:cacheprovider", str(HERE / test)])
        sys.setprofile(None)
        threading.setprofile(None)
        if code:
            sys.stderr.write(f"{name}: {test} ended with {code}\n")
            return 1
        returns = len(walk.files) - len(set(walk.files))
        sys.stdout.write(
            f"{name}: {len(walk.seen)} functions in {len(set(walk.files))} files, {returns} returns\n"
        )
        if shown:
            sys.stdout.writelines(f"    {path.removeprefix(PACKAGE)}\n" for path in walk.files)
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
