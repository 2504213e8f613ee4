"""The hierarchy of errors; each message is a sentence that says what to do."""

import os
import re
import traceback
from enum import StrEnum
from pathlib import Path

from dca_bot.faults import Fault, LnbitsFault

_WORDS_CHARS_MAX = 200
_NUMBER = re.compile(r"\[Errno (\d+)\]")
_LIBRARYS_OWN = re.compile(r"^\[[^\]]*\] *| \(_ssl\.c:\d+\)$|\.$")


class DcaBotError(Exception):
    """An error that dca-bot raises on purpose; the text is meant for a person."""


class OtherUnit(DcaBotError):
    """An amount names another unit than the expected `unit`."""

    def __init__(self, unit: str) -> None:
        super().__init__(f"That amount is in another currency; write it in {unit}.")
        self.unit = unit


class ConfigError(DcaBotError):
    """The configuration or a secret's file can't be used."""


class LedgerFault(StrEnum):
    """Why the ledger can't be copied or exported, as a code; each catalogue words the code as `ledger_fault`.

    A catalogue can name the fields of the error, and `detail`, the error's own English sentence.
    """

    OTHER = "other_fault"
    NO_LEDGER = "no_ledger"
    NO_PLACE = "no_place"
    """Something else stands at the path, or there is no way to the path."""
    NO_RIGHTS = "no_rights"
    OTHER_OWNER = "other_owner"
    OPEN_TO_OTHERS = "open_to_others"
    NOT_PRIVATE = "not_private"
    """The file system of a folder can't keep a file from other users."""
    DISK_FULL = "disk_full"
    NOT_EMPTY = "not_empty"
    OCCUPIED = "occupied"
    """A file is there that dca-bot doesn't overwrite."""
    BEING_WRITTEN = "being_written"
    NOT_WRITTEN = "not_written"
    DAMAGED = "damaged"
    STOPPED = "stopped"
    OTHER_VERSION = "other_version"
    """The tables aren't those of this version of dca-bot."""
    OTHER_CURRENCY = "other_currency"
    OTHER_KIND = "other_kind"
    """A rehearsal's ledger for a programme, or the other way round."""


class FileRefused(DcaBotError):
    """A file or folder can't be used: of another user, of another kind, or open to others.

    `fault`: the refusal as a code, with the path and the command of the remedy, if one is known, in `fields`.
    """

    def __init__(
        self,
        text: str,
        /,
        path: Path,
        fault: LedgerFault = LedgerFault.NO_PLACE,
        **fields: str,
    ) -> None:
        super().__init__(text)
        self.fault = fault
        self.fields = {"path": str(path), **fields}


class OutsideError(DcaBotError):
    """Lamassu or LNbits failed: `fault` is the code, `fields` are what the code's words name.

    The error's own text is the English sentence of the command line and of the log. `said`, if any, is
    what the other program said.
    """

    def __init__(self, text: str, *, fault: Fault, **fields: str | int) -> None:
        super().__init__(text)
        self.fault = fault
        self.fields = fields


class SourceUnavailable(OutsideError):
    """Lamassu could not be read; nothing was changed, and the next poll tries again."""


class ExportBroken(SourceUnavailable):
    """Lamassu's answer is incomplete or lacks columns; nothing of the answer is used."""


class TableBroken(ExportBroken):
    """A table of Lamassu came whole, but lacks columns that the bot knows, or isn't CSV."""


class LnbitsUnavailable(OutsideError):
    """LNbits did not answer, or answered with a fault; the request may have been carried out."""


class LnbitsSlow(LnbitsUnavailable):
    """LNbits took longer than somebody waits for an answer in the chat."""


class LnbitsRefused(OutsideError):
    """LNbits refused the request: a wrong key, a wrong amount, an unknown path.

    `status` is the HTTP status.
    """

    def __init__(self, text: str, *, fault: LnbitsFault, status: int, **fields: str | int) -> None:
        super().__init__(text, fault=fault, **fields)
        self.status = status


class OffsiteFailed(OutsideError):
    """A place for copies of the ledger did not take, give or keep a copy; it is tried again."""


class CopyRefused(DcaBotError):
    """A copy can't be put back: damaged, encrypted to another key, or not fit for this programme."""


class LeaseRefused(DcaBotError):
    """LNbits makes no invoice of 1 sat in the source wallet, so LNbits can't keep the lease.

    The text is LNbits' own.
    """


class Refusal(StrEnum):
    """Why a destination isn't paid, as a code; each catalogue words the code under `word.reason`."""

    SAID = "said"
    """The destination's server says why, in words of its own."""
    ABOVE_MAXIMUM = "above_maximum"
    BELOW_MINIMUM = "below_minimum"
    NO_HOST = "no_host"
    """The name of the destination's server can't be resolved."""
    UNREACHABLE = "unreachable"
    """The destination's server gives no answer, or none in time."""
    SERVER_FAULT = "server_fault"
    """The destination's server answers with a fault of its own (HTTP 5xx and the like)."""
    NO_OWN_INVOICE = "no_own_invoice"
    """LNbits makes no invoice for the client's own wallet at LNbits."""
    NO_ADDRESS = "no_address"
    UNKNOWN = "unknown_address"
    UNKNOWN_CODE = "unknown_code"
    NO_SERVICE = "no_address_service"
    NO_CODE_SERVICE = "no_code_service"
    """The server of an LNURL code doesn't answer as LUD-06 wants."""
    NO_REASON = "refused_without_reason"
    NO_PAYMENTS = "takes_no_payments"
    LIMITS = "limits_unusable"
    """No amount lies between the smallest and the largest payment, or they can't be read."""
    WITHDRAW_CODE = "withdraw_code"
    """An LNURL answers that gives sats away (LUD-03)."""
    OTHER_SERVICE = "other_service"
    """An LNURL answers that is for another service than payments: for a channel, for example."""
    PAYER_DATA = "payer_data"
    """The server takes no payment from who doesn't say who pays (LUD-18)."""
    NOT_PUBLIC = "not_public"
    ASTRAY = "leads_astray"
    KEY = "key_refused"
    """LNbits doesn't know the invoice key of the client's wallet."""
    NO_INVOICE = "no_invoice"
    OTHER_NETWORK = "other_network"
    NO_AMOUNT = "no_amount"
    NO_TIMES = "no_times"
    OTHER_AMOUNT = "invoice_other_amount"
    EXPIRES_SOON = "expires_soon"
    LIVES_LONG = "lives_long"
    SAME_INVOICE = "same_invoice"


