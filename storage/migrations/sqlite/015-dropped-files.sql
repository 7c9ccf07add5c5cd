-- compatible-from: 4
-- Files that somebody put into the container `drop`, and what became of each. A version that does not know them reads none.
CREATE TABLE dropped_files (
  id TEXT NOT NULL PRIMARY KEY,   -- SHA-256 of the name
  name TEXT NOT NULL,
  etag TEXT NOT NULL,
  form TEXT NOT NULL,
  bytes INTEGER NOT NULL,
  state TEXT NOT NULL,            -- domain/drop.ts, DropState
  first_seq INTEGER NOT NULL,
  send_id TEXT NOT NULL,
  holder TEXT NOT NULL,           -- who reads it, and until when nobody else does
  held_until_ms INTEGER NOT NULL,
  begun_ms INTEGER NOT NULL,
  ended_ms INTEGER,
  result TEXT                     -- JSON: domain/drop.ts, DropResult
) STRICT, WITHOUT ROWID;
CREATE INDEX dropped_files_state ON dropped_files (state);
CREATE INDEX dropped_files_first ON dropped_files (first_seq);
