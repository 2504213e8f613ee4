-- Instants (`*_at`) are microseconds since 1970 in UTC. Amounts are whole sats (`*_sat`), thousandths of
-- a sat (`*_msat`) or minor units of the bot's currency (`*_minor`). Keys of persons are hex.

CREATE TABLE fact (
  name  TEXT PRIMARY KEY,
  value TEXT NOT NULL
) STRICT;

-- People ---------------------------------------------------------------------------------------------

CREATE TABLE client (
  id                  INTEGER PRIMARY KEY,
  name                TEXT NOT NULL COLLATE NOCASE CHECK (name <> '' AND name NOT GLOB '*[ ]*'),
  pubkey              TEXT NOT NULL CHECK (length(pubkey) = 64),
  state               TEXT NOT NULL DEFAULT 'active' CHECK (state IN ('active', 'paused', 'stopped', 'closed')),
  mode                TEXT NOT NULL DEFAULT 'flow' CHECK (mode IN ('flow', 'fixed')),
  language            TEXT NOT NULL,
  destination         TEXT,
  destination_kind    TEXT CHECK (destination_kind IN ('invoice_key', 'address')),
  destination_min_sat INTEGER NOT NULL DEFAULT 1 CHECK (destination_min_sat >= 1),
  low_told            TEXT NOT NULL DEFAULT '' CHECK (low_told IN ('', 'low', 'used up')),
  created_at          INTEGER NOT NULL,
  CHECK ((destination IS NULL) = (destination_kind IS NULL))
) STRICT;
CREATE UNIQUE INDEX client_name ON client (name) WHERE state <> 'closed';
CREATE UNIQUE INDEX client_pubkey ON client (pubkey) WHERE state <> 'closed';

CREATE TABLE person (
  pubkey      TEXT PRIMARY KEY CHECK (length(pubkey) = 64),
  protocol    TEXT NOT NULL CHECK (protocol IN ('nip04', 'nip17')),
  protocol_at INTEGER NOT NULL,
  relay       TEXT NOT NULL
) STRICT, WITHOUT ROWID;

-- Accounts: every entry takes from one and gives to another, so all entries add up to zero -----------

CREATE TABLE account (
  id        INTEGER PRIMARY KEY,
  kind      TEXT NOT NULL,
  client_id INTEGER REFERENCES client (id),
  unit      TEXT NOT NULL CHECK (unit IN ('minor', 'sat')),
  balance   INTEGER NOT NULL DEFAULT 0,
  CHECK (kind IN ('cash', 'machine') OR balance >= 0),
  CHECK ((kind IN ('balance', 'owed')) = (client_id IS NOT NULL)),
  CHECK ((kind IN ('cash', 'balance', 'converted')) = (unit = 'minor')),
  CHECK (kind IN ('cash', 'balance', 'converted', 'machine', 'owed', 'operator', 'commission', 'paid'))
) STRICT;
CREATE UNIQUE INDEX account_of ON account (kind, coalesce(client_id, 0));
CREATE INDEX account_client ON account (client_id, kind);

INSERT INTO account (kind, unit) VALUES
  ('cash', 'minor'),        -- what the clients handed in less what they took back (negative)
  ('converted', 'minor'),   -- the clients' fiat that has become sats
  ('machine', 'sat'),       -- what the cash-outs brought (negative)
  ('operator', 'sat'),      -- principal given to no client, and reversed shares
  ('commission', 'sat'),
  ('paid', 'sat');          -- sats that left the source wallet for a client

CREATE TRIGGER client_closes_empty BEFORE UPDATE OF state ON client
WHEN NEW.state = 'closed' AND EXISTS (SELECT 1 FROM account WHERE client_id = NEW.id AND balance <> 0)
BEGIN SELECT RAISE(ABORT, 'a client who has or is owed something stays'); END;
CREATE TRIGGER client_accounts AFTER INSERT ON client BEGIN
  INSERT INTO account (kind, client_id, unit) VALUES ('balance', NEW.id, 'minor'), ('owed', NEW.id, 'sat');
END;

