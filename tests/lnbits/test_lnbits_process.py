"""The LNbits of the tests and the demo leaves nothing behind."""

import contextlib
import os
import signal
import subprocess
import sys
import time

import httpx
import pytest

from dca_bot.demo.lnbits_process import BIN_VARIABLE, find_lnbits
from dca_bot.errors import ConfigError

STARTER = """
import sys, time
from pathlib import Path
from dca_bot.demo.lnbits_process import find_lnbits, start_lnbits
from dca_bot.demo.price_stub import PriceStub
lnbits = start_lnbits(find_lnbits(), Path(sys.argv[1]), price=PriceStub())
print(lnbits.url, flush=True)
time.sleep(600)
"""


def answers(url):
    with contextlib.suppress(httpx.TransportError):
        return httpx.get(f"{url}/api/v1/health", trust_env=False).status_code == 200
    return False


def test_missing_lnbits_is_told_with_what_to_do(monkeypatch, tmp_path):
    monkeypatch.setenv(BIN_VARIABLE, str(tmp_path / "lnbits"))
    with pytest.raises(ConfigError, match="make setup"):
        find_lnbits()


@pytest.mark.long
@pytest.mark.slow(40)
def test_lnbits_ends_with_a_starter_that_is_killed(tmp_path):
    starter = subprocess.Popen(
        [sys.executable, "-c", STARTER, tmp_path], stdout=subprocess.PIPE, text=True
    )
    with starter:
        url = starter.stdout.readline().strip()
        assert answers(url)
        os.kill(starter.pid, signal.SIGKILL)
    deadline = time.monotonic() + 10
    while answers(url) and time.monotonic() < deadline:
        time.sleep(0.1)
    assert not answers(url)


@pytest.mark.long
def test_wallets_survive_a_kill(remote_lnbits, wallets):
    keys = wallets("saver", balance_sat=21, at=remote_lnbits)
    remote_lnbits.kill()
    assert not answers(remote_lnbits.url)
    remote_lnbits.start()
    headers = {"X-Api-Key": keys.invoice_key}
    reply = httpx.get(f"{remote_lnbits.url}/api/v1/wallet", headers=headers, trust_env=False)
    assert reply.json() == {"name": "saver", "balance": 21_000}
    remote_lnbits.credit(keys.id, 1)


def test_price_stub_sets_the_rate(lnbits):
    reply = httpx.get(f"{lnbits.url}/api/v1/rate/GTQ", trust_env=False)
    assert reply.json()["price"] == 826091.28