class DestinationRefused(DcaBotError):
    """A destination can't be paid as it is (not an address, admin key, unsafe host, wrong invoice).

    `said`: the words of the destination's server, with the code Refusal.SAID.
    `limit_sat`: the limit of the destination that the amount breaks.
    `detail`: more for the error's text alone, a host for example.
    `may_pass`: a server in trouble can answer so for a while; a repeated answer is a refusal.
    """

    def __init__(
        self,
        why: Refusal,
        detail: str = "",
        *,
        said: str = "",
        limit_sat: int | None = None,
        may_pass: bool = False,
    ) -> None:
        text = said or (why if limit_sat is None else f"{why} {limit_sat}")
        super().__init__(f"{text} ({detail})" if detail else text)
        self.why = why
        self.said = said
        self.limit_sat = limit_sat
        self.may_pass = may_pass


class DestinationUnavailable(DcaBotError):
    """A destination's server could not be reached at present; `detail` is the error's text."""

    def __init__(self, why: Refusal, detail: str) -> None:
        super().__init__(detail)
        self.why = why


class KeyRefused(DcaBotError):
    """A text is no key of Nostr, or not the kind that is needed."""


class ChartFailed(DcaBotError):
    """A chart could not be drawn."""


class FileServerFailed(DcaBotError):
    """The file server did not take or delete a file; the text says why, and names no file."""


class HeartbeatFailed(DcaBotError):
    """The heartbeat's URL did not answer well; the text says why, and shows nothing of the URL."""


class AlertFailed(DcaBotError):
    """No place took an alert; the text shows nothing of the places' URLs."""


class MessageRefused(DcaBotError):
    """An event from a relay failed a check, and is dropped."""


class OwnMessage(MessageRefused):
    """The message is the bot's own."""


class EventBroken(MessageRefused):
    """The form, the signature or the encryption of an event is wrong, and will always be."""


class LedgerError(DcaBotError):
    """The ledger can't be used: held by another bot, of a newer version, readable by others.

    `fields`: what the words of the code `fault` name, a path for example.
    """

    def __init__(
        self, text: str, fault: LedgerFault = LedgerFault.OTHER, /, **fields: str | int
    ) -> None:
        super().__init__(text)
        self.fault = fault
        self.fields = fields


class LedgerOutdated(LedgerError):
    """The ledger is of an earlier version: the bot's next start brings the ledger up to date."""


class Changed(StrEnum):
    """What a compare-and-set found; each catalogue words the code under `state_changed`."""

    CLIENT = "client_changed"
    WALLET = "wallet_changed"
    COMMISSION = "commission_taken"
    DEPOSIT_NOT_PENDING = "deposit_not_pending"
    DEPOSIT = "deposit_changed"
    PAYOUT = "payout_changed"
    NO_UNSENT_INVOICE = "no_unsent_invoice"
    NOT_IN_DOUBT = "payout_not_in_doubt"
    NOT_ARRIVED = "payout_not_arrived"
    OTHER_AMOUNT = "other_amount_paid"
    NOT_RETRYABLE = "payout_not_retryable"
    NOT_CANCELLABLE = "payout_not_cancellable"
    PAID = "paid_by_lnbits"
    RUN = "run_seen_to"
    CASH_OUT = "cash_out_distributed"
    RECORDED = "recorded_already"
    NOTHING_LEFT = "nothing_to_record"
    STILL_PAYING = "still_paying"
    CASH_OUT_IS_BACK = "cash_out_is_back"
    PAID_TOO_MUCH = "paid_too_much"
    NO_CLIENT = "no_client"
    NO_WALLET = "no_wallet"
    BALANCE = "balance_too_small"


class StateChanged(LedgerError):
    """A compare-and-set found another state than expected; nothing was changed.

    `fields`: what the words of the code `why` name, an id or a client's name for example.
    """

    def __init__(self, why: Changed, /, **fields: str | int) -> None:
        said = " ".join([why, *(f"{name}={value}" for name, value in fields.items())])
        super().__init__(said, **fields)
        self.why = why


def in_words(error: BaseException) -> str:
    """Return the report of the network, a file or a library, without Python's own names and numbers."""
    if isinstance(error, UnicodeDecodeError):
        return "it is no text in UTF-8"
    if isinstance(error, TimeoutError):
        return "no answer in time"
    number = _NUMBER.search(str(error))
    said = os.strerror(int(number[1])) if number else _LIBRARYS_OWN.sub("", one_line(str(error)))
    return said or "no reason given"


def one_line(text: str) -> str:
    """Return the first line that says something, without control characters, cut short."""
    first = next(iter(text.strip().splitlines()), "")
    return "".join(letter for letter in first if letter.isprintable())[:_WORDS_CHARS_MAX]


def place_of(error: Exception) -> str:
    """Return the place where an error was raised, without the error's text."""
    frames = traceback.extract_tb(error.__traceback__)[-4:]
    return " > ".join(f"{frame.name}:{frame.lineno}" for frame in frames)
