"""The operator's configuration of the whole savings programme."""

from dataclasses import dataclass
from datetime import time, timedelta
from zoneinfo import ZoneInfo

from dca_bot.core.ceilings import Ceilings
from dca_bot.core.ports import DmProtocol


@dataclass(frozen=True, slots=True)
class FlowModeRules:
    """Whether clients take part in cash-outs; `timezone`: whose local dates the clients' caps are for."""

    enabled: bool
    timezone: ZoneInfo


@dataclass(frozen=True, slots=True)
class FixedModeRules:
    """When fixed mode buys, how much at most, and at which rate.

    `times`: local times of day, rising. `rate_source`: "lnbits" or "lamassu". `deviation_percent_max`: how
    far the rate may be from Lamassu's ticker while the ticker is younger than `rate_age_max`. `margin_bp`:
    the part of a purchase that the operator keeps, in basis points.
    """

    enabled: bool
    times: tuple[time, ...]
    daily_limit_max_minor: int
    rate_source: str
    deviation_percent_max: int
    rate_age_max: timedelta
    margin_bp: int = 0


@dataclass(frozen=True, slots=True)
class Programme:
    """The configured rules; `operators` are public keys in hex.

    `sends_files`: there is a file server. `draws_charts`: charts are among the files. `is_rehearsal`: nothing
    is paid, and nobody but operators is written to.
    """

    currency: str
    timezone: ZoneInfo
    language: str
    operators: frozenset[str]
    operator_protocols: frozenset[DmProtocol]
    message_age_max: timedelta
    flow_enabled: bool
    low_deposit_minor: int
    payout_max_sat: int
    day_max_sat: int
    top_up_to_sat: int
    low_balance_sat: int
    fixed: FixedModeRules
    digest_time: time
    summary_time: time
    sends_files: bool = False
    draws_charts: bool = False
    is_rehearsal: bool = False

    @property
    def flow(self) -> FlowModeRules:
        """Return the rules of flow mode."""
        return FlowModeRules(self.flow_enabled, self.timezone)

    @property
    def ceilings(self) -> Ceilings:
        """Return the ceilings on automatic payouts."""
        return Ceilings(self.payout_max_sat, self.day_max_sat)