CREATE TABLE posting (
  id              INTEGER PRIMARY KEY,
  kind            TEXT NOT NULL CHECK (kind IN ('deposit', 'deposit void', 'withdrawal', 'distribution', 'payout', 'cancel')),
  posted_at       INTEGER NOT NULL,
  distribution_id TEXT REFERENCES distribution (id) DEFERRABLE INITIALLY DEFERRED,
  deposit_id      INTEGER REFERENCES deposit (id),
  payout_id       TEXT REFERENCES payout (id),
  note            TEXT NOT NULL DEFAULT '',
  message_id      TEXT
) STRICT;
CREATE UNIQUE INDEX posting_distribution ON posting (distribution_id) WHERE kind = 'distribution';
CREATE UNIQUE INDEX posting_deposit ON posting (kind, deposit_id) WHERE deposit_id IS NOT NULL;
CREATE UNIQUE INDEX posting_payout ON posting (payout_id) WHERE payout_id IS NOT NULL;

CREATE TABLE entry (
  id           INTEGER PRIMARY KEY,
  posting_id   INTEGER NOT NULL REFERENCES posting (id),
  from_account INTEGER NOT NULL REFERENCES account (id),
  to_account   INTEGER NOT NULL REFERENCES account (id),
  amount       INTEGER NOT NULL CHECK (amount > 0),
  CHECK (from_account <> to_account)
) STRICT;
CREATE INDEX entry_posting ON entry (posting_id);
CREATE INDEX entry_from ON entry (from_account);
CREATE INDEX entry_to ON entry (to_account);

CREATE TRIGGER entry_one_unit BEFORE INSERT ON entry
WHEN (SELECT unit FROM account WHERE id = NEW.from_account) IS NOT (SELECT unit FROM account WHERE id = NEW.to_account)
BEGIN SELECT RAISE(ABORT, 'an entry moves one unit'); END;

CREATE TRIGGER entry_moves_balances AFTER INSERT ON entry BEGIN
  UPDATE account SET balance = balance - NEW.amount WHERE id = NEW.from_account;
  UPDATE account SET balance = balance + NEW.amount WHERE id = NEW.to_account;
END;

CREATE TRIGGER entry_is_final BEFORE UPDATE ON entry BEGIN SELECT RAISE(ABORT, 'entries are never altered'); END;
CREATE TRIGGER entry_stays BEFORE DELETE ON entry BEGIN SELECT RAISE(ABORT, 'entries are never deleted'); END;
CREATE TRIGGER posting_is_final BEFORE UPDATE ON posting BEGIN SELECT RAISE(ABORT, 'postings are never altered'); END;
CREATE TRIGGER posting_stays BEFORE DELETE ON posting BEGIN SELECT RAISE(ABORT, 'postings are never deleted'); END;
CREATE TRIGGER account_is_fixed BEFORE UPDATE OF id, kind, client_id, unit ON account
BEGIN SELECT RAISE(ABORT, 'accounts are never altered'); END;
CREATE TRIGGER account_stays BEFORE DELETE ON account BEGIN SELECT RAISE(ABORT, 'accounts are never deleted'); END;

CREATE TABLE deposit (
  id           INTEGER PRIMARY KEY,
  client_id    INTEGER NOT NULL REFERENCES client (id),
  amount_minor INTEGER NOT NULL CHECK (amount_minor > 0),
  state        TEXT NOT NULL DEFAULT 'pending' CHECK (state IN ('pending', 'confirmed', 'voided')),
  machine      TEXT,
  note         TEXT NOT NULL DEFAULT '',
  created_at   INTEGER NOT NULL,
  confirmed_at INTEGER,
  voided_at    INTEGER,
  CHECK (state <> 'confirmed' OR confirmed_at IS NOT NULL),
  CHECK ((state = 'voided') = (voided_at IS NOT NULL))
) STRICT;
CREATE INDEX deposit_client ON deposit (client_id, confirmed_at);
CREATE INDEX deposit_pending ON deposit (id) WHERE state = 'pending';
CREATE TRIGGER deposit_is_fixed BEFORE UPDATE OF id, client_id, amount_minor ON deposit
BEGIN SELECT RAISE(ABORT, 'a deposit keeps its client and amount'); END;
CREATE TRIGGER deposit_moves BEFORE UPDATE OF state, confirmed_at, voided_at ON deposit
WHEN (OLD.state = 'pending') + (NEW.state = 'voided') * (OLD.state = 'confirmed' AND OLD.confirmed_at IS NEW.confirmed_at) = 0
BEGIN SELECT RAISE(ABORT, 'a deposit cannot make this move'); END;
CREATE TRIGGER deposit_stays BEFORE DELETE ON deposit BEGIN SELECT RAISE(ABORT, 'deposits are never deleted'); END;

