-- A model may name the pool of workers it needs. NULL, and every model of before: it goes to the default pool.
ALTER TABLE release_models ADD COLUMN pool TEXT;

-- How many sensors of a release name each pool; no rows where none does.
CREATE TABLE release_pools (
  release_key INTEGER NOT NULL,
  pool TEXT NOT NULL,
  sensors INTEGER NOT NULL,
  PRIMARY KEY (release_key, pool)
) STRICT, WITHOUT ROWID;

-- Planned sensors of a batch by pool, '' for those that name none; no rows where its release names no pool.
CREATE TABLE batch_pools (
  batch_key INTEGER NOT NULL,
  pool TEXT NOT NULL,
  planned INTEGER NOT NULL,
  PRIMARY KEY (batch_key, pool)
) STRICT, WITHOUT ROWID;

-- The pool whose sensors a chunk holds: what is left to do in each pool is a short sum.
ALTER TABLE chunks ADD COLUMN pool TEXT;
