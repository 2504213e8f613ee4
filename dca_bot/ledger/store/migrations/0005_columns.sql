-- Columns instead of texts that hold several values, split by spaces.

-- Cash-outs -----------------------------------------------------------------------------------------------

-- The codes and amounts of Lamassu's row (core/row_amounts.py). Each number is a decimal in normal form, as 8e2
-- for 800.00; NULL for Lamassu's NULL, 'broken' for an unreadable number.
ALTER TABLE cash_out ADD COLUMN row_crypto_code TEXT;           -- NULL: never read from Lamassu
ALTER TABLE cash_out ADD COLUMN row_fiat_code TEXT CHECK ((row_fiat_code IS NULL) = (row_crypto_code IS NULL));
ALTER TABLE cash_out ADD COLUMN row_crypto_atoms TEXT;
ALTER TABLE cash_out ADD COLUMN row_fiat TEXT;
ALTER TABLE cash_out ADD COLUMN row_commission TEXT;
ALTER TABLE cash_out ADD COLUMN row_ticker TEXT;
ALTER TABLE cash_out ADD COLUMN row_discount TEXT;
ALTER TABLE cash_out ADD COLUMN row_fixed_fee TEXT;             -- NULL: recorded before the bot knew fees
UPDATE cash_out SET
    row_crypto_code = old_terms(terms, 'crypto_code'),
    row_fiat_code = old_terms(terms, 'fiat_code'),
    row_crypto_atoms = old_terms(terms, 'crypto_atoms'),
    row_fiat = old_terms(terms, 'fiat'),
    row_commission = old_terms(terms, 'commission'),
    row_ticker = old_terms(terms, 'ticker'),
    row_discount = old_terms(terms, 'discount'),
    row_fixed_fee = old_terms(terms, 'fixed_fee')
  WHERE terms IS NOT NULL;
DROP TRIGGER cash_out_keeps_terms;
ALTER TABLE cash_out DROP COLUMN terms;
CREATE TRIGGER cash_out_keeps_row BEFORE UPDATE OF row_crypto_code, row_fiat_code, row_crypto_atoms, row_fiat,
  row_commission, row_ticker, row_discount, row_fixed_fee ON cash_out
WHEN OLD.state = 'distributed' AND OLD.row_crypto_code IS NOT NULL
BEGIN SELECT RAISE(ABORT, 'what was shared out keeps the amounts of its row'); END;

-- Single facts of several values: tables of one row ---------------------------------------------------------

-- The newest usable price of a coin at the Lamassu server.
CREATE TABLE ticker (
  id    INTEGER PRIMARY KEY CHECK (id = 1),
  at    INTEGER NOT NULL,                       -- when its row was created
  price TEXT NOT NULL CHECK (price <> '')       -- a decimal, in whole units of fiat
) STRICT;
INSERT INTO ticker (id, at, price)
  SELECT 1, old_micros(old_word(value, 0)), old_word(value, 1) FROM fact WHERE name = 'ticker';

-- The oldest copy of Lamassu's data that the last poll has read; no row where Lamassu itself was read.
CREATE TABLE oldest_copy (
  id    INTEGER PRIMARY KEY CHECK (id = 1),
  name  TEXT NOT NULL,
  as_of INTEGER NOT NULL
) STRICT;
INSERT INTO oldest_copy (id, name, as_of)
  SELECT 1, json_extract(value, '$[0]'), old_micros(json_extract(value, '$[1]')) FROM fact WHERE name = 'oldest_copy';

-- What the operators were told last about the funds of the source wallet; no row while all is well.
CREATE TABLE top_up (
  id           INTEGER PRIMARY KEY CHECK (id = 1),
  trouble      TEXT NOT NULL CHECK (trouble IN ('low', 'short')),
  expires_at   INTEGER NOT NULL,                -- of the top-up invoice
  balance_msat INTEGER NOT NULL,                -- of the source wallet, when they were told
  asked_sat    INTEGER NOT NULL CHECK (asked_sat >= 0)
) STRICT;
INSERT INTO top_up (id, trouble, expires_at, balance_msat, asked_sat)
  SELECT 1, old_word(value, 0), CAST(old_word(value, 1) AS INTEGER), CAST(old_word(value, 2) AS INTEGER),
    CAST(old_word(value, 3) AS INTEGER)
  FROM fact WHERE name = 'top_up';

-- How much time the bot has witnessed, whatever the clock showed.
CREATE TABLE witnessed (
  id         INTEGER PRIMARY KEY CHECK (id = 1),
  boot       TEXT NOT NULL,                     -- the computer's start
  elapsed_us INTEGER NOT NULL,                  -- how long the computer had run since then
  total_us   INTEGER NOT NULL,                  -- witnessed in all
  shown_at   INTEGER NOT NULL                   -- by the clock at that moment
) STRICT;
INSERT INTO witnessed (id, boot, elapsed_us, total_us, shown_at)
  SELECT 1, old_word(value, 0), CAST(old_word(value, 1) AS INTEGER), CAST(old_word(value, 2) AS INTEGER),
    CAST(old_word(value, 3) AS INTEGER)
  FROM fact WHERE name = 'witnessed';

DELETE FROM fact WHERE name IN ('ticker', 'oldest_copy', 'top_up', 'witnessed');
