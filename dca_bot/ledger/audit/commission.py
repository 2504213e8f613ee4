"""Proves the commission's splits: each is worked out again, by the version that it names.

The sats are shared out here one at a time, by exact fractions, so that a mistake in the program's own
split shows.
"""

from collections.abc import Sequence
from fractions import Fraction

from dca_bot.ledger.audit.findings import Finding, FindingCode, found
from dca_bot.ledger.store.database import Tx

_WHOLE_BP = 10_000


def commission_findings(tx: Tx) -> list[Finding]:
    """Return a finding for each thing that is wrong with the terms or with a split."""
    findings = [found(code, id=row[0]) for code, query in _CHECKS for row in tx.execute(query)]
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
            findings.append(found(FindingCode.SPLIT_NOT_BY_TERMS, id=split["id"]))
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
        FindingCode.COMMISSION_ABOVE_ALL,
        "SELECT terms_id FROM commission_part GROUP BY terms_id HAVING sum(percent_bp) > 10000",
    ),
    (
        FindingCode.SPLIT_WITHOUT_TERMS,
        "SELECT id FROM distribution WHERE (kind = 'commission') <> (terms_id IS NOT NULL)",
    ),
    (
        FindingCode.SPLIT_OF_NO_CASH_OUT,
        "SELECT id FROM distribution split WHERE kind = 'commission' AND NOT EXISTS"
        " (SELECT 1 FROM distribution flow WHERE flow.id = substr(split.id, 12)"
        " AND split.id = 'commission:' || flow.id AND flow.kind = 'flow'"
        " AND flow.commission_sat = split.principal_sat)",
    ),
    (
        # By sequence: a clock may have shown anything. There is no split on purpose where the operator
        # settles what LNbits paid of it, or LNbits could still pay a part then.
        FindingCode.NOT_SPLIT,
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
        FindingCode.SPLIT_CHARGES_FIAT,
        "SELECT DISTINCT distribution.id FROM distribution"
        " JOIN share ON share.distribution_id = distribution.id"
        " WHERE kind = 'commission' AND (minor <> 0 OR principal_minor <> 0)",
    ),
    (
        FindingCode.RECIPIENT_HAS_FIAT,
        "SELECT client_id FROM account JOIN client ON client.id = client_id"
        " WHERE account.kind = 'balance' AND role = 'recipient' AND account.balance <> 0",
    ),
)
