/**
 * `npm run bench -- --forests`: a batch of sensors with an isolation forest of 100 trees each, from workers that have
 * loaded nothing, beside the same forests in a Python loop, Ray and Dask. What counts is CPU for a sensor: all load a
 * model to score a few windows with it.
 *
 *   npm run bench -- --forests [--sensors 2000] [--windows 15] [--fitted 200] [--peers loop,ray,dask|none]
 */
import { execFile } from 'node:child_process';
import { cpSync, mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { parseArgs, promisify } from 'node:util';
import { loadConfig } from '../config.ts';
import { convertModels } from '../scoring/convert.ts';
import { decodeModel } from '../scoring/onnx-proto.ts';
import { publishModels } from '../scoring/publish.ts';
import { type BenchFleet, runBatch, startFleet } from './fleet.ts';
import { load } from './machine.ts';
import { ensureVenv, PEER_NAMES, type PeerName, runPeer } from './peers.ts';
import type { ByPart } from './processes.ts';

const run = promisify(execFile);
const say = (line: string): void => void process.stderr.write(`${line}\n`);

interface Sizes {
  readonly sensors: number;
  readonly windows: number;
  /** Forests that are fitted and converted; the others are these with shifted splits. */
  readonly fitted: number;
  readonly peers: readonly PeerName[];
}

function sizesOf(args: readonly string[]): Sizes {
  const { values } = parseArgs({
    args: [...args],
    options: {
      forests: { type: 'boolean' },
      sensors: { type: 'string', default: '2000' },
      windows: { type: 'string', default: '15' },
      fitted: { type: 'string', default: '200' },
      peers: { type: 'string', default: 'loop,ray,dask' },
    },
  });
  const sensors = Number(values.sensors);
  return {
    sensors,
    windows: Number(values.windows),
    fitted: Math.min(sensors, Number(values.fitted)),
    peers: PEER_NAMES.filter((name) => values.peers.split(',').includes(name)),
  };
}

export async function benchForests(args: readonly string[]): Promise<void> {
  const sizes = sizesOf(args);
  const { toolsDir } = loadConfig(process.env);
  const dir = mkdtempSync(join(tmpdir(), 'fleetscore-bench-forests-'));
  let fleet: BenchFleet | undefined;
  try {
    const python = await ensureVenv('python', toolsDir, say);
    const script = fileURLToPath(new URL('./peers/forests.py', import.meta.url));
    const fitted = join(dir, 'fitted');
    await run(python, [script, fitted, String(sizes.fitted)], { env: { ...process.env, OMP_NUM_THREADS: '1' } });
    fleet = await startFleet(sizes.sensors, sizes.windows, toolsDir, say);
    const { onnx, publishCpu } = await publishForests(fleet, dir, fitted, sizes, toolsDir);
    await fleet.workers.use({ processes: 1 });
    const batch = await runBatch(fleet, 'forests');
    const sum = (parts: ByPart): number => Object.values(parts).reduce((all, part) => all + part, 0);
    const perSensor = (seconds: number): number => Number(((seconds * 1000) / sizes.sensors).toFixed(3));
    const ours = {
      secondsOfBatch: batch.seconds,
      cpuMsPerSensor: Object.fromEntries(
        Object.entries(batch.cpuSeconds).map(([part, seconds]) => [part, perSensor(seconds)]),
      ),
      peakMiB: batch.peakMiB,
      publishCpuMsPerModel: publishCpu,
    };
    const peers = [];
    for (const name of sizes.peers)
      peers.push(await runPeer(name, fleet, toolsDir, say, { models: fitted, sensors: sizes.fitted }));
    const loop = peers.find(({ name }) => name === 'loop')?.perSensor;
    const loopMs = loop?.cpuSeconds === undefined ? undefined : (loop.cpuSeconds * 1000) / loop.sensors;
    console.log(
      JSON.stringify(
        {
          setting: { ...sizes, trees: 100, onnxBytes: onnx, load: load() },
          fleetscore: ours,
          peers,
          ...(loopMs === undefined
            ? {}
            : {
                loopCpuMsPerSensor: Number(loopMs.toFixed(2)),
                timesScoringWorker: Number((loopMs / perSensor(batch.cpuSeconds['scoring worker'] ?? 0)).toFixed(1)),
                timesAllProcesses: Number((loopMs / perSensor(sum(batch.cpuSeconds))).toFixed(1)),
              }),
        },
        undefined,
        2,
      ),
    );
  } finally {
    await fleet?.stop();
    rmSync(dir, { recursive: true, force: true });
  }
}

/** Converts the forests, makes as many of them as there are sensors, and publishes them as the current release. */
async function publishForests(
  { context }: BenchFleet,
  dir: string,
  fitted: string,
  { sensors, fitted: count }: Sizes,
  toolsDir: string,
): Promise<{ readonly onnx: number; readonly publishCpu: number }> {
  const named = join(dir, 'named');
  mkdirSync(named);
  for (const name of readdirSync(fitted)) cpSync(join(fitted, name), join(named, name.replace('model_', 'model_d_')));
  const converted = join(dir, 'converted');
  await convertModels(named, converted, { toolsDir, log: say });
  const store = await context.store();
  const listed = await store.listSensors({ limit: sensors });
  const folder = join(dir, 'onnx');
  mkdirSync(folder);
  const rows = listed.map(({ id, device, sensor }, i) => {
    const bytes = Uint8Array.from(readFileSync(join(converted, `model_d_${(i % count) + 1}.onnx`)));
    shiftSplits(bytes, Math.floor(i / count) / 997);
    writeFileSync(join(folder, `${id}.onnx`), bytes);
    return `${device},${sensor},${id}.onnx`;
  });
  writeFileSync(join(folder, 'manifest.csv'), `Device,Sensor,Model\n${rows.join('\n')}\n`);
  const before = process.cpuUsage();
  const options = { store, blobs: context.blobs(), nowMs: Date.now(), warn: say, others: 'replace' as const };
  const summary = await publishModels(folder, options);
  const { user, system } = process.cpuUsage(before);
  if (summary.packed !== sensors) say(`only ${summary.packed} of ${sensors} models are in packs`);
  return {
    onnx: readFileSync(join(folder, `${listed[0]!.id}.onnx`)).byteLength,
    publishCpu: Number(((user + system) / 1000 / sensors).toFixed(2)),
  };
}

/**
 * Makes another forest of one, in its bytes: fitting and converting each would take longer than all that is measured.
 */
function shiftSplits(bytes: Uint8Array, by: number): void {
  const ensemble = decodeModel(bytes).graph!.node!.find(({ opType }) => opType === 'TreeEnsemble');
  const raw = ensemble!.attribute!.find(({ name }) => name === 'nodes_splits')!.t!.rawData!;
  const view = new DataView(raw.buffer, raw.byteOffset, raw.byteLength);
  for (let at = 0; at < raw.byteLength; at += 8) view.setFloat64(at, view.getFloat64(at, true) + by, true);
}
