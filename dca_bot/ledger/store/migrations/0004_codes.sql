-- Codes instead of sentences: a reason stands in the ledger as a code, and the catalogue of each language has its
-- words. What somebody else said (a destination), and a sentence that no code is known for, stands beside the
-- code `said`.

CREATE TABLE old_sentence (
  words     TEXT PRIMARY KEY,
  code      TEXT NOT NULL,
  of_payout INTEGER NOT NULL                  -- a payout can wait for it; anything else is a destination's own words
) STRICT, WITHOUT ROWID;
INSERT INTO old_sentence (words, code, of_payout) VALUES
  ('not enough funds', 'not_enough_funds', 1),
  ('no destination', 'no_destination', 1),
  ('LNbits gave no clear answer', 'no_clear_answer', 1),
  ('an unexpected error; see the log', 'unexpected_error', 1),
  ('on its way', 'on_its_way', 1),
  ('sent again', 'sent_again', 1),
  ('was not sent in time; waits until it can''t be paid', 'not_sent_in_time', 1),
  ('LNbits says failed', 'called_failed', 1),
  ('the invoice is not void yet', 'not_void_yet', 1),
  ('row_vanished', 'row_vanished', 1),
  ('no_usable_answer', 'no_usable_answer', 1),
  ('arriving', 'arriving', 1),
  ('LNbits shows another amount than was asked for', 'lnbits_other_amount', 1),
  ('the client has the sats, the source wallet doesn''t know', 'unknown_debit', 1),
  ('other_credit', 'other_credit', 1),
  ('debited, but the client''s wallet doesn''t have it', 'not_arrived', 1),
  ('above payout_max_sat', 'ceiling_payout', 1),
  ('above day_max_sat in 24 hours', 'ceiling_day', 1),
  ('may have left without arriving', 'may_have_left', 1),
  ('LNbits knows this payout already', 'known_payout', 1),
  ('LNbits has paid this distribution already', 'known_distribution', 1),
  ('failed_to_address', 'failed_to_address', 1),
  ('arrived_after_all', 'arrived_after_all', 1),
  ('LNbits has paid this distribution, and nothing else tells of it', 'lost_distribution', 1),
  ('That is not a Lightning address: one looks like name@example.com.', 'no_address', 1),
  ('The server doesn''t know this Lightning address.', 'unknown_address', 1),
  ('The server doesn''t answer as those of Lightning addresses do.', 'no_address_service', 1),
  ('The server refuses without a reason.', 'refused_without_reason', 1),
  ('The Lightning address takes no payments.', 'takes_no_payments', 1),
  ('The server is not on the public internet; it is not asked.', 'not_public', 1),
  ('The Lightning address leads to a web address that is not asked.', 'leads_astray', 1),
  ('That is not a Lightning invoice.', 'no_invoice', 1),
  ('The invoice names no amount; only one that does is paid.', 'no_amount', 1),
  ('The invoice''s date or expiry can''t be read; it is not paid.', 'no_times', 1),
  ('The invoice is for another amount than was asked for.', 'invoice_other_amount', 1),
  ('The invoice expires too soon to be paid safely.', 'expires_soon', 1),
  ('The invoice lives for more than a week; it is not paid.', 'lives_long', 1),
  ('The destination has handed out the same invoice twice.', 'same_invoice', 1),
  ('limits_unusable', 'limits_unusable', 1),
  ('other_service', 'other_service', 1),
  ('payer_data', 'payer_data', 1),
  ('key_refused', 'key_refused', 1),
  ('other_network', 'other_network', 1),
  ('other coin', 'other_coin', 0),
  ('other currency', 'other_currency', 0),
  ('no coins', 'no_coins', 0),
  ('no cash left', 'no_cash_left', 0),
  ('not final yet', 'not_final_yet', 0),
  ('dispense not complete', 'dispense_not_complete', 0),
  ('coin or currency missing', 'coin_or_currency_missing', 0),
  ('amount of coins missing or impossible', 'amount_of_coins_missing_or_impossible', 0),
  ('amount of cash missing or impossible', 'amount_of_cash_missing_or_impossible', 0),
  ('commission missing or impossible', 'commission_missing_or_impossible', 0),
  ('discount impossible', 'discount_impossible', 0),
  ('price missing or impossible', 'price_missing_or_impossible', 0),
  ('amounts do not fit each other', 'amounts_do_not_fit_each_other', 0),
  ('fixed fee', 'fixed_fee', 0),
  ('dispense not reported', 'dispense_not_reported', 0),
  ('read with different contents', 'read_with_different_contents', 0),
  ('fewer coins received than sold', 'fewer_coins_received_than_sold', 0),
  ('ignored by the operator', 'ignored_by_the_operator', 0),
  ('amounts changed', 'amounts_changed', 0),
  ('closed', 'closed', 0),
  ('contradiction', 'contradiction', 0),
  ('missing', 'missing', 0),
  ('LNbits tells no price', 'no_price', 0),
  ('no price from Lamassu yet', 'no_lamassu_price', 0),
  ('the price from Lamassu is too old', 'lamassu_price_too_old', 0),
  ('the prices are too far apart', 'prices_too_far_apart', 0),
  ('everything was paused', 'everything_paused', 0),
  ('the bot was not at work', 'bot_not_at_work', 0),
  ('LNbits has paid runs of this day that the ledger does not know', 'unknown_runs_paid', 0);

