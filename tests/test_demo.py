"""The demo is the main job end to end, on the real program: it has to come out even."""

import os
import subprocess
import sys
from pathlib import Path


def test_demo_ends_with_ledger_and_wallets_equal(tmp_path):
    root = Path(__file__).parents[1]
    lnbits = os.environ.get("DCA_BOT_LNBITS_BIN", str(root / ".lnbits" / "bin" / "lnbits"))
    temporary = tmp_path / "temporary"
    temporary.mkdir()
    done = subprocess.run(
        [sys.executable, "-m", "dca_bot", "demo"],
        cwd=tmp_path,
        env={
            **os.environ,
            "PYTHONPATH": str(root),
            "DCA_BOT_LNBITS_BIN": lnbits,
            "TMPDIR": str(temporary),
            "COLUMNS": "200",
            "STAY": "",
        },
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        timeout=180,
        check=False,
    )
    assert done.returncode == 0, done.stdout[-3000:] + done.stderr[-3000:]
    table = done.stdout[done.stdout.index("by the ledger") :]
    assert (table.count("equal"), table.count("DIFFERENT")) == (2, 0)
    assert list(temporary.iterdir()) == [], "it tidies up"
    assert list(tmp_path.iterdir()) == [temporary]
