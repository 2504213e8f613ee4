"""What an audit finds: a code, and the fields that the words of the code name.

The catalogue of each language has the words under `audit_finding`.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum


class FindingCode(StrEnum):
    """The kinds of findings and of notes."""

    ACCOUNTS_UNBALANCED = "accounts_unbalanced"
    ACCOUNT_NOT_ITS_ENTRIES = "account_not_its_entries"
    ACCOUNT_BELOW_ZERO = "account_below_zero"
    SHARES_NOT_PRINCIPAL = "shares_not_principal"
    SUM_NOT_SHARES = "sum_not_shares"
    SHARES_ABOVE_PRINCIPAL = "shares_above_principal"
    ENTRIES_NOT_SHARES = "entries_not_shares"
    NO_ENTRIES = "no_entries"
    CASH_OUT_WITHOUT_DISTRIBUTION = "cash_out_without_distribution"
    DISTRIBUTION_WITHOUT_CASH_OUT = "distribution_without_cash_out"
    RUN_NOT_DISTRIBUTION = "run_not_distribution"
    RUN_NOT_SHARES = "run_not_shares"
    SHARE_OF_ANOTHER_DAY = "share_of_another_day"
    DAY_LIMIT_EXCEEDED = "day_limit_exceeded"
    PAYOUT_NOT_SHARES = "payout_not_shares"
    MERGED_WITH_SHARES = "merged_with_shares"
    SHARES_OF_ANOTHER_CLIENT = "shares_of_another_client"
    PAYOUT_NOT_ENTRIES = "payout_not_entries"
    OWED_NOT_SHARES = "owed_not_shares"
    GIVEN_NOT_SHARES = "given_not_shares"
    GOT_NOT_SHARES = "got_not_shares"
    PAYOUT_OF_ANOTHER_AMOUNT = "payout_of_another_amount"
    DEPOSIT_OF_ANOTHER_AMOUNT = "deposit_of_another_amount"
    DEPOSIT_MOVES_NOTHING = "deposit_moves_nothing"
    DEPOSIT_NOT_ENTRIES = "deposit_not_entries"
    DEPOSIT_NOT_IN_MACHINES = "deposit_not_in_machines"
    WITHDRAWAL_NOT_OUT = "withdrawal_not_out"
    MACHINE_NOT_MOVES = "machine_not_moves"
    COUNT_NOT_MOVES = "count_not_moves"
    COMMISSION_ABOVE_ALL = "commission_above_all"
    SPLIT_WITHOUT_TERMS = "split_without_terms"
    SPLIT_OF_NO_CASH_OUT = "split_of_no_cash_out"
    NOT_SPLIT = "not_split"
    SPLIT_CHARGES_FIAT = "split_charges_fiat"
    RECIPIENT_HAS_FIAT = "recipient_has_fiat"
    SPLIT_NOT_BY_TERMS = "split_not_by_terms"
    FILE_DAMAGED = "file_damaged"
    ROW_MISSING = "row_missing"
    NOT_COMPARED = "not_compared"
    UNKNOWN_PAYMENT = "unknown_payment"
    PAID_TWICE = "paid_twice"
    NOT_AT_LNBITS = "not_at_lnbits"
    PAID_OTHER_AMOUNT = "paid_other_amount"
    PAID_UNRECORDED = "paid_unrecorded"
    OTHER_FEE = "other_fee"
    PAID_AS_ANOTHER = "paid_as_another"
    NO_CREDIT = "no_credit"
    CREDIT_NOT_SETTLED = "credit_not_settled"
    CREDIT_OF_OTHER_AMOUNT = "credit_of_other_amount"
    KEY_REFUSED = "key_refused"
    SETTLED_BY_HAND = "settled_by_hand"
    BOOKED_BESIDE_LNBITS = "booked_beside_lnbits"
    UNPROVEN = "unproven"


@dataclass(frozen=True, slots=True)
class Finding:
    """A finding, or a note: `fields` are the id of the thing in question, amounts and the like."""

    code: FindingCode
    fields: Mapping[str, str | int] = field(default_factory=dict)

    def __str__(self) -> str:
        """Write the code and the fields, as `audit --json` has findings."""
        return " ".join([self.code, *(f"{name}={value}" for name, value in self.fields.items())])


def found(code: FindingCode, /, **fields: str | int) -> Finding:
    """Return a finding with its fields."""
    return Finding(code, fields)
