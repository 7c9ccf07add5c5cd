-- compatible-from: 4
-- What people did from the web application: an entry for every action, done or refused. Entries are never changed.
CREATE TABLE audit (
  id INTEGER PRIMARY KEY AUTOINCREMENT,
  at_ms INTEGER NOT NULL,
  by_whom TEXT NOT NULL,
  action TEXT NOT NULL,
  target TEXT NOT NULL,
  detail TEXT NOT NULL,
  result TEXT NOT NULL
) STRICT;
CREATE INDEX audit_target ON audit (target, id);
