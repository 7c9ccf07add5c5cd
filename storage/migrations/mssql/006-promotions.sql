-- compatible-from: 4
-- Which release became current, when, by whom and how: the way back from a release is the one that was current before.
-- A version that keeps no log goes on beside it; what it promoted is noted when the next one looks.
CREATE TABLE promotions (
  id INT IDENTITY(1,1) NOT NULL,
  release_key INT NOT NULL,
  how NVARCHAR(32) COLLATE Latin1_General_100_BIN2 NOT NULL, -- publish, promote, rollback; seen: found current, by a version that kept no log
  by_whom NVARCHAR(400) COLLATE Latin1_General_100_BIN2 NOT NULL,
  at_ms BIGINT NOT NULL,
  CONSTRAINT pk_promotions PRIMARY KEY CLUSTERED (id)
);
INSERT INTO promotions (release_key, how, by_whom, at_ms)
SELECT release_key, 'seen', '', created_at_ms FROM releases WHERE is_current = 1;
