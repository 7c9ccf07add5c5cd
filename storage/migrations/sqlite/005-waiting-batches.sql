-- A batch is on record from its start on, also when it ends before its sensors are planned: its release_key is 0 then.
-- compatible-from: 3
ALTER TABLE batches ADD COLUMN wanted_release TEXT; -- the release that was asked for, until there is one
ALTER TABLE batches ADD COLUMN class TEXT;          -- why it failed as a whole
CREATE INDEX batches_planned_end ON batches (to_ms) WHERE release_key > 0;
DROP INDEX batches_end;
