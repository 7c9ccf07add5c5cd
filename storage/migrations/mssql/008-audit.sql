-- compatible-from: 4
-- What people did from the web application: an entry for every action, done or refused. Entries are never changed.
CREATE TABLE audit (
  id INT IDENTITY(1,1) NOT NULL,
  at_ms BIGINT NOT NULL,
  by_whom NVARCHAR(400) COLLATE Latin1_General_100_BIN2 NOT NULL,
  action NVARCHAR(32) COLLATE Latin1_General_100_BIN2 NOT NULL,
  target NVARCHAR(400) COLLATE Latin1_General_100_BIN2 NOT NULL,
  detail NVARCHAR(1000) COLLATE Latin1_General_100_BIN2 NOT NULL,
  result NVARCHAR(1000) COLLATE Latin1_General_100_BIN2 NOT NULL,
  CONSTRAINT pk_audit PRIMARY KEY CLUSTERED (id)
);
CREATE INDEX audit_target ON audit (target, id);
