/**
 * Models that hang, eat memory or crash, Blob that is away, and calls that are given up: they cost what is theirs, and
 * the engine and its processes end well.
 */
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdirSync, readdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { createBlobStore } from '../../storage/azure-blobs.ts';
import { NO_SERVER, PERIOD, statuses, UNKNOWN, useEngines } from './engines.ts';
import { INTERVAL_MS, planned, putModel, seriesOf } from './fleet.ts';
import { hungryBytes, plainBytes, slowBytes, svmBytes } from './models.ts';

const { dir, server, engineWith, putPack } = useEngines('engine-trouble');

test('a model that hangs on some data fails its sensors, the others are scored, the caller stays free', async () => {
  const engine = await engineWith({ threads: 1, modelTimeoutMs: 3_000 });
  const slow = await putModel(server.blobs, slowBytes(20_000_000));
  const good = await putModel(server.blobs, plainBytes(1_000));
  const sensors = [planned(1, good), planned(2, slow), planned(3, good), planned(4, slow), planned(5, slow)];
  let ticks = 0;
  const ticking = setInterval(() => ticks++, 5);
  const result = await engine.run(sensors, seriesOf({ 1: [1], 2: [1], 3: [500], 4: [500], 5: [500] }));
  clearInterval(ticking);
  expect([1, 3].map((id) => result.verdicts[id - 1]!.status)).toEqual(['scored', 'scored']);
  expect([4, 5].map((id) => result.verdicts[id - 1]!.class)).toEqual(['timeout', 'timeout']);
  expect(result.verdicts[3]!.message).toContain('3000 ms');
  expect(ticks).toBeGreaterThan(10);
  // Its process is killed: no core stays busy. Sensors of one model that hung cost one process, and the engine goes on.
  expect(statuses(await engine.run([planned(1, good)], seriesOf({ 1: [2] })))).toEqual([[1, 'scored', undefined]]);
  await engine.close();
  // The thread that hung ends when its model returns, however long that takes.
  while (engine.stuckThreads() > 0) await sleep(50);
}, 120_000);

test('slow models of a chunk share a bound: then others get a second, and quick ones are scored', async () => {
  const engine = await engineWith({ threads: 1, modelTimeoutMs: 3_000, slowModels: 1 });
  // Each hangs for hours on data above its own limit, so each is a model of its own.
  const slow = await Promise.all(
    Array.from({ length: 4 }, (_, i) => putModel(server.blobs, slowBytes(2_000_000_000 + i))),
  );
  const good = await Promise.all([7, 8, 9].map((limit) => putModel(server.blobs, plainBytes(limit + 1_000))));
  const sensors = [...slow, ...good].map((model, i) => planned(i + 1, model));
  const result = await engine.run(sensors, seriesOf(Object.fromEntries(sensors.map(({ id }) => [id, [500]]))));
  const classes = result.verdicts.map((verdict) => verdict.class ?? verdict.status);
  expect(classes).toEqual([...slow.map(() => 'timeout'), 'scored', 'scored', 'scored']);
  const cut = result.verdicts.filter(({ message = '' }) => message.includes('used up the time that they share'));
  expect(cut.length).toBeGreaterThanOrEqual(2);
  expect(result.verdicts.filter(({ message = '' }) => message.endsWith('within 3000 ms'))).toHaveLength(1);
  expect(cut.at(-1)!.message).toContain('within 1000 ms');
  await engine.close();
}, 300_000);

test('a model that takes all memory fails its sensors, the others are scored', async () => {
  const engine = await engineWith({ threads: 1, modelMemoryBytes: 150 * 1024 * 1024 });
  const hungry = await putModel(server.blobs, hungryBytes(1_000));
  const modest = await putModel(server.blobs, hungryBytes(20));
  const sensors = [planned(1, modest), planned(2, hungry), planned(3, modest)];
  const result = await engine.run(sensors, seriesOf({ 1: [500], 2: [500], 3: [500] }));
  expect(statuses(result)).toEqual([
    [1, 'scored', undefined],
    [2, 'failed', 'model_too_large'],
    [3, 'scored', undefined],
  ]);
  expect(result.verdicts[1]!.message).toMatch(/more than 150 MiB of memory.*FLEETSCORE_MODEL_MEMORY_BYTES/);
  await engine.close();
});

