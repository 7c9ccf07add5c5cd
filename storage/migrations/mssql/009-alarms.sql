-- compatible-from: 4
-- Alarms: one row an excursion of a sensor, and one an event. What is searched for has a column, the rest is a document.
-- A version that does not know them writes none and misreads nothing.
CREATE TABLE alarms (
  id NVARCHAR(32) COLLATE Latin1_General_100_BIN2 NOT NULL,
  sensor_id INT NOT NULL,
  kind NVARCHAR(32) COLLATE Latin1_General_100_BIN2 NOT NULL,
  since_ms BIGINT NOT NULL, -- start of its first abnormal window
  until_ms BIGINT NOT NULL, -- when it was over; while it is active the largest time there is
  is_open BIT NOT NULL, -- 1 while it is still of interest
  severity INT NOT NULL,
  incident NVARCHAR(32) COLLATE Latin1_General_100_BIN2 NOT NULL, -- id of the first alarm that it belongs to
  record NVARCHAR(MAX) NOT NULL, -- JSON: domain/alarm.ts, AlarmRecord
  CONSTRAINT pk_alarms PRIMARY KEY CLUSTERED (id)
);
CREATE INDEX alarms_sensor ON alarms (sensor_id, since_ms);
CREATE INDEX alarms_since ON alarms (since_ms);
CREATE INDEX alarms_open ON alarms (since_ms) WHERE is_open = 1;
CREATE INDEX alarms_incident ON alarms (incident);

CREATE TABLE alarm_events (
  seq INT IDENTITY(1,1) NOT NULL,
  alarm_id NVARCHAR(32) COLLATE Latin1_General_100_BIN2 NOT NULL,
  number INT NOT NULL, -- of the alarm's events, from 1
  event NVARCHAR(MAX) NOT NULL, -- JSON: domain/alarm.ts, AlarmEvent
  CONSTRAINT pk_alarm_events PRIMARY KEY CLUSTERED (seq)
);
CREATE UNIQUE INDEX alarm_events_alarm ON alarm_events (alarm_id, number);

-- Shelving is of a sensor and a kind: the next alarm finds it.
CREATE TABLE alarm_shelves (
  sensor_id INT NOT NULL,
  kind NVARCHAR(32) COLLATE Latin1_General_100_BIN2 NOT NULL,
  shelf NVARCHAR(MAX) NOT NULL, -- JSON: domain/alarm.ts, AlarmShelf
  CONSTRAINT pk_alarm_shelves PRIMARY KEY CLUSTERED (sensor_id, kind)
);

CREATE TABLE alarm_rules (
  version INT NOT NULL,
  rules NVARCHAR(MAX) NOT NULL, -- JSON: alarms/rules.ts
  by_whom NVARCHAR(400) COLLATE Latin1_General_100_BIN2 NOT NULL,
  at_ms BIGINT NOT NULL,
  CONSTRAINT pk_alarm_rules PRIMARY KEY CLUSTERED (version)
);

-- Moves with every change of alarms: who decides about alarms finds out that somebody else did meanwhile.
CREATE TABLE alarm_clock (
  id INT NOT NULL,
  epoch INT NOT NULL,
  CONSTRAINT pk_alarm_clock PRIMARY KEY CLUSTERED (id),
  CONSTRAINT one_alarm_clock CHECK (id = 1)
);
INSERT INTO alarm_clock (id, epoch) VALUES (1, 0);
