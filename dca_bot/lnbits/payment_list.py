"""Reads a wallet's payments page by page (GET /api/v1/payments/paginated), and proves that no row is missing.

LNbits' filters, order and clock are hints only: LNbits ignores an unknown filter without a word,
shifts a time filter by the time zone of LNbits' PostgreSQL, and lists rows of the same instant in
any order. The proof is LNbits' own count: the reading must bring as many different rows as the list
holds.
"""

import hashlib
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import suppress

from dca_bot.core.ports import ListMark
from dca_bot.errors import LnbitsUnavailable
from dca_bot.faults import LnbitsFault
from dca_bot.lnbits.api import Params
from dca_bot.lnbits.models import ListedRow, PaymentPage

PAGE_ROWS = 1000
# How many rows may leave the list between two requests before the next page skips a row.
_OVERLAP_ROWS = 20
PASSES_MAX = 5
_ORDER = {"sortby": "time"}
_NEWEST_FIRST = {**_ORDER, "direction": "desc"}
_NOT_WHOLE = (
    "LNbits' list of payments came in another order each time, so it couldn't be read whole;"
    " the bot tries again."
)

_Ask = Callable[[Params], Awaitable[PaymentPage]]


class ParametersRefused(LnbitsUnavailable):
    """LNbits can't apply the filters or the order; a request without both may succeed."""


