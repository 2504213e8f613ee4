-- The bot's last question to a person who wrote in plain words: "Did you mean `pause`?". Another message of the
-- person ends the question.
CREATE TABLE question (
  pubkey     TEXT PRIMARY KEY CHECK (length(pubkey) = 64),
  command    TEXT NOT NULL CHECK (command <> ''),  -- the command that `yes` runs, as commands are written
  expires_at INTEGER NOT NULL
) STRICT, WITHOUT ROWID;

-- What a client asks of the operators; a task is open until an operator has answered it.
CREATE TABLE task (
  id           INTEGER PRIMARY KEY,
  client_id    INTEGER NOT NULL REFERENCES client (id),
  kind         TEXT NOT NULL CHECK (kind IN ('contact', 'withdrawal')),
  text         TEXT NOT NULL DEFAULT '',          -- the client's words, for a contact
  amount_minor INTEGER CHECK (amount_minor > 0),  -- the wish, for a withdrawal
  asked_at     INTEGER NOT NULL,
  answered_at  INTEGER,
  -- The operator's public key; the client's own for a request that was taken back or replaced.
  answered_by  TEXT CHECK (length(answered_by) = 64),
  CHECK ((kind = 'contact') = (text <> '')),
  CHECK ((kind = 'withdrawal') = (amount_minor IS NOT NULL)),
  CHECK ((answered_at IS NULL) = (answered_by IS NULL))
) STRICT;
CREATE INDEX task_open ON task (client_id, id) WHERE answered_at IS NULL;
CREATE UNIQUE INDEX task_withdrawal ON task (client_id) WHERE kind = 'withdrawal' AND answered_at IS NULL;
CREATE INDEX task_of_client ON task (client_id, asked_at);

-- The cash-outs of one machine, in the order of time: `txs Market`.
CREATE INDEX cash_out_machine ON cash_out (device_id, at);

-- Destinations -----------------------------------------------------------------------------------------------

-- An LNURL-pay code is a destination of its own kind. Every kind but 'invoice_key' is paid outside LNbits, and the
-- rules of second witnesses hold for each such kind.
CREATE TABLE client_7 (
  id                  INTEGER PRIMARY KEY,
  name                TEXT NOT NULL COLLATE NOCASE CHECK (name <> '' AND name NOT GLOB '*[ ]*'),
  pubkey              TEXT NOT NULL CHECK (length(pubkey) = 64),
  state               TEXT NOT NULL DEFAULT 'active' CHECK (state IN ('active', 'paused', 'stopped', 'closed')),
  mode                TEXT NOT NULL DEFAULT 'flow' CHECK (mode IN ('flow', 'fixed')),
  language            TEXT NOT NULL,
  destination         TEXT,
  destination_kind    TEXT CHECK (destination_kind IN ('invoice_key', 'address', 'lnurl')),
  destination_min_sat INTEGER NOT NULL DEFAULT 1 CHECK (destination_min_sat >= 1),
  low_told            TEXT NOT NULL DEFAULT '' CHECK (low_told IN ('', 'low', 'used up')),
  created_at          INTEGER NOT NULL,
  key_at              INTEGER NOT NULL DEFAULT 0,  -- since when the key is the client's, where it was changed
  role                TEXT NOT NULL DEFAULT 'client' CHECK (role IN ('client', 'recipient')),
  fixed_limit_minor   INTEGER NOT NULL DEFAULT 0 CHECK (fixed_limit_minor >= 0),
  notify              TEXT NOT NULL DEFAULT 'each' CHECK (notify IN ('each', 'daily', 'weekly', 'off')),
  skeleton            TEXT NOT NULL DEFAULT '',
  fixed_wanted_at     INTEGER,                     -- chose fixed mode, which waits for a daily limit
  missed_told_at      INTEGER,                     -- told last that a sale or a run passed by
  CHECK ((destination IS NULL) = (destination_kind IS NULL))
) STRICT;
INSERT INTO client_7 (id, name, pubkey, state, mode, language, destination, destination_kind, destination_min_sat,
    low_told, created_at, key_at, role, fixed_limit_minor, notify, skeleton, fixed_wanted_at, missed_told_at)
  SELECT id, name, pubkey, state, mode, language, destination, destination_kind, destination_min_sat,
    low_told, created_at, key_at, role, fixed_limit_minor, notify, skeleton, fixed_wanted_at, missed_told_at
  FROM client;
