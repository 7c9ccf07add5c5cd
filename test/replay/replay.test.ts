/** Recorded histories against today's workflows: what shipped must go on where it was. */
import { expect, test } from '@jest/globals';
import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import {
  DefaultLogger,
  Runtime,
  Worker,
  bundleWorkflowCode,
  type WorkflowBundleWithSourceMap,
} from '@temporalio/worker';
import { codeFile } from '../../paths.ts';
import { MAX_STARTS } from '../../workflows/policies.ts';

const HISTORIES = fileURLToPath(new URL('../histories/', import.meta.url));
const CHANGED = fileURLToPath(new URL('./changed-workflows.ts', import.meta.url));

interface Recorded {
  readonly name: string;
  readonly workflowId: string;
  readonly history: { readonly events: readonly Event[] };
}
interface Event {
  readonly eventType: string;
  readonly activityTaskStartedEventAttributes?: { readonly attempt?: number };
  readonly activityTaskScheduledEventAttributes?: { readonly activityType?: { readonly name?: string } };
  readonly workflowExecutionStartedEventAttributes?: {
    readonly searchAttributes?: { readonly indexedFields?: object };
  };
}

const recorded: Recorded[] = readdirSync(HISTORIES).flatMap((version) =>
  readdirSync(join(HISTORIES, version)).map((file) => ({
    name: `${version}/${file}`,
    workflowId: file,
    history: JSON.parse(readFileSync(join(HISTORIES, version, file), 'utf8')) as Recorded['history'],
  })),
);
const named = (name: string): Recorded => recorded.find((r) => r.name.endsWith(`/${name}.json`))!;

Runtime.install({ logger: new DefaultLogger('ERROR', () => {}) });
const bundles = new Map<string, Promise<WorkflowBundleWithSourceMap>>();

/** What replaying a history against a set of workflows says; undefined when it goes through. */
async function replay(
  path: string,
  { history, workflowId }: Recorded,
  interceptors: readonly string[] = [],
): Promise<Error | undefined> {
  const quiet = new DefaultLogger('ERROR', () => {});
  const key = [path, ...interceptors].join();
  if (!bundles.has(key))
    bundles.set(
      key,
      bundleWorkflowCode({ workflowsPath: path, workflowInterceptorModules: [...interceptors], logger: quiet }),
    );
  const workflowBundle = await bundles.get(key)!;
  for await (const result of Worker.runReplayHistories({ workflowBundle }, [{ workflowId, history }]))
    return result.error;
  throw new Error('nothing was replayed');
}

test('the recorded histories hold what they are named after', () => {
  expect(
    named('batch-of-children').history.events.filter((e) => e.eventType.endsWith('CHILD_WORKFLOW_EXECUTION_COMPLETED')),
  ).toHaveLength(4);
  const attempts = named('child-with-a-retried-activity').history.events.map(
    (e) => e.activityTaskStartedEventAttributes?.attempt ?? 0,
  );
  expect(Math.max(...attempts)).toBeGreaterThan(1);
  const fields =
    named('started-by-schedule').history.events[0]!.workflowExecutionStartedEventAttributes?.searchAttributes
      ?.indexedFields;
  expect(Object.keys(fields ?? {})).toContain('TemporalScheduledStartTime');
  const late = JSON.stringify(named('batch-with-late-readings').history);
  expect(late).toContain('VERSIONING_BEHAVIOR_PINNED');
  expect(late).toContain('"workflowId":"late-');
  const many = named('batch-of-many-children')
    .history.events.map(
      (e) => /(START_CHILD_WORKFLOW_EXECUTION_INITIATED|CHILD_WORKFLOW_EXECUTION_STARTED)$/.exec(e.eventType)?.[1],
    )
    .filter(Boolean);
  expect(many.filter((type) => type!.startsWith('START'))).toHaveLength(24);
  let asked = 0;
  expect(Math.max(...many.map((type) => (asked += type!.startsWith('START') ? 1 : -1)))).toBe(MAX_STARTS);
  const outage = named('child-with-an-outage');
  expect(JSON.stringify(outage.history)).toContain(Buffer.from('"outage-rounds"').toString('base64').slice(0, 12));
  expect(outage.history.events.filter((e) => e.eventType.endsWith('ACTIVITY_TASK_SCHEDULED'))).toHaveLength(2);
  // On record first, and closed whatever happened: the order that is in histories from then on.
  const activities = (name: string): string[] =>
    named(name).history.events.flatMap((e) => e.activityTaskScheduledEventAttributes?.activityType?.name ?? []);
  expect(activities('batch-of-an-unknown-release')).toEqual([
    'announceBatch',
    'readingsReady',
    'planBatch',
    'finishBatch',
  ]);
  expect(activities('batch-with-a-wrong-request')).toEqual(['announceBatch', 'finishBatch']);
  expect(named('child-of-a-failed-sensor').history.events.at(-1)!.eventType).toMatch(/WORKFLOW_EXECUTION_FAILED$/);
});

test('a batch that is planned as it is put on record is among them, with the chunks of its group', () => {
  const activities = (name: string): string[] =>
    recorded
      .find((r) => r.name === `0.3.0-planned-at-once/${name}.json`)!
      .history.events.flatMap((e) => e.activityTaskScheduledEventAttributes?.activityType?.name ?? []);
  expect(activities('batch-of-groups')).toEqual(['announceBatch', 'finishBatch', 'raiseAlarms']);
  expect(activities('child-of-a-group')).toEqual(['scoreChunk', 'scoreChunk']);
  expect(activities('waiting-then-cancelled')).toEqual(['announceBatch', 'finishBatch', 'raiseAlarms']);
});

test('a batch that decides on alarms is among them', () => {
  const { history } = recorded.find((r) => r.name === '0.2.0-alarms/batch-of-children.json')!;
  const names = history.events.map((event) => event.activityTaskScheduledEventAttributes?.activityType?.name);
  expect(names.filter((name) => name === 'finishBatch' || name === 'raiseAlarms')).toEqual([
    'finishBatch',
    'raiseAlarms',
  ]);
});

test.each(recorded.map((r) => r.name))('%s replays', async (name) => {
  expect(
    await replay(
      codeFile('workflows/index'),
      recorded.find((r) => r.name === name)!,
    ),
  ).toBeUndefined();
});

test.each(recorded.map((r) => r.name))('%s replays where tracing was switched on since', async (name) => {
  expect(
    await replay(
      codeFile('workflows/index'),
      recorded.find((r) => r.name === name)!,
      [codeFile('workflows/tracing')],
    ),
  ).toBeUndefined();
});

test('a change of the order of commands fails replay', async () => {
  const error = await replay(CHANGED, named('batch-of-children'));
  expect(error?.name).toBe('DeterminismViolationError');
});

test('histories hold ids, ranges and counts, never readings', () => {
  for (const { name, history } of recorded) {
    const payloads = [...JSON.stringify(history).matchAll(/"data":"([^"]*)"/g)].map((m) =>
      Buffer.from(m[1]!, 'base64').toString(),
    );
    expect(payloads.length).toBeGreaterThan(0);
    for (const payload of payloads)
      expect({ name, payload, bytes: payload.length < 3_000 }).toEqual({
        name,
        payload: expect.not.stringMatching(/"(mean|value|score)"/),
        bytes: true,
      });
  }
});
