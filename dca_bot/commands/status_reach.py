"""The part of `dca-bot status` about people out of reach and relays in trouble."""

from collections.abc import Collection, Mapping
from contextlib import suppress
from datetime import datetime
from typing import Any

from dca_bot.config import Config
from dca_bot.core.delivery import Undelivered
from dca_bot.errors import ConfigError
from dca_bot.ledger.correspondence import delivery, relay_states
from dca_bot.ledger.correspondence.delivery import SHOWN_AFTER, Loss
from dca_bot.ledger.store.database import Tx
from dca_bot.messages import describe, reach
from dca_bot.messages.render import FALLBACK, load_texts
from dca_bot.messages.say import NOTHING, Say
from dca_bot.nostr.keys import npub
from dca_bot.outside import programme_of


def reach_values(tx: Tx, config: Config, now: datetime) -> dict[str, Any]:
    """Return the people out of reach, and the last state of each relay in the running bot."""
    before = now - SHOWN_AFTER
    operators = delivery.lost_operators(tx, _operators(config), before=before)
    clients = delivery.lost_clients(tx, before=before)
    return {
        "not_reached": [
            *(_loss(loss, role="operator", name=None) for loss in operators),
            *(_loss(loss, role="client", name=name) for name, loss in clients),
        ],
        "relays": [relay_states.fields_of(state) for state in relay_states.read(tx)],
    }


def reach_lines(values: Mapping[str, Any], config: Config) -> list[str]:
    """Write a line for each person out of reach and each relay in trouble; raise ConfigError."""
    says = [
        *(_not_reached(one) for one in values["not_reached"]),
        *(describe.relay(relay_states.state_of(one)) for one in values["relays"]),
    ]
    if all(say == NOTHING for say in says):
        return []
    texts = load_texts(programme_of(config))
    return [texts.render(say, FALLBACK) for say in says if say != NOTHING]


def _operators(config: Config) -> Collection[str]:
    with suppress(ConfigError):  # `check` says so
        return programme_of(config).operators
    return ()


def _loss(loss: Loss, *, role: str, name: str | None) -> dict[str, Any]:
    return {
        "role": role,
        "name": name,
        "npub": npub(loss.pubkey),
        "since": loss.since.isoformat(),
        "reason": loss.reason,
        "said": loss.said,
    }


def _not_reached(one: Mapping[str, Any]) -> Say:
    since = datetime.fromisoformat(one["since"])
    loss = Loss(one["npub"], since, Undelivered(one["reason"]), one["said"])
    return reach.client(one["name"], loss) if one["name"] else reach.operator(one["npub"], loss)
