"""Describes reasons: the ledger has a code, and the catalogue of each language has the words of the code."""

from collections.abc import Mapping

from dca_bot.core.payout import Wait
from dca_bot.core.ports import LeftOut
from dca_bot.core.reach import Reach
from dca_bot.errors import LedgerError, OutsideError, Refusal, StateChanged
from dca_bot.faults import Fault, LnbitsFault, OffsiteFault, SourceFault
from dca_bot.ledger.audit.findings import Finding
from dca_bot.messages.describe.layout import short
from dca_bot.messages.say import NOTHING, Field, Sat, Say, Word


def reason(code: str, said: str = "") -> Field:
    """Say the word of a code; `said`, if any, in place of the word: words for which there is no code."""
    return short(said) if said else Word("reason", code)


def waiting(why: Wait) -> Field:
    """Say why a payout waits: the word of the code, the broken limit, or the destination's own words."""
    match why:
        case Wait(Refusal.ABOVE_MAXIMUM, limit_sat=int(limit)):
            return Say("payout.above_maximum", limit=Sat(limit))
        case Wait(Refusal.BELOW_MINIMUM, limit_sat=int(limit)):
            return Say("payout.below_minimum", limit=Sat(limit))
    return reason(why.code, why.said)


def state_changed(error: StateChanged) -> Say:
    """Say what a compare-and-set found in place of the expected state."""
    return Say(f"state_changed.{error.why}", **_fields(error.fields))


def ledger_fault(error: LedgerError) -> Say:
    """Say why the ledger can't be copied or exported; the English text is the error's own sentence."""
    fields = {"detail": str(error), **_fields(error.fields)}
    return Say(f"ledger_fault.{error.fault}", **fields)


def left_out(one: LeftOut) -> Say:
    """Say why a row of Lamassu isn't used; the English text is the LeftOut's own sentence."""
    fields: dict[str, Field] = {"detail": one.text, **one.fields}
    if fields.get("id") == "":
        fields["id"] = Word("row", "no_id")
    return Say(f"row_fault.{one.why}", **fields)


def finding(one: Finding) -> Say:
    """Say a finding of an audit, or a note."""
    return Say(f"audit_finding.{one.code}", **_fields(one.fields))


def failure(part: Reach) -> Field:
    """Say why an outside part is out of reach.

    The English catalogue repeats the error's own sentence (`detail`). Each other catalogue words the
    code, and quotes the words of the outside program. A failure without a code is told by the sentence
    in every language.
    """
    return part.detail if part.fault is None else _fault(part.fault, part.fields, part.detail)


def outside_failure(error: OutsideError) -> Say:
    """Say why an outside part failed, as `failure` does."""
    return _fault(error.fault, error.fields, str(error))


def _fault(fault: Fault, fields: Mapping[str, str | int], detail: str) -> Say:
    match fault:
        case SourceFault():
            key = f"source_fault.{fault}"
        case LnbitsFault():
            key = f"lnbits_fault.{fault}"
        case OffsiteFault():
            key = f"offsite_fault.{fault}"
    said = fields.get("said", "")
    quoted = Say("failure.said", said=said) if said else NOTHING
    return Say(key, **{**fields, "said": quoted, "detail": detail})


def _fields(fields: Mapping[str, str | int]) -> dict[str, Field]:
    """Turn plain values into fields, by name: `sats` is an amount, `state` the state of a payout."""
    return {name: _field(name, value) for name, value in fields.items()}


def _field(name: str, value: str | int) -> Field:
    match name, value:
        case "sats", int(sat):
            return Sat(sat)
        case "state", str(state):
            return Word("payout", state)
        case "status", str(status):
            return Word("payment", status)
        case "witness", str(witness):
            return Word("witness", witness)
        case "shown", str(status):
            return Word("shown", status)
    return value
