-- The whole store. Times are epoch milliseconds (UTC) in BIGINT. Names compare byte for byte (BIN2), as in
-- the embedded store. Clustered keys are the order of the hot reads. Long names (models, batches, releases)
-- get integer keys, because every outcome of every batch carries them. No statement needs another batch (GO).

CREATE TABLE settings (
  name NVARCHAR(128) COLLATE Latin1_General_100_BIN2 NOT NULL,
  value NVARCHAR(1000) COLLATE Latin1_General_100_BIN2 NOT NULL,
  CONSTRAINT pk_settings PRIMARY KEY CLUSTERED (name)
);

-- Ids are dense: a new one is the highest plus one, under an application lock; sensors are never deleted.
CREATE TABLE sensors (
  id INT NOT NULL,
  device NVARCHAR(128) COLLATE Latin1_General_100_BIN2 NOT NULL,
  sensor NVARCHAR(128) COLLATE Latin1_General_100_BIN2 NOT NULL,
  unit NVARCHAR(128) COLLATE Latin1_General_100_BIN2 NOT NULL,
  CONSTRAINT pk_sensors PRIMARY KEY CLUSTERED (id)
);
CREATE UNIQUE INDEX sensors_name ON sensors (device, sensor);

-- change_id rises with every change of a row; MIN_ACTIVE_ROWVERSION() tells what a reader cannot have missed.
CREATE TABLE windows (
  sensor_id INT NOT NULL,
  start_ms BIGINT NOT NULL,
  [count] INT NOT NULL,
  mean FLOAT NOT NULL,
  [min] FLOAT NOT NULL,
  [max] FLOAT NOT NULL,
  [last] FLOAT NOT NULL,
  last_ts BIGINT NOT NULL,
  change_id ROWVERSION NOT NULL,
  readings VARBINARY(MAX) NULL,
  CONSTRAINT pk_windows PRIMARY KEY CLUSTERED (sensor_id, start_ms)
);
-- A commit locks thousands of rows of its own partition's sensors: never the whole table, the other partitions commit too.
ALTER TABLE windows SET (LOCK_ESCALATION = DISABLE);

CREATE TABLE partition_progress (
  source NVARCHAR(400) COLLATE Latin1_General_100_BIN2 NOT NULL,
  partition_id NVARCHAR(32) COLLATE Latin1_General_100_BIN2 NOT NULL,
  applied_seq BIGINT NOT NULL,
  captured_seq BIGINT NOT NULL,
  watermark_ms BIGINT NOT NULL,
  readings BIGINT NOT NULL,
  late BIGINT NOT NULL,
  dead BIGINT NOT NULL,
  updated_at_ms BIGINT NOT NULL,
  CONSTRAINT pk_partition_progress PRIMARY KEY CLUSTERED (source, partition_id)
);

-- Names of files known by their content: models and packs.
CREATE TABLE artifacts (
  id INT IDENTITY(1,1) NOT NULL,
  name NVARCHAR(128) COLLATE Latin1_General_100_BIN2 NOT NULL,
  CONSTRAINT pk_artifacts PRIMARY KEY CLUSTERED (id)
);
CREATE UNIQUE INDEX artifacts_name ON artifacts (name);

CREATE TABLE models (
  model_id INT NOT NULL,
  bytes BIGINT NOT NULL,
  kind NVARCHAR(128) COLLATE Latin1_General_100_BIN2 NOT NULL,
  features NVARCHAR(MAX) NOT NULL,
  CONSTRAINT pk_models PRIMARY KEY CLUSTERED (model_id)
);

CREATE TABLE releases (
  release_key INT IDENTITY(1,1) NOT NULL,
  name NVARCHAR(128) COLLATE Latin1_General_100_BIN2 NOT NULL,
  created_at_ms BIGINT NOT NULL,
  models INT NOT NULL,
  is_current BIT NOT NULL DEFAULT 0,
  CONSTRAINT pk_releases PRIMARY KEY CLUSTERED (release_key)
);
CREATE UNIQUE INDEX releases_name ON releases (name);
CREATE UNIQUE INDEX releases_current ON releases (is_current) WHERE is_current = 1;

CREATE TABLE release_models (
  release_key INT NOT NULL,
  sensor_id INT NOT NULL,
  model_id INT NOT NULL,
  pack_id INT NULL,
  pack_row INT NULL,
  CONSTRAINT pk_release_models PRIMARY KEY CLUSTERED (release_key, sensor_id)
);

