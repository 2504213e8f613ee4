-- A posting is written like a distribution: the entries first, the posting's row last. The row closes the posting,
-- checks its entries, and moves all balances in one statement.
CREATE TABLE entry_8 (
  id           INTEGER PRIMARY KEY,
  posting_id   INTEGER NOT NULL REFERENCES posting (id) DEFERRABLE INITIALLY DEFERRED,
  from_account INTEGER NOT NULL REFERENCES account (id),
  to_account   INTEGER NOT NULL REFERENCES account (id),
  amount       INTEGER NOT NULL CHECK (amount > 0),
  CHECK (from_account <> to_account)
) STRICT;
INSERT INTO entry_8 (id, posting_id, from_account, to_account, amount)
  SELECT id, posting_id, from_account, to_account, amount FROM entry ORDER BY id;
DROP TABLE entry;
ALTER TABLE entry_8 RENAME TO entry;
CREATE INDEX entry_posting ON entry (posting_id);
CREATE INDEX entry_from ON entry (from_account);
CREATE INDEX entry_to ON entry (to_account);
CREATE TRIGGER entry_is_final BEFORE UPDATE ON entry BEGIN SELECT RAISE(ABORT, 'entries are never altered'); END;
CREATE TRIGGER entry_stays BEFORE DELETE ON entry BEGIN SELECT RAISE(ABORT, 'entries are never deleted'); END;
CREATE TRIGGER entry_before_posting BEFORE INSERT ON entry
WHEN EXISTS (SELECT 1 FROM posting WHERE id = NEW.posting_id)
BEGIN SELECT RAISE(ABORT, 'this posting is closed'); END;

-- AFTER: a posting that is inserted without an id has no id BEFORE.
CREATE TRIGGER posting_of_one_unit AFTER INSERT ON posting
WHEN EXISTS (SELECT 1 FROM entry WHERE posting_id = NEW.id
  AND (SELECT unit FROM account WHERE id = from_account) IS NOT (SELECT unit FROM account WHERE id = to_account))
BEGIN SELECT RAISE(ABORT, 'an entry moves one unit'); END;
CREATE TRIGGER posting_moves_balances AFTER INSERT ON posting BEGIN
  UPDATE account SET balance = balance + moved.amount FROM (
    SELECT account_id, sum(amount) AS amount FROM (
      SELECT to_account AS account_id, amount FROM entry WHERE posting_id = NEW.id
      UNION ALL SELECT from_account, -amount FROM entry WHERE posting_id = NEW.id
    ) GROUP BY account_id
  ) AS moved WHERE account.id = moved.account_id;
END;

-- The invoice of a payout that is done may be forgotten, unless the payee's server is still asked about it.
DROP TRIGGER attempt_is_final;
CREATE TRIGGER attempt_is_final BEFORE UPDATE ON attempt
WHEN NEW.bolt11 <> ''
  OR (NEW.payout_id, NEW.number, NEW.payment_hash, NEW.expires_at, NEW.created_at, NEW.verify_url, NEW.witnessed_end)
    IS NOT (OLD.payout_id, OLD.number, OLD.payment_hash, OLD.expires_at, OLD.created_at, OLD.verify_url,
      OLD.witnessed_end)
  OR (SELECT state FROM payout WHERE id = OLD.payout_id) IS NOT 'DONE'
  OR EXISTS (SELECT 1 FROM verify_due WHERE payout_id = OLD.payout_id AND number = OLD.number)
BEGIN SELECT RAISE(ABORT, 'attempts are never altered'); END;

-- No statement uses it: open payouts have payout_open_of.
DROP INDEX payout_client;
