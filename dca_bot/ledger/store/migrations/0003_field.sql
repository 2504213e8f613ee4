-- What public fault reports of neighbouring programs have taught: second witnesses, names that look alike,
-- fees and instants that lie in the future.

-- Payouts -------------------------------------------------------------------------------------------------

-- What LNbits showed last of the current attempt in the source wallet; empty while it has shown no row.
ALTER TABLE payout ADD COLUMN source_status TEXT NOT NULL DEFAULT ''
  CHECK (source_status IN ('', 'pending', 'failed', 'success'));
ALTER TABLE payout ADD COLUMN said TEXT NOT NULL DEFAULT '';    -- LNbits' words to a pay request that it did not carry out
ALTER TABLE payout ADD COLUMN slow_told_at INTEGER;             -- the operators know that the current attempt does not settle
ALTER TABLE payout ADD COLUMN doubt_told_at INTEGER;            -- the operators know that LNbits calls the current attempt failed
ALTER TABLE attempt ADD COLUMN verify_url TEXT NOT NULL DEFAULT ''; -- where the payee's server tells of the invoice (LUD-21)
UPDATE payout SET source_status = 'failed' WHERE state IN ('IN_DOUBT', 'VOID');
UPDATE payout SET doubt_told_at = submitted_at WHERE state = 'IN_DOUBT';

-- An invoice to an address that was given up on LNbits' word alone, and whose payout has not been sent anew: the
-- operators decide, as for one that is still VOID.
UPDATE payout SET state = 'HELD', waiting = 'LNbits knows this payout already'
  WHERE state IN ('PLANNED', 'INVOICED') AND submitted_at IS NOT NULL AND destination_kind = 'address';
INSERT INTO hold (kind, ref, reason, opened_at)
  SELECT 'payout', id, waiting, submitted_at FROM payout
  WHERE state = 'HELD' AND submitted_at IS NOT NULL AND waiting = 'LNbits knows this payout already'
  ON CONFLICT (kind, ref) WHERE closed_at IS NULL DO NOTHING;

-- What the payee's server answered about an invoice.
CREATE TABLE verify_look (
  id        INTEGER PRIMARY KEY,
  payout_id TEXT NOT NULL,
  number    INTEGER NOT NULL,
  said      TEXT NOT NULL CHECK (said IN ('settled', 'unproven', 'unsettled', 'unclear')),
  looked_at INTEGER NOT NULL,
  FOREIGN KEY (payout_id, number) REFERENCES attempt (payout_id, number)
) STRICT;
CREATE INDEX verify_look_of ON verify_look (payout_id, number);
CREATE TRIGGER verify_look_is_final BEFORE UPDATE ON verify_look
BEGIN SELECT RAISE(ABORT, 'looks are never altered'); END;
CREATE TRIGGER verify_look_stays BEFORE DELETE ON verify_look
BEGIN SELECT RAISE(ABORT, 'looks are never deleted'); END;

-- Which invoices the payee's server is still to be asked about, and when next.
CREATE TABLE verify_due (
  payout_id TEXT NOT NULL,
  number    INTEGER NOT NULL,
  tries     INTEGER NOT NULL DEFAULT 0,
  try_at    INTEGER NOT NULL,
  PRIMARY KEY (payout_id, number),
  FOREIGN KEY (payout_id, number) REFERENCES attempt (payout_id, number)
) STRICT, WITHOUT ROWID;

