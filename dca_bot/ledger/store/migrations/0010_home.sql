-- `counted_minor` of version 9 has a value for fixed runs too: in a share the limit of its date. NULL: settled, found paid at
-- LNbits, or recorded before version 9.

-- A rehearsal's ledger pays nothing, makes no invoice and writes to no client. A ledger is a rehearsal's from its first
-- start and for good, or never: the fact `rehearsal`.
CREATE TRIGGER rehearsal_begins_empty BEFORE INSERT ON fact
WHEN NEW.name = 'rehearsal' AND (EXISTS (SELECT 1 FROM client) OR EXISTS (SELECT 1 FROM cash_out)
  OR EXISTS (SELECT 1 FROM fact WHERE name IN ('start_at', 'rehearsal')))
BEGIN SELECT RAISE(ABORT, 'a rehearsal begins with an empty ledger'); END;
CREATE TRIGGER rehearsal_is_final BEFORE UPDATE ON fact WHEN OLD.name = 'rehearsal' OR NEW.name = 'rehearsal'
BEGIN SELECT RAISE(ABORT, 'a rehearsal''s ledger stays one'); END;
CREATE TRIGGER rehearsal_stays BEFORE DELETE ON fact WHEN OLD.name = 'rehearsal'
BEGIN SELECT RAISE(ABORT, 'a rehearsal''s ledger stays one'); END;
CREATE TRIGGER rehearsal_pays_nothing BEFORE UPDATE OF state ON payout
WHEN NEW.state NOT IN ('PLANNED', 'HELD', 'MERGED', 'CANCELLED') AND EXISTS (SELECT 1 FROM fact WHERE name = 'rehearsal')
BEGIN SELECT RAISE(ABORT, 'a rehearsal pays nothing'); END;
CREATE TRIGGER rehearsal_makes_no_invoice BEFORE INSERT ON attempt
WHEN EXISTS (SELECT 1 FROM fact WHERE name = 'rehearsal')
BEGIN SELECT RAISE(ABORT, 'a rehearsal makes no invoice'); END;
CREATE TRIGGER rehearsal_takes_no_lease BEFORE INSERT ON lease
WHEN EXISTS (SELECT 1 FROM fact WHERE name = 'rehearsal')
BEGIN SELECT RAISE(ABORT, 'a rehearsal takes no lease'); END;
CREATE TRIGGER rehearsal_writes_to_no_client BEFORE INSERT ON outbox
WHEN EXISTS (SELECT 1 FROM fact WHERE name = 'rehearsal')
  AND EXISTS (SELECT 1 FROM client WHERE pubkey = NEW.recipient AND state <> 'closed')
BEGIN SELECT RAISE(ABORT, 'a rehearsal writes to operators only'); END;

-- What was moved in from another program: each source once. Cash-outs that the source has shared out are never shared out here.
CREATE TABLE import_source (
  source      TEXT PRIMARY KEY CHECK (source <> ''),   -- what tells the source from all others
  kind        TEXT NOT NULL CHECK (kind IN ('satmachine', 'clients')),
  imported_at INTEGER NOT NULL
) STRICT, WITHOUT ROWID;
CREATE TRIGGER import_source_is_final BEFORE UPDATE ON import_source
BEGIN SELECT RAISE(ABORT, 'imports are never altered'); END;
CREATE TRIGGER import_source_stays BEFORE DELETE ON import_source
BEGIN SELECT RAISE(ABORT, 'imports are never deleted'); END;
CREATE TABLE imported_cash_out (
  id     TEXT PRIMARY KEY,                             -- the cash-out's id at Lamassu
  source TEXT NOT NULL REFERENCES import_source (source)
) STRICT, WITHOUT ROWID;
CREATE TRIGGER imported_cash_out_is_final BEFORE UPDATE ON imported_cash_out
BEGIN SELECT RAISE(ABORT, 'imported cash-outs are never altered'); END;
CREATE TRIGGER imported_cash_out_stays BEFORE DELETE ON imported_cash_out
BEGIN SELECT RAISE(ABORT, 'imported cash-outs are never deleted'); END;
CREATE TRIGGER imported_cash_out_gives_nothing BEFORE INSERT ON distribution
WHEN EXISTS (SELECT 1 FROM imported_cash_out WHERE id = NEW.id)
BEGIN SELECT RAISE(ABORT, 'another program has shared out that cash-out'); END;