test('a small file that holds much for every row is scored over many windows, within its memory', async () => {
  const engine = await engineWith({ threads: 1, modelMemoryBytes: 256 * 1024 * 1024 });
  const features = ['mean', ...Array.from({ length: 11 }, (_, i) => `mean[-${i + 1}]`)];
  // 465 vectors of 12 features: 50 KB, and 45 KB for each row and operator. Too wide for a pack.
  const wide = await putModel(server.blobs, svmBytes(0, features, 465));
  const windows = Array.from({ length: 3_000 }, (_, i) => Math.sin(i / 7));
  const series = seriesOf({ 1: windows });
  const { verdicts, scored } = await engine.score({
    sensors: [planned(1, wide)],
    series,
    period: { fromMs: 0, toMs: windows.length * INTERVAL_MS },
    hopMs: INTERVAL_MS,
  });
  expect(verdicts).toMatchObject([{ status: 'scored' }]);
  expect(scored.reduce((sum, one) => sum + one, 0)).toBe(windows.length - 11);
  await engine.close();
}, 120_000);

/** Processes that run foreign models for this one (Linux). */
const modelProcesses = (): number[] =>
  readdirSync('/proc')
    .filter((pid) => /^\d+$/.test(pid))
    .map(Number)
    .filter((pid) => {
      try {
        return (
          readFileSync(`/proc/${pid}/cmdline`, 'utf8').includes('scoring/model-process') &&
          new RegExp(`^PPid:\\s+${process.pid}$`, 'm').test(readFileSync(`/proc/${pid}/status`, 'utf8'))
        );
      } catch {
        return false;
      }
    });

(process.platform === 'linux' ? test : test.skip)(
  'a crash of the native runtime costs the model that ran, and its process knew no secret',
  async () => {
    const engine = await engineWith({ threads: 1, modelTimeoutMs: 60_000 });
    const [good, slow] = [
      await putModel(server.blobs, plainBytes(1_000)),
      await putModel(server.blobs, slowBytes(50_000_000)),
    ];
    const before = modelProcesses();
    const running = engine.run(
      [planned(1, good), planned(2, slow), planned(3, good)],
      seriesOf({ 1: [1], 2: [500], 3: [2] }),
    );
    let pid: number | undefined;
    for (; pid === undefined; await sleep(20)) pid = modelProcesses().find((one) => !before.includes(one));
    const variables = readFileSync(`/proc/${pid}/environ`, 'utf8')
      .split('\0')
      .map((line) => line.split('=')[0])
      .filter((name) => name !== '' && name !== 'TMPDIR');
    expect(variables.sort()).toEqual(['NODE_CHANNEL_FD', 'NODE_CHANNEL_SERIALIZATION_MODE', 'ORT_DISABLE_TELEMETRY']);
    // Until the slow model runs.
    while (cpuOf(pid) < 150) await sleep(20);
    process.kill(pid, 'SIGSEGV');
    const result = await running;
    expect(statuses(result)).toEqual([
      [1, 'scored', undefined],
      [2, 'failed', 'model_failed'],
      [3, 'scored', undefined],
    ]);
    expect(result.verdicts[1]!.message).toContain('SIGSEGV');
    await engine.close();
    expect(modelProcesses()).toEqual(before);
  },
);

/** User CPU time of a process, hundredths of a second. */
const cpuOf = (pid: number): number => Number(readFileSync(`/proc/${pid}/stat`, 'utf8').split(') ')[1]!.split(' ')[11]);

