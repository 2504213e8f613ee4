-- Fixed mode, commission recipients, the machines' cash, notifications and what an old copy lacks.
-- Runs with foreign keys off, as tables with a wider CHECK are made anew; they are checked afterwards.

-- People: a payee is a client, or somebody else who gets a part of the commission ---------------------

ALTER TABLE client ADD COLUMN role TEXT NOT NULL DEFAULT 'client' CHECK (role IN ('client', 'recipient'));
ALTER TABLE client ADD COLUMN fixed_limit_minor INTEGER NOT NULL DEFAULT 0 CHECK (fixed_limit_minor >= 0);
ALTER TABLE client ADD COLUMN notify TEXT NOT NULL DEFAULT 'each' CHECK (notify IN ('each', 'daily', 'weekly', 'off'));

CREATE TRIGGER client_keeps_role BEFORE UPDATE OF role ON client
BEGIN SELECT RAISE(ABORT, 'a payee stays what it is'); END;
CREATE TRIGGER recipient_has_no_cash BEFORE INSERT ON deposit
WHEN (SELECT role FROM client WHERE id = NEW.client_id) <> 'client'
BEGIN SELECT RAISE(ABORT, 'only clients hand in cash'); END;
-- A recipient who is no client has a made-up key, which nobody reads.
CREATE TRIGGER recipient_gets_no_mail BEFORE INSERT ON outbox
WHEN EXISTS (SELECT 1 FROM client WHERE pubkey = NEW.recipient AND role = 'recipient')
BEGIN SELECT RAISE(ABORT, 'a recipient of commission reads no messages'); END;

-- Accounts: fixed mode is paid out of what the operator puts up -----------------------------------------

CREATE TABLE account_2 (
  id        INTEGER PRIMARY KEY,
  kind      TEXT NOT NULL,
  client_id INTEGER REFERENCES client (id),
  unit      TEXT NOT NULL CHECK (unit IN ('minor', 'sat')),
  balance   INTEGER NOT NULL DEFAULT 0,
  CHECK (kind IN ('cash', 'machine', 'treasury') OR balance >= 0),
  CHECK ((kind IN ('balance', 'owed')) = (client_id IS NOT NULL)),
  CHECK ((kind IN ('cash', 'balance', 'converted')) = (unit = 'minor')),
  CHECK (kind IN ('cash', 'balance', 'converted', 'machine', 'treasury', 'owed', 'operator', 'commission', 'paid'))
) STRICT;
INSERT INTO account_2 SELECT * FROM account;
DROP TABLE account;
ALTER TABLE account_2 RENAME TO account;
CREATE UNIQUE INDEX account_of ON account (kind, coalesce(client_id, 0));
CREATE INDEX account_client ON account (client_id, kind);
CREATE TRIGGER account_is_fixed BEFORE UPDATE OF id, kind, client_id, unit ON account
BEGIN SELECT RAISE(ABORT, 'accounts are never altered'); END;
CREATE TRIGGER account_stays BEFORE DELETE ON account BEGIN SELECT RAISE(ABORT, 'accounts are never deleted'); END;

INSERT INTO account (id, kind, unit) VALUES
  (0, 'treasury', 'sat');   -- what the operator gave for fixed mode (negative)

-- Distributions of fixed mode and of the commission -----------------------------------------------------

ALTER TABLE cash_out ADD COLUMN note TEXT NOT NULL DEFAULT '';  -- the operator's, of one that was added by hand
ALTER TABLE share ADD COLUMN day TEXT;                          -- fixed mode: the local date that it counts for
CREATE INDEX share_day ON share (client_id, day) WHERE day IS NOT NULL;
DROP TRIGGER share_is_final;
CREATE TRIGGER share_is_final BEFORE UPDATE OF id, distribution_id, client_id, minor, sat, day ON share
BEGIN SELECT RAISE(ABORT, 'shares are never altered'); END;
CREATE TRIGGER commission_takes_no_fiat BEFORE INSERT ON distribution
WHEN NEW.kind = 'commission' AND NEW.principal_minor <> 0
BEGIN SELECT RAISE(ABORT, 'nobody is charged fiat for commission'); END;

