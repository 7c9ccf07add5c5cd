-- compatible-from: 4
-- Which hub the progress of a partition is of: numbers alone cannot tell a hub that was made anew, or failed over, from
-- the one that was read. A version that does not keep this goes on; last_seq tells that what is here is of before.
ALTER TABLE partition_progress ADD COLUMN hub_created_ms INTEGER;
ALTER TABLE partition_progress ADD COLUMN last_seq INTEGER; -- last_offset and last_enqueued_ms are of this event
ALTER TABLE partition_progress ADD COLUMN last_offset TEXT;
ALTER TABLE partition_progress ADD COLUMN last_enqueued_ms INTEGER;
ALTER TABLE partition_progress ADD COLUMN problem TEXT; -- why nothing of it is read, until somebody decides