test('Blob that is away is no fault of any sensor: it is thrown, and can be tried again', async () => {
  const engine = await engineWith({
    blobs: createBlobStore({ connectionString: NO_SERVER, retry: { tries: 1, delayMs: 1 } }),
  });
  const request = engine.run([planned(1, UNKNOWN)], seriesOf({ 1: [1] }));
  await expect(request).rejects.toMatchObject({ code: 'BLOB_UNAVAILABLE', retryable: true });
  await expect(engine.seriesNeeds([planned(1, UNKNOWN, { pack: UNKNOWN, packRow: 0 })])).rejects.toMatchObject({
    code: 'BLOB_UNAVAILABLE',
  });
});

test('a closed engine says so, also to those who wait', async () => {
  const engine = await engineWith({ threads: 1 });
  const model = await putModel(server.blobs, plainBytes(10));
  await engine.run([planned(1, model)], seriesOf({ 1: [1] }));
  const waiting = Array.from({ length: 5 }, () => engine.run([planned(1, model)], seriesOf({ 1: [1] })));
  const outcomes = Promise.allSettled(waiting);
  await engine.close();
  for (const outcome of await outcomes)
    if (outcome.status === 'rejected')
      expect(outcome.reason).toMatchObject({ code: 'SCORING_CLOSED', retryable: true });
  await expect(engine.run([planned(1, model)], seriesOf({ 1: [1] }))).rejects.toMatchObject({ code: 'SCORING_CLOSED' });
});

test('scoring that is called off stops before its next job', async () => {
  const engine = await engineWith();
  const model = await putModel(server.blobs, plainBytes(10));
  const call = engine.score({
    sensors: [planned(1, model)],
    series: seriesOf({ 1: [1] }),
    period: PERIOD,
    hopMs: INTERVAL_MS,
    signal: AbortSignal.abort(new Error('called off')),
  });
  await expect(call).rejects.toThrow('called off');
});

test('many calls at once do not mix their results', async () => {
  const engine = await engineWith();
  const { sensors } = await putPack([51, 52, 53].map((center) => svmBytes(center)));
  const single = planned(4, await putModel(server.blobs, plainBytes(54)));
  const means = (i: number): Record<number, number[]> => ({ 1: [51 + i / 10], 2: [52, 52 + i / 10], 3: [53], 4: [i] });
  const together = await Promise.all(
    Array.from({ length: 12 }, (_, i) => engine.run([...sensors, single], seriesOf(means(i)))),
  );
  for (const [i, result] of together.entries())
    expect(result).toEqual(await engine.run([...sensors, single], seriesOf(means(i))));
});

test('a process whose engine is closed ends by itself', async () => {
  const root = new URL('../../', import.meta.url).href;
  const program = join(dir, 'ends.ts');
  mkdirSync(join(dir, 'node_modules'), { recursive: true });
  writeFileSync(
    program,
    `
    import { createScoringEngine } from '${root}scoring/engine.ts';
    import { planned, putModel, seriesOf } from '${root}test/scoring/fleet.ts';
    import { plainBytes } from '${root}test/scoring/models.ts';
    const held = new Map<string, Uint8Array>();
    const blobs = {
      get: async (_: string, name: string) => held.get(name)!,
      async putIfAbsent(_: string, name: string, body: Uint8Array) { held.set(name, body); return true; },
    };
    const cacheDir = ${JSON.stringify(join(dir, 'ends'))};
    const engine = await createScoringEngine({ blobs: blobs as never, cacheDir, threads: 3 });
    const model = await putModel(blobs as never, plainBytes(10));
    const work = { sensors: [planned(1, model)], series: seriesOf({ 1: [4] }), hopMs: 5000 };
    const result = await engine.score({ ...work, period: { fromMs: 0, toMs: 1e6 } });
    console.log(result.score[0]);
    await engine.close();
  `,
  );
  const child = spawn(process.execPath, ['--disable-warning=ExperimentalWarning', program], {
    stdio: ['ignore', 'pipe', 'inherit'],
  });
  let output = '';
  child.stdout.on('data', (data: Buffer) => (output += data.toString()));
  const [code] = (await once(child, 'close')) as [number];
  expect([code, output.trim()]).toEqual([0, '6']);
});
