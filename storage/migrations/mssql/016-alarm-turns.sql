-- compatible-from: 4
-- Where the alarms of one sensor of a batch stand, the one with the id after after_id, where they take several turns
-- (JSON: storage/contract/alarm-work.ts, AlarmPlace). A version that does not know it decides on the sensor from the
-- start again.
ALTER TABLE alarm_batches ADD place NVARCHAR(MAX) COLLATE Latin1_General_100_BIN2 NULL;
