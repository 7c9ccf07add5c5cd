-- The whole store. Times are epoch milliseconds (UTC). Hot tables are WITHOUT ROWID: the primary key is
-- the table, ordered the way it is read. Long names (models, batches, releases) get integer keys, because
-- every outcome of every batch carries them.

CREATE TABLE settings (
  name TEXT NOT NULL PRIMARY KEY,
  value TEXT NOT NULL
) STRICT, WITHOUT ROWID;

-- Ids are dense: a new one is the highest plus one, and sensors are never deleted.
CREATE TABLE sensors (
  id INTEGER PRIMARY KEY,
  device TEXT NOT NULL,
  sensor TEXT NOT NULL,
  unit TEXT NOT NULL DEFAULT ''
) STRICT;
CREATE UNIQUE INDEX sensors_name ON sensors (device, sensor);

-- A sensor's windows lie together in order of time: reading a period of a chunk of sensors is one seek a
-- sensor. The bytes of the readings come last; readers of the aggregate never touch their overflow pages.
CREATE TABLE windows (
  sensor_id INTEGER NOT NULL,
  start_ms INTEGER NOT NULL,
  count INTEGER NOT NULL,
  mean REAL NOT NULL,
  min REAL NOT NULL,
  max REAL NOT NULL,
  last REAL NOT NULL,
  last_ts INTEGER NOT NULL,   -- event time of the newest reading
  change_id INTEGER NOT NULL, -- the commit that changed this window last
  readings BLOB,              -- the set of readings; NULL when it is (last_ts, last) alone
  PRIMARY KEY (sensor_id, start_ms)
) STRICT, WITHOUT ROWID;

CREATE TABLE change_counter (
  id INTEGER PRIMARY KEY CHECK (id = 1),
  value INTEGER NOT NULL
) STRICT;
INSERT INTO change_counter (id, value) VALUES (1, 0);

CREATE TABLE partition_progress (
  source TEXT NOT NULL,
  partition_id TEXT NOT NULL,
  applied_seq INTEGER NOT NULL,
  captured_seq INTEGER NOT NULL,
  watermark_ms INTEGER NOT NULL,
  readings INTEGER NOT NULL,
  late INTEGER NOT NULL,
  dead INTEGER NOT NULL,
  updated_at_ms INTEGER NOT NULL,
  PRIMARY KEY (source, partition_id)
) STRICT, WITHOUT ROWID;

-- Names of files known by their content: models and packs.
CREATE TABLE artifacts (
  id INTEGER PRIMARY KEY,
  name TEXT NOT NULL UNIQUE
) STRICT;

CREATE TABLE models (
  model_id INTEGER PRIMARY KEY, -- artifacts.id
  bytes INTEGER NOT NULL,
  kind TEXT NOT NULL,
  features TEXT NOT NULL -- JSON array of strings
) STRICT;

CREATE TABLE releases (
  release_key INTEGER PRIMARY KEY,
  name TEXT NOT NULL UNIQUE,
  created_at_ms INTEGER NOT NULL,
  models INTEGER NOT NULL,
  is_current INTEGER NOT NULL DEFAULT 0
) STRICT;
CREATE UNIQUE INDEX releases_current ON releases (is_current) WHERE is_current = 1;

CREATE TABLE release_models (
  release_key INTEGER NOT NULL,
  sensor_id INTEGER NOT NULL,
  model_id INTEGER NOT NULL,
  pack_id INTEGER,
  pack_row INTEGER,
  PRIMARY KEY (release_key, sensor_id)
) STRICT, WITHOUT ROWID;

CREATE TABLE batches (
  batch_key INTEGER PRIMARY KEY,
  id TEXT NOT NULL UNIQUE,
  workflow_id TEXT NOT NULL,
  run_id TEXT NOT NULL,
  kind TEXT NOT NULL,
  schedule TEXT,
  release_key INTEGER NOT NULL,
  supersedes TEXT,
  code_version TEXT NOT NULL,
  from_ms INTEGER NOT NULL,
  to_ms INTEGER NOT NULL,
  started_at_ms INTEGER NOT NULL,
  listed INTEGER NOT NULL,        -- 1: planned are the rows of batch_sensors; 0: all sensors up to max_sensor_id
  max_sensor_id INTEGER NOT NULL,
  planned INTEGER NOT NULL,
  status TEXT NOT NULL,
  manifest TEXT,
  message TEXT,
  finished_at_ms INTEGER,
  scored INTEGER NOT NULL DEFAULT 0, -- the counts are set when the batch is finished
  skipped INTEGER NOT NULL DEFAULT 0,
  failed INTEGER NOT NULL DEFAULT 0,
  cancelled INTEGER NOT NULL DEFAULT 0,
  windows INTEGER NOT NULL DEFAULT 0,
  anomalies INTEGER NOT NULL DEFAULT 0
) STRICT;
CREATE INDEX batches_period ON batches (from_ms, to_ms);
CREATE INDEX batches_started ON batches (started_at_ms);

CREATE TABLE batch_sensors (
  batch_key INTEGER NOT NULL,
  sensor_id INTEGER NOT NULL,
  PRIMARY KEY (batch_key, sensor_id)
) STRICT, WITHOUT ROWID;

-- A commit of outcomes and at most one file. Its counts make the progress of a batch a short sum.
CREATE TABLE chunks (
  chunk_key INTEGER PRIMARY KEY,
  batch_key INTEGER NOT NULL,
  name TEXT NOT NULL,
  blob TEXT,
  row_count INTEGER,
  bytes INTEGER,
  sha256 TEXT,
  scored INTEGER NOT NULL,
  skipped INTEGER NOT NULL,
  failed INTEGER NOT NULL,
  cancelled INTEGER NOT NULL,
  windows INTEGER NOT NULL,
  anomalies INTEGER NOT NULL
) STRICT;
CREATE UNIQUE INDEX chunks_name ON chunks (batch_key, name);

CREATE TABLE outcomes (
  batch_key INTEGER NOT NULL,
  sensor_id INTEGER NOT NULL,
  chunk_key INTEGER NOT NULL,
  status INTEGER NOT NULL, -- 0 scored, 1 skipped, 2 failed, 3 cancelled
  class TEXT,
  message TEXT,
  windows INTEGER NOT NULL,
  anomalies INTEGER NOT NULL,
  model_id INTEGER,
  attempt INTEGER NOT NULL,
  change_id INTEGER NOT NULL, -- state of the windows that were scored
  PRIMARY KEY (batch_key, sensor_id)
) STRICT, WITHOUT ROWID;
-- What people ask for is what was not scored; the scored rest needs no second index.
CREATE INDEX outcomes_unscored ON outcomes (batch_key, status, sensor_id) WHERE status > 0;
