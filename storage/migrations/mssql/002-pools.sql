-- A model may name the pool of workers it needs. NULL, and every model of before: it goes to the default pool.
-- No statement of this file uses a column that it adds: all of it is one batch.
ALTER TABLE release_models ADD pool NVARCHAR(128) COLLATE Latin1_General_100_BIN2 NULL;

-- How many sensors of a release name each pool; no rows where none does.
CREATE TABLE release_pools (
  release_key INT NOT NULL,
  pool NVARCHAR(128) COLLATE Latin1_General_100_BIN2 NOT NULL,
  sensors INT NOT NULL,
  CONSTRAINT pk_release_pools PRIMARY KEY CLUSTERED (release_key, pool)
);

-- Planned sensors of a batch by pool, '' for those that name none; no rows where its release names no pool.
CREATE TABLE batch_pools (
  batch_key INT NOT NULL,
  pool NVARCHAR(128) COLLATE Latin1_General_100_BIN2 NOT NULL,
  planned INT NOT NULL,
  CONSTRAINT pk_batch_pools PRIMARY KEY CLUSTERED (batch_key, pool)
);

-- The pool whose sensors a chunk holds: what is left to do in each pool is a short sum.
ALTER TABLE chunks ADD pool NVARCHAR(128) COLLATE Latin1_General_100_BIN2 NULL;