-- Payouts: `waiting` is a code ---------------------------------------------------------------------------

ALTER TABLE payout ADD COLUMN waiting_said TEXT NOT NULL DEFAULT '';  -- the destination's own words, beside 'said'
ALTER TABLE payout ADD COLUMN waiting_sat INTEGER CHECK (waiting_sat >= 0); -- the limit that the amount breaks
UPDATE payout SET waiting_said = waiting,
    waiting_sat = CASE
      WHEN waiting GLOB 'The address takes at most [0-9]* sats.' THEN CAST(substr(waiting, 27) AS INTEGER)
      WHEN waiting GLOB 'The address takes at least [0-9]* sats.' THEN CAST(substr(waiting, 28) AS INTEGER)
    END
  WHERE waiting <> '';
UPDATE payout SET waiting = coalesce(
    (SELECT code FROM old_sentence WHERE words = waiting AND of_payout),
    CASE
      WHEN waiting GLOB 'The address takes at most [0-9]* sats.' THEN 'above_maximum'
      WHEN waiting GLOB 'The address takes at least [0-9]* sats.' THEN 'below_minimum'
      WHEN waiting GLOB '* answered HTTP [0-9][0-9][0-9]. Try again later.' THEN 'server_fault'
      WHEN waiting GLOB '* did not answer as it should (*). Try again later.' THEN 'unreachable'
      WHEN waiting GLOB 'There is no host * at present. Check the spelling, or try again later.' THEN 'no_host'
      ELSE 'said'
    END)
  WHERE waiting <> '';
UPDATE payout SET waiting_said = '' WHERE waiting NOT IN ('', 'said');

CREATE TRIGGER payout_starts_by_code BEFORE INSERT ON payout
WHEN NEW.waiting GLOB '*[^a-z0-9_]*'
BEGIN SELECT RAISE(ABORT, 'why a payout waits is a code'); END;
CREATE TRIGGER payout_waits_by_code BEFORE UPDATE OF waiting ON payout
WHEN NEW.waiting GLOB '*[^a-z0-9_]*'
BEGIN SELECT RAISE(ABORT, 'why a payout waits is a code'); END;
-- Words and limit belong to the code that they came with.
CREATE TRIGGER payout_forgets_words AFTER UPDATE OF waiting ON payout
WHEN NEW.waiting <> 'said' AND NEW.waiting_said <> ''
BEGIN UPDATE payout SET waiting_said = '' WHERE id = NEW.id; END;
CREATE TRIGGER payout_forgets_limit AFTER UPDATE OF waiting ON payout
WHEN NEW.waiting NOT IN ('above_maximum', 'below_minimum') AND NEW.waiting_sat IS NOT NULL
BEGIN UPDATE payout SET waiting_sat = NULL WHERE id = NEW.id; END;

-- Cash-outs ----------------------------------------------------------------------------------------------

ALTER TABLE cash_out ADD COLUMN reason_said TEXT NOT NULL DEFAULT ''; -- an earlier version's sentence, beside 'said'
ALTER TABLE cash_out ADD COLUMN recovered INTEGER NOT NULL DEFAULT 0   -- known from LNbits' payments alone
  CHECK (recovered IN (0, 1));
