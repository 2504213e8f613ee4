"""The part of `dca-bot status` about the bot's health, as the running bot has judged it last."""

from collections.abc import Mapping
from datetime import datetime
from typing import Any
from zoneinfo import ZoneInfo

from dca_bot.config import Config
from dca_bot.ledger.correspondence import health
from dca_bot.ledger.store.database import Tx
from dca_bot.messages import describe
from dca_bot.messages.render import FALLBACK, load_texts
from dca_bot.outside import programme_of


def health_values(tx: Tx, now: datetime) -> dict[str, Any]:
    """Return the last judgement as JSON has it; `running`: whether the next one isn't overdue."""
    judged = health.read(tx)
    if judged is None:
        return {"running": False, "well": False, "parts": {}}
    is_running = not judged.is_overdue(now)
    is_well = is_running and judged.is_well
    return health.fields_of(judged) | {"running": is_running, "well": is_well}


def health_lines(values: Mapping[str, Any], config: Config) -> list[str]:
    """Write whether a bot runs, and a line for each part in trouble; raise ConfigError."""
    if not values["parts"]:
        return ["No bot runs on this ledger now."]
    judged = health.health_of(values)
    if not values["running"]:
        at = f"{judged.at.astimezone(ZoneInfo(config.bot.timezone)):%Y-%m-%d %H:%M}"
        return [f"NO BOT HAS LOOKED at this ledger since {at}: it was killed, or it hangs."]
    texts = load_texts(programme_of(config))
    troubles = [
        texts.render(describe.health_trouble(part, one), FALLBACK)
        for part, one in judged.parts.items()
        if not one.is_good
    ]
    return troubles or ["The bot runs, and all is well."]
