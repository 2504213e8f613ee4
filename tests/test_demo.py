"""The demo is the main job end to end, on the real program: it has to come out even."""

import asyncio
import os
import subprocess
import sys
from pathlib import Path

import pytest

from dca_bot.commands.chat_terminal import Lines
from dca_bot.demo.stage import Stage


def demo_at(folder):
    """Return command and environment of a demo that leaves its files in `folder`/temporary."""
    root = Path(__file__).parents[1]
    lnbits = os.environ.get("DCA_BOT_LNBITS_BIN", str(root / ".lnbits" / "bin" / "lnbits"))
    (folder / "temporary").mkdir()
    return [sys.executable, "-m", "dca_bot", "demo"], {
        **os.environ,
        "PYTHONPATH": str(root),
        "DCA_BOT_LNBITS_BIN": lnbits,
        "TMPDIR": str(folder / "temporary"),
        "COLUMNS": "200",
        "STAY": "",
    }


@pytest.mark.slow(70)
def test_demo_ends_with_ledger_and_wallets_equal(tmp_path):
    command, environment = demo_at(tmp_path)
    done = subprocess.run(
        command,
        cwd=tmp_path,
        env=environment,
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        timeout=180,
        check=False,
    )
    assert done.returncode == 0, done.stdout[-3000:] + done.stderr[-3000:]
    table, _, summary = done.stdout[done.stdout.index("by the ledger") :].partition("== In short\n")
    assert (table.count("equal"), table.count("DIFFERENT")) == (4, 0)
    for shown in (
        "Bought for one client in fixed mode: Q400.00",
        "Of the commission:\n  partner: ",
        "Q389.00, 47,749 sats, to 2 clients",
        "The source wallet has enough again",
    ):
        assert shown in done.stdout
    assert len(summary.splitlines()) == 10
    assert "Ledger and wallets: equal to the sat for 4 of 4" in summary
    assert ", 0 findings\n" in summary
    assert "try it yourself" not in done.stdout
    assert list((tmp_path / "temporary").iterdir()) == [], "it tidies up"
    assert list(tmp_path.iterdir()) == [tmp_path / "temporary"]


@pytest.mark.long
@pytest.mark.slow(80)
async def test_demo_lets_who_sits_at_a_terminal_sell_more_and_be_the_operator(tmp_path, terminal):
    command, environment = demo_at(tmp_path)
    environment.pop("CI", None)
    demo = terminal(command, environment, tmp_path)
    await demo.until("Enter goes on at once")
    demo.type("\n" * 30)  # more than there are scenes: the rest answers no question
    await demo.until("try it yourself", limit_s=180)
    assert "in the wallets after" not in demo.shown
    for number in (1, 2):
        demo.type("\n")
        await demo.until(rf"(?s)(in the wallets after \S+ s: ana [^\n]*, ben .*){{{number}}}")
    demo.type("y\n")
    await demo.until("Connected to")
    demo.type("clients\n")
    await demo.until(r"Clients: [^:]+:[^:]+\.\s+ana: ")
    assert demo.shown.count("DIFFERENT") == 0
    demo.type("\x04")
    assert await demo.end() == 0
    assert list((tmp_path / "temporary").iterdir()) == [], "it tidies up"


async def test_scene_waits_for_who_reads_until_enter_and_for_nobody_after_the_end():
    near, far = os.pipe()
    stage = Stage(Lines(near))
    await stage.scene("the first waits for nobody")
    stage.note("a long text " * 1_000)
    waiting = asyncio.create_task(stage.scene("the next"))
    await asyncio.sleep(0.05)
    assert not waiting.done()
    os.write(far, b"\n")
    await asyncio.wait_for(waiting, 10)
    os.write(far, b"too many\n" * 3)
    os.close(far)
    await stage.forget_typed()
    stage.note("a long text " * 1_000)
    await asyncio.wait_for(stage.scene("the last"), 1)
    assert stage.lines is None
    assert await stage.typed() is None
    os.close(near)
