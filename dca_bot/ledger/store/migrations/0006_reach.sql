-- Where people read, whom the bot reaches, and what each relay has passed on.

-- The bot's relays ------------------------------------------------------------------------------------------

-- How far each of the bot's relays was heard; a relay that is no longer configured keeps its row.
CREATE TABLE relay (
  url       TEXT PRIMARY KEY CHECK (url <> ''), -- normalized
  heard_at  INTEGER NOT NULL,                   -- everything that the relay got before was received
  worked_at INTEGER                             -- when the relay last passed messages on; NULL: never
) STRICT, WITHOUT ROWID;

-- Events for the bot that can never be accepted, by the SHA-256 of the whole event, signature included.
CREATE TABLE refused_event (
  digest     BLOB PRIMARY KEY CHECK (length(digest) = 32),
  refused_at INTEGER NOT NULL
) STRICT, WITHOUT ROWID;
CREATE INDEX refused_event_at ON refused_event (refused_at);

-- People ----------------------------------------------------------------------------------------------------

-- The newest relay list of each kind that a person has signed (kind 10002: NIP-65, kind 10050: NIP-17).
CREATE TABLE relay_list (
  pubkey     TEXT NOT NULL CHECK (length(pubkey) = 64),
  kind       INTEGER NOT NULL CHECK (kind IN (10002, 10050)),
  created_at INTEGER NOT NULL,                  -- whole seconds, of the event
  event      TEXT NOT NULL,                     -- as signed, JSON
  PRIMARY KEY (pubkey, kind)
) STRICT, WITHOUT ROWID;

-- The relays that an nprofile (NIP-19) named for a person.
CREATE TABLE relay_hint (
  pubkey TEXT NOT NULL CHECK (length(pubkey) = 64),
  place  INTEGER NOT NULL CHECK (place >= 0),   -- in the order of the nprofile
  url    TEXT NOT NULL CHECK (url <> ''),
  PRIMARY KEY (pubkey, place)
) STRICT, WITHOUT ROWID;

-- How messages to a person fare.
CREATE TABLE delivery (
  pubkey     TEXT PRIMARY KEY CHECK (length(pubkey) = 64),
  reached_at INTEGER,                           -- when a relay that counts last accepted a message
  relay      TEXT NOT NULL DEFAULT '',          -- that relay
  lost_at    INTEGER,                           -- since when messages don't reach the person; NULL: they do
  reason     TEXT CHECK (reason IN ('no_list', 'unusable_list', 'no_connection', 'no_answer', 'refused')),
  detail     TEXT NOT NULL DEFAULT '',          -- the relays' own words
  CHECK ((reason IS NULL) = (lost_at IS NULL))
) STRICT, WITHOUT ROWID;
CREATE INDEX delivery_lost ON delivery (lost_at) WHERE lost_at IS NOT NULL;

-- How far the clock of a person's phone is behind, in seconds, by the last message; NULL: not known.
ALTER TABLE person ADD COLUMN behind_s INTEGER;

-- A stranger's knock (chat/knock): the code that the stranger shows to an operator.
CREATE TABLE knock (
  code         TEXT PRIMARY KEY CHECK (code <> ''),
  pubkey       TEXT NOT NULL CHECK (length(pubkey) = 64),
  profile_name TEXT NOT NULL DEFAULT '',
  knocked_at   INTEGER NOT NULL,
  expires_at   INTEGER NOT NULL CHECK (expires_at > knocked_at),
  used_at      INTEGER
) STRICT, WITHOUT ROWID;
CREATE INDEX knock_open ON knock (expires_at) WHERE used_at IS NULL;
CREATE INDEX knock_of ON knock (pubkey);

-- Messages --------------------------------------------------------------------------------------------------

-- The relay that took a message although the recipient's list doesn't name it; '': none.
ALTER TABLE outbox ADD COLUMN taken_beside TEXT NOT NULL DEFAULT '';
-- When a message is worthless (NIP-40), for codes; NULL: never.
ALTER TABLE outbox ADD COLUMN expires_at INTEGER;
-- The strangers' answers of the last hour.
CREATE INDEX inbox_stranger_at ON inbox (received_at) WHERE command = 'stranger';
