"""`python -m dca_bot`: the same as the command `dca-bot`."""

from dca_bot.cli import main

if __name__ == "__main__":
    main()
