/**
 * Writes normal history of the sample fleet to standard output, as CSV (Device,Sensor,Value): what
 * samples/train.py trains on. Without faults, and spread over three months: every hour of the day is in
 * it many times, under many loads.
 */
import { once } from 'node:events';
import { SAMPLE_FLEET } from './fleet.ts';
import { READING_INTERVAL_MS, sampleReadings } from './readings.ts';
import { DAY_MS } from '../domain/time.ts';

const FROM_MS = Date.parse('2026-01-05T00:00:00Z');
const DAYS = 91;
/** In step with neither the hour nor the day. */
const SPACING_MS = 605_000;

process.stdout.write('Device,Sensor,Value\n');
for (const { index, device, sensor } of SAMPLE_FLEET) {
  let rows = '';
  for (let ms = FROM_MS; ms < FROM_MS + DAYS * DAY_MS; ms += SPACING_MS)
    for (const { value } of sampleReadings(index, ms, ms + READING_INTERVAL_MS, { faults: false }))
      rows += `${device},${sensor},${value}\n`;
  if (!process.stdout.write(rows)) await once(process.stdout, 'drain');
}
