-- compatible-from: 4
-- What alarms are decided on. A version that does not know these tables writes no signals; the windows of its batches are
-- read from their predictions files instead.
CREATE TABLE alarm_signals (
  batch_key INT NOT NULL,
  sensor_id INT NOT NULL,
  items NVARCHAR(MAX) NOT NULL, -- JSON: alarms/evidence.ts; gone once they are decided on
  CONSTRAINT pk_alarm_signals PRIMARY KEY CLUSTERED (batch_key, sensor_id)
);

-- Stretches of a sensor in which something was abnormal, with the state after each. Sensors at rest have none.
CREATE TABLE alarm_links (
  sensor_id INT NOT NULL,
  from_ms BIGINT NOT NULL,
  to_ms BIGINT NOT NULL,
  live BIT NOT NULL, -- 1: something is carried out of it
  link NVARCHAR(MAX) NOT NULL, -- JSON: alarms/chain.ts
  CONSTRAINT pk_alarm_links PRIMARY KEY CLUSTERED (sensor_id, from_ms)
);
CREATE INDEX alarm_links_end ON alarm_links (to_ms);

-- Sensors whose newest link carries something on.
CREATE TABLE alarm_live (
  sensor_id INT NOT NULL,
  CONSTRAINT pk_alarm_live PRIMARY KEY CLUSTERED (sensor_id)
);

-- Batches whose alarms are decided on, or how far that is.
CREATE TABLE alarm_batches (
  batch_key INT NOT NULL,
  from_ms BIGINT NOT NULL,
  to_ms BIGINT NOT NULL,
  after_id INT NOT NULL,
  done BIT NOT NULL,
  CONSTRAINT pk_alarm_batches PRIMARY KEY CLUSTERED (batch_key)
);
CREATE INDEX alarm_batches_end ON alarm_batches (to_ms);
