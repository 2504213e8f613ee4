-- The bot's last question to a person who wrote in plain words: "Did you mean `pause`?". Another message of the
-- person ends the question.
CREATE TABLE question (
  pubkey     TEXT PRIMARY KEY CHECK (length(pubkey) = 64),
  command    TEXT NOT NULL CHECK (command <> ''),  -- the command that `yes` runs, as commands are written
  expires_at INTEGER NOT NULL
) STRICT, WITHOUT ROWID;

-- What a client asks of the operators; a task is open until an operator has answered it.
CREATE TABLE task (
  id           INTEGER PRIMARY KEY,
  client_id    INTEGER NOT NULL REFERENCES client (id),
  kind         TEXT NOT NULL CHECK (kind IN ('contact', 'withdrawal')),
  text         TEXT NOT NULL DEFAULT '',          -- the client's words, for a contact
  amount_minor INTEGER CHECK (amount_minor > 0),  -- the wish, for a withdrawal
  asked_at     INTEGER NOT NULL,
  answered_at  INTEGER,
  answered_by  TEXT CHECK (length(answered_by) = 64),  -- the operator's public key
  CHECK ((kind = 'contact') = (text <> '')),
  CHECK ((kind = 'withdrawal') = (amount_minor IS NOT NULL)),
  CHECK ((answered_at IS NULL) = (answered_by IS NULL))
) STRICT;
CREATE INDEX task_open ON task (client_id, id) WHERE answered_at IS NULL;
