"""dca-bot: shares the bitcoin of Lamassu cash-outs among savings clients."""

__version__ = "0.8.0"
