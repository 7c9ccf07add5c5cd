-- compatible-from: 4
-- Sensors that somebody took out of service, and those that a batch for all sensors leaves out: fixed when it is planned.
-- A version that does not know them plans all sensors.
CREATE TABLE retired_sensors (
  sensor_id INTEGER PRIMARY KEY,
  at_ms INTEGER NOT NULL,
  by_whom TEXT NOT NULL,
  comment TEXT NOT NULL
) STRICT;

CREATE TABLE batch_left_out (
  batch_key INTEGER NOT NULL,
  sensor_id INTEGER NOT NULL,
  PRIMARY KEY (batch_key, sensor_id)
) STRICT, WITHOUT ROWID;
