/**
 * `npm run bench -- --ui`: how long pages of the web application take on a plant that has run for a while: a month of a
 * device with ten sensors at 5 s windows, and the first screen of a fleet of 10,000 sensors. A server and a store in
 * SQLite; the client waits for the last byte. CPU is that of server and store, which are this process.
 *
 *   npm run bench -- --ui [--days 30] [--sensors 10000]
 */
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { parseArgs } from 'node:util';
import { loadConfig } from '../config.ts';
import { FleetscoreError } from '../domain/errors.ts';
import { openStore } from '../storage/open-store.ts';
import { startUi } from '../ui/server.ts';
import { load } from './machine.ts';
import { DAY_MS, fillStore, type Filled } from './year-fill.ts';

const ROUNDS = 3;

interface Page {
  readonly name: string;
  readonly path: string;
}

/** Serves a store as it is on disk, as of the end of its data, and asks for pages. */
async function ask(file: string, { toMs }: Filled, pages: readonly Page[]): Promise<void> {
  const store = await openStore(`sqlite:${file}`);
  const missing = async (): Promise<never> => {
    throw new FleetscoreError('NOT_CONFIGURED', 'there is none in this bench.');
  };
  const server = await startUi({
    deps: {
      config: loadConfig({ FLEETSCORE_SQL_URL: `sqlite:${file}` }),
      store: async () => store,
      blobs: missing,
      client: missing,
      workflowPage: () => undefined,
      now: () => toMs,
    },
    host: '127.0.0.1',
    port: 0,
    user: 'bench',
  });
  try {
    for (const { name, path } of pages)
      for (let round = 1; round <= ROUNDS; round++) {
        const [started, cpu] = [performance.now(), process.cpuUsage()];
        const answer = await fetch(server.url + path);
        const { length } = await answer.text();
        const ms = performance.now() - started;
        const { user, system } = process.cpuUsage(cpu);
        process.stdout.write(
          `${name.padEnd(44)} ${answer.status}  ${ms.toFixed(0).padStart(6)} ms  ` +
            `${((user + system) / 1_000).toFixed(0).padStart(6)} ms CPU  ${(length / 1_024).toFixed(0)} KiB\n`,
        );
      }
  } finally {
    await server.close();
    await store.close();
  }
}

export async function benchUi(args: readonly string[]): Promise<void> {
  const { values } = parseArgs({
    args: [...args],
    options: {
      ui: { type: 'boolean' },
      days: { type: 'string', default: '30' },
      sensors: { type: 'string', default: '10000' },
    },
  });
  const folder = mkdtempSync(join(tmpdir(), 'fleetscore-bench-ui-'));
  const say = (line: string): void => void process.stdout.write(`${line}\n`);
  try {
    say(`load ${load()}`);
    const month = join(folder, 'month.db');
    const device = await fillStore(month, Number(values.days), 10, say, { stepMs: 5_000, perDevice: 10 });
    await ask(month, device, [
      { name: `a month of a device with ten sensors`, path: '/devices/d0?span=month' },
      { name: 'a week of it', path: '/devices/d0?span=week' },
    ]);
    const wide = join(folder, 'fleet.db');
    const fleet = await fillStore(wide, 1, Number(values.sensors), say, { stepMs: DAY_MS / 24, perDevice: 10 });
    await ask(wide, fleet, [
      { name: `the first screen, ${values.sensors} sensors`, path: '/' },
      { name: `devices, ${values.sensors} sensors`, path: '/devices' },
    ]);
  } finally {
    rmSync(folder, { recursive: true, force: true });
  }
}
