-- Which process recorded a failure. A table of its own: failures are few, and outcomes are many.
CREATE TABLE failed_by (
  batch_key INT NOT NULL,
  sensor_id INT NOT NULL,
  worker NVARCHAR(400) COLLATE Latin1_General_100_BIN2 NOT NULL,
  CONSTRAINT pk_failed_by PRIMARY KEY CLUSTERED (batch_key, sensor_id)
);

-- Minutes of event time whose windows changed after a batch was planned that reaches beyond them. Only late
-- readings write here, so ingest has no row that all partitions would queue for.
CREATE TABLE late_minutes (
  start_ms BIGINT NOT NULL,
  changed_at_ms BIGINT NOT NULL,
  CONSTRAINT pk_late_minutes PRIMARY KEY CLUSTERED (start_ms)
);

CREATE INDEX batches_end ON batches (to_ms);
