/** Pages of docs/ that are written by hand name everything that the program has. */
import { spawnSync } from 'node:child_process';
import { readdirSync, readFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { alertsOf, stuckAlert, type Alert } from '../../batches/alerts.ts';
import type { ScheduleGap } from '../../batches/schedule-gaps.ts';
import { BATCH_REMEDIES } from '../../domain/batch-failure.ts';
import { FAILURE_RULES } from '../../domain/failure-rules.ts';
import type { Batch } from '../../storage/store.ts';
import { missedAlert } from '../../workers/gap-watch.ts';

const read = (name: string): string => readFileSync(new URL(`../../${name}`, import.meta.url), 'utf8');

test('the runbook has every class of failure and every alert rule', () => {
  const runbook = read('docs/runbook.md');
  const rules = [...read('deploy/monitoring/prometheus-alerts.yaml').matchAll(/- alert: (\w+)/g)].map((m) => m[1]!);
  expect(rules.length).toBeGreaterThan(10);
  const names = [...rules, ...Object.keys(BATCH_REMEDIES), ...Object.keys(FAILURE_RULES)];
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
