"""Lets `python -m dca_bot` do what the command `dca-bot` does."""

from dca_bot.cli import main

if __name__ == "__main__":
    main()