async def all_rows(
    ask: _Ask,
    hints: Params | None = None,
    *,
    page_rows: int = PAGE_ROWS,
    newest_first: bool = False,
) -> AsyncIterator[ListedRow]:
    """Yield every row of a wallet's list, incoming and outgoing, each once.

    `ask` fetches a page for a request's parameters, or raises ParametersRefused. `hints`: filters
    that shorten the list at an LNbits that knows the filters, like `{"amount[lt]": "0"}`. The
    caller checks each row again, because LNbits may ignore a hint.

    Guaranteed once the reading has come to the end: every row that was in the list from the first
    request to the last was yielded, in any order that LNbits lists, even if LNbits adds rows
    meanwhile. Not guaranteed: rows that LNbits adds meanwhile; the order (LNbits' clock, oldest
    first unless `newest_first`); anything to a caller that stops early. A row has the values of the
    time when the page was read.

    Bounded: at most five passes over the list; memory holds one page and a number for each row.
    Raise LnbitsUnavailable if LNbits doesn't answer, or the rows never reach LNbits' count.
    """
    filters, order = dict(hints or {}), dict(_ORDER)
    seen: set[int] = set()
    requests = _Requests(ask)
    number = 0
    while number < PASSES_MAX:
        ascending = newest_first == bool(number % 2)
        asked = {**filters, **order, "direction": "asc" if ascending else "desc"}
        # Rows of the same instant change places between requests: each pass has other page boundaries.
        one_pass = _Pass(requests, asked, max(1, page_rows - page_rows * number // 10))
        try:
            async for page in one_pass.pages():
                for row in page:
                    if (key := _key(row)) not in seen:
                        seen.add(key)
                        yield row
        except ParametersRefused:
            if not filters and not order:
                raise
            filters, order = {}, order if filters else {}
            continue
        if one_pass.is_steady and len(seen) >= one_pass.total:
            return
        number += 1
    raise LnbitsUnavailable(_NOT_WHOLE, fault=LnbitsFault.LIST_NOT_WHOLE)


async def mark_list(
    ask: _Ask, hints: Params | None = None, *, page_rows: int = PAGE_ROWS
) -> ListMark:
    """Return how many rows the list holds and the newest rows, as a mark for `rows_since`."""
    one_pass = _Pass(_Requests(ask), {**(hints or {}), **_NEWEST_FIRST}, page_rows)
    try:
        newest = await one_pass.page(0)
    except ParametersRefused:
        return ListMark(
            rows=0, newest=frozenset()
        )  # this mark makes `rows_since` read the whole list
    return ListMark(one_pass.total, frozenset(_key(row) for row in newest))


async def rows_since(
    ask: _Ask,
    mark: ListMark,
    hints: Params | None = None,
    *,
    page_rows: int = PAGE_ROWS,
) -> AsyncIterator[ListedRow]:
    """Yield every row that was added to the list after `mark` was taken, and perhaps older rows, each once.

    The newest pages are read until rows of the mark come. The pages are enough if all new rows
    stand before all rows of the mark, and if there are as many new rows as LNbits' count has grown:
    then no row was added elsewhere in the list. Otherwise, as after LNbits' clock was set back, the
    whole list is read by `all_rows`.

    The count proves nothing if a row has left the list meanwhile; a row that the source wallet paid
    never leaves.
    """
    seen: set[int] = set()
    fresh: set[int] = set()
    added, fresh_before_known = None, set[int]()
    one_pass = _Pass(_Requests(ask), {**(hints or {}), **_NEWEST_FIRST}, page_rows)
    with suppress(ParametersRefused):
        async for page in one_pass.pages():
            added = one_pass.total - mark.rows if added is None else added
            for row in page:
                key = _key(row)
                if key in mark.newest:
                    fresh_before_known.add(len(fresh))
                else:
                    fresh.add(key)
                if key not in seen:
                    seen.add(key)
                    yield row
            if fresh_before_known or len(fresh) > added:
                break
    if fresh_before_known != {added}:
        async for row in all_rows(ask, hints, page_rows=page_rows):
            if _key(row) not in seen:
                yield row


class _Requests:
    """Counts the requests of one reading, and ends a reading that never comes to the end of the list."""

    def __init__(self, ask: _Ask) -> None:
        self._ask = ask
        self._left: int | None = None

    async def page(self, params: Params) -> PaymentPage:
        if self._left == 0:
            raise LnbitsUnavailable(_NOT_WHOLE, fault=LnbitsFault.LIST_NOT_WHOLE)
        page = await self._ask(params)
        rows = len(page.data)
        if self._left is None and rows:
            self._left = PASSES_MAX * (2 + 2 * page.total // _step(rows))
        elif self._left is not None:
            self._left -= 1
        return page


class _Pass:
    """One pass from the first page to the last.

    `total`: how many rows the list held at the end. `is_steady`: the list never became shorter, so
    no row has moved to a page already read.
    """

    def __init__(self, requests: _Requests, asked: Params, page_rows: int) -> None:
        self._requests = requests
        self._asked = asked
        self._page_rows = page_rows
        self.total = 0
        self.is_steady = True

    async def pages(self) -> AsyncIterator[list[ListedRow]]:
        offset = 0
        while True:
            rows = await self.page(offset)
            yield rows
            # The count may be wrong too: after a full page the next page is always read.
            if offset + len(rows) >= self.total and len(rows) < self._page_rows:
                return
            offset += _step(len(rows))

    async def page(self, offset: int) -> list[ListedRow]:
        """Read a page; note how long the list is, and whether the list became shorter."""
        limits = {"limit": str(self._page_rows), "offset": str(offset)}
        page = await self._requests.page({**self._asked, **limits})
        # Beside an empty page LNbits counts 0, whatever the list holds.
        total = max(page.total, offset + len(page.data)) if page.data else min(self.total, offset)
        self.is_steady &= total >= self.total
        self.total = total
        return page.data


def _step(rows: int) -> int:
    """Return how far the next page begins after a page of `rows` rows: both pages overlap."""
    return max(1, rows - min(_OVERLAP_ROWS, rows // 2))


def _key(row: ListedRow) -> int:
    """Return a number of 8 bytes that identifies a row within a wallet.

    Two rows with the same number would keep the reading below LNbits' count: an error, and no row
    is missed.
    """
    digest = hashlib.blake2b(row.checking_id.encode(), digest_size=8).digest()
    return int.from_bytes(digest)
