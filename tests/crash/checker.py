"""Finds what a kill has lost, doubled or told twice, by LNbits' rows, the ledger's tables and the messages.

No code is shared with the program. A run without a kill, the reference, says which messages people get.
"""

import json
import re
from collections import Counter
from dataclasses import dataclass, field

OPEN = ("SUBMITTED", "DEBITED", "IN_DOUBT", "ALERT")
"""A payout that the operators see as sent, and not as arrived."""
NOT_YET = "LNbits does not answer right now"
"""The answer to a command that comes before the bot has compared its ledger with LNbits."""
PAYOUTS = (
    "SELECT payout.id, name, amount_sat, payout.state FROM payout"
    " JOIN client ON client.id = client_id WHERE payout.state NOT IN ('MERGED', 'CANCELLED')"
)
_MASKS = (
    (re.compile(r"confirm [0-9A-Z]{4}\b"), "confirm CODE"),
    (re.compile(r"\b\d{1,2}:\d\d(:\d\d)?\b"), "TIME"),
)


@dataclass
class Outcome:
    """What became of one world, or of several. `open_sat`: sent, not credited, and shown to operators so."""

    kills: int = 0
    lost_sat: int = 0
    doubled_sat: int = 0
    told_twice: int = 0
    untold: int = 0
    open_sat: int = 0
    faults: list[str] = field(default_factory=list)
    findings: list[str] = field(default_factory=list)
    texts: dict[str, Counter] = field(default_factory=dict)

    @property
    def is_clean(self) -> bool:
        found = (self.lost_sat, self.doubled_sat, self.told_twice, self.untold)
        return found == (0, 0, 0, 0) and not self.faults

    def add(self, other: "Outcome") -> None:
        """Add up the figures and the faults."""
        for name in ("kills", "lost_sat", "doubled_sat", "told_twice", "untold", "open_sat"):
            setattr(self, name, getattr(self, name) + getattr(other, name))
        self.faults += other.faults


async def look(world, scenario, reference: Outcome | None, *, lenient: bool = False) -> Outcome:
    """Judge a world whose bot has stopped; `lenient`: operators may be told more than in the reference."""
    outcome = Outcome(kills=world.kills, texts=await _texts(world))
    scenario.check(world, outcome)
    if reference is not None and scenario.tells:
        compare_texts(outcome, reference, lenient=lenient)
    outcome.findings = json.loads(world.run("audit", "--json").stdout)["findings"]
    expected = reference.findings if reference else []
    outcome.faults += [f"audit: {one}" for one in outcome.findings if one not in expected]
    outcome.faults += [f"left over: {path.name}" for path in world.folder.rglob("*.part*")]
    return outcome


def compare_payments(world, outcome: Outcome) -> None:
    """Hold each payout against the source wallet's rows, and each payee's wallet against the payouts."""
    sent = Counter(
        external_id
        for _, msat, status, external_id in world.parts.payments(world.source.id)
        if msat < 0 and status == "success"
    )
    payouts = world.rows(PAYOUTS)
    known = {id_ for id_, *_ in payouts}
    outcome.faults += [f"unknown payment {one}" for one in sent.keys() - known]
    outcome.faults += [
        f"payout {id_} is DONE and was not sent"
        for id_, _, _, state in payouts
        if state == "DONE" and not sent[id_]
    ]
    for name, person in world.people.items():
        own = [(id_, sat, state) for id_, whose, sat, state in payouts if whose == name]
        _compare_wallet(own, sent, _credited_sat(world, person), outcome)
    if world.sold and not world.has_other:
        wanted, given = sum(sat for _, sat in world.sold), sum(sat for _, _, sat, _ in payouts)
        outcome.lost_sat += max(0, wanted - given)
        outcome.doubled_sat += max(0, given - wanted)


def compare_texts(outcome: Outcome, reference: Outcome, *, lenient: bool = False) -> None:
    """Hold the messages that people got against the reference's."""
    for name, texts in outcome.texts.items():
        if lenient and name == "operator":
            continue
        more, less = texts - reference.texts[name], reference.texts[name] - texts
        outcome.told_twice += more.total()
        outcome.untold += less.total()
        outcome.faults += [f"{name} was told beyond: {text[:160]!r}" for text in more]
        outcome.faults += [f"{name} was never told: {text[:160]!r}" for text in less]


def _compare_wallet(payouts, sent: Counter, credited_sat: int, outcome: Outcome) -> None:
    """Hold what a payee got against the payouts; a lacking payout has to be shown as not arrived."""
    owed_sat = sum(sat for _, sat, _ in payouts)
    shown_sat = sum(sat for _, sat, state in payouts if state in OPEN)
    lacking = max(0, owed_sat - credited_sat)
    sent_twice_sat = sum(sat * max(0, sent[id_] - 1) for id_, sat, _ in payouts)
    outcome.doubled_sat += max(sent_twice_sat, credited_sat - owed_sat)
    outcome.open_sat += min(lacking, shown_sat)
    outcome.lost_sat += max(0, lacking - shown_sat)


def _credited_sat(world, person) -> int:
    rows = [row for wallet in person.homes for row in world.parts.payments(wallet.id)]
    rows += [row for wallet in person.abroad for row in world.parts.payments_abroad(wallet.id)]
    return sum(msat for _, msat, status, _ in rows if msat > 0 and status == "success") // 1000


async def _texts(world) -> dict[str, Counter]:
    """Return the different messages that each person got from the bot."""
    people = {name: one.user for name, one in world.people.items()} | {"operator": world.operator}
    return {
        name: Counter(_masked(one) for one in await user.received() if NOT_YET not in one)
        for name, user in people.items()
    }


def _masked(text: str) -> str:
    for pattern, word in _MASKS:
        text = pattern.sub(word, text)
    return text