CREATE TABLE batches (
  batch_key INT IDENTITY(1,1) NOT NULL,
  id NVARCHAR(128) COLLATE Latin1_General_100_BIN2 NOT NULL,
  workflow_id NVARCHAR(400) COLLATE Latin1_General_100_BIN2 NOT NULL,
  run_id NVARCHAR(128) COLLATE Latin1_General_100_BIN2 NOT NULL,
  kind NVARCHAR(32) COLLATE Latin1_General_100_BIN2 NOT NULL,
  schedule NVARCHAR(400) COLLATE Latin1_General_100_BIN2 NULL,
  release_key INT NOT NULL,
  supersedes NVARCHAR(128) COLLATE Latin1_General_100_BIN2 NULL,
  code_version NVARCHAR(128) COLLATE Latin1_General_100_BIN2 NOT NULL,
  from_ms BIGINT NOT NULL,
  to_ms BIGINT NOT NULL,
  started_at_ms BIGINT NOT NULL,
  listed BIT NOT NULL,
  max_sensor_id INT NOT NULL,
  planned INT NOT NULL,
  status NVARCHAR(32) COLLATE Latin1_General_100_BIN2 NOT NULL,
  manifest NVARCHAR(400) COLLATE Latin1_General_100_BIN2 NULL,
  message NVARCHAR(1000) COLLATE Latin1_General_100_BIN2 NULL,
  finished_at_ms BIGINT NULL,
  scored BIGINT NOT NULL DEFAULT 0,
  skipped BIGINT NOT NULL DEFAULT 0,
  failed BIGINT NOT NULL DEFAULT 0,
  cancelled BIGINT NOT NULL DEFAULT 0,
  windows BIGINT NOT NULL DEFAULT 0,
  anomalies BIGINT NOT NULL DEFAULT 0,
  CONSTRAINT pk_batches PRIMARY KEY CLUSTERED (batch_key)
);
CREATE UNIQUE INDEX batches_id ON batches (id);
CREATE INDEX batches_period ON batches (from_ms, to_ms);
CREATE INDEX batches_started ON batches (started_at_ms);

CREATE TABLE batch_sensors (
  batch_key INT NOT NULL,
  sensor_id INT NOT NULL,
  CONSTRAINT pk_batch_sensors PRIMARY KEY CLUSTERED (batch_key, sensor_id)
);

-- A commit of outcomes and at most one file. Its counts make the progress of a batch a short sum.
CREATE TABLE chunks (
  chunk_key INT IDENTITY(1,1) NOT NULL,
  batch_key INT NOT NULL,
  name NVARCHAR(800) COLLATE Latin1_General_100_BIN2 NOT NULL,
  blob NVARCHAR(1000) COLLATE Latin1_General_100_BIN2 NULL,
  row_count BIGINT NULL,
  bytes BIGINT NULL,
  sha256 NVARCHAR(128) COLLATE Latin1_General_100_BIN2 NULL,
  scored BIGINT NOT NULL,
  skipped BIGINT NOT NULL,
  failed BIGINT NOT NULL,
  cancelled BIGINT NOT NULL,
  windows BIGINT NOT NULL,
  anomalies BIGINT NOT NULL,
  CONSTRAINT pk_chunks PRIMARY KEY CLUSTERED (chunk_key)
);
CREATE UNIQUE INDEX chunks_name ON chunks (batch_key, name);

CREATE TABLE outcomes (
  batch_key INT NOT NULL,
  sensor_id INT NOT NULL,
  chunk_key INT NOT NULL,
  status TINYINT NOT NULL,
  class NVARCHAR(32) COLLATE Latin1_General_100_BIN2 NULL,
  message NVARCHAR(1000) COLLATE Latin1_General_100_BIN2 NULL,
  windows BIGINT NOT NULL,
  anomalies BIGINT NOT NULL,
  model_id INT NULL,
  attempt INT NOT NULL,
  change_id BIGINT NOT NULL,
  CONSTRAINT pk_outcomes PRIMARY KEY CLUSTERED (batch_key, sensor_id)
);
-- What people ask for is what was not scored; the scored rest needs no second index.
CREATE INDEX outcomes_unscored ON outcomes (batch_key, status, sensor_id) WHERE status > 0;
