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

CREATE TABLE fixed_run (
  id            TEXT PRIMARY KEY,             -- its local date and time, and its distribution's id
  day           TEXT NOT NULL,                -- the local date that its shares count for
  due_at        INTEGER NOT NULL,
  state         TEXT NOT NULL CHECK (state IN ('waiting', 'done', 'lapsed', 'held')),
  reason        TEXT NOT NULL DEFAULT '',
  changed_at    INTEGER NOT NULL,
  told_at       INTEGER,                      -- the operators know that it waits
  price         TEXT,                         -- of a coin in whole units, as used; NULL where nobody took part
  price_source  TEXT CHECK (price_source IN ('lnbits', 'lamassu')),
  clients       INTEGER,
  ceiling_minor INTEGER,                      -- a client's of the day; NULL: not decided here, but found paid
  CHECK ((state = 'done') = (clients IS NOT NULL)),
  CHECK ((price IS NULL) = (price_source IS NULL))
) STRICT, WITHOUT ROWID;
CREATE INDEX fixed_run_due ON fixed_run (due_at);
CREATE INDEX fixed_run_waiting ON fixed_run (day) WHERE state = 'waiting';
CREATE TRIGGER fixed_run_is_final BEFORE UPDATE ON fixed_run
WHEN OLD.state IN ('done', 'lapsed') OR OLD.id <> NEW.id OR OLD.day <> NEW.day
BEGIN SELECT RAISE(ABORT, 'a run that is over stays as it is'); END;
CREATE TRIGGER fixed_run_stays BEFORE DELETE ON fixed_run BEGIN SELECT RAISE(ABORT, 'runs are never deleted'); END;

-- A run is done and gives in the same transaction; its shares, and no others, count for its day.
CREATE TRIGGER distribution_of_run BEFORE INSERT ON distribution
WHEN (NEW.kind = 'fixed') <> EXISTS (SELECT 1 FROM fixed_run WHERE id = NEW.id AND state = 'done')
  OR EXISTS (SELECT 1 FROM share WHERE distribution_id = NEW.id
    AND day IS NOT (SELECT day FROM fixed_run WHERE id = NEW.id))
BEGIN SELECT RAISE(ABORT, 'shares of a day belong to a run of that day'); END;
CREATE TRIGGER day_has_its_limit BEFORE INSERT ON distribution
WHEN EXISTS (SELECT 1 FROM share JOIN client ON client.id = client_id JOIN fixed_run ON fixed_run.id = NEW.id
  WHERE distribution_id = NEW.id AND min(fixed_limit_minor, ceiling_minor) <
    (SELECT sum(minor) FROM share given WHERE given.client_id = client.id AND given.day = fixed_run.day))
BEGIN SELECT RAISE(ABORT, 'a day gives a client no more than its limit'); END;

-- Commission: who gets which part ------------------------------------------------------------------------

-- Each change is a new version; the newest counts when a cash-out is processed. Its parts come first, the
-- version closes them: after that none can be added, altered or deleted.
CREATE TABLE commission_terms (
  id         INTEGER PRIMARY KEY,
  set_at     INTEGER NOT NULL,
  message_id TEXT
) STRICT;
CREATE TABLE commission_part (
  terms_id   INTEGER NOT NULL REFERENCES commission_terms (id) DEFERRABLE INITIALLY DEFERRED,
  client_id  INTEGER NOT NULL REFERENCES client (id),
  percent_bp INTEGER NOT NULL CHECK (percent_bp BETWEEN 1 AND 10000),
  PRIMARY KEY (terms_id, client_id)
) STRICT, WITHOUT ROWID;

CREATE TRIGGER part_before_terms BEFORE INSERT ON commission_part
WHEN EXISTS (SELECT 1 FROM commission_terms WHERE id >= NEW.terms_id)
BEGIN SELECT RAISE(ABORT, 'these terms are closed'); END;
CREATE TRIGGER part_of_the_living BEFORE INSERT ON commission_part
WHEN (SELECT state FROM client WHERE id = NEW.client_id) = 'closed'
BEGIN SELECT RAISE(ABORT, 'who is closed gets no commission'); END;
CREATE TRIGGER terms_within_all BEFORE INSERT ON commission_terms
WHEN (SELECT coalesce(sum(percent_bp), 0) FROM commission_part WHERE terms_id = NEW.id) > 10000
BEGIN SELECT RAISE(ABORT, 'no more than all of the commission can be given'); END;
CREATE TRIGGER terms_follow_each_other BEFORE INSERT ON commission_terms
WHEN NEW.id <> (SELECT coalesce(max(id), 0) + 1 FROM commission_terms)
BEGIN SELECT RAISE(ABORT, 'versions follow each other'); END;
CREATE TRIGGER part_is_final BEFORE UPDATE ON commission_part
BEGIN SELECT RAISE(ABORT, 'parts are never altered'); END;
CREATE TRIGGER part_stays BEFORE DELETE ON commission_part
BEGIN SELECT RAISE(ABORT, 'parts are never deleted'); END;
CREATE TRIGGER terms_are_final BEFORE UPDATE ON commission_terms
BEGIN SELECT RAISE(ABORT, 'terms are never altered'); END;
CREATE TRIGGER terms_stay BEFORE DELETE ON commission_terms
BEGIN SELECT RAISE(ABORT, 'terms are never deleted'); END;
CREATE TRIGGER payee_stays BEFORE UPDATE OF state ON client
WHEN NEW.state = 'closed' AND EXISTS (SELECT 1 FROM commission_part
  WHERE client_id = NEW.id AND terms_id = (SELECT max(id) FROM commission_terms))
