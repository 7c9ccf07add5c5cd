/**
 * The page of a pool: steps of nodes, hostile names, a policy that lets nothing run; and what the demo makes of a run.
 */
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { judge, type DemoRun } from '../../bench/autoscale/statements.ts';
import { nodeSteps, type PoolPageData } from '../../report/pool/data.ts';
import { POOL_PAGE_POLICY, renderPoolPage } from '../../report/pool/page.ts';
import { findChromium, startBrowser } from './browser.ts';

const T = Date.parse('2026-11-23T14:00:00Z');
const at = (seconds: number): number => T + seconds * 1_000;
const EVIL = '</text></svg><script>document.title="owned"</script><img src=x onerror="document.title=1">';

const nodes = [
  { id: 'a', requestedAtMs: at(10), readyAtMs: at(14), endedAtMs: at(60), end: 'ended: exit code 0' },
  {
    id: 'b',
    requestedAtMs: at(10),
    readyAtMs: at(16),
    endedAtMs: at(40),
    end: 'failed: killed by SIGKILL',
    lost: true,
  },
  { id: 'c', requestedAtMs: at(45), endedAtMs: at(50), end: 'failed: no machine', lost: true },
];
const look = (second: number, ready: number, coming: number) => ({
  atMs: at(second),
  target: 2,
  busy: ready,
  tasks: 3,
  sensorsToGo: 100,
  ready,
  coming,
  leaving: 0,
  reason: '',
  batches: [],
});
const run: DemoRun = {
  fromMs: T,
  toMs: at(100),
  maxNodes: 2,
  sensors: 100,
  expected: 1,
  nodes,
  rows: 100,
  alive: 0,
  findings: new Map([['x', 0]]),
  looks: [look(1, 0, 0), look(5, 0, 0), look(20, 2, 0), look(90, 0, 0)],
  killed: { node: 'b', pid: 7, atMs: at(40), underWay: 2 },
  batches: [
    {
      id: 'x',
      dueMs: at(20),
      startedAtMs: at(20),
      finishedAtMs: at(55),
      sensors: 100,
      status: 'completed',
      scored: 100,
      failed: 0,
    },
  ],
};
const data: PoolPageData = {
  pool: 'scoring',
  fromMs: T,
  toMs: at(100),
  maxNodes: 2,
  looks: run.looks,
  nodes,
  batches: run.batches,
  marks: [{ atMs: at(40), text: 'worker killed' }],
  statements: judge(run),
  facts: [],
};

test('steps count who is coming and who is ready, at every change', () => {
  expect(nodeSteps(nodes, data).map(({ atMs, coming, ready }) => [(atMs - T) / 1_000, coming, ready])).toEqual([
    [0, 0, 0],
    [10, 2, 0],
    [14, 1, 1],
    [16, 0, 2],
    [40, 0, 1],
    [45, 1, 1],
    [50, 0, 1],
    [60, 0, 0],
  ]);
  expect(nodeSteps([{ id: 'd', requestedAtMs: T - 5 }], data).at(-1)).toEqual({ atMs: T, coming: 1, ready: 0 });
});

test('the demo says what it measured, and what does not hold', () => {
  expect(judge(run).filter((statement) => !statement.ok)).toEqual([]);
  const failing = (part: Partial<DemoRun>): string[] =>
    judge({ ...run, ...part })
      .filter((statement) => !statement.ok)
      .map((statement) => statement.text);
  expect(failing({ killed: undefined })).toEqual(['A worker is killed in the middle of its work']);
  expect(failing({ findings: new Map([['x', 2]]) })).toEqual([
    'Nothing is lost: the checker read every file of every batch',
  ]);
  expect(failing({ alive: 1 })).toEqual(['Zero workers at the end']);
  expect(failing({ batches: [{ ...run.batches[0]!, scored: 99 }] })).toEqual(['Every sensor of every batch is scored']);
  expect(failing({ batches: [{ ...run.batches[0]!, dueMs: at(12) }] })).toEqual([
    'A worker is ready before each batch is due',
  ]);
  expect(failing({ maxNodes: 1 })).toEqual(['The pool grows with the work, within its limit']);
  expect(failing({ looks: [look(1, 1, 0), ...run.looks] })).toEqual(['Zero workers at the start']);
});

test('the page lets nothing run, and hostile names are text', () => {
  const page = renderPoolPage({
    ...data,
    pool: EVIL,
    nodes: nodes.map((node) => ({ ...node, id: EVIL, end: EVIL })),
    batches: run.batches.map((batch) => ({ ...batch, id: EVIL })),
    marks: [{ atMs: at(40), text: EVIL }],
  });
  expect(page).not.toMatch(/<(script|img)/);
  expect(page).not.toMatch(/ style="/); // the policy would refuse it
  expect(POOL_PAGE_POLICY).toMatch(/^default-src 'none'; style-src 'sha256-/);
  expect(page).toContain('14:00');
});

const executable = findChromium();
(executable === undefined ? test.skip : test)(
  'in Chromium it loads without a complaint and is no wider than the ' +
    `screen${executable === undefined ? ' (skipped: none found)' : ''}`,
  async () => {
    const folder = mkdtempSync(join(tmpdir(), 'fleetscore-pool-page-'));
    const browser = await startBrowser(executable!);
    try {
      const file = join(folder, 'pool.html');
      writeFileSync(file, renderPoolPage(data));
      for (const view of [
        { width: 1280, height: 900 },
        { width: 390, height: 844, dark: true },
      ]) {
        await browser.open(file, view);
        expect(await browser.evaluate('document.documentElement.scrollWidth')).toBeLessThanOrEqual(view.width);
        expect(await browser.evaluate(`document.querySelectorAll('svg.pool rect').length`)).toBeGreaterThan(3);
        expect(browser.complaints).toEqual([]);
      }
    } finally {
      await browser.close();
      rmSync(folder, { recursive: true, force: true, maxRetries: 5 });
    }
  },
  60_000,
);