-- Fixed mode's runs --------------------------------------------------------------------------------------

-- Commission: who gets which part ------------------------------------------------------------------------

-- The machines' cash -------------------------------------------------------------------------------------

-- What Lamassu said of a cash-out's amounts; NULL where it was never read there.
ALTER TABLE cash_out ADD COLUMN terms TEXT;
CREATE TRIGGER cash_out_keeps_terms BEFORE UPDATE OF terms ON cash_out
WHEN OLD.state = 'distributed' AND OLD.terms IS NOT NULL
BEGIN SELECT RAISE(ABORT, 'what was shared out keeps its terms'); END;
CREATE INDEX cash_out_undecided ON cash_out (id) WHERE state IN ('waiting', 'held');

CREATE VIEW machine_label AS
  SELECT device_id, name, CASE
    WHEN name = '' THEN substr(device_id, 1, 8)
    WHEN (SELECT count(*) FROM machine other WHERE other.name = machine.name COLLATE NOCASE) > 1
      THEN name || ' (' || substr(device_id, 1, 8) || ')'
    ELSE name END AS label
  FROM machine;

-- Every move puts an amount into a place or takes it out: a machine, or '' for no machine named. What
-- is read again moves the difference only. A count sets what is there: its own moves make up for what
-- was missing or too much, and for each move that it has seen already, but that is recorded later.
CREATE TABLE cash_count (
  id            INTEGER PRIMARY KEY,
  device_id     TEXT NOT NULL,
  counted_minor INTEGER NOT NULL CHECK (counted_minor >= 0 OR device_id = ''),
  counted_at    INTEGER NOT NULL,
  after_move    INTEGER NOT NULL,              -- the last move recorded before it
  message_id    TEXT
) STRICT;
CREATE INDEX cash_count_device ON cash_count (device_id, counted_at);

CREATE TABLE cash_move (
  id           INTEGER PRIMARY KEY,
  kind         TEXT NOT NULL CHECK (kind IN ('deposit', 'withdrawal', 'cash-in', 'cash-out', 'count')),
  ref          TEXT NOT NULL,
  device_id    TEXT NOT NULL,
  amount_minor INTEGER NOT NULL CHECK (amount_minor <> 0),
  at           INTEGER NOT NULL,
  recorded_at  INTEGER NOT NULL,
  count_id     INTEGER REFERENCES cash_count (id), -- the count that has seen it already, or whose move it is
  CHECK (kind <> 'count' OR count_id IS NOT NULL)
) STRICT;
CREATE INDEX cash_move_ref ON cash_move (kind, ref);
CREATE INDEX cash_move_count ON cash_move (count_id) WHERE count_id IS NOT NULL;
CREATE INDEX cash_move_unnamed ON cash_move (at) WHERE device_id = '';

CREATE TABLE cash_sum (
  device_id   TEXT NOT NULL,
  kind        TEXT NOT NULL,
  total_minor INTEGER NOT NULL,                -- of all moves
  since_minor INTEGER NOT NULL,                -- of those that the last count hasn't seen
  PRIMARY KEY (device_id, kind)
) STRICT, WITHOUT ROWID;

CREATE TRIGGER cash_move_knows_its_count BEFORE INSERT ON cash_move
WHEN NEW.kind <> 'count' AND NEW.count_id IS NOT (SELECT id FROM cash_count
  WHERE device_id = NEW.device_id AND counted_at > NEW.at ORDER BY counted_at, id LIMIT 1)
BEGIN SELECT RAISE(ABORT, 'the first count after a move has seen it'); END;
CREATE TRIGGER cash_move_adds_up AFTER INSERT ON cash_move BEGIN
  INSERT INTO cash_sum (device_id, kind, total_minor, since_minor)
    VALUES (NEW.device_id, NEW.kind, NEW.amount_minor, iif(NEW.count_id IS NULL, NEW.amount_minor, 0))
    ON CONFLICT DO UPDATE SET total_minor = total_minor + excluded.total_minor,
      since_minor = since_minor + excluded.since_minor;
