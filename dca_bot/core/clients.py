"""The words for a client in the ledger: states, modes, periods, roles, and how often to tell of payouts."""

from enum import StrEnum


class ClientState(StrEnum):
    """Whether a client takes part in cash-outs and fixed runs."""

    ACTIVE = "active"
    PAUSED = "paused"
    """Paused by the client."""
    STOPPED = "stopped"
    """Paused by an operator, so only an operator can resume."""
    CLOSED = "closed"


class Mode(StrEnum):
    """When a client buys: with each cash-out, or at fixed times."""

    FLOW = "flow"
    FIXED = "fixed"


class LimitPeriod(StrEnum):
    """The time that a limit of fixed mode is for: a local date, a week from Monday, or a calendar month."""

    DAILY = "daily"
    WEEKLY = "weekly"
    MONTHLY = "monthly"


class ClientRole(StrEnum):
    """A client, or somebody who gets commission and nothing else."""

    CLIENT = "client"
    RECIPIENT = "recipient"


class Notify(StrEnum):
    """How often a client is told of payouts."""

    EACH = "each"
    DAILY = "daily"
    WEEKLY = "weekly"
    OFF = "off"
