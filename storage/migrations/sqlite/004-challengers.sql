-- The release that batches score beside their own, without serving it; no row when there is none.
CREATE TABLE challenger (
  id INTEGER PRIMARY KEY CHECK (id = 1),
  release_key INTEGER NOT NULL,
  share REAL NOT NULL, -- of the sensors, above 0, at most 1
  since_ms INTEGER NOT NULL
) STRICT;

-- Fixed when a batch is planned, as its sensors and its release are.
CREATE TABLE batch_challengers (
  batch_key INTEGER PRIMARY KEY,
  release_key INTEGER NOT NULL,
  share REAL NOT NULL
) STRICT;

-- What a batch's challenger made of a sensor. The counts are of windows that both releases predicted.
CREATE TABLE challenged (
  batch_key INTEGER NOT NULL,
  sensor_id INTEGER NOT NULL,
  status INTEGER NOT NULL,
  class TEXT,
  message TEXT,
  windows INTEGER NOT NULL,
  both_anomalous INTEGER NOT NULL,
  only_base INTEGER NOT NULL,       -- anomalies for the batch's own release alone
  only_challenger INTEGER NOT NULL, -- and for the challenger alone
  PRIMARY KEY (batch_key, sensor_id)
) STRICT, WITHOUT ROWID;