-- What became of an invoice to a Lightning address, where somebody beside LNbits' status says so: LNbits or the
-- payee's server by the preimage, the payee's server within bounds, an operator by a command.
CREATE TABLE verdict (
  id         INTEGER PRIMARY KEY,
  payout_id  TEXT NOT NULL,
  number     INTEGER NOT NULL,
  client_id  INTEGER NOT NULL REFERENCES client (id),
  outcome    TEXT NOT NULL CHECK (outcome IN ('arrived', 'unpaid')),
  witness    TEXT NOT NULL CHECK (witness IN ('lnbits', 'verify', 'operator')),
  preimage   TEXT NOT NULL DEFAULT '',
  at         INTEGER NOT NULL,
  message_id TEXT,
  UNIQUE (payout_id, number),
  FOREIGN KEY (payout_id, number) REFERENCES attempt (payout_id, number),
  CHECK ((preimage <> '') = (outcome = 'arrived' AND witness <> 'operator')),
  CHECK (outcome = 'arrived' OR witness <> 'lnbits'),
  CHECK ((message_id IS NOT NULL) = (witness = 'operator'))
) STRICT;
CREATE INDEX verdict_of_client ON verdict (client_id, id);
CREATE INDEX verdict_unpaid ON verdict (at) WHERE outcome = 'unpaid';
CREATE TRIGGER verdict_is_final BEFORE UPDATE ON verdict
BEGIN SELECT RAISE(ABORT, 'verdicts are never altered'); END;
CREATE TRIGGER verdict_stays BEFORE DELETE ON verdict
BEGIN SELECT RAISE(ABORT, 'verdicts are never deleted'); END;
CREATE TRIGGER verdict_of_its_client BEFORE INSERT ON verdict
WHEN NEW.client_id IS NOT (SELECT client_id FROM payout WHERE id = NEW.payout_id)
BEGIN SELECT RAISE(ABORT, 'a verdict is of the client of its payout'); END;
-- The payee is a witness in its own cause: its word "unpaid" counts once, until LNbits proves a payment to it.
CREATE TRIGGER payee_is_believed_once BEFORE INSERT ON verdict
WHEN NEW.outcome = 'unpaid' AND NEW.witness = 'verify' AND (
  EXISTS (SELECT 1 FROM verdict WHERE client_id = NEW.client_id AND outcome = 'unpaid' AND witness = 'verify'
    AND id > coalesce((SELECT max(id) FROM verdict WHERE client_id = NEW.client_id AND witness = 'lnbits'), 0))
  OR EXISTS (SELECT 1 FROM open_payout WHERE client_id = NEW.client_id AND id <> NEW.payout_id
    AND state = 'IN_DOUBT' AND destination_kind = 'address'))
BEGIN SELECT RAISE(ABORT, 'the payee alone has said that it was not paid too often'); END;
-- LNbits' word alone gives no invoice to an address up once a payment of it was seen there, or the payee's
-- server has called it paid.
CREATE TRIGGER void_needs_two_witnesses BEFORE UPDATE OF state ON payout
WHEN NEW.state = 'VOID' AND OLD.state <> 'VOID' AND OLD.destination_kind = 'address'
  AND (OLD.state = 'IN_DOUBT' OR OLD.source_status <> '' OR EXISTS
    (SELECT 1 FROM verify_look WHERE payout_id = OLD.id AND number = OLD.attempt AND said IN ('settled', 'unproven')))
  AND NOT EXISTS
  (SELECT 1 FROM verdict WHERE payout_id = OLD.id AND number = OLD.attempt AND outcome = 'unpaid')
BEGIN SELECT RAISE(ABORT, 'one witness is no proof'); END;

-- Cash-outs -----------------------------------------------------------------------------------------------

ALTER TABLE cash_out ADD COLUMN fixed_fee TEXT;                 -- in whole units, within the commission; NULL: none
-- What the machine's reports say has left where that contradicts the confirmed fiat: the operators are told
-- of it once. What was shared out before this version counts as told.
ALTER TABLE cash_out ADD COLUMN report_told_at INTEGER;
ALTER TABLE cash_out ADD COLUMN reported_minor INTEGER
  CHECK (reported_minor IS NULL OR (reported_minor >= 0 AND report_told_at IS NOT NULL));
UPDATE cash_out SET report_told_at = changed_at WHERE state = 'distributed';
CREATE TRIGGER report_is_told_once BEFORE UPDATE OF report_told_at, reported_minor ON cash_out
WHEN OLD.report_told_at IS NOT NULL
BEGIN SELECT RAISE(ABORT, 'a contradictory report is told once'); END;