-- Cash-outs and what they give -------------------------------------------------------------------------

CREATE TABLE machine (
  device_id TEXT PRIMARY KEY,
  name      TEXT NOT NULL
) STRICT, WITHOUT ROWID;

CREATE TABLE cash_out (
  id             TEXT PRIMARY KEY,
  device_id      TEXT NOT NULL,
  state          TEXT NOT NULL CHECK (state IN ('waiting', 'held', 'distributed', 'ignored')),
  reason         TEXT NOT NULL DEFAULT '',
  created_at     INTEGER NOT NULL,
  at             INTEGER NOT NULL,            -- the distribution's time
  fiat_code      TEXT NOT NULL,
  crypto_code    TEXT NOT NULL,
  principal_minor INTEGER,
  principal_sat  INTEGER,
  commission_sat INTEGER,
  dispensed_minor INTEGER,
  first_seen_at  INTEGER NOT NULL,
  changed_at     INTEGER NOT NULL,
  CHECK ((principal_sat IS NULL) = (principal_minor IS NULL) AND (principal_sat IS NULL) = (commission_sat IS NULL))
) STRICT, WITHOUT ROWID;
CREATE INDEX cash_out_at ON cash_out (at);
CREATE TRIGGER cash_out_once BEFORE UPDATE OF state ON cash_out
WHEN OLD.state = 'distributed' AND NEW.state <> 'distributed'
BEGIN SELECT RAISE(ABORT, 'a distributed cash-out stays distributed'); END;
CREATE TRIGGER cash_out_stays BEFORE DELETE ON cash_out BEGIN SELECT RAISE(ABORT, 'cash-outs are never deleted'); END;

CREATE TABLE distribution (
  id              TEXT PRIMARY KEY,
  kind            TEXT NOT NULL CHECK (kind IN ('flow', 'fixed', 'commission')),
  at              INTEGER NOT NULL,
  processed_at    INTEGER NOT NULL,
  principal_sat   INTEGER NOT NULL CHECK (principal_sat >= 0),
  principal_minor INTEGER NOT NULL CHECK (principal_minor >= 0),
  commission_sat  INTEGER NOT NULL CHECK (commission_sat >= 0),
  unallocated_sat INTEGER NOT NULL CHECK (unallocated_sat >= 0)
) STRICT;
CREATE INDEX distribution_at ON distribution (at);

CREATE TABLE share (
  id              INTEGER PRIMARY KEY,
  distribution_id TEXT NOT NULL REFERENCES distribution (id) DEFERRABLE INITIALLY DEFERRED,
  client_id       INTEGER NOT NULL REFERENCES client (id),
  minor           INTEGER NOT NULL CHECK (minor >= 0),
  sat             INTEGER NOT NULL CHECK (sat > 0),
  payout_id       TEXT REFERENCES payout (id),
  UNIQUE (distribution_id, client_id)
) STRICT;
CREATE INDEX share_payout ON share (payout_id);
CREATE INDEX share_client ON share (client_id, id);
CREATE INDEX share_unplanned ON share (client_id) WHERE payout_id IS NULL;