UPDATE cash_out SET recovered = 1, note = '' WHERE note = 'recorded as LNbits had paid it';
UPDATE cash_out SET reason_said = reason WHERE reason <> '' AND reason NOT IN (SELECT words FROM old_sentence);
UPDATE cash_out SET reason = coalesce((SELECT code FROM old_sentence WHERE words = reason), 'said')
  WHERE reason <> '';
CREATE TRIGGER cash_out_starts_by_code BEFORE INSERT ON cash_out
WHEN NEW.reason GLOB '*[^a-z0-9_]*'
BEGIN SELECT RAISE(ABORT, 'the reason of a cash-out is a code'); END;
CREATE TRIGGER cash_out_goes_on_by_code BEFORE UPDATE OF reason ON cash_out
WHEN NEW.reason GLOB '*[^a-z0-9_]*'
BEGIN SELECT RAISE(ABORT, 'the reason of a cash-out is a code'); END;

-- Holds --------------------------------------------------------------------------------------------------

CREATE TABLE hold_4 (
  id          INTEGER PRIMARY KEY,
  kind        TEXT NOT NULL CHECK (kind IN ('cash-out', 'changed', 'payout', 'lost')),
  ref         TEXT NOT NULL,
  reason      TEXT NOT NULL CHECK (reason NOT GLOB '*[^a-z0-9_]*'),
  reason_said TEXT NOT NULL DEFAULT '' CHECK (reason_said = '' OR reason = 'said'),
  opened_at   INTEGER NOT NULL,
  closed_at   INTEGER,
  outcome     TEXT CHECK (outcome IN ('accepted', 'ignored', 'cancelled', 'by_itself')),
  CHECK ((closed_at IS NULL) = (outcome IS NULL))
) STRICT;
INSERT INTO hold_4 (id, kind, ref, reason, reason_said, opened_at, closed_at, outcome)
  SELECT id, kind, ref, iif(reason = '', '', coalesce(code, 'said')), iif(code IS NULL, reason, ''),
    opened_at, closed_at, replace(outcome, ' ', '_')
  FROM hold LEFT JOIN old_sentence ON words = reason;
DROP TABLE hold;
ALTER TABLE hold_4 RENAME TO hold;
CREATE UNIQUE INDEX hold_open ON hold (kind, ref) WHERE closed_at IS NULL;
CREATE INDEX hold_ref ON hold (ref);

-- Fixed mode's runs --------------------------------------------------------------------------------------

ALTER TABLE fixed_run ADD COLUMN reason_said TEXT NOT NULL DEFAULT ''; -- as in cash_out
DROP TRIGGER fixed_run_is_final;
UPDATE fixed_run SET reason_said = reason WHERE reason <> '' AND reason NOT IN (SELECT words FROM old_sentence);
UPDATE fixed_run SET reason = coalesce((SELECT code FROM old_sentence WHERE words = reason), 'said')
  WHERE reason <> '';
CREATE TRIGGER fixed_run_is_final BEFORE UPDATE ON fixed_run
WHEN OLD.state = 'done' OR OLD.id <> NEW.id OR OLD.day <> NEW.day
  OR OLD.state = 'lapsed' AND NEW.changed_at >= OLD.changed_at  -- an earlier one: it lapsed by a clock that was ahead
    AND NOT (NEW.state = 'done' AND NEW.ceiling_minor IS NULL)  -- found paid at LNbits
BEGIN SELECT RAISE(ABORT, 'a run that is over stays as it is'); END;
CREATE TRIGGER fixed_run_starts_by_code BEFORE INSERT ON fixed_run
WHEN NEW.reason GLOB '*[^a-z0-9_]*'
BEGIN SELECT RAISE(ABORT, 'the reason of a fixed run is a code'); END;
CREATE TRIGGER fixed_run_goes_on_by_code BEFORE UPDATE OF reason ON fixed_run
WHEN NEW.reason GLOB '*[^a-z0-9_]*'
BEGIN SELECT RAISE(ABORT, 'the reason of a fixed run is a code'); END;

-- Alarms, by the part that is out of reach -----------------------------------------------------------------

UPDATE OR REPLACE alarm SET name = lower(name) WHERE name IN ('Lamassu', 'LNbits');
UPDATE outbox SET alarm = lower(alarm) WHERE alarm IN ('Lamassu', 'LNbits');

DROP TABLE old_sentence;
