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

-- Funds: what the operators were last told ------------------------------------------------------------

UPDATE fact SET name = 'top_up', value = 'short ' || value WHERE name = 'shortage';

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
