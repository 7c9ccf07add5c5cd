/** Pages of docs/ that are written by hand name everything that the program has. */
import { spawnSync } from 'node:child_process';
import { readdirSync, readFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { cloudEvent, digest, single as oneNotice } from '../../alarms/message.ts';
import type { Notice } from '../../alarms/notice.ts';
import { alertsOf, stuckAlert, type Alert } from '../../batches/alerts.ts';
import type { ScheduleGap } from '../../batches/schedule-gaps.ts';
import { BATCH_REMEDIES } from '../../domain/batch-failure.ts';
import { FAILURE_REMEDIES } from '../../domain/failure-remedies.ts';
import type { Batch } from '../../storage/store.ts';
import { missedAlert } from '../../workers/gap-watch.ts';

const read = (name: string): string => readFileSync(new URL(`../../${name}`, import.meta.url), 'utf8');

test('the runbook has every class of failure and every alert rule', () => {
  const runbook = read('docs/runbook.md');
  const rules = [...read('deploy/monitoring/prometheus-alerts.yaml').matchAll(/- alert: (\w+)/g)].map((m) => m[1]!);
  expect(rules.length).toBeGreaterThan(10);
  const names = [...rules, ...Object.keys(BATCH_REMEDIES), ...Object.keys(FAILURE_REMEDIES)];
  expect(names.filter((name) => !runbook.includes(`\`${name}\``))).toEqual([]);
});

test('ARCHITECTURE.md leads to every page of docs/, and docs/decisions/README.md to every decision', () => {
  const pagesOf = (folder: string): string[] =>
    readdirSync(new URL(`../../${folder}`, import.meta.url)).filter((name) => name.endsWith('.md'));
  const map = read('ARCHITECTURE.md');
  expect(pagesOf('docs').filter((name) => !map.includes(`(docs/${name})`))).toEqual([]);
  const decisions = read('docs/decisions/README.md');
  expect(pagesOf('docs/decisions').filter((name) => name !== 'README.md' && !decisions.includes(`(${name})`))).toEqual(
    [],
  );
});

interface Shape {
  readonly required?: readonly string[];
  readonly properties: Readonly<Record<string, { readonly enum?: readonly string[]; readonly const?: string }>>;
}

const batch: Batch = {
  id: '20261123T141500Z-1a2b3c4d',
  kind: 'score',
  status: 'failed',
  class: 'sensors_failed',
  message: '3 of 4 sensors failed',
  fromMs: 0,
  toMs: 900_000,
  schedule: 'plant',
  release: 'r1',
  planned: 4,
  counts: { scored: 1, skipped: 0, failed: 3, cancelled: 0, windows: 10, anomalies: 10 },
  workflowId: 'w',
  runId: 'r',
  startedAtMs: 0,
  codeVersion: '1',
};

const GAP: ScheduleGap = {
  fromMs: 0,
  toMs: 900_000,
  state: 'missing',
  periods: 1,
  batches: [],
  backfill: { fromMs: 0, toMs: 900_000 },
};

test('docs/alert.schema.json describes each alert as it is sent, and docs/alerts.md names its fields', () => {
  const schema = JSON.parse(read('docs/alert.schema.json')) as Shape & { readonly $defs: Record<string, Shape> };
  const page = read('docs/alerts.md');
  const causes: Alert['causes'] = [
    { class: 'timeout', count: 3, example: { device: 'd', sensor: 's', class: 'timeout', message: 'm' } },
  ];
  const sent: readonly (readonly [string, object])[] = [
    ...alertsOf(batch, 10, causes, { url: '', anomalyRate: 0.5, skippedRate: -1 }).map(
      (alert) => ['batch', alert] as const,
    ),
    ['periodsMissed', missedAlert('plant', GAP)],
    ['workflowStuck', stuckAlert({ workflowId: 'w', runId: 'r', problem: 'p' })],
  ];
  expect(sent.map(([, alert]) => (alert as Alert).event)).toEqual([
    'batch_failed',
    'anomaly_rate',
    'sensors_skipped',
    'periods_missed',
    'workflow_stuck',
  ]);
  for (const [name, alert] of sent) {
    const shape = schema.$defs[name]!;
    const { event } = alert as Alert;
    const keys = Object.keys(JSON.parse(JSON.stringify(alert)) as object);
    const known = Object.keys(shape.properties);
    const unknown = keys.filter((key) => !known.includes(key));
    const missing = [...schema.required!, ...shape.required!].filter((key) => !keys.includes(key));
    expect({ event, unknown, missing }).toEqual({ event, unknown: [], missing: [] });
    expect(shape.properties['event']!.enum ?? [shape.properties['event']!.const]).toContain(event);
    expect(keys.filter((key) => !page.includes(`\`${key}\``))).toEqual([]);
  }
});

interface Schema {
  readonly $ref?: string;
  readonly const?: unknown;
  readonly enum?: readonly unknown[];
  readonly type?: string;
  readonly required?: readonly string[];
  readonly properties?: Readonly<Record<string, Schema>>;
  readonly items?: Schema;
  readonly $defs?: Readonly<Record<string, Schema>>;
}

/** What a value has that its schema does not name, lacks what it requires, or has in another type. */
function misfits(value: unknown, given: Schema, root: Schema, at = ''): string[] {
  const schema = given.$ref === undefined ? given : root.$defs![given.$ref.split('/').at(-1)!]!;
  const { type, properties = {} } = schema;
  const kind = Array.isArray(value) ? 'array' : typeof value;
  const said: string[] = [];
  if (schema.const !== undefined && value !== schema.const) said.push(`${at} is not ${String(schema.const)}`);
  if (schema.enum && !schema.enum.includes(value)) said.push(`${at} is none of its values: ${String(value)}`);
  if (type !== undefined && kind !== (type === 'integer' ? 'number' : type)) said.push(`${at} is no ${type}`);
  if (kind === 'array' && schema.items)
    return [...said, ...(value as unknown[]).flatMap((one, i) => misfits(one, schema.items!, root, `${at}[${i}]`))];
  if (kind !== 'object') return said;
  const fields = value as Readonly<Record<string, unknown>>;
  said.push(...(schema.required ?? []).filter((name) => !(name in fields)).map((name) => `${at}.${name} is missing`));
  for (const [name, one] of Object.entries(fields))
    said.push(
      ...(properties[name] ? misfits(one, properties[name], root, `${at}.${name}`) : [`${at}.${name} is unknown`]),
    );
  return said;
}

test('docs/alarm.schema.json describes each notice of an alarm as it is sent, and docs/alarms.md its example', () => {
  const schema = JSON.parse(read('docs/alarm.schema.json')) as Schema;
  const { data } = schema.properties!;
  const alarm = schema.$defs!['alarm']!;
  /** The data of a single notice have the fields of the alarm too. */
  const single: Schema = {
    ...schema,
    properties: {
      ...schema.properties,
      data: { ...data, properties: { ...alarm.properties, ...data!.properties }, required: alarm.required! },
    },
  };
  const about = {
    incident: 'a',
    alarm: 'a',
    device: 'd',
    sensor: 's',
    kind: 'model',
    severity: 500,
    active: false,
    acked: true,
    since: '2026-11-23T11:24:45.000Z',
    cleared: '2026-11-23T11:30:00.000Z',
    windows: 2,
    unit: 'bar',
    peakValue: 1,
    peakScore: -1,
    cause: 'model_missing',
  } as const;
  const notice = (what: 'opened' | 'escalated' | 'realarmed' | 'closed', incident = 'a'): Notice => ({
    id: `${incident}.1`,
    what,
    timeMs: 0,
    severity: 500,
    text: 't',
    alarms: 1,
    about: { ...about, incident },
  });
  for (const what of ['opened', 'escalated', 'realarmed', 'closed'] as const)
    expect(misfits(JSON.parse(cloudEvent(oneNotice(notice(what)), 'https://p')), single, schema)).toEqual([]);
  const many = Array.from({ length: 60 }, (_, i) => notice('closed', `a${i}`));
  expect(misfits(JSON.parse(cloudEvent(digest(many), 'https://p')), schema, schema)).toEqual([]);
  const [example] = /\{ "specversion"[^]*?\} \}\n/.exec(read('docs/alarms.md'))!;
  expect(misfits(JSON.parse(example), single, schema)).toEqual([]);
  expect(misfits({ ...(JSON.parse(example) as object), extra: 1, id: 2 }, single, schema)).toHaveLength(2);
});

test('notes of a release are the section of its version, and a tag of another version is refused', () => {
  const notes = (tag: string): { status: number | null; stdout: string; stderr: string } =>
    spawnSync(process.execPath, [fileURLToPath(new URL('../../bin/release-notes.js', import.meta.url)), tag], {
      encoding: 'utf8',
    });
  const { version } = JSON.parse(read('package.json')) as { version: string };
  expect(notes('v9.9.9')).toMatchObject({ status: 1, stdout: '', stderr: expect.stringContaining(`tag v${version}`) });
  const own = notes(`v${version}`);
  // Between releases the section is called Unreleased.
  if (own.status === 0) expect(own.stdout).toMatch(/^### (Added|Changed|Fixed)/m);
  else expect(own.stderr).toContain(`no section [${version}]`);
});
