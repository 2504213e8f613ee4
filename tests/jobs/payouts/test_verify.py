"""What an answer of a payee's server says of an invoice: only the preimage proves a payment."""

from datetime import UTC, datetime

import pytest
from payout_bench import hash_of, preimage_of

from dca_bot.core.ports import VerifyAnswer
from dca_bot.core.witness import Said
from dca_bot.jobs.payouts.verify import judge
from dca_bot.ledger.payouts.witnesses import Question

AT = datetime(2026, 3, 1, 12, tzinfo=UTC)
QUESTION = Question("payout", 1, "https://example.com/verify/1", "lnbc1", hash_of(1), AT, 0)


@pytest.mark.parametrize(
    ("answer", "said"),
    [
        (None, Said.UNCLEAR),
        (VerifyAnswer(is_settled=False), Said.UNSETTLED),
        (VerifyAnswer(is_settled=False, bolt11="LNBC1"), Said.UNSETTLED),
        (VerifyAnswer(is_settled=True, bolt11="lnbc1"), Said.UNPROVEN),
        (VerifyAnswer(is_settled=True, preimage=preimage_of(2)), Said.UNPROVEN),
        (VerifyAnswer(is_settled=False, bolt11="lnbc2"), Said.UNCLEAR),
        (VerifyAnswer(is_settled=True, bolt11="lnbc2"), Said.UNCLEAR),
        (VerifyAnswer(is_settled=True, preimage=preimage_of(1)), Said.SETTLED),
        (VerifyAnswer(is_settled=False, preimage=preimage_of(1)), Said.SETTLED),
        (VerifyAnswer(is_settled=True, preimage=preimage_of(1), bolt11="lnbc2"), Said.SETTLED),
    ],
)
def test_answer_is_judged_by_the_invoice_that_was_asked_about(answer, said):
    assert judge(answer, QUESTION) is said
