/**
 * `npm run bench -- --growth`: how planning grows with a fleet. A store with sensors and no windows; a batch is put on
 * record, cut into groups, and each group into chunks, as the activities planBatch and planGroup do it. Scoring is left
 * out: its time is that of its chunks, whose number is what is counted here.
 *
 *   npm run bench -- --growth [--sizes 100000,1000000,3000000] [--windows 15]
 */
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { parseArgs } from 'node:util';
import { planGroups } from '../batches/plan.ts';
import type { SensorKey } from '../domain/sensor.ts';
import { simulatedSensor } from '../samples/simulate.ts';
import { openStore } from '../storage/open-store.ts';
import type { Store } from '../storage/store.ts';
import { load } from './machine.ts';

const HOP = 5_000;
/** Sensors of one transaction. */
const SLICE = 5_000;
/** Events of a history: some for the workflow itself, and those of each child or chunk, as RESULTS.md counts them. */
const OWN_EVENTS = 60;
const EVENTS_EACH = 6.3;

interface Growth {
  readonly sensors: number;
  readonly cpuSeconds: number;
  readonly perGroup: number;
  readonly perChunk: number;
  readonly groups: number;
  readonly chunks: number;
}

export async function benchGrowth(args: readonly string[]): Promise<void> {
  const { sizes, windows } = flagsOf(args);
  const dir = mkdtempSync(join(tmpdir(), 'fleetscore-growth-'));
  const found: Growth[] = [];
  try {
    const store = await openStore(`sqlite:${join(dir, 'fleet.db')}`);
    try {
      await store.migrate();
      await store.createRelease('bench', 0, [], []);
      await store.setCurrentRelease('bench');
      let there = 0;
      for (const sensors of sizes) {
        await addSensors(store, there, sensors);
        there = sensors;
        found.push(await plan(store, sensors, windows));
        process.stderr.write(`  ${sensors}: planned in ${found.at(-1)!.cpuSeconds.toFixed(2)} s of CPU\n`);
      }
    } finally {
      await store.close();
    }
  } finally {
    rmSync(dir, { recursive: true, force: true });
  }
  process.stdout.write(`load after ${load()}\n\n${growthTable(found)}`);
}

/** @throws Error that says which flag is wrong */
export function flagsOf(args: readonly string[]): { readonly sizes: readonly number[]; readonly windows: number } {
  const { values } = parseArgs({
    args: [...args],
    options: {
      growth: { type: 'boolean' },
      sizes: { type: 'string', default: '100000,1000000,3000000' },
      windows: { type: 'string', default: '15' },
    },
  });
  const whole = (flag: string, text: string): number => {
    const value = Number(text);
    if (Number.isInteger(value) && value >= 1 && value <= 10_000_000) return value;
    throw new Error(`--${flag} takes whole numbers from 1 to 10,000,000, not ${JSON.stringify(text)}`);
  };
  const sizes = values.sizes.split(',').map((text) => whole('sizes', text));
  return { sizes: sizes.toSorted((a, b) => a - b), windows: whole('windows', values.windows) };
}

async function addSensors(store: Store, from: number, to: number): Promise<void> {
  for (let at = from; at < to; at += SLICE) {
    const slice: SensorKey[] = [];
    for (let i = at; i < Math.min(to, at + SLICE); i++) slice.push(simulatedSensor(i));
    await store.registerSensors(slice.map((key) => ({ ...key, unit: '' })));
  }
}

async function plan(store: Store, sensors: number, windows: number): Promise<Growth> {
  const period = { fromMs: 0, toMs: windows * HOP };
  const id = `growth-${sensors}`;
  const before = process.cpuUsage();
  const record = { id, workflowId: id, runId: id, kind: 'score', release: 'bench', codeVersion: '1' } as const;
  const batch = await store.createBatch({ ...record, startedAtMs: 0, ...period });
  const shape = { windowMs: HOP, hopMs: HOP };
  const deps = { store, windows: shape } as unknown as Parameters<typeof planGroups>[0];
  const input = { batchId: id, workflowId: id, runId: id, ...period };
  const { groups, sensorsPerActivity } = await planGroups(deps, batch, input);
  let [chunks, planned] = [0, 0];
  for (const group of groups) {
    const ranges = await store.planRanges(id, sensorsPerActivity, group);
    chunks += ranges.length;
    for (const { count } of ranges) planned += count;
  }
  if (planned !== sensors) throw new Error(`the chunks of ${sensors} sensors hold ${planned}`);
  const { user, system } = process.cpuUsage(before);
  return {
    sensors,
    cpuSeconds: (user + system) / 1e6,
    perGroup: groups[0]!.count,
    perChunk: sensorsPerActivity,
    groups: groups.length,
    chunks,
  };
}

function growthTable(found: readonly Growth[]): string {
  const rows = found.map(({ sensors, cpuSeconds, perGroup, perChunk, groups, chunks }) => {
    const perChild = Math.ceil(perGroup / perChunk);
    const events = Math.round(OWN_EVENTS + EVENTS_EACH * Math.max(groups, perChild));
    return (
      `| ${sensors.toLocaleString('en')} | ${cpuSeconds.toFixed(2)} | ${((cpuSeconds * 1e6) / sensors).toFixed(2)} ` +
      `| ${groups} | ${chunks} | ${perChild} | ${events} |\n`
    );
  });
  return (
    '| sensors | planning, s of CPU | us a sensor | child workflows | chunks | chunks a child | events, about |\n' +
    `| ---: | ---: | ---: | ---: | ---: | ---: | ---: |\n${rows.join('')}`
  );
}
