"""Proves the commission's splits: each is worked out again, by the version that it names.

The sats are shared out here one at a time, by exact fractions, so that a mistake in the program's own
split shows.
"""

from collections.abc import Sequence
from fractions import Fraction

from dca_bot.ledger.store.database import Tx

_WHOLE_BP = 10_000


def commission_findings(tx: Tx) -> list[str]:
    """Return a sentence for each thing that is wrong with the terms or with a split."""
    findings = [text.format(row[0]) for text, query in _CHECKS for row in tx.execute(query)]
    splits = tx.execute(
        "SELECT id, principal_sat, unallocated_sat, terms_id FROM distribution"
        " WHERE kind = 'commission' AND terms_id IS NOT NULL"
    ).fetchall()
    for split in splits:
        parts = _parts(tx, split["terms_id"])
        expected = _shared_out(split["principal_sat"], [percent for _, percent in parts])
        given = _given(tx, split["id"])
        by_terms = dict(zip([payee for payee, _ in parts], expected, strict=False))
        if {payee: sat for payee, sat in by_terms.items() if sat} != given:
            findings.append(f"Distribution {split['id']} isn't split as its terms say.")
    return findings


def _parts(tx: Tx, terms_id: int) -> list[tuple[int, int]]:
    """Return (payee, basis points) of a version, in the order in which ties are broken."""
    rows = tx.execute(
        "SELECT client_id, name, percent_bp FROM commission_part JOIN client ON client.id = client_id"
        " WHERE terms_id = ?",
        (terms_id,),
    ).fetchall()
    rows.sort(key=lambda row: (row["name"].casefold(), row["name"]))
    return [(row["client_id"], row["percent_bp"]) for row in rows]


def _given(tx: Tx, distribution_id: str) -> dict[int, int]:
    rows = tx.execute(
        "SELECT client_id, sat FROM share WHERE distribution_id = ?", (distribution_id,)
    )
    return {row["client_id"]: row["sat"] for row in rows}


def _shared_out(total_sat: int, percents_bp: Sequence[int]) -> list[int]:
    """Share sats out over parts and, as the last, what nobody is set for."""
    percents = [*percents_bp, max(_WHOLE_BP - sum(percents_bp), 0)]
    quotas = [Fraction(total_sat * percent, _WHOLE_BP) for percent in percents]
    sats = [int(quota) for quota in quotas]
    for _ in range(total_sat - sum(sats)):
        lacking = [quota - sat for quota, sat in zip(quotas, sats, strict=True)]
        sats[lacking.index(max(lacking))] += 1
    return sats


_CHECKS = (
    (
        "Version {} of the commission's terms gives more than all of it.",
        "SELECT terms_id FROM commission_part GROUP BY terms_id HAVING sum(percent_bp) > 10000",
    ),
    (
        "Distribution {} names no version of the commission's terms, or needs none.",
        "SELECT id FROM distribution WHERE (kind = 'commission') <> (terms_id IS NOT NULL)",
    ),
    (
        "Distribution {} splits no cash-out's commission, or another amount than that.",
        "SELECT id FROM distribution split WHERE kind = 'commission' AND NOT EXISTS"
        " (SELECT 1 FROM distribution flow WHERE flow.id = substr(split.id, 12)"
        " AND split.id = 'commission:' || flow.id AND flow.kind = 'flow'"
        " AND flow.commission_sat = split.principal_sat)",
    ),
    (
        # By sequence: a clock may have shown anything. There is no split on purpose where the operator
        # settles what LNbits paid of it, or LNbits could still pay a part then.
        "The commission of cash-out {} isn't split, although terms were in force.",
        "SELECT flow.id FROM distribution flow JOIN posting ON posting.distribution_id = flow.id"
        " WHERE flow.kind = 'flow' AND commission_sat > 0"
        " AND NOT EXISTS (SELECT 1 FROM distribution WHERE id = 'commission:' || flow.id)"
        " AND NOT EXISTS (SELECT 1 FROM foreign_payment"
        "   WHERE distribution_id = 'commission:' || flow.id"
        "   AND (settled_at IS NOT NULL OR status <> 'success'))"
        " AND EXISTS (SELECT 1 FROM commission_part WHERE terms_id ="
        "   (SELECT max(id) FROM commission_terms WHERE after_posting < posting.id))",
    ),
    (
        "Distribution {} charges fiat for commission.",
        "SELECT DISTINCT distribution.id FROM distribution"
        " JOIN share ON share.distribution_id = distribution.id"
        " WHERE kind = 'commission' AND (minor <> 0 OR principal_minor <> 0)",
    ),
    (
        "Recipient {} has fiat.",
        "SELECT client_id FROM account JOIN client ON client.id = client_id"
        " WHERE account.kind = 'balance' AND role = 'recipient' AND account.balance <> 0",
    ),
)
