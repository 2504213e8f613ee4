-- Fixed mode, commission recipients, the machines' cash, notifications and what an old copy lacks.
-- Runs with foreign keys off, as tables with a wider CHECK are made anew; they are checked afterwards.

-- People: a payee is a client, or somebody else who gets a part of the commission ---------------------

ALTER TABLE client ADD COLUMN key_at INTEGER NOT NULL DEFAULT 0; -- since when the key is the client's, where it was changed
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

-- Who takes part, each in one of the modes; what a cash-out or a run still asks is the balance of its time.
CREATE VIEW participant AS
  SELECT client.id, pubkey, mode, fixed_limit_minor, account.balance AS balance_minor
  FROM client JOIN account ON account.kind = 'balance' AND account.client_id = client.id
  WHERE role = 'client' AND state = 'active' AND destination IS NOT NULL AND account.balance > 0
    AND (mode = 'flow' OR fixed_limit_minor > 0);

-- Distributions of fixed mode and of the commission -----------------------------------------------------

ALTER TABLE cash_out ADD COLUMN received_sat INTEGER;           -- what came in, where less did than was sold
ALTER TABLE cash_out ADD COLUMN note TEXT NOT NULL DEFAULT '';  -- the operator's, of one that was added by hand
ALTER TABLE share ADD COLUMN day TEXT;                          -- fixed mode: the local date that it counts for
CREATE INDEX share_day ON share (client_id, day) WHERE day IS NOT NULL;
CREATE INDEX client_key ON client (pubkey);                     -- of closed ones too: a day's limit is a person's
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
WHEN OLD.state = 'done' OR OLD.id <> NEW.id OR OLD.day <> NEW.day
  OR OLD.state = 'lapsed' AND NEW.changed_at >= OLD.changed_at  -- an earlier one: it lapsed by a clock that was ahead
    AND NOT (NEW.state = 'done' AND NEW.ceiling_minor IS NULL)  -- found paid at LNbits
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
    (SELECT sum(minor) FROM share given JOIN client same ON same.id = given.client_id
      WHERE same.pubkey = client.pubkey AND given.day = fixed_run.day))
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

-- What each has got, reversed shares aside: kept beside the shares, so that nobody has to walk through them
CREATE VIEW share_got AS
  SELECT client_id, distribution_id, payout_id, iif(kind = 'commission', 0, sat) AS bought_sat,
    iif(kind = 'commission', 0, minor) AS spent_minor, iif(kind = 'commission', sat, 0) AS earned_sat
  FROM share JOIN distribution ON distribution.id = distribution_id;
CREATE VIEW client_got AS
  SELECT share_got.client_id, sum(bought_sat) AS bought_sat, sum(spent_minor) AS spent_minor,
    sum(earned_sat) AS earned_sat
  FROM share_got LEFT JOIN payout ON payout.id = payout_id
  WHERE coalesce(state, '') <> 'CANCELLED' GROUP BY share_got.client_id;
CREATE TABLE client_sum (
  client_id   INTEGER PRIMARY KEY REFERENCES client (id),
  bought_sat  INTEGER NOT NULL CHECK (bought_sat >= 0),
  spent_minor INTEGER NOT NULL CHECK (spent_minor >= 0),
  earned_sat  INTEGER NOT NULL CHECK (earned_sat >= 0)
) STRICT;
INSERT INTO client_sum SELECT * FROM client_got;
CREATE TRIGGER distribution_adds_up AFTER INSERT ON distribution BEGIN
  INSERT INTO client_sum SELECT client_id, bought_sat, spent_minor, earned_sat FROM share_got
    WHERE distribution_id = NEW.id ON CONFLICT DO UPDATE SET bought_sat = bought_sat + excluded.bought_sat,
      spent_minor = spent_minor + excluded.spent_minor, earned_sat = earned_sat + excluded.earned_sat;
END;
CREATE TRIGGER payout_takes_back AFTER UPDATE OF state ON payout
WHEN NEW.state = 'CANCELLED' AND OLD.state <> 'CANCELLED' BEGIN
  UPDATE client_sum SET bought_sat = client_sum.bought_sat - back.bought_sat,
      spent_minor = client_sum.spent_minor - back.spent_minor,
      earned_sat = client_sum.earned_sat - back.earned_sat
    FROM (SELECT sum(bought_sat) AS bought_sat, sum(spent_minor) AS spent_minor,
      sum(earned_sat) AS earned_sat FROM share_got WHERE payout_id = NEW.id HAVING count(*) > 0) AS back
    WHERE client_id = NEW.client_id;
END;

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

-- Funds: what the operators were last told ------------------------------------------------------------

UPDATE fact SET name = 'top_up', value = 'short ' || value WHERE name = 'shortage';

-- Messages -----------------------------------------------------------------------------------------------

