"""Alerts leave by apprise in a process that ends; what is secret in a URL is shown nowhere."""

import asyncio
import json
import re
from contextlib import asynccontextmanager

import pytest

from dca_bot.charts.painter import draw_aside
from dca_bot.errors import AlertFailed, ChartFailed, ConfigError
from dca_bot.monitoring.alerts import Alerter, parse_urls

SECRET = "hunter2"


@asynccontextmanager
async def webhook(waits_for=0):
    """A web server that takes everything, but answers from `waits_for` alerts on; `taken` has each body."""
    taken = []

    async def serve(reader, writer):
        served.append(asyncio.current_task())
        head = (await reader.readuntil(b"\r\n\r\n")).decode()
        length = int(re.search(r"(?i)content-length: (\d+)", head)[1])
        taken.append(json.loads(await reader.readexactly(length)))
        while len(taken) < waits_for:  # noqa: ASYNC110 - a list tells nobody
            await asyncio.sleep(0.01)
        writer.write(b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\nConnection: close\r\n\r\n")
        writer.close()
        await writer.wait_closed()

    served = []
    async with await asyncio.start_server(serve, "127.0.0.1", 0) as server:
        yield server.sockets[0].getsockname()[1], taken
        await asyncio.gather(*served)


async def test_place_that_hangs_keeps_no_other_from_its_alert():
    async with webhook(waits_for=2) as (port, taken):
        url = f"json://127.0.0.1:{port}/"
        assert await Alerter([f"{url}first", f"{url}second"]).send("Ahorro", "x") == [True, True]
    assert len(taken) == 2


async def test_place_that_takes_it_gets_the_alert_though_another_does_not(capfd):
    async with webhook() as (port, taken):
        urls = [
            f"json://bot:{SECRET}@127.0.0.1:1/",
            f"json://bot:{SECRET}@127.0.0.1:{port}/hook",
            "nonsense",
        ]
        alerter = Alerter(urls)
        assert await alerter.send("Ahorro", "Pagos: sin avanzar\nñ") == [False, True, False]
    assert [(one["title"], one["message"]) for one in taken] == [
        ("Ahorro", "Pagos: sin avanzar\nñ")
    ]
    assert SECRET not in "".join(capfd.readouterr())


@pytest.fixture
def alerter_of(tmp_path, monkeypatch):
    """Have another program in the place of apprise."""
    monkeypatch.setenv("PYTHONPATH", str(tmp_path))

    def make(body, limit_s=20):
        (tmp_path / "fake_sender.py").write_text(body, "utf-8")
        urls = [f"json://{SECRET}@h", f"json://{SECRET}@i"]
        return Alerter(urls, module="fake_sender", limit_s=limit_s)

    return make


async def test_nothing_in_the_working_folder_is_run(tmp_path, monkeypatch):
    (tmp_path / "planted.py").write_text("print('taken')", "utf-8")
    monkeypatch.chdir(tmp_path)
    with pytest.raises(AlertFailed):
        await Alerter(["json://h"], module="planted").send("title", "text")
    with pytest.raises(ChartFailed):
        await draw_aside(b"{}", module="planted")


async def test_bots_secrets_are_not_in_the_environment(alerter_of, monkeypatch):
    monkeypatch.setenv("DCA_BOT_LNBITS_ADMIN_KEY", "f" * 32)
    monkeypatch.setenv("HTTPS_PROXY", "http://127.0.0.1:9")
    body = """
import os
seen = [name for name in os.environ if name.startswith(("DCA_BOT_", "HTTPS_"))]
print("0 taken" if seen == ["HTTPS_PROXY"] else seen)"""
    alerter = alerter_of(body)
    assert await alerter.send("title", "text") == [True, False]


@pytest.mark.parametrize(
    ("body", "limit_s", "words"),
    [
        ("import time; time.sleep(60)", 0.5, "not done it within 0.5 s, or failed"),
        ("raise SystemExit(1)", 20, "not done it within 20 s, or failed"),
        ("print('-')", 20, "no place took it"),
    ],
)
async def test_process_that_fails_or_hangs_has_sent_nothing(alerter_of, body, limit_s, words):
    with pytest.raises(AlertFailed, match=words) as failed:
        await alerter_of(body, limit_s)("title", "text")
    assert SECRET not in repr(failed.value)


async def test_what_one_place_took_counts_though_another_hangs(alerter_of):
    """Otherwise the first would be sent the same each minute."""
    body = "import time; print('0 taken', flush=True); time.sleep(60)"
    alerter = alerter_of(body, 2)
    assert await alerter.send("title", "text") == [True, False]


def test_file_has_a_url_on_each_line():
    text = "# mine\nmailto://a:b@example.com\n\n  ntfy://topic  \n"
    assert parse_urls(text, "file") == ["mailto://a:b@example.com", "ntfy://topic"]
    with pytest.raises(ConfigError, match=r"^alert\.urls names no place for alerts"):
        parse_urls("# nothing yet", "alert.urls")


def test_missing_library_is_named_with_the_command_that_installs_it(monkeypatch):
    monkeypatch.setattr("importlib.util.find_spec", lambda _name: None)
    with pytest.raises(ConfigError, match=r"pip install 'dca-bot\[alerts\]'"):
        parse_urls("ntfy://topic", "file")
