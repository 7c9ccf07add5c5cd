-- compatible-from: 4
-- Files that somebody put into the container `drop`, and what became of each. A version that does not know them reads none.
CREATE TABLE dropped_files (
  id NVARCHAR(128) COLLATE Latin1_General_100_BIN2 NOT NULL, -- SHA-256 of the name
  name NVARCHAR(MAX) COLLATE Latin1_General_100_BIN2 NOT NULL,
  etag NVARCHAR(128) COLLATE Latin1_General_100_BIN2 NOT NULL,
  form NVARCHAR(128) COLLATE Latin1_General_100_BIN2 NOT NULL,
  bytes BIGINT NOT NULL,
  state NVARCHAR(32) COLLATE Latin1_General_100_BIN2 NOT NULL, -- domain/drop.ts, DropState
  first_seq BIGINT NOT NULL,
  send_id NVARCHAR(128) COLLATE Latin1_General_100_BIN2 NOT NULL,
  holder NVARCHAR(128) COLLATE Latin1_General_100_BIN2 NOT NULL, -- who reads it, and until when nobody else does
  held_until_ms BIGINT NOT NULL,
  begun_ms BIGINT NOT NULL,
  ended_ms BIGINT NULL,
  result NVARCHAR(MAX) NULL, -- JSON: domain/drop.ts, DropResult
  CONSTRAINT pk_dropped_files PRIMARY KEY CLUSTERED (id)
);
CREATE INDEX dropped_files_state ON dropped_files (state);
CREATE INDEX dropped_files_first ON dropped_files (first_seq);
