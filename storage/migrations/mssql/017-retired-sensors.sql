-- compatible-from: 4
-- Sensors that somebody took out of service, and those that a batch for all sensors leaves out: fixed when it is planned.
-- A version that does not know them plans all sensors.
CREATE TABLE retired_sensors (
  sensor_id INT NOT NULL,
  at_ms BIGINT NOT NULL,
  by_whom NVARCHAR(400) COLLATE Latin1_General_100_BIN2 NOT NULL,
  comment NVARCHAR(1000) COLLATE Latin1_General_100_BIN2 NOT NULL,
  CONSTRAINT pk_retired_sensors PRIMARY KEY CLUSTERED (sensor_id)
);
CREATE TABLE batch_left_out (
  batch_key INT NOT NULL,
  sensor_id INT NOT NULL,
  CONSTRAINT pk_batch_left_out PRIMARY KEY CLUSTERED (batch_key, sensor_id)
);
