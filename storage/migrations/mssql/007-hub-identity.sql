-- compatible-from: 4
-- Which hub the progress of a partition is of: numbers alone cannot tell a hub that was made anew, or failed over, from
-- the one that was read. A version that does not keep this goes on; last_seq tells that what is here is of before.
ALTER TABLE partition_progress ADD hub_created_ms BIGINT NULL;
ALTER TABLE partition_progress ADD last_seq BIGINT NULL; -- last_offset and last_enqueued_ms are of this event
ALTER TABLE partition_progress ADD last_offset NVARCHAR(400) COLLATE Latin1_General_100_BIN2 NULL;
ALTER TABLE partition_progress ADD last_enqueued_ms BIGINT NULL;
ALTER TABLE partition_progress ADD problem NVARCHAR(1000) COLLATE Latin1_General_100_BIN2 NULL; -- why nothing of it is read, until somebody decides