BEGIN SELECT RAISE(ABORT, 'who gets commission stays'); END;

ALTER TABLE distribution ADD COLUMN terms_id INTEGER REFERENCES commission_terms (id);
CREATE TRIGGER commission_is_a_cash_outs BEFORE INSERT ON distribution
WHEN NEW.kind = 'commission' AND NOT EXISTS (SELECT 1 FROM distribution flow WHERE flow.id = substr(NEW.id, 12)
  AND NEW.id = 'commission:' || flow.id AND flow.kind = 'flow' AND flow.commission_sat = NEW.principal_sat
  AND flow.at = NEW.at)
BEGIN SELECT RAISE(ABORT, 'a split is of the commission of one cash-out'); END;
CREATE TRIGGER commission_by_newest_terms BEFORE INSERT ON distribution
WHEN NEW.terms_id IS NOT CASE NEW.kind WHEN 'commission' THEN (SELECT max(id) FROM commission_terms) END
BEGIN SELECT RAISE(ABORT, 'commission is split by the newest terms'); END;
-- Each part is its quota, rounded down or up; which of the two is for the audit to say. The products stay small.
CREATE TRIGGER commission_by_percent BEFORE INSERT ON distribution
WHEN NEW.kind = 'commission' AND EXISTS (
  SELECT 1 FROM (
    SELECT percent_bp AS bp, coalesce(share.sat, 0) AS sat FROM commission_part
      LEFT JOIN share ON share.distribution_id = NEW.id AND share.client_id = commission_part.client_id
      WHERE terms_id = NEW.terms_id
    UNION ALL SELECT 0, sat FROM share WHERE distribution_id = NEW.id
      AND client_id NOT IN (SELECT client_id FROM commission_part WHERE terms_id = NEW.terms_id)
    UNION ALL SELECT 10000 - coalesce(sum(percent_bp), 0), NEW.unallocated_sat FROM commission_part
      WHERE terms_id = NEW.terms_id
  ) WHERE sat - (NEW.principal_sat / 10000 * bp + NEW.principal_sat % 10000 * bp / 10000)
    NOT BETWEEN 0 AND (NEW.principal_sat % 10000 * bp % 10000 > 0)
)
BEGIN SELECT RAISE(ABORT, 'the commission is split by percent'); END;
CREATE TRIGGER recipients_get_commission_only BEFORE INSERT ON distribution
WHEN NEW.kind <> 'commission' AND EXISTS (SELECT 1 FROM share JOIN client ON client.id = client_id
  WHERE distribution_id = NEW.id AND role = 'recipient')
BEGIN SELECT RAISE(ABORT, 'a recipient gets commission only'); END;
CREATE TRIGGER share_joins_its_kind BEFORE UPDATE OF payout_id ON share
WHEN (SELECT kind = 'commission' FROM share other JOIN distribution ON distribution.id = other.distribution_id
    WHERE other.payout_id = NEW.payout_id LIMIT 1)
  <> (SELECT kind = 'commission' FROM distribution WHERE id = NEW.distribution_id)
BEGIN SELECT RAISE(ABORT, 'commission is paid apart'); END;

-- The machines' cash -------------------------------------------------------------------------------------

-- Funds: what the operators were last told ------------------------------------------------------------

UPDATE fact SET name = 'top_up', value = 'short ' || value WHERE name = 'shortage';

-- Messages -----------------------------------------------------------------------------------------------

-- Payouts --------------------------------------------------------------------------------------------------

-- Alerted without ever having left the source wallet: the operator settles it, and takes it back.
INSERT INTO payout_move VALUES ('ALERT', 'CANCELLED');
CREATE TRIGGER payout_cancels_unpaid BEFORE UPDATE OF state ON payout
WHEN NEW.state = 'CANCELLED' AND OLD.debited_at IS NOT NULL
BEGIN SELECT RAISE(ABORT, 'what was paid is not cancelled'); END;

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
