/** A few sensors of the sample plant, with their published models and readings: what most tests of batches need. */
import { cpSync, mkdirSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import type { Context } from '../../cli/frame/context.ts';
import { CONTAINERS, modelBlob, packBlob } from '../../domain/blob-names.ts';
import type { SensorKey } from '../../domain/sensor.ts';
import { isoTime } from '../../domain/time.ts';
import { SAMPLE_FLEET, SAMPLE_MODELS_DIR } from '../../samples/fleet.ts';
import { sampleReadings } from '../../samples/readings.ts';

/** A past quarter of an hour that all these tests score. */
export const FROM = '2026-03-02T10:00:00.000Z';
export const TO = '2026-03-02T10:15:00.000Z';
export const PERIOD = { fromMs: Date.parse(FROM), toMs: Date.parse(TO) };

/** Folder with the models of the first `count` sensors of the plant, for `models publish`. */
export function modelsOf(count: number, dir: string): string {
  mkdirSync(dir, { recursive: true });
  for (const { device, sensor } of SAMPLE_FLEET.slice(0, count)) {
    const name = `model_${device}_${sensor}.onnx`;
    cpSync(join(fileURLToPath(SAMPLE_MODELS_DIR), name), join(dir, name));
  }
  return dir;
}

/** CSV file with the readings of the first `count` sensors in [from, to). */
export function readingsOf(count: number, file: string, from = FROM, to = TO): string {
  const rows = SAMPLE_FLEET.slice(0, count).flatMap((sensor) =>
    sampleReadings(sensor, Date.parse(from), Date.parse(to)),
  );
  const lines = rows.map((r) => `${isoTime(r.tsMs)},${r.device},${r.sensor},${r.value}`);
  writeFileSync(file, `TS,Device,Sensor,Value\n${lines.join('\n')}\n`);
  return file;
}

/**
 * The model of a sensor in the current release is not what was published any more, for workers that begin without a
 * cache and without packs.
 */
export async function damageModel(context: Context, { device, sensor }: SensorKey): Promise<void> {
  const store = await context.store();
  const blobs = context.blobs();
  const models = await store.listReleaseModels((await store.currentRelease())!);
  for (const { pack } of models) if (pack) await blobs.delete(CONTAINERS.models, packBlob(pack));
  const { model } = models.find((one) => one.device === device && one.sensor === sensor)!;
  await blobs.put(CONTAINERS.models, modelBlob(model), Buffer.from(DAMAGED), 'application/octet-stream');
  rmSync(context.config.scoring.cacheDir, { recursive: true, force: true });
}

/** What is in a damaged model. */
export const DAMAGED = 'not what was published';