-- Whom a cash-out passed by: clients with a balance who would have taken part, but had no wallet.
CREATE TABLE missed_sale (
  distribution_id TEXT NOT NULL REFERENCES distribution (id),
  client_id       INTEGER NOT NULL REFERENCES client (id),
  PRIMARY KEY (distribution_id, client_id)
) STRICT, WITHOUT ROWID;
CREATE TRIGGER missed_sale_gave_nothing BEFORE INSERT ON missed_sale
WHEN EXISTS (SELECT 1 FROM share WHERE distribution_id = NEW.distribution_id AND client_id = NEW.client_id)
BEGIN SELECT RAISE(ABORT, 'whoever has a share was not passed by'); END;
CREATE TRIGGER missed_sale_is_final BEFORE UPDATE ON missed_sale
BEGIN SELECT RAISE(ABORT, 'what passed somebody by is never altered'); END;
CREATE TRIGGER missed_sale_stays BEFORE DELETE ON missed_sale
BEGIN SELECT RAISE(ABORT, 'what passed somebody by is never deleted'); END;

-- People --------------------------------------------------------------------------------------------------

-- What people take for one name (core/names.py): the program computes it, also for the rows of an older ledger.
ALTER TABLE client ADD COLUMN skeleton TEXT NOT NULL DEFAULT '';
UPDATE client SET skeleton = name_skeleton(name);
CREATE INDEX client_skeleton ON client (skeleton, state);
-- Open clients who were taken for one already stay; nobody joins them. The name itself is held by client_name.
CREATE TRIGGER client_has_own_name AFTER INSERT ON client
WHEN NEW.skeleton <> '' AND EXISTS (SELECT 1 FROM client
  WHERE skeleton = NEW.skeleton AND state <> 'closed' AND id <> NEW.id)
BEGIN SELECT RAISE(ABORT, 'an open client has a name that looks like this one'); END;
CREATE TRIGGER client_keeps_own_name AFTER UPDATE OF skeleton, state ON client
WHEN NEW.state <> 'closed' AND (OLD.state = 'closed' OR OLD.skeleton <> NEW.skeleton)
  AND EXISTS (SELECT 1 FROM client WHERE skeleton = NEW.skeleton AND state <> 'closed' AND id <> NEW.id)
BEGIN SELECT RAISE(ABORT, 'an open client has a name that looks like this one'); END;
-- A row that was not written by the program has one all the same.
CREATE TRIGGER client_has_skeleton AFTER INSERT ON client WHEN NEW.skeleton = ''
BEGIN UPDATE client SET skeleton = lower(name) WHERE id = NEW.id; END;

ALTER TABLE client ADD COLUMN fixed_wanted_at INTEGER;          -- chose fixed mode, which waits for a daily limit
ALTER TABLE client ADD COLUMN missed_told_at INTEGER;           -- told last that a sale or a run passed by

-- Who pays: the lease at LNbits ---------------------------------------------------------------------------

-- What the copies of one ledger have in common and two ledgers haven't; a new ledger gets a random one.
INSERT INTO fact (name, value) SELECT 'ledger_id', value FROM fact WHERE name = 'start_at';

-- The rows that bots on this ledger wrote at LNbits, each recorded before it is written.
CREATE TABLE lease (
  generation  INTEGER PRIMARY KEY CHECK (generation > 0),
  instance    TEXT NOT NULL CHECK (instance <> ''),  -- the bot process
  kind        TEXT NOT NULL CHECK (kind IN ('claim', 'takeover', 'dispute')),
  recorded_at INTEGER NOT NULL
) STRICT;
CREATE TRIGGER lease_rises BEFORE INSERT ON lease
WHEN NEW.generation <= (SELECT coalesce(max(generation), 0) FROM lease)
BEGIN SELECT RAISE(ABORT, 'each lease has a higher generation than the one before'); END;
CREATE TRIGGER lease_is_final BEFORE UPDATE ON lease
BEGIN SELECT RAISE(ABORT, 'leases are never altered'); END;
CREATE TRIGGER lease_stays BEFORE DELETE ON lease
BEGIN SELECT RAISE(ABORT, 'leases are never deleted'); END;

