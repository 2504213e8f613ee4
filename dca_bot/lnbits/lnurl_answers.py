"""What the servers of Lightning addresses and LNURL-pay codes answer (LUD-06, LUD-21), as it is read.

Amounts are whole msat, and no unit is guessed. An optional member may hold anything; an answer is
refused, and the member named, if a member that the payment depends on can't be read.
"""

import codecs
import re
from http import HTTPStatus
from typing import Annotated, Any, Literal, TypeVar

from pydantic import BaseModel, BeforeValidator, Field, StrictBool, StrictInt, ValidationError

from dca_bot.core.money import sat_ceil, sat_floor
from dca_bot.errors import DestinationRefused, DestinationUnavailable, Refusal
from dca_bot.web import Reply

_FAULTS = (HTTPStatus.REQUEST_TIMEOUT, HTTPStatus.TOO_EARLY, HTTPStatus.TOO_MANY_REQUESTS)
URL_CHARS_MAX = 2048
_INVOICE_CHARS_MAX = 7089
_MSAT_MAX = 21 * 10**17

_Model = TypeVar("_Model", bound=BaseModel)

_DIGITS = re.compile(r"-?[0-9]{1,19}")
_REFUSALS = {
    "minSendable": Refusal.LIMITS,
    "maxSendable": Refusal.LIMITS,
    "pr": Refusal.NO_INVOICE,
}
"""The refusal of an answer by the member that can't be read; NO_SERVICE for other members."""


def _whole(value: object) -> object:
    """Return a whole number that a server wrote as a text or with a point: "1000", 1000.0."""
    if isinstance(value, str) and _DIGITS.fullmatch(value.strip()):
        return int(value)
    return int(value) if isinstance(value, float) and value.is_integer() else value


def _length(value: object) -> object:
    """Return how many characters of a comment are accepted; 0 for an unclear value."""
    whole = _whole(value)
    return max(whole, 0) if type(whole) is int else 0


_Whole = Annotated[StrictInt, BeforeValidator(_whole)]


class PayRequest(BaseModel):
    """LUD-06's answer of a payee, amounts in msat; the metadata may be missing, as nothing uses them."""

    tag: Literal["payRequest"]
    callback: Annotated[str, Field(max_length=URL_CHARS_MAX)]
    min_msat: Annotated[_Whole | None, Field(alias="minSendable")] = None
    max_msat: Annotated[_Whole, Field(alias="maxSendable")]
    comment_length_max: Annotated[
        StrictInt, BeforeValidator(_length), Field(alias="commentAllowed")
    ] = 0
    payer_data: Annotated[Any, Field(alias="payerData")] = None

    @property
    def must_name_payer(self) -> bool:
        """Tell whether the address accepts payments only with the payer's data (LUD-18)."""
        wanted = self.payer_data.values() if isinstance(self.payer_data, dict) else ()
        return any(isinstance(one, dict) and one.get("mandatory") is True for one in wanted)

    @property
    def min_sat(self) -> int:
        """Return the smallest payment, rounded up: the address would refuse less."""
        return sat_ceil(max(self.min_msat or 1, 1))

    @property
    def max_sat(self) -> int:
        """Return the largest payment, rounded down: the address would refuse more."""
        return sat_floor(min(self.max_msat, _MSAT_MAX))

    def check(self, detail: str) -> None:
        """Raise DestinationRefused, with the reason, if no payment can be made to the payee."""
        if self.max_msat <= 0:
            raise DestinationRefused(Refusal.NO_PAYMENTS, detail)
        if self.min_sat > self.max_sat:
            raise DestinationRefused(Refusal.LIMITS, f"{detail}: minSendable, maxSendable")
        if self.must_name_payer:
            raise DestinationRefused(Refusal.PAYER_DATA, f"{detail}: payerData")


class CallbackAnswer(BaseModel):
    """LUD-06's answer of a callback; `verify` is LUD-21's."""

    pr: Annotated[str, Field(min_length=1, max_length=_INVOICE_CHARS_MAX)]
    verify: Any = None


class SettledAnswer(BaseModel):
    """LUD-21's answer."""

    settled: StrictBool
    preimage: str | None = None
    pr: str | None = None


def is_for_another_service(reply: Reply) -> bool:
    """Tell whether an LNURL answers that isn't for payments; the other members differ with the tag."""
    return reply.status == HTTPStatus.OK and reply.words("tag") not in ("", "payRequest")


def read_answer(model: type[_Model], reply: Reply, *, host: str) -> _Model:
    """Return a server's answer.

    Raise DestinationUnavailable for a fault of the server, DestinationRefused for a refusal.
    """
    if reply.status in _FAULTS or reply.status >= HTTPStatus.INTERNAL_SERVER_ERROR:
        raise _fault(host, reply)
    if reply.words("status").upper() == "ERROR":
        said = reply.words("reason")
        why = Refusal.SAID if said else Refusal.NO_REASON
        raise DestinationRefused(why, host, said=said, may_pass=True)
    if reply.status in (HTTPStatus.NOT_FOUND, HTTPStatus.GONE):
        raise DestinationRefused(Refusal.UNKNOWN, host, may_pass=True)
    if reply.status != HTTPStatus.OK:
        raise _fault(host, reply)
    try:
        return model.model_validate_json(reply.body.removeprefix(codecs.BOM_UTF8))
    except ValidationError as error:
        member = next((str(part) for one in error.errors() for part in one["loc"][:1]), "no JSON")
        why = _REFUSALS.get(member, Refusal.NO_SERVICE)
        raise DestinationRefused(why, f"{host}: {member}", may_pass=True) from error


def _fault(host: str, reply: Reply) -> DestinationUnavailable:
    return DestinationUnavailable(
        Refusal.SERVER_FAULT, f"{host} answered HTTP {reply.status}. Try again later."
    )