ALTER TABLE outbox ADD COLUMN urgency INTEGER NOT NULL DEFAULT 1 CHECK (urgency IN (0, 1, 2)); -- answer, notice, to many
ALTER TABLE outbox ADD COLUMN alarm TEXT NOT NULL DEFAULT '';   -- which alarm it raises, if it does
CREATE INDEX outbox_turn ON outbox (urgency, try_at, id) WHERE sent_at IS NULL AND dropped_at IS NULL;
CREATE INDEX outbox_waiting ON outbox (recipient, id) WHERE sent_at IS NULL AND dropped_at IS NULL;
CREATE INDEX client_recipient ON client (pubkey) WHERE role = 'recipient';

-- A payout that has arrived is told once, by itself or in a digest, or never: as its client wants it then.
ALTER TABLE payout ADD COLUMN told TEXT NOT NULL DEFAULT '' CHECK (told IN ('', 'digest', 'told', 'never'));
CREATE INDEX payout_digest ON payout (client_id, done_at) WHERE told = 'digest';
CREATE TRIGGER payout_is_told_once BEFORE UPDATE OF told ON payout
WHEN NEW.state <> 'DONE' OR NOT (OLD.told = '' OR OLD.told = 'digest' AND NEW.told <> '')
BEGIN SELECT RAISE(ABORT, 'a payout is told once, when it has arrived'); END;

-- What the operators' daily summary counts.
CREATE INDEX distribution_processed ON distribution (processed_at);
CREATE INDEX payout_done ON payout (done_at) WHERE done_at IS NOT NULL;

-- What is lost and not back yet: an outside part, or, once the operators were told, that nothing is polled.
CREATE TABLE alarm (
  name    TEXT PRIMARY KEY,
  since   INTEGER NOT NULL,
  told_at INTEGER                             -- the operators know
) STRICT, WITHOUT ROWID;

-- Whose payouts wait for their destination, since when, and whether the operators know.
CREATE TABLE slow_destination (
  client_id   INTEGER NOT NULL REFERENCES client (id),
  destination TEXT NOT NULL,                  -- empty while the client has none
  since       INTEGER NOT NULL,
  told_at     INTEGER,
  PRIMARY KEY (client_id, destination)
) STRICT, WITHOUT ROWID;

-- Who did what, from which message: never a secret, as `done` is what the operators were told.
CREATE TABLE command_log (
  id         INTEGER PRIMARY KEY,
  at         INTEGER NOT NULL,
  actor      TEXT NOT NULL CHECK (length(actor) = 64),
  client_id  INTEGER REFERENCES client (id),  -- NULL for an operator
  message_id TEXT NOT NULL,
  command    TEXT NOT NULL,
  done       TEXT NOT NULL
) STRICT;
CREATE TRIGGER command_log_is_final BEFORE UPDATE ON command_log
BEGIN SELECT RAISE(ABORT, 'the log is never altered'); END;
CREATE TRIGGER command_log_stays BEFORE DELETE ON command_log
BEGIN SELECT RAISE(ABORT, 'the log is never deleted'); END;

-- Payouts --------------------------------------------------------------------------------------------------

-- What is open, so that nothing walks through what is over; one index has it by turn, one by client.
CREATE VIEW open_payout AS SELECT * FROM payout WHERE state NOT IN ('DONE', 'CANCELLED', 'MERGED');
CREATE INDEX payout_open_of ON payout (client_id) WHERE state NOT IN ('DONE', 'CANCELLED', 'MERGED');
DROP TRIGGER payout_follows_client;
CREATE TRIGGER payout_follows_client AFTER UPDATE OF destination ON client BEGIN
  UPDATE payout SET state = 'PLANNED', destination = NULL, destination_kind = NULL
    WHERE id IN (SELECT id FROM open_payout
      WHERE client_id = NEW.id AND state = 'INVOICED' AND submitted_at IS NULL);
  UPDATE payout SET try_at = 0, tries = 0, waiting = ''
    WHERE id IN (SELECT id FROM open_payout WHERE client_id = NEW.id AND state = 'PLANNED');
END;

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

-- Quick ways to what is asked often, however long the history ---------------------------------------------

-- Of any kind, as SQLite looks for a distribution's postings by nothing but its id.
DROP INDEX posting_distribution;
CREATE UNIQUE INDEX posting_distribution ON posting (distribution_id) WHERE distribution_id IS NOT NULL;
CREATE INDEX deposit_of ON deposit (client_id);                 -- a client's newest
CREATE INDEX deposit_pending_of ON deposit (client_id) WHERE state = 'pending';
CREATE INDEX foreign_status ON foreign_payment (status, seen_at); -- what may still change
CREATE INDEX inbox_stranger ON inbox (sender) WHERE command = 'stranger';
