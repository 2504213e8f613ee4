"""The metrics are what a collector of others' making reads, on this computer alone."""

import asyncio
import logging
import re
from contextlib import asynccontextmanager
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from prometheus_client.openmetrics.parser import text_string_to_metric_families as open_families
from prometheus_client.parser import text_string_to_metric_families as plain_families

from dca_bot.core.figures import Figures, LedgerFigures
from dca_bot.core.health import Condition, Health, HealthPart, PartHealth
from dca_bot.core.relay_state import RelayState
from dca_bot.monitoring.metrics import MetricsPage
from dca_bot.monitoring.metrics_server import MetricsServer

NOW = datetime(2026, 3, 1, 12, tzinfo=UTC)
OPEN_METRICS = "application/openmetrics-text;version=1.0.0,text/plain;version=0.0.4;q=0.5"
DOC = Path(__file__).parents[2] / "docs" / "monitoring.md"


def figures(**changes):
    parts = {part: PartHealth(Condition.OK, NOW) for part in HealthPart}
    parts[HealthPart.PAYOUTS] = PartHealth(Condition.NO_FUNDS, NOW)
    ledger = {
        "payouts": {"PLANNED": 2, "SUBMITTED": 0},
        "oldest_due_at": NOW - timedelta(hours=1),
        "overdue": 1,
        "needed_sat": 5_000,
        "polled_at": NOW,
        "open_holds": 3,
        "unsent_messages": 4,
        "lost_operators": 0,
        "lost_clients": 5,
        "clients": 6,
        "distributions": 7,
        "backup_at": None,
        "ledger_bytes": 8192,
        "longest_stall_ms": 250,
    }
    relays = [
        RelayState("wss://a.example", listening=True, detail="", since=NOW),
        RelayState("wss://b.example", listening=False, detail="", since=NOW),
    ]
    return Figures(Health(NOW, NOW, parts), relays, 4_000, LedgerFigures(**ledger | changes))


def page_of(shown):
    page = MetricsPage()
    page.figures = shown
    return page


def samples_of(shown):
    """Read the page as a collector does: the values by name and labels, and the metrics' help."""
    _, text = page_of(shown).write(OPEN_METRICS)
    families = list(open_families(text.decode()))
    samples = {
        (sample.name, *sample.labels.values()): sample.value
        for family in families
        for sample in family.samples
    }
    return samples, {family.name: family for family in families}


def test_page_says_what_was_seen():
    samples, _ = samples_of(figures())
    expected = {
        ("dca_bot_healthy",): 0,
        ("dca_bot_part_good", "payouts"): 0,
        ("dca_bot_part_good", "poll"): 1,
        ("dca_bot_part_condition", "no_funds", "payouts"): 1,
        ("dca_bot_looked_timestamp_seconds",): NOW.timestamp(),
        ("dca_bot_last_poll_timestamp_seconds",): NOW.timestamp(),
        ("dca_bot_payouts", "PLANNED"): 2,
        ("dca_bot_payouts", "SUBMITTED"): 0,
        ("dca_bot_payouts_overdue",): 1,
        ("dca_bot_oldest_payout_due_timestamp_seconds",): NOW.timestamp() - 3600,
        ("dca_bot_source_wallet_sats",): 4_000,
        ("dca_bot_needed_sats",): 5_000,
        ("dca_bot_relay_listening", "wss://a.example"): 1,
        ("dca_bot_relay_listening", "wss://b.example"): 0,
        ("dca_bot_messages_unsent",): 4,
        ("dca_bot_people_unreached", "operator"): 0,
        ("dca_bot_people_unreached", "client"): 5,
        ("dca_bot_holds_open",): 3,
        ("dca_bot_clients",): 6,
        ("dca_bot_distributions_total",): 7,
        ("dca_bot_ledger_bytes",): 8192,
        ("dca_bot_longest_stall_seconds",): 0.25,
    }
    assert expected.items() <= samples.items()
    assert samples["process_resident_memory_bytes",] > 1_000_000


def test_token_of_a_relay_is_in_no_label():
    shown = figures()
    first, second = (
        replace(state, url=f"wss://a.example/{end}")
        for state, end in zip(shown.relays, ("?token=hunter2", "?token=other"), strict=True)
    )
    samples, _ = samples_of(replace(shown, relays=[first, second]))
    listening = {key[1]: value for key, value in samples.items() if "relay" in key[0]}
    assert listening == {"wss://a.example/": 1, "wss://a.example/ (2)": 0}


def test_what_is_not_known_is_left_out():
    samples, _ = samples_of(figures(polled_at=None, oldest_due_at=None))
    assert ("dca_bot_last_poll_timestamp_seconds",) not in samples
    assert ("dca_bot_oldest_payout_due_timestamp_seconds",) not in samples
    assert ("dca_bot_last_backup_timestamp_seconds",) not in samples


