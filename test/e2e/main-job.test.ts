/**
 * The whole way with the project's own models: CSV through Event Hubs to predictions, against scikit-learn's answers.
 */
import { describe, expect, test } from '@jest/globals';
import { readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { isoTime, MAX_TIME_MS } from '../../domain/time.ts';
import { SAMPLE_FLEET, SAMPLE_MODELS_DIR } from '../../samples/fleet.ts';
import { readPredictions } from '../../scoring/read-predictions.ts';
import { useStack } from '../support/local-stack.ts';
import { untilEnded } from '../support/run-batch.ts';

const FIXTURE = fileURLToPath(new URL('../fixtures/sample-predictions.csv', import.meta.url));
const FROM = Date.parse('2026-01-05T00:00:00Z');
const stack = useStack('main-job');

async function poll<T>(look: () => Promise<T | undefined>): Promise<T> {
  for (let i = 0; i < 300; i++) {
    const found = await look();
    if (found !== undefined) return found;
    await new Promise((resolve) => setTimeout(resolve, 100));
  }
  throw new Error('it did not happen within half a minute');
}

interface Row {
  readonly ts: string;
  readonly device: string;
  readonly sensor: string;
  readonly value: number;
  readonly prediction: number;
  readonly score: number;
}

/** scikit-learn's label and score of a value: Device,Sensor,Value,Label,Score. */
const expected = readFileSync(FIXTURE, 'utf8')
  .trim()
  .split('\n')
  .slice(1)
  .map((line) => {
    const [device, sensor, value, label, score] = line.split(',') as [string, string, string, string, string];
    return { device, sensor, value: Number(value), prediction: label === '1' ? 0 : 1, score: Number(score) };
  });
const bySensor = Map.groupBy(expected, ({ device, sensor }) => `${device}/${sensor}`);
const rows = [...bySensor.values()].flatMap((values) => values.map((row, i) => ({ ...row, tsMs: FROM + i * 5_000 })));
const to = isoTime(Math.max(...rows.map((row) => row.tsMs)) + 5_000);

describe('from a CSV file to predictions', () => {
  test('models are checked and published, readings sent and ingested', async () => {
    const published = await stack.cli(
      'models',
      'publish',
      fileURLToPath(SAMPLE_MODELS_DIR),
      '--release',
      'first',
      '--json',
    );
    expect(published.json()).toMatchObject({ release: 'first', models: SAMPLE_FLEET.length });
    const file = join(stack.home, 'readings.csv');
    const lines = rows
      .toSorted((a, b) => a.tsMs - b.tsMs)
      .map((row) => `${isoTime(row.tsMs).replace('Z', '')},${row.device},${row.sensor},${row.value}`);
    writeFileSync(
      file,
      `TS,Device,Sensor,Value\n${lines.join('\n')}\nnot a time,a,b,1\n2026-01-05 00:00:00,pump-1,flow,many\n`,
    );
    const sent = await stack.cli('send', file, '--wait', '--json');
    expect(sent.json()).toMatchObject({
      sent: rows.length,
      bad: 2,
      ingested: true,
      badRows: [{ line: lines.length + 2 }, { line: lines.length + 3 }],
    });
    expect(sent.code).toBe(1);
  });

  test('a batch scores every sensor in a child workflow of its own', async () => {
    const batch = await stack.cli('batch', 'run', '--from', isoTime(FROM), '--to', to, '--wait', '--json');
    expect(batch.json()).toMatchObject({
      status: 'completed',
      planned: SAMPLE_FLEET.length,
      counts: { failed: 0, windows: rows.length },
    });
    const { id } = batch.json() as { id: string };
    const children = await (
      await stack.context.client()
    ).workflow.count(`WorkflowType = 'scoreSensors' AND WorkflowId STARTS_WITH '${id}/'`);
    expect(children.count).toBe(SAMPLE_FLEET.length);
    // The batch wrote its pages before its workflow ended.
    expect(new TextDecoder().decode(await stack.context.blobs().get('site', 'index.html'))).toContain(
      `/${id}/index.html`,
    );
    const folder = join(stack.home, 'site');
    const site = await stack.cli('report', '--site', folder, '--json');
    expect(site.json()).toMatchObject({ batches: [id], file: join(folder, 'index.html') });
    expect(readFileSync(join(folder, 'index.html'), 'utf8')).toContain(`/${id}/index.html`);
    expect((await stack.cli('report')).stderr).toContain('no batch is named');
  });

  test('predictions equal scikit-learn in every label, scores within 1e-9', async () => {
    const store = await stack.context.store();
    for (const sensor of await store.listSensors()) {
      const read = await readPredictions({ store, blobs: stack.context.blobs() }, sensor, {
        fromMs: 0,
        toMs: MAX_TIME_MS,
      });
      const got = read.map(({ value, prediction, score }) => ({ value, prediction, score }));
      const want = (bySensor.get(`${sensor.device}/${sensor.sensor}`) ?? []).map(({ value, prediction, score }) => ({
        value,
        prediction,
        score: expect.closeTo(score, 9) as unknown as number,
      }));
      expect(got).toEqual(want);
    }
    // The command line shows the same, in its own form.
    const { device, sensor, value, prediction } = expected[0]!;
    expect((await readBack(device, sensor))[0]).toEqual({
      ts: isoTime(FROM),
      device,
      sensor,
      value,
      prediction,
      score: expect.closeTo(expected[0]!.score, 9),
    });
  });

  test('the same readings sent again change no prediction', async () => {
    const { device, sensor } = expected[0]!;
    const before = await readBack(device, sensor);
    expect((await stack.cli('send', join(stack.home, 'readings.csv'), '--wait')).code).toBe(1);
    const again = await stack.cli('batch', 'run', '--from', isoTime(FROM), '--to', to, '--wait', '--json');
    expect(again.json()).toMatchObject({ status: 'completed', counts: { windows: rows.length } });
    expect(await readBack(device, sensor)).toEqual(before);
  });

  test('a late reading changes its window, and a rescore scores that sensor alone', async () => {
    const { device, sensor } = expected[0]!;
    const file = join(stack.home, 'late.csv');
    writeFileSync(file, `TS,Device,Sensor,Value\n${isoTime(FROM + 2_000)},${device},${sensor},1000\n`);
    expect((await stack.cli('send', file, '--wait')).code).toBe(0);
    const rescored = await stack.cli('batch', 'rescore', '--from', isoTime(FROM), '--to', to, '--wait', '--json');
    expect(rescored.json()).toMatchObject({ kind: 'rescore', planned: 1, counts: { scored: 1 } });
    const first = (await readBack(device, sensor))[0]!;
    expect(first.value).toBeCloseTo((expected[0]!.value + 1000) / 2, 9);
    expect(first.prediction).toBe(1);
  });

  test('a late reading is scored again by the next batch too, in a batch of its own that names what it supersedes', async () => {
    const { device, sensor } = expected.at(-1)!;
    const file = join(stack.home, 'later.csv');
    writeFileSync(file, `TS,Device,Sensor,Value\n${isoTime(FROM + 2_000)},${device},${sensor},1000\n`);
    expect((await stack.cli('send', file, '--wait')).code).toBe(0);
    const store = await stack.context.store();
    const period = { fromMs: FROM, toMs: Date.parse(to) };
    const before = await store.listBatches({ period });
    const next = [
      'batch',
      'run',
      '--from',
      to,
      '--to',
      isoTime(Date.parse(to) + 5_000),
      '--wait',
      '--json',
      '--rescore-late',
    ];
    expect((await stack.cli(...next, '0s')).code).toBe(0);
    expect(await store.listBatches({ period })).toHaveLength(before.length);
    expect((await stack.cli(...next, '10d')).code).toBe(0);
    const late = await untilEnded(
      stack.context,
      await poll(
        async () =>
          (await store.listBatches({ period })).find(({ id }) => !before.some((known) => known.id === id))?.id,
      ),
    );
    expect(late).toMatchObject({
      kind: 'rescore',
      planned: 1,
      status: 'completed',
      supersedes: before[0]!.id,
      counts: { scored: 1 },
    });
    expect((await readBack(device, sensor))[0]!.prediction).toBe(1);
    expect((await stack.cli('batch', 'show', before[0]!.id)).stdout).toContain(late.id);
    // Nothing is late any more: the batch after it starts none.
    expect((await stack.cli(...next, '10d')).code).toBe(0);
    expect((await store.listBatches({ period }))[0]!.id).toBe(late.id);
  }, 240_000);

  async function readBack(device: string, sensor: string): Promise<Row[]> {
    return (await stack.cli('predictions', device, sensor, '--json')).json() as Row[];
  }
});
