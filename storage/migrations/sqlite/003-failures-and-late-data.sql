-- Which process recorded a failure. A table of its own: failures are few, and outcomes are many.
CREATE TABLE failed_by (
  batch_key INTEGER NOT NULL,
  sensor_id INTEGER NOT NULL,
  worker TEXT NOT NULL,
  PRIMARY KEY (batch_key, sensor_id)
) STRICT, WITHOUT ROWID;

-- Minutes of event time whose windows changed after a batch was planned that reaches beyond them. Only late
-- readings write here, so ingest has no row that all partitions would queue for.
CREATE TABLE late_minutes (
  start_ms INTEGER NOT NULL,
  changed_at_ms INTEGER NOT NULL, -- time of the clock
  PRIMARY KEY (start_ms)
) STRICT, WITHOUT ROWID;

CREATE INDEX batches_end ON batches (to_ms);