-- Shares come first, their distribution closes them: after that none can be added, altered or deleted.
CREATE TRIGGER share_before_distribution BEFORE INSERT ON share
WHEN EXISTS (SELECT 1 FROM distribution WHERE id = NEW.distribution_id)
BEGIN SELECT RAISE(ABORT, 'this distribution is closed'); END;
CREATE TRIGGER distribution_conserves BEFORE INSERT ON distribution
WHEN NEW.principal_sat <> NEW.unallocated_sat + (SELECT coalesce(sum(sat), 0) FROM share WHERE distribution_id = NEW.id)
BEGIN SELECT RAISE(ABORT, 'shares and rest must add up to the principal'); END;
CREATE TRIGGER distribution_takes_no_more BEFORE INSERT ON distribution
WHEN NEW.principal_minor < (SELECT coalesce(sum(minor), 0) FROM share WHERE distribution_id = NEW.id)
BEGIN SELECT RAISE(ABORT, 'shares take no more fiat than the principal'); END;
CREATE TRIGGER share_is_final BEFORE UPDATE OF id, distribution_id, client_id, minor, sat ON share
BEGIN SELECT RAISE(ABORT, 'shares are never altered'); END;
CREATE TRIGGER share_stays BEFORE DELETE ON share BEGIN SELECT RAISE(ABORT, 'shares are never deleted'); END;
CREATE TRIGGER distribution_is_final BEFORE UPDATE ON distribution
BEGIN SELECT RAISE(ABORT, 'distributions are never altered'); END;
CREATE TRIGGER distribution_stays BEFORE DELETE ON distribution
BEGIN SELECT RAISE(ABORT, 'distributions are never deleted'); END;

-- Payouts: the one table of moves that a payout may make -------------------------------------------------

CREATE TABLE payout_move (
  from_state TEXT NOT NULL,
  to_state   TEXT NOT NULL,
  PRIMARY KEY (from_state, to_state)
) STRICT, WITHOUT ROWID;
INSERT INTO payout_move VALUES
  ('PLANNED', 'INVOICED'),    -- an invoice was made, checked and recorded
  ('PLANNED', 'HELD'),        -- above a ceiling, or LNbits knows it already
  ('PLANNED', 'CANCELLED'),
  ('PLANNED', 'MERGED'),      -- too small for its destination: its shares wait for more
  ('INVOICED', 'PLANNED'),    -- the invoice is too old, or the destination changed; never sent
  ('INVOICED', 'HELD'),
  ('INVOICED', 'SUBMITTED'),  -- recorded before the pay request leaves
  ('INVOICED', 'CANCELLED'),
  ('HELD', 'PLANNED'),        -- the operator let it go
  ('HELD', 'DEBITED'),        -- the operator took over what LNbits had paid
  ('HELD', 'CANCELLED'),
  ('SUBMITTED', 'DEBITED'),   -- the source wallet's row says success
  ('SUBMITTED', 'IN_DOUBT'),  -- the source wallet's row says failed
  ('SUBMITTED', 'ALERT'),     -- the source wallet's row makes no sense
  ('SUBMITTED', 'VOID'),      -- expired, and proven unpaid
  ('IN_DOUBT', 'DEBITED'),
  ('IN_DOUBT', 'SUBMITTED'),
  ('IN_DOUBT', 'ALERT'),
  ('IN_DOUBT', 'VOID'),
  ('DEBITED', 'DONE'),        -- the payee's side has it, or can't be asked
  ('DEBITED', 'ALERT'),       -- the payee's side doesn't have it
  ('ALERT', 'DONE'),
  ('ALERT', 'DEBITED'),
  ('MERGED', 'PLANNED'),
  ('VOID', 'PLANNED'),        -- a new attempt
  ('VOID', 'CANCELLED');

CREATE TABLE payout (
  id           TEXT PRIMARY KEY,
  client_id    INTEGER NOT NULL REFERENCES client (id),
  amount_sat   INTEGER NOT NULL CHECK (amount_sat > 0),
  state        TEXT NOT NULL DEFAULT 'PLANNED',
  attempt      INTEGER NOT NULL DEFAULT 0 CHECK (attempt >= 0),
  destination  TEXT,
  destination_kind TEXT,
  waiting      TEXT NOT NULL DEFAULT '',
  tries        INTEGER NOT NULL DEFAULT 0,
  try_at       INTEGER NOT NULL,
  due_at       INTEGER NOT NULL,              -- the oldest share's distribution: payouts go out in this order
  submitted_at INTEGER,
  debited_at   INTEGER,
  done_at      INTEGER,
  fee_msat     INTEGER CHECK (fee_msat >= 0),
  preimage     TEXT,
  CHECK ((destination IS NULL) = (destination_kind IS NULL)),
  CHECK (state NOT IN ('SUBMITTED', 'IN_DOUBT', 'VOID') OR (submitted_at IS NOT NULL AND destination IS NOT NULL AND attempt >= 1)),
  CHECK (state NOT IN ('DEBITED', 'DONE') OR (debited_at IS NOT NULL AND fee_msat IS NOT NULL)),
  CHECK ((state = 'DONE') = (done_at IS NOT NULL))
) STRICT;
CREATE INDEX payout_open ON payout (due_at, id) WHERE state NOT IN ('DONE', 'CANCELLED', 'MERGED');
CREATE INDEX payout_client ON payout (client_id);
CREATE INDEX payout_submitted ON payout (submitted_at) WHERE submitted_at IS NOT NULL;