DROP TABLE client;
ALTER TABLE client_7 RENAME TO client;
CREATE UNIQUE INDEX client_name ON client (name) WHERE state <> 'closed';
CREATE UNIQUE INDEX client_pubkey ON client (pubkey) WHERE state <> 'closed';
CREATE INDEX client_key ON client (pubkey);        -- of closed ones too: a day's limit is a person's
CREATE INDEX client_recipient ON client (pubkey) WHERE role = 'recipient';
CREATE INDEX client_skeleton ON client (skeleton, state);
CREATE TRIGGER client_accounts AFTER INSERT ON client BEGIN
  INSERT INTO account (kind, client_id, unit) VALUES ('balance', NEW.id, 'minor'), ('owed', NEW.id, 'sat');
END;
CREATE TRIGGER client_closes_empty BEFORE UPDATE OF state ON client
WHEN NEW.state = 'closed' AND EXISTS (SELECT 1 FROM account WHERE client_id = NEW.id AND balance <> 0)
BEGIN SELECT RAISE(ABORT, 'a client who has or is owed something stays'); END;
CREATE TRIGGER client_keeps_role BEFORE UPDATE OF role ON client
BEGIN SELECT RAISE(ABORT, 'a payee stays what it is'); END;
CREATE TRIGGER payee_stays BEFORE UPDATE OF state ON client
WHEN NEW.state = 'closed' AND EXISTS (SELECT 1 FROM commission_part
  WHERE client_id = NEW.id AND terms_id = (SELECT max(id) FROM commission_terms))
BEGIN SELECT RAISE(ABORT, 'who gets commission stays'); END;
CREATE TRIGGER client_has_own_name AFTER INSERT ON client
WHEN NEW.skeleton <> '' AND EXISTS (SELECT 1 FROM client
  WHERE skeleton = NEW.skeleton AND state <> 'closed' AND id <> NEW.id)
BEGIN SELECT RAISE(ABORT, 'an open client has a name that looks like this one'); END;
CREATE TRIGGER client_keeps_own_name AFTER UPDATE OF skeleton, state ON client
WHEN NEW.state <> 'closed' AND (OLD.state = 'closed' OR OLD.skeleton <> NEW.skeleton)
  AND EXISTS (SELECT 1 FROM client WHERE skeleton = NEW.skeleton AND state <> 'closed' AND id <> NEW.id)
BEGIN SELECT RAISE(ABORT, 'an open client has a name that looks like this one'); END;
CREATE TRIGGER client_has_skeleton AFTER INSERT ON client WHEN NEW.skeleton = ''
BEGIN UPDATE client SET skeleton = lower(name) WHERE id = NEW.id; END;
-- What was not submitted yet follows its client to a new destination, at once.
CREATE TRIGGER payout_follows_client AFTER UPDATE OF destination ON client BEGIN
  UPDATE payout SET state = 'PLANNED', destination = NULL, destination_kind = NULL
    WHERE id IN (SELECT id FROM open_payout
      WHERE client_id = NEW.id AND state = 'INVOICED' AND submitted_at IS NULL);
  UPDATE payout SET try_at = 0, tries = 0, waiting = ''
    WHERE id IN (SELECT id FROM open_payout WHERE client_id = NEW.id AND state = 'PLANNED');
END;