-- The rows of another bot that stopped this one; closed by the operators' word.
CREATE TABLE lease_dispute (
  id         INTEGER PRIMARY KEY,
  reason     TEXT NOT NULL CHECK (reason IN ('second-bot', 'taken-over', 'newer-start')),
  generation INTEGER NOT NULL CHECK (generation > 0),
  instance   TEXT NOT NULL CHECK (instance <> ''),
  announce   INTEGER NOT NULL CHECK (announce IN (0, 1)), -- the other bot is still to be stopped by a row
  opened_at  INTEGER NOT NULL,
  closed_at  INTEGER
) STRICT;
CREATE INDEX lease_dispute_open ON lease_dispute (id) WHERE closed_at IS NULL;
CREATE TRIGGER lease_dispute_one BEFORE INSERT ON lease_dispute
WHEN EXISTS (SELECT 1 FROM lease_dispute WHERE closed_at IS NULL)
BEGIN SELECT RAISE(ABORT, 'one dispute is open at a time'); END;
CREATE TRIGGER lease_dispute_stays BEFORE DELETE ON lease_dispute
BEGIN SELECT RAISE(ABORT, 'disputes are never deleted'); END;
CREATE TRIGGER lease_dispute_keeps_pause BEFORE DELETE ON fact
WHEN OLD.name = 'paused' AND EXISTS (SELECT 1 FROM lease_dispute WHERE closed_at IS NULL)
BEGIN SELECT RAISE(ABORT, 'a dispute is closed before anything goes on'); END;
CREATE TRIGGER lease_waits_for_word BEFORE INSERT ON lease
WHEN NEW.kind <> 'dispute' AND EXISTS (SELECT 1 FROM lease_dispute WHERE closed_at IS NULL)
BEGIN SELECT RAISE(ABORT, 'a dispute is closed before the lease is taken'); END;

-- Instants ------------------------------------------------------------------------------------------------

-- How much time the bot must have witnessed, whatever the clock shows, until nothing can happen to an
-- invoice any more (µs); NULL: the clock alone tells.
ALTER TABLE attempt ADD COLUMN witnessed_end INTEGER;

-- What was noted for the future, as the clock was ahead, may be set to the instant at which that was found.
CREATE VIEW clock_back AS SELECT CAST(value AS INTEGER) AS at FROM fact WHERE name = 'clock_back_at';
DROP TRIGGER deposit_moves;
CREATE TRIGGER deposit_moves BEFORE UPDATE OF state, confirmed_at, voided_at ON deposit
WHEN (OLD.state = 'pending') + (NEW.state = 'voided') * (OLD.state = 'confirmed' AND OLD.confirmed_at IS NEW.confirmed_at)
  + (OLD.state = 'confirmed' AND NEW.state = 'confirmed' AND NEW.voided_at IS NULL
    AND NEW.confirmed_at < OLD.confirmed_at AND NEW.confirmed_at IS (SELECT at FROM clock_back)) = 0
BEGIN SELECT RAISE(ABORT, 'a deposit cannot make this move'); END;
DROP TRIGGER cash_count_is_final;
CREATE TRIGGER cash_count_is_final BEFORE UPDATE ON cash_count
WHEN NEW.counted_at >= OLD.counted_at OR NEW.counted_at IS NOT (SELECT at FROM clock_back)
  OR (NEW.id, NEW.device_id, NEW.counted_minor, NEW.after_move, NEW.message_id)
    IS NOT (OLD.id, OLD.device_id, OLD.counted_minor, OLD.after_move, OLD.message_id)
BEGIN SELECT RAISE(ABORT, 'counts are never altered'); END;

-- Which postings a version of the commission came after: what was set when by sequence, not by the clock.
DROP TRIGGER terms_are_final;
ALTER TABLE commission_terms ADD COLUMN after_posting INTEGER;
UPDATE commission_terms SET after_posting =
  (SELECT coalesce(max(id), 0) FROM posting WHERE posted_at <= set_at);
CREATE TRIGGER terms_are_final BEFORE UPDATE ON commission_terms
BEGIN SELECT RAISE(ABORT, 'terms are never altered'); END;
CREATE TRIGGER terms_follow_postings BEFORE INSERT ON commission_terms
WHEN NEW.after_posting IS NOT (SELECT coalesce(max(id), 0) FROM posting)
BEGIN SELECT RAISE(ABORT, 'a version comes after all postings so far'); END;