CREATE TRIGGER payout_moves BEFORE UPDATE OF state ON payout
WHEN OLD.state <> NEW.state AND NOT EXISTS
  (SELECT 1 FROM payout_move WHERE from_state = OLD.state AND to_state = NEW.state)
BEGIN SELECT RAISE(ABORT, 'a payout cannot make this move'); END;
CREATE TRIGGER payout_is_fixed BEFORE UPDATE OF id, client_id, amount_sat, due_at ON payout
BEGIN SELECT RAISE(ABORT, 'a payout keeps its recipient and amount'); END;
CREATE TRIGGER payout_keeps_destination BEFORE UPDATE OF destination, destination_kind ON payout
WHEN OLD.submitted_at IS NOT NULL
  AND (OLD.destination IS NOT NEW.destination OR OLD.destination_kind IS NOT NEW.destination_kind)
BEGIN SELECT RAISE(ABORT, 'the destination is fixed since the payout was submitted'); END;
CREATE TRIGGER payout_keeps_history BEFORE UPDATE OF submitted_at, debited_at ON payout
WHEN (OLD.submitted_at IS NOT NULL AND NEW.submitted_at IS NULL)
  OR (OLD.debited_at IS NOT NULL AND NEW.debited_at IS NULL)
BEGIN SELECT RAISE(ABORT, 'what was sent stays sent'); END;
CREATE TRIGGER payout_covers_shares BEFORE UPDATE OF state ON payout
WHEN OLD.state <> NEW.state AND NEW.state IN ('INVOICED', 'DEBITED')
  AND NEW.amount_sat <> (SELECT coalesce(sum(sat), 0) FROM share WHERE payout_id = NEW.id)
BEGIN SELECT RAISE(ABORT, 'a payout pays exactly its shares'); END;
-- What was not submitted yet follows its client to a new destination, at once.
CREATE TRIGGER payout_follows_client AFTER UPDATE OF destination ON client BEGIN
  UPDATE payout SET state = 'PLANNED', destination = NULL, destination_kind = NULL
    WHERE client_id = NEW.id AND state = 'INVOICED' AND submitted_at IS NULL;
  UPDATE payout SET try_at = 0, tries = 0, waiting = '' WHERE client_id = NEW.id AND state = 'PLANNED';
END;
CREATE TRIGGER payout_starts BEFORE INSERT ON payout WHEN NEW.state <> 'PLANNED'
BEGIN SELECT RAISE(ABORT, 'a payout starts as PLANNED'); END;
CREATE TRIGGER payout_stays BEFORE DELETE ON payout BEGIN SELECT RAISE(ABORT, 'payouts are never deleted'); END;

-- A share leaves its payout only when that payout never reached a destination and never will.
CREATE TRIGGER share_keeps_payout BEFORE UPDATE OF payout_id ON share
WHEN OLD.payout_id IS NOT NULL
  AND (SELECT state FROM payout WHERE id = OLD.payout_id) <> 'MERGED'
BEGIN SELECT RAISE(ABORT, 'a share belongs to one payout'); END;
CREATE TRIGGER share_joins_payout BEFORE UPDATE OF payout_id ON share
WHEN NEW.payout_id IS NOT NULL AND NOT EXISTS
  (SELECT 1 FROM payout WHERE id = NEW.payout_id AND client_id = NEW.client_id AND state = 'PLANNED')
BEGIN SELECT RAISE(ABORT, 'a share joins a planned payout of its own client'); END;
CREATE TRIGGER share_starts_alone BEFORE INSERT ON share WHEN NEW.payout_id IS NOT NULL
BEGIN SELECT RAISE(ABORT, 'a share starts without a payout'); END;

