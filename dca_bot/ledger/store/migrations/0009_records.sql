-- A client's fixed amount is for each day, each week from Monday or each month. A flow client can cap a day's purchases.
ALTER TABLE client ADD COLUMN fixed_period TEXT NOT NULL DEFAULT 'daily'
  CHECK (fixed_period IN ('daily', 'weekly', 'monthly'));
ALTER TABLE client ADD COLUMN flow_cap_minor INTEGER CHECK (flow_cap_minor > 0);     -- NULL: no cap
ALTER TABLE client ADD COLUMN operators_note TEXT NOT NULL DEFAULT '';
ALTER TABLE client ADD COLUMN statements TEXT NOT NULL DEFAULT 'monthly' CHECK (statements IN ('monthly', 'off'));
ALTER TABLE client ADD COLUMN statement_month TEXT NOT NULL DEFAULT '';              -- the last month told, '2026-10'
ALTER TABLE client ADD COLUMN milestone_sat INTEGER CHECK (milestone_sat >= 0);      -- the last one told; NULL: not looked yet

-- A client can get another name. LNbits' payments name a client the same for ever, so that a restored ledger knows whom
-- they paid. NULL: by `name`.
ALTER TABLE client ADD COLUMN paid_as TEXT CHECK (paid_as <> '');
CREATE UNIQUE INDEX client_paid_as ON client (coalesce(paid_as, name) COLLATE NOCASE) WHERE state <> 'closed';
CREATE TRIGGER client_keeps_paid_as BEFORE UPDATE OF name, paid_as ON client
WHEN coalesce(NEW.paid_as, NEW.name) <> coalesce(OLD.paid_as, OLD.name)
BEGIN SELECT RAISE(ABORT, 'LNbits'' payments name a client the same for ever'); END;

DROP VIEW participant;
CREATE VIEW participant AS
  SELECT client.id, pubkey, mode, fixed_limit_minor, fixed_period, flow_cap_minor, account.balance AS balance_minor
  FROM client JOIN account ON account.kind = 'balance' AND account.client_id = client.id
  WHERE role = 'client' AND state = 'active' AND destination IS NOT NULL AND account.balance > 0
    AND (mode = 'flow' OR fixed_limit_minor > 0);

-- What a share follows from can be worked out anew by its receipt: the balance that counted, and the sum of all balances
-- that counted in the last round of the rule. NULL: not of flow mode, or recorded before version 9.
ALTER TABLE share ADD COLUMN counted_minor INTEGER CHECK (counted_minor >= minor);
ALTER TABLE distribution ADD COLUMN counted_minor INTEGER CHECK (counted_minor >= 0);
DROP TRIGGER share_is_final;
CREATE TRIGGER share_is_final
BEFORE UPDATE OF id, distribution_id, client_id, minor, sat, day, counted_minor ON share
BEGIN SELECT RAISE(ABORT, 'shares are never altered'); END;
CREATE TRIGGER distribution_counts_shares BEFORE INSERT ON distribution
WHEN NEW.counted_minor < (SELECT coalesce(sum(counted_minor), 0) FROM share WHERE distribution_id = NEW.id)
BEGIN SELECT RAISE(ABORT, 'the balances of the shares count'); END;

-- What the operator keeps of a run, in hundredths of a percent; and the one client whose whole balance a run settles.
ALTER TABLE fixed_run ADD COLUMN margin_bp INTEGER CHECK (margin_bp BETWEEN 0 AND 9999);
ALTER TABLE fixed_run ADD COLUMN settles_client INTEGER REFERENCES client (id)
  CHECK (settles_client IS NULL OR state = 'done' AND coalesce(margin_bp, 0) = 0 AND ceiling_minor IS NULL);
CREATE TRIGGER settling_gives_one_client BEFORE INSERT ON distribution
WHEN EXISTS (SELECT 1 FROM fixed_run JOIN share ON distribution_id = fixed_run.id
  WHERE fixed_run.id = NEW.id AND client_id <> settles_client)
