"""Proves the clients' cash: deposits, withdrawals, and what should be in the machines.

A check is a code and a query that returns the ids of what it is about.
"""

from dca_bot.ledger.audit.findings import FindingCode

CASH_CHECKS = (
    (
        FindingCode.DEPOSIT_OF_ANOTHER_AMOUNT,
        "SELECT deposit.id FROM deposit JOIN posting ON posting.deposit_id = deposit.id"
        " WHERE amount_minor <>"
        " (SELECT coalesce(sum(amount), 0) FROM entry WHERE posting_id = posting.id)",
    ),
    (
        FindingCode.DEPOSIT_MOVES_NOTHING,
        "SELECT DISTINCT deposit_id FROM posting JOIN deposit ON deposit.id = deposit_id"
        " CROSS JOIN entry ON posting_id = posting.id"
        " JOIN account ON account.id = iif(posting.kind = 'deposit', to_account, from_account)"
        " WHERE (account.kind, account.client_id) IS NOT ('balance', deposit.client_id)",
    ),
    (
        FindingCode.DEPOSIT_NOT_ENTRIES,
        "SELECT id FROM deposit WHERE (confirmed_at IS NOT NULL) <> EXISTS"
        " (SELECT 1 FROM posting WHERE deposit_id = deposit.id AND kind = 'deposit')"
        " OR (confirmed_at IS NOT NULL AND state = 'voided') <> EXISTS"
        " (SELECT 1 FROM posting WHERE deposit_id = deposit.id AND kind = 'deposit void')",
    ),
    (
        FindingCode.DEPOSIT_NOT_IN_MACHINES,
        "SELECT id FROM deposit WHERE iif(state = 'confirmed', amount_minor, 0) <>"
        " (SELECT coalesce(sum(amount_minor), 0) FROM cash_move"
        "   WHERE kind = 'deposit' AND ref = CAST(deposit.id AS TEXT))",
    ),
    (
        FindingCode.WITHDRAWAL_NOT_OUT,
        "SELECT id FROM posting WHERE kind = 'withdrawal' AND"
        " (SELECT coalesce(sum(amount), 0) FROM entry WHERE posting_id = posting.id) <>"
        " (SELECT coalesce(-sum(amount_minor), 0) FROM cash_move"
        "   WHERE kind = 'withdrawal' AND ref = CAST(posting.id AS TEXT))",
    ),
    (
        FindingCode.MACHINE_NOT_MOVES,
        "SELECT DISTINCT device_id FROM (SELECT device_id, kind, amount_minor AS total,"
        " iif(count_id IS NULL AND id > coalesce((SELECT max(after_move) FROM cash_count"
        "   WHERE device_id = cash_move.device_id), 0), amount_minor, 0) AS since FROM cash_move"
        " UNION ALL SELECT device_id, kind, -total_minor, -since_minor FROM cash_sum)"
        " GROUP BY device_id, kind HAVING sum(total) <> 0 OR sum(since) <> 0",
    ),
    (
        FindingCode.COUNT_NOT_MOVES,
        "WITH seen AS (SELECT amount_minor, coalesce(count_id, (SELECT id FROM cash_count"
        "   WHERE device_id = cash_move.device_id AND after_move >= cash_move.id"
        "   ORDER BY id LIMIT 1)) AS count_id FROM cash_move),"
        " change AS (SELECT count_id, sum(amount_minor) AS minor FROM seen GROUP BY count_id)"
        " SELECT id FROM cash_count WHERE counted_minor - coalesce((SELECT counted_minor"
        "   FROM cash_count earlier WHERE earlier.device_id = cash_count.device_id"
        "   AND earlier.id < cash_count.id ORDER BY id DESC LIMIT 1), 0)"
        " <> coalesce((SELECT minor FROM change WHERE count_id = cash_count.id), 0)",
    ),
)