CREATE TABLE attempt (
  payout_id    TEXT NOT NULL REFERENCES payout (id),
  number       INTEGER NOT NULL CHECK (number >= 1),
  bolt11       TEXT NOT NULL,
  payment_hash TEXT NOT NULL UNIQUE,
  expires_at   INTEGER NOT NULL,
  created_at   INTEGER NOT NULL,
  PRIMARY KEY (payout_id, number)
) STRICT, WITHOUT ROWID;
CREATE TRIGGER attempt_is_final BEFORE UPDATE ON attempt BEGIN SELECT RAISE(ABORT, 'attempts are never altered'); END;
CREATE TRIGGER attempt_stays BEFORE DELETE ON attempt BEGIN SELECT RAISE(ABORT, 'attempts are never deleted'); END;

-- What LNbits knows of this bot and the ledger doesn't: a restored backup, or a copied ledger -----------

CREATE TABLE foreign_payment (
  payment_hash    TEXT NOT NULL,
  external_id     TEXT NOT NULL,
  distribution_id TEXT NOT NULL DEFAULT '',
  client_name     TEXT NOT NULL DEFAULT '' COLLATE NOCASE,
  amount_msat     INTEGER NOT NULL,
  fee_msat        INTEGER NOT NULL,
  status          TEXT NOT NULL,
  seen_at         INTEGER NOT NULL,
  PRIMARY KEY (payment_hash, distribution_id)
) STRICT, WITHOUT ROWID;
CREATE INDEX foreign_distribution ON foreign_payment (distribution_id);
CREATE INDEX foreign_external ON foreign_payment (external_id);

CREATE TABLE hold (
  id         INTEGER PRIMARY KEY,
  kind       TEXT NOT NULL CHECK (kind IN ('cash-out', 'changed', 'payout')),
  ref        TEXT NOT NULL,
  reason     TEXT NOT NULL,
  opened_at  INTEGER NOT NULL,
  closed_at  INTEGER,
  outcome    TEXT CHECK (outcome IN ('accepted', 'ignored', 'cancelled', 'by itself')),
  CHECK ((closed_at IS NULL) = (outcome IS NULL))
) STRICT;
CREATE UNIQUE INDEX hold_open ON hold (kind, ref) WHERE closed_at IS NULL;
CREATE INDEX hold_ref ON hold (ref);

-- Messages: each runs once, each answer leaves ----------------------------------------------------------

CREATE TABLE inbox (
  sender      TEXT NOT NULL,
  message_id  TEXT NOT NULL,
  received_at INTEGER NOT NULL,
  command     TEXT NOT NULL,                  -- the command's name; never the text
  PRIMARY KEY (sender, message_id)
) STRICT, WITHOUT ROWID;

CREATE TABLE outbox (
  id         INTEGER PRIMARY KEY,
  recipient  TEXT NOT NULL CHECK (length(recipient) = 64),
  text       TEXT NOT NULL,
  created_at INTEGER NOT NULL,                -- whole seconds: the rumor's created_at
  protocol   TEXT CHECK (protocol IN ('nip04', 'nip17')),
  relay      TEXT NOT NULL DEFAULT '',        -- where the message that this answers came from
  event      TEXT,                            -- a kind 4 event is made once, so that copies collapse
  tries      INTEGER NOT NULL DEFAULT 0,
  try_at     INTEGER NOT NULL,
  sent_at    INTEGER,
  dropped_at INTEGER
) STRICT;
CREATE INDEX outbox_open ON outbox (try_at) WHERE sent_at IS NULL AND dropped_at IS NULL;
CREATE INDEX outbox_recipient ON outbox (recipient, created_at);

CREATE TABLE confirmation (
  code       TEXT PRIMARY KEY,
  pubkey     TEXT NOT NULL,
  command    TEXT NOT NULL,
  effect     TEXT NOT NULL,
  expires_at INTEGER NOT NULL,
  used_at    INTEGER
) STRICT, WITHOUT ROWID;
CREATE INDEX confirmation_pubkey ON confirmation (pubkey, expires_at);
