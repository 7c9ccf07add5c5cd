-- compatible-from: 4
-- Alarms that lasted in a period of now: without it, each batch looks at every alarm there ever was.
CREATE INDEX alarms_until ON alarms (until_ms, since_ms);