END;
CREATE TRIGGER cash_count_has_seen_it AFTER INSERT ON cash_move
WHEN NEW.kind <> 'count' AND NEW.count_id IS NOT NULL BEGIN
  INSERT INTO cash_move (kind, ref, device_id, amount_minor, at, recorded_at, count_id)
    VALUES ('count', NEW.count_id, NEW.device_id, -NEW.amount_minor, NEW.at, NEW.recorded_at, NEW.count_id);
END;

CREATE TRIGGER cash_count_in_order BEFORE INSERT ON cash_count
WHEN EXISTS (SELECT 1 FROM cash_count WHERE device_id = NEW.device_id AND counted_at > NEW.counted_at)
  OR NEW.after_move <> (SELECT coalesce(max(id), 0) FROM cash_move)
BEGIN SELECT RAISE(ABORT, 'counts follow each other'); END;
CREATE TRIGGER cash_count_sets_the_sum AFTER INSERT ON cash_count BEGIN
  UPDATE cash_sum SET since_minor = 0 WHERE device_id = NEW.device_id;
  INSERT INTO cash_move (kind, ref, device_id, amount_minor, at, recorded_at, count_id)
    SELECT 'count', NEW.id, NEW.device_id, NEW.counted_minor - minor, NEW.counted_at, NEW.counted_at, NEW.id
    FROM (SELECT coalesce(sum(total_minor), 0) AS minor FROM cash_sum WHERE device_id = NEW.device_id)
    WHERE NEW.counted_minor <> minor;
END;

CREATE TRIGGER cash_move_is_final BEFORE UPDATE ON cash_move
BEGIN SELECT RAISE(ABORT, 'moves of cash are never altered'); END;
CREATE TRIGGER cash_move_stays BEFORE DELETE ON cash_move
BEGIN SELECT RAISE(ABORT, 'moves of cash are never deleted'); END;
CREATE TRIGGER cash_count_is_final BEFORE UPDATE ON cash_count
BEGIN SELECT RAISE(ABORT, 'counts are never altered'); END;
CREATE TRIGGER cash_count_stays BEFORE DELETE ON cash_count
BEGIN SELECT RAISE(ABORT, 'counts are never deleted'); END;

-- What the clients handed in and took back so far; the next reading of Lamassu finds their machines.
INSERT INTO cash_move (kind, ref, device_id, amount_minor, at, recorded_at)
  SELECT 'deposit', id, '', amount_minor, confirmed_at, confirmed_at FROM deposit WHERE state = 'confirmed';
INSERT INTO cash_move (kind, ref, device_id, amount_minor, at, recorded_at)
  SELECT 'withdrawal', posting.id, '', -sum(amount), posted_at, posted_at
  FROM posting JOIN entry ON posting_id = posting.id WHERE kind = 'withdrawal' GROUP BY posting.id;

-- Messages -----------------------------------------------------------------------------------------------

-- Holds, and the payments that an old copy of the ledger lacks -------------------------------------------

CREATE TABLE hold_2 (
  id         INTEGER PRIMARY KEY,
  kind       TEXT NOT NULL CHECK (kind IN ('cash-out', 'changed', 'payout', 'lost')),
  ref        TEXT NOT NULL,
  reason     TEXT NOT NULL,
  opened_at  INTEGER NOT NULL,
  closed_at  INTEGER,
  outcome    TEXT CHECK (outcome IN ('accepted', 'ignored', 'cancelled', 'by itself')),
  CHECK ((closed_at IS NULL) = (outcome IS NULL))
) STRICT;
INSERT INTO hold_2 SELECT * FROM hold;
DROP TABLE hold;
ALTER TABLE hold_2 RENAME TO hold;
CREATE UNIQUE INDEX hold_open ON hold (kind, ref) WHERE closed_at IS NULL;
CREATE INDEX hold_ref ON hold (ref);

ALTER TABLE foreign_payment ADD COLUMN fiat_minor INTEGER;      -- as `extra` tells it; NULL where it doesn't
ALTER TABLE foreign_payment ADD COLUMN settled_at INTEGER;      -- the operator has settled it by hand
