-- Where the Stream Analytics job writes, and how its rows become windows of the store. Run after the store's own
-- migrations, by `start.js database`. Safe to run again.
IF OBJECT_ID(N'dbo.stream_windows', N'U') IS NULL
CREATE TABLE dbo.stream_windows (
  device NVARCHAR(128) COLLATE Latin1_General_100_BIN2 NOT NULL,
  sensor NVARCHAR(128) COLLATE Latin1_General_100_BIN2 NOT NULL,
  start_ms BIGINT NOT NULL,
  [count] BIGINT NOT NULL,
  mean FLOAT NOT NULL,
  [min] FLOAT NOT NULL,
  [max] FLOAT NOT NULL,
  [last] FLOAT NOT NULL,
  last_ts BIGINT NOT NULL
);
GO
-- Without a clustered index a table that is filled and emptied all day keeps its empty pages under row versions.
IF NOT EXISTS (SELECT 1 FROM sys.indexes WHERE object_id = OBJECT_ID(N'dbo.stream_windows') AND name = N'stream_windows_start')
CREATE CLUSTERED INDEX stream_windows_start ON dbo.stream_windows (start_ms, device, sensor);
GO
-- Takes the rows that are there, in one transaction: unknown sensors get the next ids under the lock that the
-- store takes for this, windows are updated or added, and the watermark of batches moves on. The job writes a row
-- at least once; the same row again changes nothing.
CREATE OR ALTER PROCEDURE dbo.apply_stream_windows @window_ms BIGINT
AS
BEGIN
  SET NOCOUNT ON;
  SET XACT_ABORT ON;
  DECLARE @taken TABLE (
    device NVARCHAR(128) COLLATE Latin1_General_100_BIN2 NOT NULL,
    sensor NVARCHAR(128) COLLATE Latin1_General_100_BIN2 NOT NULL,
    start_ms BIGINT NOT NULL, [count] BIGINT NOT NULL, mean FLOAT NOT NULL, [min] FLOAT NOT NULL,
    [max] FLOAT NOT NULL, [last] FLOAT NOT NULL, last_ts BIGINT NOT NULL
  );
  DECLARE @rows TABLE (
    sensor_id INT NOT NULL, start_ms BIGINT NOT NULL, [count] INT NOT NULL, mean FLOAT NOT NULL, [min] FLOAT NOT NULL,
    [max] FLOAT NOT NULL, [last] FLOAT NOT NULL, last_ts BIGINT NOT NULL, PRIMARY KEY (sensor_id, start_ms)
  );
  DECLARE @granted INT, @applied INT, @now BIGINT = DATEDIFF_BIG(MILLISECOND, '1970-01-01', SYSUTCDATETIME());
  BEGIN TRANSACTION;

  -- First, as it may wait for the lock: rows are deleted after it, so the job's own inserts do not wait along.
  IF EXISTS (SELECT 1 FROM dbo.stream_windows t WHERE NOT EXISTS (SELECT 1 FROM dbo.sensors s WHERE s.device = t.device AND s.sensor = t.sensor))
  BEGIN
    EXEC @granted = sp_getapplock @Resource = N'fleetscore-sensors', @LockMode = 'Exclusive', @LockOwner = 'Transaction', @LockTimeout = 60000;
    IF @granted < 0 THROW 50001, 'apply_stream_windows: the lock of the sensors was not granted', 1;
    INSERT INTO dbo.sensors (id, device, sensor, unit)
    SELECT COALESCE((SELECT MAX(id) FROM dbo.sensors), 0) + ROW_NUMBER() OVER (ORDER BY fresh.device, fresh.sensor), fresh.device, fresh.sensor, N''
    FROM (SELECT DISTINCT t.device, t.sensor FROM dbo.stream_windows t
          WHERE NOT EXISTS (SELECT 1 FROM dbo.sensors s WHERE s.device = t.device AND s.sensor = t.sensor)) fresh;
  END;

  -- A sensor that came since then is not known yet: its rows stay for the next run.
  DELETE t
    OUTPUT deleted.device, deleted.sensor, deleted.start_ms, deleted.[count], deleted.mean, deleted.[min], deleted.[max], deleted.[last], deleted.last_ts
    INTO @taken
    FROM dbo.stream_windows t
    WHERE EXISTS (SELECT 1 FROM dbo.sensors s WHERE s.device = t.device AND s.sensor = t.sensor);

  -- Of a window that was written twice the fuller row counts.
  INSERT INTO @rows (sensor_id, start_ms, [count], mean, [min], [max], [last], last_ts)
  SELECT best.id, best.start_ms, best.[count], best.mean, best.[min], best.[max], best.[last], best.last_ts
  FROM (SELECT s.id, t.start_ms, t.[count], t.mean, t.[min], t.[max], t.[last], t.last_ts,
               ROW_NUMBER() OVER (PARTITION BY s.id, t.start_ms ORDER BY t.[count] DESC, t.last_ts DESC) AS rank_in_window
        FROM @taken t JOIN dbo.sensors s ON s.device = t.device AND s.sensor = t.sensor) best
  WHERE best.rank_in_window = 1;

  -- The bytes of the readings are not known here; NULL where there were several means: rebuild from raw capture
  -- before an ingest worker goes on with these windows.
  UPDATE w SET [count] = r.[count], mean = r.mean, [min] = r.[min], [max] = r.[max], [last] = r.[last], last_ts = r.last_ts, readings = NULL
  FROM dbo.windows w JOIN @rows r ON r.sensor_id = w.sensor_id AND r.start_ms = w.start_ms
  WHERE r.[count] > w.[count] OR r.last_ts > w.last_ts;

  INSERT INTO dbo.windows (sensor_id, start_ms, [count], mean, [min], [max], [last], last_ts, readings)
  SELECT r.sensor_id, r.start_ms, r.[count], r.mean, r.[min], r.[max], r.[last], r.last_ts, NULL
  FROM @rows r WHERE NOT EXISTS (SELECT 1 FROM dbo.windows w WHERE w.sensor_id = r.sensor_id AND w.start_ms = r.start_ms);

  SELECT @applied = COUNT(*) FROM @rows;
  IF @applied > 0
  BEGIN
    -- A window is written when its end has passed the job's watermark. Where windows overlap, every reading is in
    -- one that starts at a multiple of the length: counted there it counts once.
    UPDATE dbo.partition_progress
    SET watermark_ms = CASE WHEN n.watermark_ms > p.watermark_ms THEN n.watermark_ms ELSE p.watermark_ms END,
        readings = p.readings + n.readings, updated_at_ms = @now
    FROM dbo.partition_progress p
    CROSS JOIN (SELECT MAX(start_ms) + @window_ms AS watermark_ms, SUM(CASE WHEN start_ms % @window_ms = 0 THEN CAST([count] AS BIGINT) ELSE 0 END) AS readings FROM @rows) n
    WHERE p.source = N'stream-analytics' AND p.partition_id = N'0';
    IF @@ROWCOUNT = 0
      INSERT INTO dbo.partition_progress (source, partition_id, applied_seq, captured_seq, watermark_ms, readings, late, dead, updated_at_ms)
      SELECT N'stream-analytics', N'0', 0, 0, MAX(start_ms) + @window_ms, SUM(CASE WHEN start_ms % @window_ms = 0 THEN CAST([count] AS BIGINT) ELSE 0 END), 0, 0, @now FROM @rows;
  END;

  COMMIT TRANSACTION;
  SELECT (SELECT COUNT(*) FROM @taken) AS takenRows, @applied AS appliedWindows;
END;