def test_older_collector_reads_the_plain_format():
    content_type, text = page_of(figures()).write("text/plain")
    assert content_type.startswith("text/plain")
    names = {family.name for family in plain_families(text.decode())}
    assert {"dca_bot_healthy", "dca_bot_distributions"} <= names


def test_collector_with_a_version_that_is_no_number_reads_the_plain_format():
    content_type, _ = page_of(figures()).write("application/openmetrics-text; version=abc")
    assert content_type.startswith("text/plain")


def test_document_has_every_metric_with_its_meaning():
    _, families = samples_of(figures())
    row = r"^\| `(dca_bot\w*?)(?:_total|_info)?(?:\{(.*)\})?` \| (.*) \|$"
    rows = re.findall(row, DOC.read_text("utf-8"), re.MULTILINE)
    documented = {name: text for name, _, text in rows}
    own = {name: one for name, one in families.items() if name.startswith("dca_bot")}
    # Without a backup this one has no samples.
    assert documented == {name: one.documentation for name, one in own.items()}
    for name, labels, _ in rows:
        seen = {label for sample in own[name].samples for label in sample.labels}
        assert seen == set(filter(None, labels.split(", "))), name


@asynccontextmanager
async def serving(shown=None, **how):
    """Run a server on a free port; yield the port."""
    server = MetricsServer("127.0.0.1", 0, **how)
    if shown is not None:
        server.show(shown)
    task = asyncio.create_task(server.run())
    async with asyncio.timeout(5):
        while not server.port:  # noqa: ASYNC110 - the server tells nobody
            await asyncio.sleep(0.005)
    yield server.port
    task.cancel()
    await asyncio.gather(task, return_exceptions=True)


async def ask(port, request):
    """Send what is no more than bytes; return the whole answer."""
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    writer.write(request)
    try:
        async with asyncio.timeout(5):
            return (await reader.read()).decode()
    finally:
        writer.close()
        await writer.wait_closed()


def get(path="/metrics", host="127.0.0.1:9108", method="GET"):
    return f"{method} {path} HTTP/1.1\r\nHost: {host}\r\nAccept: {OPEN_METRICS}\r\n\r\n".encode()


async def test_collector_gets_the_numbers_of_now():
    async with serving(figures()) as port:
        head, _, body = (await ask(port, get())).partition("\r\n\r\n")
    assert head.startswith("HTTP/1.1 200 OK\r\nContent-Type: application/openmetrics-text")
    assert f"Content-Length: {len(body.encode())}" in head
    assert "dca_bot_clients 6.0\n" in body
    assert body.endswith("# EOF\n")


@pytest.mark.parametrize("host", ["localhost:9108", "127.0.0.1", "[::1]:9108"])
async def test_names_of_this_computer_are_answered(host):
    async with serving(figures()) as port:
        assert (await ask(port, get(host=host))).startswith("HTTP/1.1 200")


@pytest.mark.parametrize(
    ("request_", "status"),
    [
        (get(host="evil.example:9108"), 403),
        (get(host="127.0.0.1.evil.example"), 403),
        (get(host="[::1"), 403),
        (b"GET /metrics HTTP/1.0\r\n\r\n", 403),
        (get("/"), 404),
        (get(method="POST"), 405),
        (b"\r\n\r\n", 403),
    ],
)
async def test_other_requests_are_refused_and_shown_nothing(request_, status):
    async with serving(figures()) as port:
        answer = await ask(port, request_)
    assert answer.startswith(f"HTTP/1.1 {status} ")
    assert "dca_bot" not in answer


async def test_nothing_is_shown_before_the_first_look():
    async with serving() as port:
        assert (await ask(port, get())).startswith("HTTP/1.1 503")


async def test_slow_and_endless_requests_are_dropped():
    async with serving(figures(), limit_s=0.1) as port:
        assert await ask(port, b"GET /metrics HTTP/1.1\r\n") == ""
        assert await ask(port, b"x" * 40_000) == ""
        assert (await ask(port, get())).startswith("HTTP/1.1 200")


async def test_port_of_another_program_is_told_and_waited_for(caplog):
    async with serving(figures()) as port:
        second = asyncio.create_task(MetricsServer("127.0.0.1", port).run())
        await asyncio.sleep(0.05)
        assert not second.done()
        second.cancel()
        await asyncio.gather(second, return_exceptions=True)
    told = [one for one in caplog.records if one.levelno == logging.ERROR]
    assert [one.message for one in told] == [
        f"metrics not shown port={port} why=Address already in use"
    ]
