-- compatible-from: 4
-- Where the alarms of one sensor of a batch stand, where they take several turns (JSON: storage/contract/alarm-work.ts,
-- AlarmPlace). A version that does not know it decides on the sensor from the start again.
ALTER TABLE alarm_batches ADD COLUMN place TEXT;
ALTER TABLE alarm_batches ADD COLUMN place_sensor INTEGER;
CREATE INDEX alarm_batches_place ON alarm_batches (place_sensor) WHERE place_sensor IS NOT NULL;
