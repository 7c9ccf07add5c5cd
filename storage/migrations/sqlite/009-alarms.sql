-- compatible-from: 4
-- Alarms: one row an excursion of a sensor, and one an event. What is searched for has a column, the rest is a document.
-- A version that does not know them writes none and misreads nothing.
CREATE TABLE alarms (
  id TEXT NOT NULL PRIMARY KEY,
  sensor_id INTEGER NOT NULL,
  kind TEXT NOT NULL,
  since_ms INTEGER NOT NULL,  -- start of its first abnormal window
  until_ms INTEGER NOT NULL,  -- when it was over; while it is active the largest time there is
  is_open INTEGER NOT NULL,   -- 1 while it is still of interest
  severity INTEGER NOT NULL,
  incident TEXT NOT NULL,     -- id of the first alarm that it belongs to
  record TEXT NOT NULL        -- JSON: domain/alarm.ts, AlarmRecord
) STRICT, WITHOUT ROWID;
CREATE INDEX alarms_sensor ON alarms (sensor_id, since_ms);
CREATE INDEX alarms_since ON alarms (since_ms);
CREATE INDEX alarms_open ON alarms (since_ms) WHERE is_open = 1;
CREATE INDEX alarms_incident ON alarms (incident);

CREATE TABLE alarm_events (
  seq INTEGER PRIMARY KEY,
  alarm_id TEXT NOT NULL,
  number INTEGER NOT NULL,    -- of the alarm's events, from 1
  event TEXT NOT NULL         -- JSON: domain/alarm.ts, AlarmEvent
) STRICT;
CREATE UNIQUE INDEX alarm_events_alarm ON alarm_events (alarm_id, number);

-- Shelving is of a sensor and a kind: the next alarm finds it.
CREATE TABLE alarm_shelves (
  sensor_id INTEGER NOT NULL,
  kind TEXT NOT NULL,
  shelf TEXT NOT NULL,        -- JSON: domain/alarm.ts, AlarmShelf
  PRIMARY KEY (sensor_id, kind)
) STRICT, WITHOUT ROWID;

CREATE TABLE alarm_rules (
  version INTEGER PRIMARY KEY,
  rules TEXT NOT NULL,        -- JSON: alarms/rules.ts
  by_whom TEXT NOT NULL,
  at_ms INTEGER NOT NULL
) STRICT;

-- Moves with every change of alarms: who decides about alarms finds out that somebody else did meanwhile.
CREATE TABLE alarm_clock (
  id INTEGER PRIMARY KEY CHECK (id = 1),
  epoch INTEGER NOT NULL
) STRICT;
INSERT INTO alarm_clock (id, epoch) VALUES (1, 0);
