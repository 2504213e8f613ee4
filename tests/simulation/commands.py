"""What people commanded by message, held against what the ledger says was done.

Nothing is done without a message of somebody who may command it. What moves money, fixes a destination or
stops the programme is done once, within ten minutes, by the code that the same person was told with the
effect, and as the effect said.
"""

import re
import sqlite3
from collections import defaultdict
from dataclasses import dataclass, field
from datetime import datetime, timedelta

from simulation.promise import Violation, hold
from simulation.relays import Mailbox, Relays
from simulation.virtual_time import ComputerClock

CODE_LIFE = timedelta(minutes=10)
_CONFIRM = re.compile(r"confirm (\w{4})", re.IGNORECASE)
_ASKED = re.compile(r"^(.*?)\n\nReply: confirm (\w{4}) ", re.DOTALL)
_ALSO_ASKED = re.compile(r"^Still waiting, too: (.*?) Reply: confirm (\w{4})$", re.MULTILINE)
_AMOUNT = re.compile(r"Q[\d,]+\.\d\d")
_REST = re.compile(r"Left for you: ([\d.]+)")
_CODED = frozenset(
    {
        "client close",
        "client wallet",
        "commission remove",
        "commission set",
        "deposit",
        "deposit confirm",
        "deposit void",
        "hold accept",
        "hold ignore",
        "payout cancel",
        "payout retry",
        "settle",
        "withdraw",
    }
)


@dataclass
class Commands:
    """The commands of one world; `operator`: the only public key that operates."""

    relays: Relays
    clock: ComputerClock
    operator: str
    _last: int = 0
    _last_terms: int = 0
    _done: set[tuple[str, str]] = field(default_factory=set)
    _used: set[tuple[str, str, datetime]] = field(default_factory=set)
    _asked: defaultdict[str, "_Questions"] = field(
        default_factory=lambda: defaultdict(_Questions), init=False
    )

    def after(self, ledger: sqlite3.Connection) -> None:
        """Check the commands that were logged since the last look; raise Violation."""
        rows = ledger.execute(
            "SELECT command_log.id, actor, pubkey, message_id, command, done FROM command_log"
            " LEFT JOIN client ON client.id = client_id WHERE command_log.id > ? ORDER BY 1",
            (self._last,),
        ).fetchall()
        for id_, actor, client, message_id, command, done in rows:
            self._last = id_
            self._check(actor, client, message_id, command, done)
        if rows:
            self._check_terms(ledger)
            self._check_postings(ledger, [row[3] for row in rows])

    def go_on_with(self, ledger: sqlite3.Connection) -> None:
        """Go on with a copy that was put in the ledger's place."""
        self._last, self._last_terms = ledger.execute(
            "SELECT (SELECT coalesce(max(id), 0) FROM command_log),"
            " (SELECT coalesce(max(id), 0) FROM commission_terms)"
        ).fetchone()
        self._done.clear()
        self._used.clear()

    def _check(
        self, actor: str, client: str | None, message_id: str, command: str, done: str
    ) -> None:
        written = self.relays.written.get(message_id)
        named = f"{command!r} of {actor[:8]} by {written and written.text!r}"
        if written is None or written.sender != actor:
            raise Violation(f"{named}: nobody wrote that")
        is_operator = actor == self.operator
        hold(
            f"{named}: not by an operator",
            is_kept=is_operator if client is None else client == actor,
        )
        hold(f"{named} was done twice", is_kept=(message_id, command) not in self._done)
        self._done.add((message_id, command))
        given = _CONFIRM.search(written.text)
        if given is None:
            hold(f"{named} needs a code", is_kept=command not in _CODED)
            return
        code = given[1].upper()
        question = self._question(actor, code)
        hold(f"{named}: the code was not given to {actor[:8]}", is_kept=question is not None)
        assert question is not None
        at, effect = question
        # A clock that is set back gives an open code ten minutes from then on.
        age = self.relays.time.now() - max(at, self.clock.seen_by)
        hold(f"{named}: the code is {age} old", is_kept=age <= CODE_LIFE + timedelta(seconds=1))
        hold(f"{named}: the code was used before", is_kept=(actor, code, at) not in self._used)
        self._used.add((actor, code, at))
        asked, got = _AMOUNT.search(effect), _AMOUNT.search(done)
        is_same = asked is None or got is None or asked[0] == got[0]
        hold(f"{named}: asked {effect!r}, did {done!r}", is_kept=is_same)

    def _check_terms(self, ledger: sqlite3.Connection) -> None:
        """The rest of the commission is what the question said."""
        for id_, message_id, rest_bp in ledger.execute(
            "SELECT id, message_id, 10000 - (SELECT coalesce(sum(percent_bp), 0) FROM commission_part"
            " WHERE terms_id = commission_terms.id) FROM commission_terms WHERE id > ?",
            (self._last_terms,),
        ).fetchall():
            self._last_terms = id_
            told = _REST.search(self._effect(message_id))
            is_kept = told is not None and round(float(told[1]) * 100) == rest_bp
            hold(
                f"the operator's rest is {rest_bp / 100} %, told {told and told[0]}",
                is_kept=is_kept,
            )

    def _check_postings(self, ledger: sqlite3.Connection, message_ids: list[str]) -> None:
        """Cash moves by the amount that the question said, and counts from the present on."""
        for message_id in message_ids:
            for kind, amount, posted_at, confirmed_at in ledger.execute(
                "SELECT posting.kind, amount, posted_at, confirmed_at FROM posting"
                " JOIN entry ON posting_id = posting.id LEFT JOIN deposit ON deposit.id = deposit_id"
                " WHERE message_id = ? AND posting.kind IN ('deposit', 'deposit void', 'withdrawal')",
                (message_id,),
            ):
                effect = self._effect(message_id)
                told = _AMOUNT.search(effect)
                is_kept = told is not None and told[0] == f"Q{amount / 100:,.2f}"
                hold(f"{kind} of {amount}, asked {effect!r}", is_kept=is_kept)
                is_now = kind != "deposit" or confirmed_at == posted_at
                hold(f"{kind} of {amount} counts from another time", is_kept=is_now)

    def _effect(self, message_id: str) -> str:
        written = self.relays.written.get(message_id)
        given = _CONFIRM.search(written.text) if written else None
        question = self._question(written.sender, given[1].upper()) if written and given else None
        return question[1] if question else ""

    def _question(self, person: str, code: str) -> tuple[datetime, str] | None:
        """Return when a code was told to a person, and the effect that the code was told with."""
        return self._asked[person].of(self.relays.mailbox(person)).get(code)


@dataclass
class _Questions:
    """The codes that a person was told; each letter is read once."""

    _known: dict[str, tuple[datetime, str]] = field(default_factory=dict)
    _read: int = 0

    def of(self, mailbox: Mailbox) -> dict[str, tuple[datetime, str]]:
        """Return when each code was told, and the effect that the code was told with.

        A code can be made again for another effect; that a question still waits makes it no younger.
        """
        for letter in mailbox.letters[self._read :]:
            for effect, code in _ALSO_ASKED.findall(letter.text):
                self._known.setdefault(code, (letter.at, effect))
            for effect, code in _ASKED.findall(letter.text):
                self._known[code] = (letter.at, effect)
        self._read = len(mailbox.letters)
        return self._known
