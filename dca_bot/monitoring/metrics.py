"""Writes the bot's numbers as metrics (OpenMetrics).

The invariant: no name, key or amount of a single person is among them.
"""

from collections import Counter
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from datetime import datetime

from prometheus_client import CollectorRegistry, ProcessCollector
from prometheus_client.core import (
    CounterMetricFamily,
    GaugeMetricFamily,
    InfoMetricFamily,
    Metric,
)
from prometheus_client.exposition import choose_encoder
from prometheus_client.registry import Collector

from dca_bot import __version__
from dca_bot.core.figures import Figures
from dca_bot.core.relay_state import RelayState

_Samples = Iterable[tuple[tuple[str, ...], float]]
"""The values of a metric, each behind the values of its labels."""


@dataclass(frozen=True, slots=True)
class _Gauge:
    name: str
    help: str
    samples: Callable[[Figures], _Samples]
    labels: tuple[str, ...] = ()

    def family(self, figures: Figures) -> Metric:
        family = GaugeMetricFamily(self.name, self.help, labels=self.labels)
        for labels, value in self.samples(figures):
            family.add_metric(labels, value)
        return family


class MetricsPage(Collector):
    """The page that collectors read, made anew at each reading from the numbers that were shown last."""

    def __init__(self) -> None:
        self.figures: Figures | None = None
        self._registry = CollectorRegistry()
        self._registry.register(self)
        ProcessCollector(registry=self._registry)

    def write(self, accept: str) -> tuple[str, bytes]:
        """Return content type and page; `accept`: the header by which a collector names its formats."""
        try:
            encode, content_type = choose_encoder(accept)
        except TypeError:  # a version that is no number
            encode, content_type = choose_encoder("")
        return content_type, encode(self._registry)

    def collect(self) -> Iterator[Metric]:
        """Yield the metrics of the numbers of now; none before the first."""
        if self.figures is None:
            return
        yield InfoMetricFamily("dca_bot", "The program.", {"version": __version__})
        yield from (gauge.family(self.figures) for gauge in _GAUGES)
        yield CounterMetricFamily(
            "dca_bot_distributions",
            "Distributions ever recorded: cash-outs, fixed runs and commission.",
            self.figures.ledger.distributions,
        )


def _one(read: Callable[[Figures], float | datetime | None]) -> Callable[[Figures], _Samples]:
    """Return the single sample of a metric without labels; None is no sample, an instant Unix time."""

    def samples(figures: Figures) -> _Samples:
        value = read(figures)
        if isinstance(value, datetime):
            return [((), value.timestamp())]
        return [] if value is None else [((), value)]

    return samples


def _listening(relays: Iterable[RelayState]) -> _Samples:
    """Yield the sample of each relay; the label leaves out a query, which may hold an access token."""
    seen: Counter[str] = Counter()
    for state in relays:
        url = state.url.partition("?")[0]
        seen[url] += 1
        yield (url if seen[url] == 1 else f"{url} ({seen[url]})",), state.listening


_GAUGES = (
    _Gauge(
        "dca_bot_healthy",
        "1 while polls, LNbits, payouts and relays are all well.",
        _one(lambda seen: seen.health.is_well),
    ),
    _Gauge(
        "dca_bot_part_good",
        "1 while nothing is wrong with a part.",
        lambda seen: [((part,), one.is_good) for part, one in seen.health.parts.items()],
        ("part",),
    ),
    _Gauge(
        "dca_bot_part_condition",
        "1 for the present condition of a part.",
        lambda seen: [((part, one.condition), 1) for part, one in seen.health.parts.items()],
        ("part", "condition"),
    ),
    _Gauge(
        "dca_bot_looked_timestamp_seconds",
        "When the bot last looked at all this.",
        _one(lambda seen: seen.health.at),
    ),
    _Gauge(
        "dca_bot_last_poll_timestamp_seconds",
        "When Lamassu was last read whole.",
        _one(lambda seen: seen.ledger.polled_at),
    ),
    _Gauge(
        "dca_bot_payouts",
        "Payouts that are not finished.",
        lambda seen: [((state,), count) for state, count in seen.ledger.payouts.items()],
        ("state",),
    ),
    _Gauge(
        "dca_bot_payouts_overdue",
        "Payouts that an operator should look at.",
        _one(lambda seen: seen.ledger.overdue),
    ),
    _Gauge(
        "dca_bot_oldest_payout_due_timestamp_seconds",
        "Since when the oldest of the payouts that are not finished has been due.",
        _one(lambda seen: seen.ledger.oldest_due_at),
    ),
    _Gauge(
        "dca_bot_source_wallet_sats",
        "The balance of the source wallet, as LNbits last told.",
        _one(lambda seen: seen.source_wallet_sat),
    ),
    _Gauge(
        "dca_bot_needed_sats",
        "What the source wallet must hold for all payouts that can leave, LNbits' reserve included.",
        _one(lambda seen: seen.ledger.needed_sat),
    ),
    _Gauge(
        "dca_bot_relay_listening",
        "1 while a relay of the bot's passes messages on.",
        lambda seen: _listening(seen.relays),
        ("relay",),
    ),
    _Gauge(
        "dca_bot_messages_unsent",
        "Messages that wait to be sent.",
        _one(lambda seen: seen.ledger.unsent_messages),
    ),
    _Gauge(
        "dca_bot_people_unreached",
        "People whom messages have not reached for more than five minutes.",
        lambda seen: [
            (("operator",), seen.ledger.lost_operators),
            (("client",), seen.ledger.lost_clients),
        ],
        ("role",),
    ),
    _Gauge(
        "dca_bot_holds_open",
        "Holds that wait for an operator.",
        _one(lambda seen: seen.ledger.open_holds),
    ),
    _Gauge("dca_bot_clients", "Open clients.", _one(lambda seen: seen.ledger.clients)),
    _Gauge(
        "dca_bot_last_backup_timestamp_seconds",
        "When the bot last copied its ledger.",
        _one(lambda seen: seen.ledger.backup_at),
    ),
    _Gauge(
        "dca_bot_ledger_bytes",
        "The size of the ledger's file.",
        _one(lambda seen: seen.ledger.ledger_bytes),
    ),
    _Gauge(
        "dca_bot_longest_stall_seconds",
        "The longest time since the start for which the bot's loop did nothing else.",
        _one(lambda seen: seen.ledger.longest_stall_ms / 1000),
    ),
)