BEGIN SELECT RAISE(ABORT, 'a run that settles gives one client alone'); END;

-- A date's part of the limit of a week or month: day d of n has L * d / n - L * (d - 1) / n. A run that settles has no ceiling.
DROP TRIGGER day_has_its_limit;
CREATE TRIGGER day_has_its_limit BEFORE INSERT ON distribution
WHEN EXISTS (SELECT 1 FROM (
    SELECT client.pubkey, fixed_limit_minor AS whole, ceiling_minor, fixed_run.day,
      CASE fixed_period WHEN 'daily' THEN 1 WHEN 'weekly' THEN (strftime('%w', fixed_run.day) + 6) % 7 + 1
        ELSE strftime('%d', fixed_run.day) + 0 END AS d,
      CASE fixed_period WHEN 'daily' THEN 1 WHEN 'weekly' THEN 7
        ELSE strftime('%d', fixed_run.day, 'start of month', '+1 month', '-1 day') + 0 END AS n
    FROM share JOIN client ON client.id = client_id JOIN fixed_run ON fixed_run.id = NEW.id
    WHERE distribution_id = NEW.id AND ceiling_minor IS NOT NULL) AS taker
  WHERE min(whole * d / n - whole * (d - 1) / n, ceiling_minor) <
    (SELECT sum(minor) FROM share given JOIN client same ON same.id = given.client_id
      WHERE same.pubkey = taker.pubkey AND given.day = taker.day))
BEGIN SELECT RAISE(ABORT, 'a day gives a client no more than its limit'); END;

-- The pending deposit that a deposit was edited from.
ALTER TABLE deposit ADD COLUMN replaces INTEGER REFERENCES deposit (id);
CREATE UNIQUE INDEX deposit_replaced ON deposit (replaces) WHERE replaces IS NOT NULL;
CREATE TRIGGER deposit_keeps_origin BEFORE UPDATE OF replaces ON deposit
BEGIN SELECT RAISE(ABORT, 'a deposit keeps what it replaces'); END;
CREATE TRIGGER deposit_replaces_voided BEFORE INSERT ON deposit
WHEN NEW.replaces IS NOT NULL AND NOT EXISTS (SELECT 1 FROM deposit
  WHERE id = NEW.replaces AND client_id = NEW.client_id AND state = 'voided' AND confirmed_at IS NULL)
BEGIN SELECT RAISE(ABORT, 'a deposit replaces a voided pending one of the same client'); END;

-- Pictures and tables as encrypted files: a client's wish, what waits to be uploaded, and what an operator's file server
-- has until it is deleted there. A file is recorded before it is uploaded, so none is left behind.
ALTER TABLE client ADD COLUMN files TEXT NOT NULL DEFAULT 'off' CHECK (files IN ('off', 'light', 'dark'));
ALTER TABLE outbox ADD COLUMN file TEXT NOT NULL DEFAULT '';  -- of a file message (kind 15): its tags, the key among them
CREATE TABLE file_waiting (
  id         INTEGER PRIMARY KEY,
  recipient  TEXT NOT NULL CHECK (length(recipient) = 64),
  relay      TEXT NOT NULL DEFAULT '',          -- where the question came from
  form       TEXT NOT NULL CHECK (form IN ('table', 'chart')),
  content    BLOB NOT NULL CHECK (length(content) <= 1048576),  -- a table's bytes, or what a chart shows
  tries      INTEGER NOT NULL DEFAULT 0,
  try_at     INTEGER NOT NULL
) STRICT;
CREATE TABLE uploaded_file (
  sha256     TEXT PRIMARY KEY CHECK (length(sha256) = 64),      -- of the encrypted bytes
  server     TEXT NOT NULL,
  message_id INTEGER,                           -- in the outbox; NULL: nobody was sent it
  tries      INTEGER NOT NULL DEFAULT 0,        -- at deleting it
  delete_at  INTEGER NOT NULL
) STRICT, WITHOUT ROWID;
CREATE INDEX uploaded_file_due ON uploaded_file (delete_at);
