-- compatible-from: 4
-- Notices of alarms until they are sent, and what was told. A version that does not know them tells as it did before.
CREATE TABLE alarm_notices (
  way TEXT NOT NULL,          -- alarms/notify-settings.ts, NotifyWay
  id TEXT NOT NULL,
  incident TEXT NOT NULL,
  what TEXT NOT NULL,
  severity INTEGER NOT NULL,  -- of an opening: the worst that was told since
  is_open INTEGER NOT NULL,   -- 1: an opening whose end was not told yet
  at_ms INTEGER NOT NULL,     -- of the window that it is about
  made_ms INTEGER NOT NULL,
  due_ms INTEGER NOT NULL,    -- not before; while somebody sends it, when it is due again
  sent_ms INTEGER,
  message TEXT,               -- id of the message that it went out in
  notice TEXT NOT NULL,       -- JSON: alarms/notice.ts, Notice
  PRIMARY KEY (way, id)
) STRICT, WITHOUT ROWID;
CREATE INDEX alarm_notices_open ON alarm_notices (way, incident) WHERE is_open = 1;
CREATE INDEX alarm_notices_due ON alarm_notices (way, due_ms) WHERE sent_ms IS NULL;
CREATE INDEX alarm_notices_sent ON alarm_notices (way, sent_ms) WHERE sent_ms IS NOT NULL;
CREATE INDEX alarm_notices_incident ON alarm_notices (incident, at_ms);
CREATE INDEX alarm_notices_made ON alarm_notices (made_ms);
