-- compatible-from: 4
-- What alarms are decided on. A version that does not know these tables writes no signals; the windows of its batches are
-- read from their predictions files instead.
CREATE TABLE alarm_signals (
  batch_key INTEGER NOT NULL,
  sensor_id INTEGER NOT NULL,
  items TEXT NOT NULL,        -- JSON: alarms/evidence.ts; gone once they are decided on
  PRIMARY KEY (batch_key, sensor_id)
) STRICT, WITHOUT ROWID;

-- Stretches of a sensor in which something was abnormal, with the state after each. Sensors at rest have none.
CREATE TABLE alarm_links (
  sensor_id INTEGER NOT NULL,
  from_ms INTEGER NOT NULL,
  to_ms INTEGER NOT NULL,
  live INTEGER NOT NULL,      -- 1: something is carried out of it
  link TEXT NOT NULL,         -- JSON: alarms/chain.ts
  PRIMARY KEY (sensor_id, from_ms)
) STRICT, WITHOUT ROWID;
CREATE INDEX alarm_links_end ON alarm_links (to_ms);

-- Sensors whose newest link carries something on.
CREATE TABLE alarm_live (sensor_id INTEGER PRIMARY KEY) STRICT;

-- Batches whose alarms are decided on, or how far that is.
CREATE TABLE alarm_batches (
  batch_key INTEGER PRIMARY KEY,
  from_ms INTEGER NOT NULL,
  to_ms INTEGER NOT NULL,
  after_id INTEGER NOT NULL,
  done INTEGER NOT NULL
) STRICT;
CREATE INDEX alarm_batches_end ON alarm_batches (to_ms);
