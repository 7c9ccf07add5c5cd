-- compatible-from: 4
-- Notices of alarms until they are sent, and what was told. A version that does not know them tells as it did before.
CREATE TABLE alarm_notices (
  way NVARCHAR(32) COLLATE Latin1_General_100_BIN2 NOT NULL, -- alarms/notify-settings.ts, NotifyWay
  id NVARCHAR(128) COLLATE Latin1_General_100_BIN2 NOT NULL,
  incident NVARCHAR(32) COLLATE Latin1_General_100_BIN2 NOT NULL,
  what NVARCHAR(32) COLLATE Latin1_General_100_BIN2 NOT NULL,
  severity INT NOT NULL, -- of an opening: the worst that was told since
  is_open BIT NOT NULL, -- 1: an opening whose end was not told yet
  at_ms BIGINT NOT NULL, -- of the window that it is about
  made_ms BIGINT NOT NULL,
  due_ms BIGINT NOT NULL, -- not before; while somebody sends it, when it is due again
  sent_ms BIGINT NULL,
  message NVARCHAR(128) COLLATE Latin1_General_100_BIN2 NULL, -- id of the message that it went out in
  notice NVARCHAR(MAX) NOT NULL, -- JSON: alarms/notice.ts, Notice
  CONSTRAINT pk_alarm_notices PRIMARY KEY CLUSTERED (way, id)
);
CREATE INDEX alarm_notices_open ON alarm_notices (way, incident) WHERE is_open = 1;
CREATE INDEX alarm_notices_due ON alarm_notices (way, due_ms) WHERE sent_ms IS NULL;
CREATE INDEX alarm_notices_sent ON alarm_notices (way, sent_ms) WHERE sent_ms IS NOT NULL;
CREATE INDEX alarm_notices_incident ON alarm_notices (incident, at_ms);
CREATE INDEX alarm_notices_made ON alarm_notices (made_ms);
