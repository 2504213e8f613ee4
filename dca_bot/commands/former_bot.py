"""Looks, at LNbits alone, whether the bot that a restore takes the place of still runs.

A bot that pays writes a row of the lease at each start, and pays. So a row or a payment that is new while
the restore watches, for twice the wait of the lease, shows a bot that runs. One that has nothing to pay
meanwhile isn't seen; that's why a restored bot starts paused, and takes the lease over by a code.
"""

import secrets
from dataclasses import dataclass

from dca_bot.core.lease import WAIT_S, LeaseRow, Party
from dca_bot.core.ports import Clock, ListMark, Wallet
from dca_bot.errors import CopyRefused

WATCH_S = 2 * WAIT_S


@dataclass(frozen=True, slots=True)
class _Seen:
    """The newest row of the lease, None for none, and how far the list of payments has come."""

    newest: LeaseRow | None
    mark: ListMark


async def refuse_running(wallet: Wallet, party: Party, clock: Clock) -> LeaseRow | None:
    """Watch for WATCH_S; return the newest row of the lease that the former bot wrote, None for none.

    Nothing is written. Raise CopyRefused if a bot starts or pays meanwhile, LnbitsUnavailable or
    LnbitsRefused if LNbits doesn't tell.
    """
    first = await _look(wallet, party)
    for _ in range(2):
        await clock.sleep(WAIT_S)
        found = await _look(wallet, party)
        if found != first:
            what = "started to pay" if found.newest != first.newest else "paid"
            raise CopyRefused(
                f"Another bot has just {what} from this wallet, so the former one still runs. Nothing was"
                " put back. Stop it for good (systemctl disable --now dca-bot, where it runs), then begin"
                " anew."
            )
    return first.newest


async def _look(wallet: Wallet, party: Party) -> _Seen:
    mark = await wallet.list_mark()
    rows = (await wallet.lease_rows(down_to=0, look_id=secrets.token_hex(8))).rows
    rivals = party.rivals(rows)
    newest = max(rivals, key=lambda row: (row.generation, row.instance)) if rivals else None
    return _Seen(newest, mark)
