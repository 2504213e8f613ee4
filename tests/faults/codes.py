"""The codes by which the bot knows that something went wrong, overheard at the bot's clients."""

from collections.abc import AsyncIterator, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

from dca_bot.core.ports import PayAnswer, PayReply
from dca_bot.errors import (
    DestinationRefused,
    DestinationUnavailable,
    LeaseRefused,
    OutsideError,
)

_READINGS = frozenset({"tagged_payments", "credits_of"})


@dataclass
class Heard:
    """Passes calls on to a client of the bot's, and notes the codes of what went wrong.

    A refusal of the pay request counts too: the answer to a pay request raises nothing.
    """

    client: Any
    codes: list[str]

    def __getattr__(self, name: str) -> Any:
        method = getattr(self.client, name)
        if name in _READINGS:
            return lambda *args, **named: self._each(method(*args, **named))

        async def call(*args: Any, **named: Any) -> Any:
            with self._noting():
                result = await method(*args, **named)
            if isinstance(result, PayReply) and result.answer is not PayAnswer.ANSWERED:
                self._note(f"pay:{result.answer}")
            return result

        return call

    async def _each(self, found: AsyncIterator[Any]) -> AsyncIterator[Any]:
        with self._noting():
            async for one in found:
                yield one

    @contextmanager
    def _noting(self) -> Iterator[None]:
        try:
            yield
        except Exception as error:
            self._note(code_of(error))
            raise

    def _note(self, code: str) -> None:
        if code not in self.codes:
            self.codes.append(code)


def code_of(error: Exception) -> str:
    """Return the code of an error; `!` before the name of an error that the bot doesn't expect."""
    match error:
        case OutsideError():
            return str(error.fault)
        case DestinationRefused() | DestinationUnavailable():
            return f"to:{error.why}"
        case LeaseRefused():
            return "lease_refused"
        case _:
            return f"!{type(error).__name__}"
