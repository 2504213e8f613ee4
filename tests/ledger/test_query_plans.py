"""Nothing on the path of a command or a cash-out grows with history: what the schema does by itself.

What the commands and the jobs ask is held against the plans in test_command_plans.py and
test_job_plans.py.
"""

import pytest
from query_plans import plan_of, too_long, trigger_plans

# Each is something that the program has asked, or might.
WALKS = [
    "SELECT sum(sat) FROM share WHERE client_id = 1",
    "SELECT sum(sat) FROM share AS one JOIN payout AS other ON other.id = one.payout_id",
    "SELECT * FROM hold WHERE closed_at IS NULL ORDER BY id LIMIT 50",
    "SELECT * FROM deposit WHERE client_id = 1 OR amount_minor = 5 ORDER BY id DESC LIMIT 10",
    "SELECT * FROM deposit WHERE client_id = 1 ORDER BY amount_minor LIMIT 10",
    "SELECT count(*) FROM payout WHERE client_id = 1 AND state = 'PLANNED'",
    "SELECT * FROM payout WHERE state IN ('PLANNED', 'INVOICED') ORDER BY due_at, id LIMIT 10",
    "SELECT amount_minor FROM cash_out JOIN cash_move ON kind = 'cash-out' AND ref = cash_out.id"
    " WHERE state IN ('waiting', 'held')",
    "SELECT * FROM inbox WHERE sender = 'a'",
    "SELECT sum(minor) FROM (SELECT client_id, minor FROM share) AS given GROUP BY client_id",
    "UPDATE payout SET tries = 0 WHERE client_id = 1",
    "DELETE FROM outbox WHERE sent_at > 5",
]
NARROWS = [
    "SELECT * FROM payout WHERE id = 'a'",
    "SELECT * FROM open_payout ORDER BY due_at, id LIMIT 10",
    "SELECT * FROM command_log ORDER BY id DESC LIMIT 10 OFFSET 20",
    "SELECT max(id) FROM cash_move",
    "SELECT * FROM share WHERE client_id = 1 ORDER BY id DESC LIMIT 10",
    "SELECT * FROM share WHERE payout_id IS NULL",
    "INSERT INTO deposit (client_id, amount_minor, created_at) VALUES (1, 5, 0)",
]


@pytest.mark.parametrize("sql", WALKS)
def test_statement_that_walks_through_the_history_is_seen(story, sql):
    assert story.read(lambda tx: too_long(tx, {sql: plan_of(tx, sql)}))


@pytest.mark.parametrize("sql", NARROWS)
def test_statement_that_reads_only_what_it_needs_passes(story, sql):
    assert story.read(lambda tx: too_long(tx, {sql: plan_of(tx, sql)})) == []


def test_no_trigger_walks_through_the_history(story):
    assert story.read(lambda tx: too_long(tx, trigger_plans(tx))) == []


def test_distribution_is_held_against_no_posting_but_its_own(story):
    """Shares come before their distribution, so SQLite may look for postings that wait for it too."""
    sql = "INSERT INTO distribution (id, kind, at, processed_at) VALUES ('d', 'flow', 0, 0)"
    assert any("posting_distribution" in line for line in story.read(plan_of, sql))
