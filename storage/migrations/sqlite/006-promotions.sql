-- compatible-from: 4
-- Which release became current, when, by whom and how: the way back from a release is the one that was current before.
-- A version that keeps no log goes on beside it; what it promoted is noted when the next one looks.
CREATE TABLE promotions (
  id INTEGER PRIMARY KEY,
  release_key INTEGER NOT NULL,
  how TEXT NOT NULL, -- publish, promote, rollback; seen: found current, by a version that kept no log
  by_whom TEXT NOT NULL,
  at_ms INTEGER NOT NULL
) STRICT;
INSERT INTO promotions (release_key, how, by_whom, at_ms)
SELECT release_key, 'seen', '', created_at_ms FROM releases WHERE is_current = 1;
