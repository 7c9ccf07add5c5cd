-- compatible-from: 4
-- Ids of workflows and of schedules have up to 1,000 bytes in Temporal, and people make them with its own tools too.
ALTER TABLE batches ALTER COLUMN workflow_id NVARCHAR(1000) COLLATE Latin1_General_100_BIN2 NOT NULL;
ALTER TABLE batches ALTER COLUMN schedule NVARCHAR(1000) COLLATE Latin1_General_100_BIN2 NULL;
