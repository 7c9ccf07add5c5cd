/**
 * What a whole stack tells about itself while a scheduled batch runs: traces, metrics and logs, in every form in
 * which they leave it; and that the files of deploy/monitoring ask for nothing else.
 */
import { afterAll, beforeAll, expect, jest, test } from '@jest/globals';
import { spawnSync } from 'node:child_process';
import { existsSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { CONTAINERS } from '../../domain/blob-names.ts';
import { spanIdOf, traceIdOf } from '../../domain/trace.ts';
import { targetsFile } from '../../local/prometheus-targets.ts';
import { SAMPLE_FLEET } from '../../samples/fleet.ts';
import { hasEnded, type Batch } from '../../storage/store.ts';
import { useStack } from '../support/local-stack.ts';
import { asked, pagesOf, seriesOf, valueOf } from '../support/metrics-page.ts';
import { damageModel, FROM, modelsOf, readingsOf, TO } from '../support/small-fleet.ts';
import { tempDir } from '../support/temp.ts';
import { startTelemetryReceiver, type ReceivedSpan } from '../support/telemetry-receiver.ts';
import { root } from '../deploy/support.ts';

jest.setTimeout(120_000);
const receiver = await startTelemetryReceiver(tempDir('telemetry'));
const { secure } = receiver;
if (!secure)
  process.stderr.write(
    'Application Insights is skipped: there is no openssl to make a certificate for its stand-in.\n',
  );
const INSTRUMENTATION_KEY = '00000000-1111-2222-3333-444444444444';
const stack = useStack('monitoring', {
  scoringWorkers: 'pool',
  env: {
    FLEETSCORE_METRICS_PORT: 'auto',
    FLEETSCORE_POOL_IDLE: '10m',
    FLEETSCORE_PRICES_FILE: join(root, 'deploy/prices.sample.json'),
    FLEETSCORE_PRICES_REGION: 'westeurope',
    OTEL_EXPORTER_OTLP_ENDPOINT: receiver.url,
    OTEL_BSP_SCHEDULE_DELAY: '500',
    OTEL_METRIC_EXPORT_INTERVAL: '2000',
    ...(secure
      ? {
          APPLICATIONINSIGHTS_CONNECTION_STRING: `InstrumentationKey=${INSTRUMENTATION_KEY};IngestionEndpoint=${secure.url}/`,
          NODE_EXTRA_CA_CERTS: secure.certificate,
        }
      : {}),
  },
});
afterAll(() => receiver.stop());
// After that of the stack, which is defined before it.
afterAll(() => expect(existsSync(targetsFile(stack.home))).toBe(false));

const bad = { device: SAMPLE_FLEET[1]!.device, sensor: SAMPLE_FLEET[1]!.sensor };
/** Windows of 5 s in the quarter of an hour, of the two sensors that are scored. */
const PREDICTED = 2 * 180;
let batch: Batch;

async function until<T>(look: () => T | Promise<T>, good: (value: T) => boolean, withinMs = 240_000): Promise<T> {
  for (const end = Date.now() + withinMs; ; await sleep(200)) {
    const value = await look();
    if (good(value) || Date.now() > end) return value;
  }
}

beforeAll(async () => {
  const folder = modelsOf(3, join(stack.home, 'models'));
  expect((await stack.cli('models', 'publish', folder)).code).toBe(0);
  expect((await stack.cli('models', 'publish', folder, '--release', 'twin', '--no-promote')).code).toBe(0);
  expect((await stack.cli('models', 'challenge', 'twin')).code).toBe(0);
  expect((await stack.cli('send', readingsOf(3, join(stack.home, 'readings.csv')), '--wait')).code).toBe(0);
  await damageModel(stack.context, bad);
  const store = await stack.context.store();
  expect(
    (
      await stack.cli(
        'schedule',
        'create',
        'plant',
        '--every',
        '15m',
        '--paused',
        '--tolerated-failure-percentage',
        '50',
      )
    ).code,
  ).toBe(0);
  expect((await stack.cli('schedule', 'backfill', 'plant', '--from', FROM, '--to', TO)).code).toBe(0);
  batch = (await until(
    async () => (await store.listBatches({ schedule: 'plant' }))[0],
    (found) => found?.status !== undefined && hasEnded(found),
    150_000,
  ))!;
  expect(batch).toMatchObject({ status: 'completed', planned: 3, counts: { scored: 2, failed: 1 } });
}, 300_000);

const named = (spans: readonly ReceivedSpan[], pattern: RegExp): ReceivedSpan[] =>
  spans.filter(({ name }) => pattern.test(name));

test('one trace goes from the schedule over workflows and activities to Blob, SQL and the model', async () => {
  const traceId = traceIdOf(batch.runId);
  const all = await until(
    () => receiver.spans.filter((span) => span.traceId === traceId),
    (found) => named(found, /^schedule /).length > 0 && named(found, /^scoreSensors$/).length === 3,
  );
  const byId = new Map(all.map((span) => [span.spanId, span]));
  const parents = (span: ReceivedSpan): string[] => {
    const above = byId.get(span.parentSpanId);
    return above ? [...parents(above), above.name] : [];
  };
  const [start] = named(all, /^schedule plant$/);
  expect(start).toMatchObject({
    parentSpanId: '',
    service: 'fleetscore-control',
    attributes: { 'temporal.schedule_id': 'plant', 'fleetscore.batch': batch.id },
  });
  expect(named(all, /^scoreBatch$/)).toEqual([
    expect.objectContaining({ spanId: spanIdOf(batch.runId), parentSpanId: start!.spanId, failed: false }),
  ]);
  for (const name of ['announceBatch', 'finishBatch'])
    expect(parents(named(all, new RegExp(`^${name}$`))[0]!)).toEqual(['schedule plant', 'scoreBatch']);
  const chunks = named(all, /^scoreChunk$/);
  expect(chunks).toHaveLength(3);
  for (const chunk of chunks) {
    expect(parents(chunk)).toEqual(['schedule plant', 'scoreBatch', 'scoreSensors']);
    expect(chunk).toMatchObject({
      service: 'fleetscore-scoring',
      attributes: { 'fleetscore.batch': batch.id, 'temporal.attempt': 1, 'fleetscore.sensors': 1 },
    });
  }
  // The child of the sensor that failed is red, too.
  expect(named(all, /^scoreSensors$/).filter(({ failed }) => failed)).toHaveLength(1);
  const below = (pattern: RegExp): string[] =>
    [...new Set(named(all, pattern).map((span) => parents(span).slice(0, 4).join(' > ')))].sort();
  const inChunk = 'schedule plant > scoreBatch > scoreSensors > scoreChunk';
  expect(below(/^sql commitChunk$/)).toEqual([inChunk]);
  expect(below(/^onnxruntime score$/)).toEqual([inChunk]);
  expect(below(/^BlockBlobClient-upload/)).toEqual(
    expect.arrayContaining([inChunk, 'schedule plant > scoreBatch > finishBatch']),
  );
  const http = named(all, /^HTTP (PUT|GET)/);
  expect(http.length).toBeGreaterThan(0);
  for (const span of http) expect(JSON.stringify(span.attributes)).not.toMatch(/sig=|AccountKey/);
  // Nothing hangs in the air, and no span of a loop or of a command is there.
  for (const span of all) expect([span.name, span === start || byId.has(span.parentSpanId)]).toEqual([span.name, true]);
  for (const span of all) expect([span.name, span.endNs >= span.startNs]).toEqual([span.name, true]);
  expect([...new Set(receiver.spans.map((span) => span.traceId))]).toEqual([traceId]);
});

/** The pages of the workers; the node of the pool came later than the others. */
const pages = async (): Promise<string> => (await eachPage()).join('');
const eachPage = (): Promise<string[]> => pagesOf(stack.home, ['control', 'ingest', 'scoring']);

test("Prometheus sees batches, sensors by class, anomalies, pool, cost and ingest, with Temporal's own", async () => {
  const all = seriesOf(
    await until(
      pages,
      (page) =>
        /^fleetscore_pool_cost_last_day\{[^}]*\} [\d.e-]*[1-9]/m.test(page) &&
        /^fleetscore_ingest_lag_events\{/m.test(page),
    ),
  );
  const schedule = { schedule: 'plant' };
  expect(valueOf(all, 'fleetscore_batches_total', { ...schedule, kind: 'score', status: 'completed' })).toBe(1);
  expect(valueOf(all, 'fleetscore_batch_sensors_total', { outcome: 'failed', class: 'model_corrupt' })).toBe(1);
  expect(valueOf(all, 'fleetscore_scoring_sensors_total', { outcome: 'scored', class: '' })).toBe(2);
  expect(valueOf(all, 'fleetscore_scoring_sensors_total', { outcome: 'failed', class: 'model_corrupt' })).toBe(1);
  expect(valueOf(all, 'fleetscore_scoring_anomalies_total')).toBe(batch.counts.anomalies);
  const twin = { ...schedule, challenger: 'twin' };
  expect(valueOf(all, 'fleetscore_challenger_windows_total', { ...twin, label: 'same' })).toBe(PREDICTED);
  expect(valueOf(all, 'fleetscore_challenger_windows_total', { ...twin, label: 'only_challenger' })).toBe(0);
  expect(valueOf(all, 'fleetscore_challenger_sensors_total', { ...twin, outcome: 'scored' })).toBe(2);
  expect(
    valueOf(all, 'fleetscore_challenger_sensors_total', { ...twin, outcome: 'failed', class: 'model_corrupt' }),
  ).toBe(1);
  expect(valueOf(all, 'fleetscore_last_batch_end_timestamp_seconds', schedule)).toBeCloseTo(
    batch.finishedAtMs! / 1000,
    3,
  );
  expect(valueOf(all, 'fleetscore_last_batch_failed_sensors', schedule)).toBe(1);
  expect(valueOf(all, 'fleetscore_batches_running')).toBe(0);
  expect(valueOf(all, 'fleetscore_store_up')).toBe(1);
  expect(valueOf(all, 'fleetscore_pool_nodes', { pool: 'scoring', state: 'ready' })).toBe(1);
  expect(valueOf(all, 'fleetscore_pool_cost_per_hour', { pool: 'scoring' })).toBeGreaterThan(0);
  expect(valueOf(all, 'fleetscore_pool_node_seconds_last_day', { pool: 'scoring' })).toBeGreaterThan(0);
  for (const { name } of all.filter((series) => series.name.startsWith('fleetscore_')))
    expect(name).not.toMatch(/_ms$|_milliseconds/);
});

test('the dashboard and the alert rules ask only for metrics and labels that are there', async () => {
  const all = seriesOf(await pages());
  const dashboard = JSON.parse(readFileSync(join(root, 'deploy/monitoring/grafana-dashboard.json'), 'utf8')) as {
    panels: { title: string; targets?: { expr: string; legendFormat: string }[] }[];
  };
  const expressions = [
    ...dashboard.panels.flatMap(({ targets = [] }) =>
      targets.map(({ expr, legendFormat }) => ({
        expr,
        shown: [...legendFormat.matchAll(/\{\{(\w+)\}\}/g)].map((m) => m[1]!),
      })),
    ),
    ...[
      ...readFileSync(join(root, 'deploy/monitoring/prometheus-alerts.yaml'), 'utf8').matchAll(/^ +expr: (.+)$/gm),
    ].map((m) => ({ expr: m[1]!, shown: [] })),
  ];
  expect(expressions.length).toBeGreaterThan(35);
  for (const { expr, shown } of expressions) {
    const { metrics, labels } = asked(expr);
    expect([expr, metrics.length > 0]).toEqual([expr, true]);
    const found = metrics.map((metric) => all.filter((series) => series.name === metric));
    expect([expr, metrics.filter((_, i) => found[i]!.length === 0)]).toEqual([expr, []]);
    const known = new Set(found.flat().flatMap((series) => Object.keys(series.labels)));
    expect([expr, [...labels, ...shown].filter((label) => !known.has(label) && label !== 'instance')]).toEqual([
      expr,
      [],
    ]);
  }
});

const promtool = spawnSync('promtool', ['--version']).status === 0;
if (!promtool)
  process.stderr.write(
    "The check of the alert rules by promtool is skipped: it is not installed (Debian's package prometheus).\n",
  );
(promtool ? test : test.skip)('Prometheus itself takes the alert rules, and the page of metrics', async () => {
  const rules = spawnSync('promtool', ['check', 'rules', join(root, 'deploy/monitoring/prometheus-alerts.yaml')], {
    encoding: 'utf8',
  });
  expect([rules.status, rules.stderr]).toEqual([0, '']);
  for (const page of await eachPage())
    expect(spawnSync('promtool', ['check', 'metrics'], { input: page, encoding: 'utf8' }).stderr).not.toMatch(
      /^error/m,
    );
});

test('docs/metrics.md has each metric of a running stack, with its type and labels, and no other', async () => {
  const listed = [
    ...readFileSync(join(root, 'docs/metrics.md'), 'utf8').matchAll(/^\| `(\w+)` \| (\w+) \|([^|]*)\|/gm),
  ];
  let labels: string[] = [];
  const documented = listed.map(([, name, type, cell]) => {
    // "as above" repeats the labels of the row before it.
    if (!cell!.includes('as above')) labels = [...cell!.matchAll(/`(\w+)`/g)].map((m) => m[1]!);
    return [name!, type!, labels.toSorted().join(' ')].join(' ').trim();
  });
  const page = await pages();
  const all = seriesOf(page);
  const served = [...page.matchAll(/^# TYPE ((?:fleetscore|process)_\w+) (\w+)$/gm)].map(([, name, type]) => {
    const one = all.find((series) => series.name === name)!;
    return [name!, type!, Object.keys(one.labels).toSorted().join(' ')].join(' ').trim();
  });
  expect([...new Set(served)].toSorted()).toEqual(documented.toSorted());
});

test('OTLP carries the same metrics, with units', async () => {
  const totals = await until(
    () =>
      receiver.metrics.filter(
        ({ name, points }) =>
          name === 'fleetscore_scoring_sensors_total' && points.filter(({ value }) => value > 0).length === 2,
      ),
    (found) => found.length > 0,
  );
  expect(totals.at(-1)).toMatchObject({ service: 'fleetscore-scoring', unit: '{sensor}' });
  expect(totals.at(-1)!.points).toEqual(
    expect.arrayContaining([{ value: 2, labels: { queue: 'scoring', outcome: 'scored', class: '' } }]),
  );
  const names = new Set(
    seriesOf(await pages())
      .map(({ name }) => name)
      .filter((name) => /^(fleetscore|process)_/.test(name)),
  );
  const sent = await until(
    () => new Set(receiver.metrics.map(({ name }) => name)),
    (found) => [...names].every((name) => found.has(name)),
  );
  expect([...names].filter((name) => !sent.has(name))).toEqual([]);
});

(secure ? test : test.skip)(
  'Application Insights gets requests, dependencies and metrics, and the workbook asks for these',
  async () => {
    const of = (type: string) => receiver.envelopes.filter(({ data }) => data.baseType === type);
    const namesOf = (type: string): Set<string | undefined> => new Set(of(type).map(({ data }) => data.baseData.name));
    await until(
      () => namesOf('RequestData'),
      (names) => names.has('schedule plant') && names.has('scoreChunk'),
    );
    expect([...namesOf('RequestData')]).toEqual(
      expect.arrayContaining(['schedule plant', 'scoreSensors', 'announceBatch', 'scoreChunk', 'finishBatch']),
    );
    expect([...namesOf('RemoteDependencyData')]).toEqual(
      expect.arrayContaining(['sql commitChunk', 'onnxruntime score']),
    );
    for (const { iKey, tags } of of('RequestData'))
      expect([iKey, tags['ai.operation.id']]).toEqual([INSTRUMENTATION_KEY, traceIdOf(batch.runId)]);
    expect(receiver.strange).toEqual([]);

    const dimensions = (): Map<string, Set<string>> => {
      const found = new Map<string, Set<string>>();
      for (const { data } of of('MetricData'))
        for (const { name } of data.baseData.metrics ?? [])
          found.set(name, new Set([...(found.get(name) ?? []), ...Object.keys(data.baseData.properties ?? {})]));
      return found;
    };
    const workbook = JSON.parse(readFileSync(join(root, 'deploy/monitoring/azure-workbook.json'), 'utf8')) as {
      items: { content: { query?: string; title?: string } }[];
    };
    const queries = workbook.items.flatMap(({ content }) => (content.query === undefined ? [] : [content.query]));
    const asks = queries
      .filter((query) => query.startsWith('customMetrics'))
      .map((query) => ({
        names: [...query.matchAll(/"(fleetscore_\w+)"/g)].map((m) => m[1]!),
        labels: [...query.matchAll(/customDimensions\["([^"]+)"\]/g)].map((m) => m[1]!),
      }));
    expect(asks.length).toBeGreaterThan(10);
    const seen = await until(dimensions, (found) => asks.every(({ names }) => names.every((name) => found.has(name))));
    for (const { names, labels } of asks)
      for (const name of names)
        expect([name, seen.has(name), labels.filter((label) => !seen.get(name)?.has(label))]).toEqual([name, true, []]);
    for (const name of queries
      .flatMap((query) => [...(/name in \(([^)]+)\)/.exec(query)?.[1] ?? '').matchAll(/"(\w+)"/g)])
      .map((m) => m[1]!))
      if (!name.startsWith('fleetscore_') && !['planBatch', 'planGroup', 'readingsReady'].includes(name))
        expect(namesOf('RequestData')).toContain(name);
  },
);

test('a worker has one name: in Temporal, in the batch, in its log and in its traces', async () => {
  const shown = (await stack.cli('batch', 'show', batch.id, '--json')).json() as { failed: { worker: string }[] };
  const { worker } = shown.failed[0]!;
  expect(worker).toMatch(/^scoring\/scoring-[A-Za-z0-9-]+@.+#\d+$/);
  const client = await stack.context.client();
  const child = await client.workflow.getHandle(`${batch.id}/${bad.device}/${bad.sensor}`).fetchHistory();
  const identities = child.events!.flatMap((event) => event.activityTaskStartedEventAttributes?.identity ?? []);
  expect(identities).toContain(worker);
  const lines = await until(
    async () => (await stack.cli('--json', 'logs', '--worker', worker)).json() as { worker: string }[],
    (found) => found.length > 0,
  );
  expect([...new Set(lines.map((line) => line.worker))]).toEqual([worker]);
  const chunk = named(receiver.spans, /^scoreChunk$/)[0]!;
  expect(chunk.instance).toBe(worker);
});

test('the logs of a batch and of a sensor are found in Blob, with the worker that wrote them', async () => {
  interface Line {
    readonly worker: string;
    readonly level: string;
    readonly message: string;
    readonly fields: Record<string, unknown>;
  }
  const lines = await until(
    async () => (await stack.cli('--json', 'logs', '--batch', batch.id)).json() as Line[],
    (found) =>
      found.some(({ message }) => message === 'batch closed') &&
      found.filter(({ message }) => message === 'chunk recorded').length === 3,
  );
  expect(lines.find(({ message }) => message === 'batch closed')).toMatchObject({
    worker: expect.stringMatching(/^control@/),
    level: 'info',
    fields: { schedule: 'plant', scored: 2, failed: 1, challenger: 'twin', agreed: PREDICTED },
  });
  expect(lines.filter(({ message }) => message === 'sensor failed')).toEqual([
    expect.objectContaining({
      worker: expect.stringMatching(/^scoring\/scoring-[^@]+@/),
      level: 'warn',
      fields: expect.objectContaining({ ...bad, batch: batch.id, class: 'model_corrupt' }),
    }),
  ]);
  const own = (await stack.cli('--json', 'logs', '--sensor', bad.device, bad.sensor)).json() as Line[];
  expect(own.map(({ message }) => message)).toEqual(expect.arrayContaining(['sensor failed', 'chunk recorded']));
  for (const { fields } of own) expect(fields).toMatchObject(bad);
  const text = await stack.cli('logs', '--worker', 'control', '--since', '10m');
  expect(text.stdout).toMatch(/info {2}control@\S+ ready\n/);
  expect((await stack.cli('logs', '--batch', batch.id, '--level', 'error')).stdout).toMatch(/^No lines since /);
  for (const [args, code] of [
    [['--batch', 'nothing'], 1],
    [['--sensor', 'one'], 1],
    [['--sensor', 'no', 'such'], 1],
    [['--since', 'soon'], 2],
  ] as const)
    expect([args, (await stack.cli('logs', ...args)).code]).toEqual([args, code]);

  // No key of the stack, in no log.
  const secrets = ['Eby8vdM02xNOcqFlqUwJPLlmEtlCDXJ1OUzFT50uSRZ6', 'SAS_KEY_VALUE'];
  for await (const { name } of stack.context.blobs().list(CONTAINERS.logs, '20')) {
    const content = Buffer.from(await stack.context.blobs().get(CONTAINERS.logs, name)).toString();
    for (const secret of secrets) expect([name, content.includes(secret)]).toEqual([name, false]);
  }
});