-- The kind of a payout's destination had no CHECK.
CREATE TRIGGER payout_has_known_kind BEFORE UPDATE OF destination_kind ON payout
WHEN NEW.destination_kind NOT IN ('invoice_key', 'address', 'lnurl')
BEGIN SELECT RAISE(ABORT, 'a payout goes to a destination of a known kind'); END;
DROP TRIGGER payee_is_believed_once;
CREATE TRIGGER payee_is_believed_once BEFORE INSERT ON verdict
WHEN NEW.outcome = 'unpaid' AND NEW.witness = 'verify' AND (
  EXISTS (SELECT 1 FROM verdict WHERE client_id = NEW.client_id AND outcome = 'unpaid' AND witness = 'verify'
    AND id > coalesce((SELECT max(id) FROM verdict WHERE client_id = NEW.client_id AND witness = 'lnbits'), 0))
  OR EXISTS (SELECT 1 FROM open_payout WHERE client_id = NEW.client_id AND id <> NEW.payout_id
    AND state = 'IN_DOUBT' AND destination_kind <> 'invoice_key'))
BEGIN SELECT RAISE(ABORT, 'the payee alone has said that it was not paid too often'); END;
DROP TRIGGER void_needs_two_witnesses;
CREATE TRIGGER void_needs_two_witnesses BEFORE UPDATE OF state ON payout
WHEN NEW.state = 'VOID' AND OLD.state <> 'VOID' AND OLD.destination_kind <> 'invoice_key'
  AND (OLD.state = 'IN_DOUBT' OR OLD.source_status <> '' OR EXISTS
    (SELECT 1 FROM verify_look WHERE payout_id = OLD.id AND number = OLD.attempt AND said IN ('settled', 'unproven')))
  AND NOT EXISTS
  (SELECT 1 FROM verdict WHERE payout_id = OLD.id AND number = OLD.attempt AND outcome = 'unpaid')
BEGIN SELECT RAISE(ABORT, 'one witness is no proof'); END;

-- Sums over a span of time ------------------------------------------------------------------------------------

-- The fiat that each distribution took from its clients: kept, so that a month's sum reads no share.
CREATE TABLE distribution_sum (
  distribution_id TEXT PRIMARY KEY REFERENCES distribution (id),
  shared_minor    INTEGER NOT NULL CHECK (shared_minor >= 0)
) STRICT, WITHOUT ROWID;
INSERT INTO distribution_sum SELECT id,
    (SELECT coalesce(sum(minor), 0) FROM share WHERE distribution_id = distribution.id) FROM distribution;
CREATE TRIGGER distribution_has_sum AFTER INSERT ON distribution BEGIN
  INSERT INTO distribution_sum SELECT NEW.id, coalesce(sum(minor), 0) FROM share WHERE distribution_id = NEW.id;
END;
CREATE TRIGGER distribution_sum_is_final BEFORE UPDATE ON distribution_sum
BEGIN SELECT RAISE(ABORT, 'sums of distributions are never altered'); END;
CREATE TRIGGER distribution_sum_stays BEFORE DELETE ON distribution_sum
BEGIN SELECT RAISE(ABORT, 'sums of distributions are never deleted'); END;

CREATE INDEX posting_cancelled ON posting (posted_at) WHERE kind = 'cancel';
CREATE INDEX payout_fee ON payout (done_at, fee_msat) WHERE fee_msat > 0;  -- payments within LNbits cost nothing

-- Whom a command was about, for the log of one client; a client's own commands are about the client.
CREATE TABLE command_subject (
  client_id  INTEGER NOT NULL REFERENCES client (id),
  command_id INTEGER NOT NULL REFERENCES command_log (id),
  PRIMARY KEY (client_id, command_id)
) STRICT, WITHOUT ROWID;
INSERT INTO command_subject SELECT client_id, id FROM command_log WHERE client_id IS NOT NULL;
CREATE TRIGGER command_subject_is_final BEFORE UPDATE ON command_subject
BEGIN SELECT RAISE(ABORT, 'the log is never altered'); END;
CREATE TRIGGER command_subject_stays BEFORE DELETE ON command_subject
BEGIN SELECT RAISE(ABORT, 'the log is never deleted'); END;
