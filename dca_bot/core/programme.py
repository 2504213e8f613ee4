"""What the operator has set for the whole savings programme."""

from dataclasses import dataclass
from datetime import timedelta
from zoneinfo import ZoneInfo

from dca_bot.core.ports import DmProtocol


@dataclass(frozen=True, slots=True)
class Programme:
    """The configured rules; `operators` are public keys in hex."""

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
