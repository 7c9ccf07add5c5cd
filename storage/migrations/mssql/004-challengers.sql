-- The release that batches score beside their own, without serving it; no row when there is none.
CREATE TABLE challenger (
  id INT NOT NULL,
  release_key INT NOT NULL,
  share FLOAT NOT NULL,
  since_ms BIGINT NOT NULL,
  CONSTRAINT pk_challenger PRIMARY KEY CLUSTERED (id),
  CONSTRAINT one_challenger CHECK (id = 1)
);

-- Fixed when a batch is planned, as its sensors and its release are.
CREATE TABLE batch_challengers (
  batch_key INT NOT NULL,
  release_key INT NOT NULL,
  share FLOAT NOT NULL,
  CONSTRAINT pk_batch_challengers PRIMARY KEY CLUSTERED (batch_key)
);

-- What a batch's challenger made of a sensor. The counts are of windows that both releases predicted.
CREATE TABLE challenged (
  batch_key INT NOT NULL,
  sensor_id INT NOT NULL,
  status TINYINT NOT NULL,
  class NVARCHAR(32) COLLATE Latin1_General_100_BIN2 NULL,
  message NVARCHAR(1000) COLLATE Latin1_General_100_BIN2 NULL,
  windows BIGINT NOT NULL,
  both_anomalous BIGINT NOT NULL,
  only_base BIGINT NOT NULL,
  only_challenger BIGINT NOT NULL,
  CONSTRAINT pk_challenged PRIMARY KEY CLUSTERED (batch_key, sensor_id)
);
