-- A batch is on record from its start on, also when it ends before its sensors are planned: its release_key is 0 then.
-- compatible-from: 3
ALTER TABLE batches ADD wanted_release NVARCHAR(400) COLLATE Latin1_General_100_BIN2 NULL; -- until there is one
ALTER TABLE batches ADD class NVARCHAR(32) COLLATE Latin1_General_100_BIN2 NULL;           -- why it failed as a whole
CREATE INDEX batches_planned_end ON batches (to_ms) WHERE release_key > 0;
DROP INDEX batches_end ON batches;
