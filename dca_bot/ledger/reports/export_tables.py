"""The tables for a bookkeeper: each table is one file and one query.

The end of a column's name says how the column is written: `_at` an instant, `_minor` fiat, `_whole` a text
with fiat in whole units, `_bp` a percentage, `_sat` and `_msat` sats; other columns are text or plain
numbers. Secrets stay out: no invoice, no preimage, no whole key of a wallet.
"""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Table:
    """One file of the export: the name without ending, and the query with the file's columns.

    A query may use `price_minor(minor, sat)`, the price of one coin, and `npub(pubkey)`.
    """

    name: str
    query: str


def _masked(destination: str) -> str:
    """Return SQL that shows an address whole, and of an invoice key the two ends."""
    return (
        f"CASE {destination}_kind WHEN 'invoice_key'"
        f" THEN substr({destination}, 1, 4) || '…' || substr({destination}, -4)"
        f" ELSE {destination} END AS destination"
    )


_WHO = "client.name AS client, client.id AS client_id"

TABLES = (
    Table(
        "clients",
        f"SELECT {_WHO}, role, client.state, mode, {_masked('client.destination')},"
        " fiat.balance AS balance_minor, sats.balance AS owed_sat, fixed_limit_minor, fixed_period,"
        " flow_cap_minor, created_at"
        " FROM client"
        " JOIN account fiat ON fiat.kind = 'balance' AND fiat.client_id = client.id"
        " JOIN account sats ON sats.kind = 'owed' AND sats.client_id = client.id"
        " ORDER BY client.id",
    ),
    Table(
        "deposits",
        f"SELECT deposit.id AS deposit, {_WHO}, amount_minor, deposit.state, machine, note,"
        " deposit.created_at, confirmed_at, voided_at"
        " FROM deposit JOIN client ON client.id = client_id ORDER BY deposit.id",
    ),
    Table(
        "withdrawals",
        f"SELECT posting.id AS posting, {_WHO}, amount AS amount_minor, note, posted_at"
        " FROM posting JOIN entry ON entry.posting_id = posting.id"
        " JOIN account ON account.id = from_account JOIN client ON client.id = account.client_id"
        " WHERE posting.kind = 'withdrawal' ORDER BY posting.id",
    ),
    Table(
        "cash_outs",
        "SELECT id AS cash_out, coalesce(label, cash_out.device_id) AS machine, state, reason,"
        " reason_said, fiat_code, crypto_code, principal_minor, principal_sat, commission_sat, fixed_fee AS"
        " fixed_fee_whole, dispensed_minor, reported_minor, note, recovered, created_at, at, first_seen_at"
        " FROM cash_out LEFT JOIN machine_label USING (device_id) ORDER BY at, id",
    ),
    Table(
        "distributions",
        "SELECT id AS distribution, kind, principal_minor, principal_sat,"
        " (SELECT coalesce(sum(minor), 0) FROM share WHERE distribution_id = distribution.id)"
        "   AS shared_minor,"
        " (SELECT coalesce(sum(sat), 0) FROM share WHERE distribution_id = distribution.id)"
        "   AS shared_sat,"
        " unallocated_sat, commission_sat, terms_id AS commission_terms, at, processed_at"
        " FROM distribution ORDER BY rowid",
    ),
    Table(
        "shares",
        f"SELECT share.id AS share, distribution_id AS distribution, distribution.kind, {_WHO},"
        " minor AS fiat_minor, sat AS amount_sat,"
        " iif(distribution.kind = 'commission', NULL, price_minor(minor, sat)) AS price_of_one_btc_minor,"
        " day, payout.id AS payout, payout.state AS payout_state,"
        " CASE payout.state WHEN 'CANCELLED' THEN 'yes' ELSE 'no' END AS reversed, distribution.at"
        " FROM share JOIN distribution ON distribution.id = distribution_id"
        " JOIN client ON client.id = share.client_id LEFT JOIN payout ON payout.id = payout_id"
        " ORDER BY share.id",
    ),
    Table(
        "missed_sales",
        f"SELECT distribution_id AS distribution, {_WHO}, processed_at FROM missed_sale"
        " JOIN distribution ON distribution.id = distribution_id"
        " JOIN client ON client.id = missed_sale.client_id"
        " ORDER BY distribution.rowid, client.id",
    ),
    Table(
        "fixed_runs",
        "SELECT id AS fixed_run, day, state, reason, reason_said, clients, price AS price_of_one_btc_whole,"
        " price_source, ceiling_minor AS day_limit_minor, margin_bp, settles_client, due_at, changed_at"
        " FROM fixed_run ORDER BY due_at, id",
    ),
    Table(
        "commission_terms",
        "SELECT id AS terms, (SELECT coalesce(sum(percent_bp), 0) FROM commission_part"
        "   WHERE terms_id = commission_terms.id) AS given_percent_bp, message_id AS message, set_at"
        " FROM commission_terms ORDER BY id",
    ),
    Table(
        "commission_parts",
        f"SELECT terms_id AS terms, {_WHO}, percent_bp FROM commission_part"
        " JOIN client ON client.id = client_id ORDER BY terms_id, client_id",
    ),
    Table(
        "payouts",
        f"SELECT payout.id AS payout, {_WHO}, amount_sat, fee_msat,"
        " (SELECT coalesce(sum(minor), 0) FROM share WHERE payout_id = payout.id) AS fiat_minor,"
        f" payout.state, waiting, waiting_said, waiting_sat,"
        f" {_masked('payout.destination')}, attempt AS attempts,"
        " (SELECT payment_hash FROM attempt WHERE payout_id = payout.id ORDER BY number DESC LIMIT 1)"
        "   AS payment_hash,"
        " due_at, submitted_at, debited_at, done_at"
        " FROM payout JOIN client ON client.id = client_id ORDER BY payout.rowid",
    ),
    Table(
        "attempts",
        "SELECT payout_id AS payout, number, payment_hash, created_at, expires_at, outcome, witness"
        " FROM attempt LEFT JOIN verdict USING (payout_id, number) ORDER BY payout_id, number",
    ),
    Table(
        "foreign_payments",
        "SELECT payment_hash, external_id, distribution_id AS distribution, client_name AS client,"
        " amount_msat, fee_msat, fiat_minor, status, seen_at, settled_at"
        " FROM foreign_payment ORDER BY payment_hash, distribution_id",
    ),
    Table(
        "holds",
        "SELECT id AS hold, kind, ref AS about, reason, reason_said, outcome, opened_at, closed_at"
        " FROM hold ORDER BY id",
    ),
    Table(
        "cash_moves",
        "SELECT id AS cash_move, coalesce(label, device_id) AS machine, kind, ref AS about,"
        " amount_minor, count_id AS cash_count, at, recorded_at"
        " FROM cash_move LEFT JOIN machine_label USING (device_id) ORDER BY id",
    ),
    Table(
        "cash_counts",
        "SELECT id AS cash_count, coalesce(label, device_id) AS machine, counted_minor,"
        " message_id AS message, counted_at"
        " FROM cash_count LEFT JOIN machine_label USING (device_id) ORDER BY id",
    ),
    Table(
        "entries",
        "SELECT entry.id AS entry, posting.id AS posting, posting.kind,"
        " source.kind AS from_account, giver.name AS from_client,"
        " target.kind AS to_account, taker.name AS to_client,"
        " CASE source.unit WHEN 'minor' THEN amount END AS amount_minor,"
        " CASE source.unit WHEN 'sat' THEN amount END AS amount_sat,"
        " distribution_id AS distribution, deposit_id AS deposit, payout_id AS payout, note, posted_at"
        " FROM entry JOIN posting ON posting.id = posting_id"
        " JOIN account source ON source.id = from_account"
        " JOIN account target ON target.id = to_account"
        " LEFT JOIN client giver ON giver.id = source.client_id"
        " LEFT JOIN client taker ON taker.id = target.client_id ORDER BY entry.id",
    ),
    Table(
        "accounts",
        f"SELECT kind AS account, {_WHO}, CASE unit WHEN 'minor' THEN balance END AS balance_minor,"
        " CASE unit WHEN 'sat' THEN balance END AS balance_sat"
        " FROM account LEFT JOIN client ON client.id = client_id ORDER BY account.id",
    ),
    Table(
        "command_log",
        f"SELECT command_log.id AS deed, npub(actor) AS actor, {_WHO}, command, done,"
        " message_id AS message, at"
        " FROM command_log LEFT JOIN client ON client.id = client_id ORDER BY command_log.id",
    ),
)
"""All files of an export; a further one is a further line here."""
