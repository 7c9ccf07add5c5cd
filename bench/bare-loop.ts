/**
 * What the machine can do without us: one process that reads the rows of the simulated fleet from its store,
 * scores them with its packs and writes the same predictions to Blob. No workflows, no retries, no outcomes,
 * no threads. Prints one JSON line; the time is that of the loop alone.
 *
 *   node bench/bare-loop.ts --db FILE --blob CONNECTION_STRING --folder NAME --chunk 500 --from MS --to MS
 */
import { DatabaseSync } from 'node:sqlite';
import { parseArgs } from 'node:util';
import { BlobServiceClient } from '@azure/storage-blob';
import ort from 'onnxruntime-node';
import { packBlob } from '../domain/blob-names.ts';

const { values: flags } = parseArgs({
  options: {
    db: { type: 'string', default: '' },
    blob: { type: 'string', default: '' },
    folder: { type: 'string', default: '' },
    chunk: { type: 'string', default: '500' },
    from: { type: 'string', default: '' },
    to: { type: 'string', default: '' },
  },
});
const chunk = Number(flags.chunk);
const [fromMs, toMs] = [Number(flags.from), Number(flags.to)];
/** Uploads under way. */
const UPLOADS = 8;

const db = new DatabaseSync(flags.db, { readOnly: true });
db.exec('PRAGMA cache_size = -65536');
const prepare = (sql: string) => {
  const statement = db.prepare(sql);
  statement.setReturnArrays(true);
  return statement;
};
const sensorRows = prepare(`
  SELECT s.id, s.device, s.sensor, m.pack_id, m.pack_row FROM sensors s
  JOIN releases r ON r.is_current = 1 JOIN release_models m ON m.release_key = r.release_key AND m.sensor_id = s.id
  WHERE s.id >= ? AND s.id < ? ORDER BY s.id`);
const windowRows = prepare(
  'SELECT sensor_id, start_ms, mean FROM windows WHERE sensor_id >= ? AND sensor_id < ? AND start_ms >= ? ' +
    'AND start_ms < ? ORDER BY sensor_id, start_ms',
);
const packName = prepare('SELECT name FROM artifacts WHERE id = ?');
const { last } = db.prepare('SELECT MAX(id) AS last FROM sensors').get() as { last: number };

const service = BlobServiceClient.fromConnectionString(flags.blob);
const models = service.getContainerClient('models');
const predictions = service.getContainerClient('predictions');

const startedAt = performance.now();
const sessions = new Map<number, ort.InferenceSession>();
async function sessionOf(pack: number): Promise<ort.InferenceSession> {
  let session = sessions.get(pack);
  if (!session) {
    const [name] = packName.get(pack) as unknown as [string];
    session = await ort.InferenceSession.create(await models.getBlobClient(packBlob(name)).downloadToBuffer(), {
      intraOpNumThreads: 1,
      interOpNumThreads: 1,
    });
    sessions.set(pack, session);
  }
  return session;
}
/** Windows of the sensor whose first one is at this place. */
function rowsOf(windows: readonly (readonly [number, number, number])[], from: number): number {
  let to = from + 1;
  while (to < windows.length && windows[to]![0] === windows[from]![0]) to++;
  return to - from;
}

const part = { read: 0, score: 0, csv: 0 };
const times = new Map<number, string>();
const uploads = new Set<Promise<unknown>>();
let rows = 0;
let bytes = 0;
let anomalies = 0;
for (let from = 1; from <= last; from += chunk) {
  let at = performance.now();
  const sensors = sensorRows.all(from, from + chunk) as unknown as [number, string, string, number, number][];
  const windows = windowRows.all(from, from + chunk, fromMs, toMs) as unknown as [number, number, number][];
  part.read += performance.now() - at;

  at = performance.now();
  const byId = new Map(sensors.map((sensor) => [sensor[0], sensor]));
  const anomaly = new Uint8Array(windows.length);
  const score = new Float64Array(windows.length);
  // Rows of one pack follow each other.
  for (let start = 0; start < windows.length;) {
    const pack = byId.get(windows[start]![0])![3];
    let end = start;
    while (end < windows.length && byId.get(windows[end]![0])![3] === pack) end++;
    for (let of: number; start < end; start = of) {
      // Models with equally many rows, as the pack takes them.
      const each = rowsOf(windows, start);
      of = start + each;
      while (of < end && rowsOf(windows, of) === each) of += each;
      const models = (of - start) / each;
      const index = Int32Array.from({ length: models }, (_, m) => byId.get(windows[start + m * each]![0])![4]);
      const values = Float64Array.from({ length: of - start }, (_, i) => windows[start + i]![2]);
      const result = await (
        await sessionOf(pack)
      ).run({
        row: new ort.Tensor('int32', index, [models]),
        features: new ort.Tensor('float64', values, [models, each, 1]),
      });
      anomaly.set(result.anomaly!.data as Uint8Array, start);
      score.set(result.scores!.data as Float64Array, start);
    }
  }
  part.score += performance.now() - at;

  at = performance.now();
  const text = ['TS,Device,Sensor,Val,Prediction,Score\n'];
  let name = '';
  let id = -1;
  for (let i = 0; i < windows.length; i++) {
    const window = windows[i]!;
    if (window[0] !== id) {
      id = window[0];
      const sensor = byId.get(id)!;
      name = `,${sensor[1]},${sensor[2]},`;
    }
    let time = times.get(window[1]);
    if (time === undefined) times.set(window[1], (time = new Date(window[1]).toISOString()));
    text.push(time, name, String(window[2]), anomaly[i] === 1 ? ',1,' : ',0,', String(score[i]!), '\n');
    anomalies += anomaly[i]!;
  }
  const body = Buffer.from(text.join(''));
  part.csv += performance.now() - at;
  rows += windows.length;
  bytes += body.length;
  const upload: Promise<unknown> = predictions
    .getBlockBlobClient(`${flags.folder}/${from}.csv`)
    .upload(body, body.length)
    .finally(() => uploads.delete(upload));
  uploads.add(upload);
  if (uploads.size >= UPLOADS) await Promise.race(uploads);
}
await Promise.all(uploads);
const seconds = (performance.now() - startedAt) / 1000;
const cpu = process.cpuUsage();
process.stdout.write(
  `${JSON.stringify({
    seconds,
    rows,
    bytes,
    anomalies,
    readSeconds: part.read / 1000,
    scoreSeconds: part.score / 1000,
    csvSeconds: part.csv / 1000,
    cpuSeconds: (cpu.user + cpu.system) / 1e6,
    peakMiB: Math.round(process.resourceUsage().maxRSS / 1024),
  })}\n`,
);
