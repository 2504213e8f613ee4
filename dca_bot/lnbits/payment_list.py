"""Reads a wallet's payments page by page (GET /api/v1/payments/paginated), and proves that none is missing.

LNbits' filters, its order and its clock are hints only: an unknown filter is ignored without a word,
a time filter is shifted by the time zone of LNbits' PostgreSQL, and rows of one instant come in any
order. The proof is LNbits' own count: as many different rows must have come as the list holds.
"""

import hashlib
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from contextlib import suppress

from dca_bot.core.ports import ListMark
from dca_bot.errors import LnbitsUnavailable
from dca_bot.lnbits.models import ListedRow, PaymentPage

PAGE_ROWS = 1000
# How many rows may leave the list between two requests without the next page skipping one.
OVERLAP_ROWS = 20
PASSES_MAX = 5
ORDER = {"sortby": "time"}
NEWEST_FIRST = {**ORDER, "direction": "desc"}
NOT_WHOLE = (
    "LNbits' list of payments came in another order each time, so it couldn't be read whole;"
    " the bot tries again."
)

Ask = Callable[[Mapping[str, str]], Awaitable[PaymentPage]]


class ParametersRefused(LnbitsUnavailable):
    """LNbits can't answer with these filters or in this order; without them it may."""


async def all_rows(
    ask: Ask,
    hints: Mapping[str, str] | None = None,
    *,
    page_rows: int = PAGE_ROWS,
    newest_first: bool = False,
) -> AsyncIterator[ListedRow]:
    """Yield every row of a wallet's list, incoming and outgoing, each once.

    `ask` gets one page for the parameters of a request, or raises ParametersRefused. `hints` are
    filters that make the list shorter where LNbits knows them, like `{"amount[lt]": "0"}`: the caller
    checks each row again, because rows that a hint should leave out may come.

    What a reading guarantees that ends by itself: every row that was in the list from the first
    request to the last has been yielded, in whatever order LNbits lists, and whatever it adds
    meanwhile. Nothing is guaranteed of rows that are added meanwhile, and nothing to a caller who
    stops early: the order is LNbits', by its own clock, oldest first unless `newest_first`. A row has
    the values that it had when its page was read.

    Bounded: at most PASSES_MAX passes over the list; held in memory are one page and a number for
    each row. Raise LnbitsUnavailable where LNbits doesn't answer, or its count is never reached.
    """
    filters, order = dict(hints or {}), dict(ORDER)
    seen: set[int] = set()
    requests = _Requests(ask)
    number = 0
    while number < PASSES_MAX:
        ascending = newest_first == bool(number % 2)
        asked = {**filters, **order, "direction": "asc" if ascending else "desc"}
        # Other page boundaries in each pass: rows of one instant change places between two requests.
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
    raise LnbitsUnavailable(NOT_WHOLE)


async def mark_list(
    ask: Ask, hints: Mapping[str, str] | None = None, *, page_rows: int = PAGE_ROWS
) -> ListMark:
    """Return how many rows the list holds and which are the newest, for `rows_since`."""
    one_pass = _Pass(_Requests(ask), {**(hints or {}), **NEWEST_FIRST}, page_rows)
    try:
        newest = await one_pass.page(0)
    except ParametersRefused:
        return ListMark(rows=0, newest=frozenset())  # against which everything is read
    return ListMark(one_pass.total, frozenset(_key(row) for row in newest))


async def rows_since(
    ask: Ask,
    mark: ListMark,
    hints: Mapping[str, str] | None = None,
    *,
    page_rows: int = PAGE_ROWS,
) -> AsyncIterator[ListedRow]:
    """Yield every row that was added to the list after `mark` was taken, and others, each once.

    The newest pages are read until rows of the mark come. That is enough if all new rows of these
    pages stand before all rows of the mark, and are as many as LNbits counts more than it did: none was
    added anywhere else. Where it isn't, as after LNbits' clock was set back, the whole list is read as
    by `all_rows`. That a row was added shows only if no other has left the list, as none does that the
    source wallet paid.
    """
    seen: set[int] = set()
    fresh: set[int] = set()
    added, fresh_before_known = None, set[int]()
    one_pass = _Pass(_Requests(ask), {**(hints or {}), **NEWEST_FIRST}, page_rows)
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
    """Counts the requests of one reading, and ends one that the list outgrows."""

    def __init__(self, ask: Ask) -> None:
        self._ask = ask
        self._left: int | None = None

    async def page(self, params: Mapping[str, str]) -> PaymentPage:
        if self._left == 0:
            raise LnbitsUnavailable(NOT_WHOLE)
        page = await self._ask(params)
        rows = len(page.data)
        if self._left is None and rows:
            self._left = PASSES_MAX * (2 + 2 * page.total // _step(rows))
        elif self._left is not None:
            self._left -= 1
        return page


class _Pass:
    """One pass from the first page to the last.

    `total` is how many rows the list held at the end. `is_steady`: the list never became shorter, so
    no row has moved to a page that was read already.
    """

    def __init__(self, requests: _Requests, asked: Mapping[str, str], page_rows: int) -> None:
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
            # A count may be wrong too: after a full page there is always a look at the next one.
            if offset + len(rows) >= self.total and len(rows) < self._page_rows:
                return
            offset += _step(len(rows))

    async def page(self, offset: int) -> list[ListedRow]:
        """Read one page; note how long the list is, and whether it became shorter."""
        limits = {"limit": str(self._page_rows), "offset": str(offset)}
        page = await self._requests.page({**self._asked, **limits})
        # Beside an empty page LNbits counts 0, whatever the list holds.
        total = max(page.total, offset + len(page.data)) if page.data else min(self.total, offset)
        self.is_steady &= total >= self.total
        self.total = total
        return page.data


def _step(rows: int) -> int:
    """Return how far the next page begins after one of so many rows, so that both overlap."""
    return max(1, rows - min(OVERLAP_ROWS, rows // 2))


def _key(row: ListedRow) -> int:
    """Return what tells the rows of one wallet apart, as a number of 8 bytes.

    Should two rows ever share it, the count isn't reached: an error, and no row is missed.
    """
    digest = hashlib.blake2b(row.checking_id.encode(), digest_size=8).digest()
    return int.from_bytes(digest)
