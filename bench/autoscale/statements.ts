/** What the demo promises, judged from what was seen. Pure. */
import { formatCount, formatMs, formatNumberOf } from '../../report/format.ts';
import { nodeSteps, type PoolBatch, type PoolNodeLife, type Statement } from '../../report/pool/data.ts';
import type { Killed } from './kill.ts';
import type { Look } from './timeline.ts';

export interface DemoRun {
  readonly fromMs: number;
  readonly toMs: number;
  readonly maxNodes: number;
  readonly sensors: number;
  /** Batches that were to come. */
  readonly expected: number;
  readonly batches: readonly (PoolBatch & { readonly scored: number; readonly failed: number })[];
  readonly nodes: readonly PoolNodeLife[];
  readonly looks: readonly Look[];
  readonly killed: Killed | undefined;
  /** Findings of the checker, by batch; -1 where it could not look. */
  readonly findings: ReadonlyMap<string, number>;
  /** Rows of predictions that the checker read. */
  readonly rows: number;
  /** Processes of scoring workers that still live at the end. */
  readonly alive: number;
}

export function judge(run: DemoRun): Statement[] {
  return [
    atStart(run),
    ahead(run),
    withinLimits(run),
    lost(run),
    allScored(run),
    checked(run),
    atEnd(run),
    cheaper(run),
  ];
}

const seconds = (ms: number): string => `${(ms / 1000).toFixed(1)} s`;

function atStart({ looks, nodes, fromMs }: DemoRun): Statement {
  const asked = Math.min(...nodes.map((node) => node.requestedAtMs));
  const before = looks.filter((look) => look.atMs < asked);
  const ok =
    before.length > 0 && before.every((look) => look.ready + look.coming + look.leaving === 0) && asked > fromMs;
  return {
    ok,
    text: 'Zero workers at the start',
    measured:
      `no node in ${formatNumberOf(before.length, 'look')} over ${seconds(Math.max(0, asked - fromMs))}, until ` +
      'the first was asked for',
  };
}

function ahead({ batches, nodes, expected }: DemoRun): Statement {
  const leads = batches.map((batch) => {
    const lives = nodes.filter(
      (node) =>
        node.readyAtMs !== undefined &&
        node.readyAtMs <= batch.dueMs! &&
        (node.endedAtMs ?? Number.POSITIVE_INFINITY) > batch.dueMs!,
    );
    return lives.length === 0 ? undefined : batch.dueMs! - Math.min(...lives.map((node) => node.readyAtMs!));
  });
  const words = leads.map((lead) => (lead === undefined ? 'none was ready' : `ready ${seconds(lead)} before`));
  return {
    ok: leads.length === expected && leads.every((lead) => lead !== undefined),
    text: 'A worker is ready before each batch is due',
    measured: words.join(', '),
  };
}

function withinLimits({ nodes, maxNodes, fromMs, toMs }: DemoRun): Statement {
  const peak = Math.max(0, ...nodeSteps(nodes, { fromMs, toMs }).map((step) => step.coming + step.ready));
  const ready = Math.max(0, ...nodeSteps(nodes, { fromMs, toMs }).map((step) => step.ready));
  return {
    ok: ready > 1 && peak <= maxNodes,
    text: 'The pool grows with the work, within its limit',
    measured: `${ready} workers at once, ${maxNodes} allowed`,
  };
}

function lost({ killed, nodes, batches }: DemoRun): Statement {
  const text = 'A worker is killed in the middle of its work';
  if (!killed) return { ok: false, text, measured: 'no worker was caught at work' };
  const node = nodes.find((one) => one.id === killed.node);
  const batch = batches.find(
    (one) => one.startedAtMs <= killed.atMs && (one.finishedAtMs ?? Number.POSITIVE_INFINITY) >= killed.atMs,
  );
  return {
    ok: killed.underWay > 0 && node?.lost === true && batch !== undefined,
    text,
    measured:
      `process ${killed.pid} got SIGKILL with ` +
      `${formatNumberOf(killed.underWay, 'scoring activity', 'scoring activities')} under way; ` +
      `the pool saw: ${node?.end ?? 'nothing'}`,
  };
}

function allScored({ batches, expected, sensors }: DemoRun): Statement {
  const whole = batches.filter(
    (batch) => batch.status === 'completed' && batch.scored === sensors && batch.sensors === sensors,
  );
  const took = batches.map((batch) =>
    batch.finishedAtMs === undefined ? 'not ended' : formatMs(batch.finishedAtMs - batch.startedAtMs),
  );
  return {
    ok: batches.length === expected && whole.length === expected,
    text: 'Every sensor of every batch is scored',
    measured:
      `${whole.length} of ${expected} batches with ${formatCount(sensors)} of ${formatCount(sensors)} sensors ` +
      `scored; they took ${took.join(', ')}`,
  };
}

function checked({ findings, expected, rows }: DemoRun): Statement {
  const clean = [...findings.values()].filter((found) => found === 0).length;
  const total = [...findings.values()].reduce((sum, found) => sum + Math.max(0, found), 0);
  return {
    ok: findings.size === expected && clean === expected,
    text: 'Nothing is lost: the checker read every file of every batch',
    measured:
      `${formatNumberOf(total, 'finding')} in ${formatNumberOf(findings.size, 'batch', 'batches')}, ` +
      `${formatCount(rows)} rows of predictions`,
  };
}

function atEnd({ looks, nodes, alive, batches }: DemoRun): Statement {
  const last = looks.at(-1);
  const living = nodes.filter((node) => node.endedAtMs === undefined).length;
  const done = Math.max(...batches.map((batch) => batch.finishedAtMs ?? Number.POSITIVE_INFINITY));
  const gone = Math.max(...nodes.map((node) => node.endedAtMs ?? Number.POSITIVE_INFINITY));
  const ok =
    last !== undefined &&
    last.ready + last.coming + last.leaving === 0 &&
    living === 0 &&
    alive === 0 &&
    Number.isFinite(done);
  return {
    ok,
    text: 'Zero workers at the end',
    measured: ok
      ? `the last process ended ${seconds(gone - done)} after the last batch`
      : `${living} nodes and ${alive} processes are left`,
  };
}

function cheaper({ nodes, fromMs, toMs }: DemoRun): Statement {
  const used = nodes.reduce((sum, node) => sum + ((node.endedAtMs ?? toMs) - node.requestedAtMs), 0);
  const peak = Math.max(0, ...nodeSteps(nodes, { fromMs, toMs }).map((step) => step.coming + step.ready));
  const always = peak * (toMs - fromMs);
  return {
    ok: nodes.length > 0 && used < always,
    text: 'It costs less than the same workers always on',
    measured:
      `${seconds(used)} of node time against ` +
      `${seconds(always)}${used > 0 ? `: ${(always / used).toFixed(1)} times` : ''}`,
  };
}
