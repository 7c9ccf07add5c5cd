/**
 * A home of an earlier version whose servers run again, as the laptop stack of this one runs them, without Temporal.
 */
import { fork, type ChildProcess } from 'node:child_process';
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import type { Env } from '../../config.ts';
import { startEventHubsEmulator } from '../../local/event-hubs/emulator.ts';
import { codeFile } from '../../paths.ts';
import { createBlobStore } from '../../storage/azure-blobs.ts';
import type { BlobStore } from '../../storage/blobs.ts';
import { cleanEnv, runCli, type CliResult } from '../support/cli.ts';
import { startOwnBlobServer } from '../support/own-blob-server.ts';
import { HOMES, unpackHome, type Expected } from './homes.ts';

export interface Reading {
  readonly tsMs: number;
  readonly device: string;
  readonly sensor: string;
  readonly value: number;
}

export interface Revived {
  readonly expected: Expected;
  /** All that was ever sent to it, read by its workers or not. */
  readonly readings: readonly Reading[];
  readonly blobs: BlobStore;
  readonly sqlUrl: string;
  cli(args: readonly string[], env?: Env): Promise<CliResult>;
  /** A real ingest worker; resolves when it reads. */
  startIngest(): Promise<ChildProcess>;
  stop(): Promise<void>;
}

/** Events of a frozen home are older than any retention. */
const FOR_EVER_MS = 1_000 * 365 * 86_400_000;

export async function revive(name: string, home: string): Promise<Revived> {
  const expected = unpackHome(name, home);
  const data = join(home, 'data');
  const blob = await startOwnBlobServer(join(data, 'blobs'), join(data, 'azurite'));
  const hub = await startEventHubsEmulator({
    hubs: [{ name: 'readings', partitions: 4, consumerGroups: [] }],
    port: 0,
    dataDir: join(data, 'event-hubs'),
    retentionMs: FOR_EVER_MS,
    log: () => {},
  });
  const sqlUrl = `sqlite:${join(data, 'fleet.db')}`;
  const env: Env = {
    ...HOMES[name]!.env,
    FLEETSCORE_SQL_URL: sqlUrl,
    FLEETSCORE_BLOB_CONNECTION_STRING: blob.connectionString,
    FLEETSCORE_EVENT_HUBS_CONNECTION_STRING: hub.connectionString(),
    FLEETSCORE_CAPTURE_INTERVAL: '1s',
    // Nobody listens there.
    TEMPORAL_ADDRESS: '127.0.0.1:1',
  };
  const workers: ChildProcess[] = [];
  const ended = (child: ChildProcess): Promise<unknown> =>
    child.exitCode === null && child.signalCode === null
      ? new Promise((resolve) => child.once('exit', resolve))
      : Promise.resolve();
  return {
    expected,
    readings: parse(readFileSync(join(home, 'readings.csv'), 'utf8')),
    blobs: createBlobStore({ connectionString: blob.connectionString }),
    sqlUrl,
    cli: (args, more = {}) => runCli(home, args, { ...env, ...more }),
    async startIngest() {
      const child = fork(codeFile('workers/ingest'), [], {
        env: {
          ...cleanEnv(),
          ...env,
          FLEETSCORE_HOME: home,
          FLEETSCORE_INGEST_WORKER: 'ingest-0',
        },
        stdio: ['ignore', 'ignore', 'pipe', 'ipc'],
        execArgv: ['--disable-warning=ExperimentalWarning'],
      });
      workers.push(child);
      let said = '';
      child.stderr!.on('data', (chunk: Buffer) => (said += chunk.toString()));
      await new Promise<void>((resolve, reject) => {
        child.on('message', (message: { readonly ready?: boolean }) => message.ready && resolve());
        child.once('exit', (code) => reject(new Error(`the ingest worker ended (${code}): ${said}`)));
      });
      return child;
    },
    async stop() {
      for (const child of workers) child.kill('SIGTERM');
      await Promise.all(workers.map(ended));
      await hub.stop();
      await blob.stop();
    },
  };
}

function parse(csv: string): Reading[] {
  return csv
    .trim()
    .split('\n')
    .slice(1)
    .map((line) => {
      const [ts, device, sensor, value] = line.split(',') as [string, string, string, string];
      return { tsMs: Date.parse(ts), device, sensor, value: Number(value) };
    });
}
