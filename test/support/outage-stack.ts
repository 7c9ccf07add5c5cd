/**
 * A laptop stack whose workers reach every service through a proxy, and readings that flow into it past the proxies:
 * what is sent is known exactly, whatever happens in between. Free of jest.
 */
import { readFileSync, rmSync } from 'node:fs';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { openContext, type Context } from '../../cli/frame/context.ts';
import type { Env } from '../../config.ts';
import { createProducer } from '../../ingest/connect.ts';
import { parseCaptureName } from '../../ingest/capture.ts';
import { readCapture } from '../../ingest/capture-file.ts';
import { LEAN, startChild, untilReady, type StackChild } from '../../local/child.ts';
import { codeFile } from '../../paths.ts';
import { openStore } from '../../storage/open-store.ts';
import { startBlobProxy, type BlobProxy } from './blob-proxy.ts';
import { cleanEnv, TOOLS } from './cli.ts';
import { startServers } from './own-servers.ts';
import { onSqlite } from './tds/on-sqlite.ts';
import { startTdsServer, type TdsServer } from './tds/server.ts';
import { startTcpProxy, type TcpProxy } from './tcp-proxy.ts';

export interface Feed {
  /** Readings that Event Hubs has. */
  sent(): number;
  /** Sends so many at once, as they wait after an outage. */
  burst(readings: number): Promise<void>;
  /** Events that are in the windows. */
  applied(): Promise<number>;
  /** Resolves when all that was sent until now is in the windows. @throws when that takes longer */
  untilIngested(withinMs: number): Promise<void>;
  /** Readings applied too often (above 0) or not at all though their event counts as read (below 0), by SQL. */
  off(): Promise<number>;
  /** Stops, lets ingest finish, and holds windows and raw capture to what was sent: what does not fit. */
  check(): Promise<string[]>;
}

export interface OutageStack {
  /** Past the proxies. */
  readonly context: Context;
  readonly blob: BlobProxy;
  readonly eventHubs: TcpProxy;
  readonly temporal: TcpProxy;
  /** The network in front of SQL, and the server that workers talk to. */
  readonly sql: TcpProxy;
  readonly sqlServer: TdsServer;
  readonly feed: Feed;
  /** Resident memory of a worker, by role, most since the last call; MiB. */
  memory(): Readonly<Record<string, number>>;
  /** Kills the scoring worker, which comes back without models: it has to read them anew. */
  forgetModels(): Promise<void>;
  stop(): Promise<void>;
}

const START_MS = 240_000;
const EVERY_MS = 100;
const KNOWN: ReadonlySet<string> = new Set(
  [
    'HOME',
    'BLOB_CONNECTION_STRING',
    'EVENT_HUBS_CONNECTION_STRING',
    'EVENT_HUB',
    'SQL_URL',
    'CAPTURE_INTERVAL',
    'SCORING_THREADS',
  ].map((name) => `FLEETSCORE_${name}`),
);

/** @param prepare before the workers start */
export async function startOutageStack(
  home: string,
  sensors: number,
  prepare: (context: Context) => Promise<void>,
): Promise<OutageStack> {
  const auto = Object.fromEntries(
    ['TEMPORAL', 'UI', 'BLOB', 'EVENT_HUBS'].map((part) => [`FLEETSCORE_${part}_PORT`, 'auto']),
  );
  const env: Env = {
    ...cleanEnv(),
    FLEETSCORE_HOME: home,
    FLEETSCORE_TOOLS_DIR: TOOLS,
    FLEETSCORE_CAPTURE_INTERVAL: '5s',
    FLEETSCORE_SCORING_THREADS: '1',
    ...auto,
  };
  const engine = onSqlite(join(home, 'fleet.db'));
  const [sqlServer, sqlDirect] = [await startTdsServer({ engine }), await startTdsServer({ engine })];
  const ownSql: Env = { FLEETSCORE_SQL_URL: sqlDirect.url() };
  const schema = await openStore(sqlDirect.url());
  await schema.migrate();
  await schema.close();
  // Its own store is made and not used: another build has another schema.
  const stack = await startServers(env);
  // Only what every build knows.
  const given = Object.fromEntries(
    Object.entries({ ...stack.env, ...ownSql }).filter(([name]) => !name.startsWith('FLEETSCORE_') || KNOWN.has(name)),
  );
  // A home of its own: that of the stack names its servers, in the words of this build.
  const context = openContext({ home: join(home, 'looks') }, { ...given, FLEETSCORE_HOME: join(home, 'looks') });
  const portIn = (name: string): number => Number(/(?:127\.0\.0\.1|localhost):(\d+)/.exec(stack.env[name]!)![1]);
  const [blob, eventHubs, temporal, sql] = [
    await startBlobProxy(portIn('FLEETSCORE_BLOB_CONNECTION_STRING')),
    await startTcpProxy(portIn('FLEETSCORE_EVENT_HUBS_CONNECTION_STRING')),
    await startTcpProxy(portIn('TEMPORAL_ADDRESS')),
    await startTcpProxy(sqlServer.port),
  ];
  const through = (name: string, port: number): Env => ({
    [name]: stack.env[name]!.replace(/(127\.0\.0\.1|localhost):\d+/, `$1:${port}`),
  });
  const workerEnv: Env = {
    ...given,
    ...through('FLEETSCORE_BLOB_CONNECTION_STRING', blob.port),
    ...through('FLEETSCORE_EVENT_HUBS_CONNECTION_STRING', eventHubs.port),
    ...through('TEMPORAL_ADDRESS', temporal.port),
    FLEETSCORE_SQL_URL: sqlServer.url().replace(`,${sqlServer.port};`, `,${sql.port};`),
  };

  const workers = new Map<string, StackChild>();
  let stopping = false;
  /** Started again when it ends, as every supervisor does. */
  const supervise = async (role: string): Promise<void> => {
    const child = startChild({
      name: `${role} worker`,
      file: codeFile(`workers/${role}`),
      logFile: join(home, 'logs', `${role}.log`),
      nodeArgs: role === 'scoring' ? [] : LEAN,
      env: workerEnv,
    });
    workers.set(role, child);
    void child.ended.then(async () => {
      await sleep(500);
      if (!stopping) await supervise(role).catch(() => {});
    });
    await untilReady(child, START_MS);
  };
  // Earlier builds publish into containers that are there.
  await context.blobs().prepare();
  await prepare(context);
  await Promise.all(['ingest', 'control', 'scoring'].map(supervise));
  const most = new Map<string, number>();
  const sampling = setInterval(() => {
    for (const [role, { pid }] of workers) most.set(role, Math.max(most.get(role) ?? 0, residentMib(pid)));
  }, 500);
  const feed = startFeed(context, stack.env, sensors);
  return {
    context,
    blob,
    eventHubs,
    temporal,
    sql,
    sqlServer,
    memory() {
      const found = Object.fromEntries(most);
      most.clear();
      return found;
    },
    feed: {
      ...feed,
      async check() {
        await feed.halt();
        await feed.untilIngested(START_MS);
        stopping = true;
        await workers.get('ingest')!.stop();
        return feed.compare();
      },
    },
    async forgetModels() {
      const child = workers.get('scoring')!;
      process.kill(child.pid, 'SIGKILL');
      await child.ended;
      rmSync(join(home, 'cache', 'models'), { recursive: true, force: true });
    },
    async stop() {
      stopping = true;
      clearInterval(sampling);
      blob.plan();
      sqlServer.heal();
      await Promise.all([eventHubs.fault(), temporal.fault(), sql.fault()]);
      await feed.halt();
      await context.close();
      await Promise.all([...workers.values()].map((child) => child.stop()));
      await stack.stop();
      await Promise.all([blob.stop(), eventHubs.stop(), temporal.stop(), sql.stop()]);
      await Promise.all([sqlServer.close(), sqlDirect.close()]);
    },
  };
}

/** 0 where the system does not tell, or the process is gone. */
function residentMib(pid: number): number {
  try {
    return Number(/VmRSS:\s+(\d+) kB/.exec(readFileSync(`/proc/${pid}/status`, 'utf8'))![1]) / 1024;
  } catch {
    return 0;
  }
}

interface RunningFeed extends Omit<Feed, 'check'> {
  halt(): Promise<void>;
  compare(): Promise<string[]>;
}

/** One reading an event, a few events at a time, to all partitions in turn. */
function startFeed(context: Context, env: Env, sensors: number): RunningFeed {
  const hub = context.config.eventHubs.hub;
  const producer = createProducer({
    connection: { connectionString: env.FLEETSCORE_EVENT_HUBS_CONNECTION_STRING! },
    hub,
  });
  let sent = 0;
  let halted = false;
  const event = (n: number, value: number) => ({
    body: { device: `device-${1 + (n % 5)}`, sensor: `sensor-${n + 1}`, ts: Date.now() + n, value },
  });
  const run = (async (): Promise<void> => {
    for (let round = 0; !halted; round++) {
      const events = Array.from({ length: 4 }, (_, i) => event((round * 4 + i) % sensors, round));
      await producer.sendBatch(events);
      sent += events.length;
      await sleep(EVERY_MS);
    }
    await producer.close();
  })();
  run.catch(() => {});
  const progress = async () => (await context.store()).listProgress();
  const sum = (numbers: readonly number[]): number => numbers.reduce((total, number) => total + number, 0);
  return {
    sent: () => sent,
    async burst(readings) {
      for (let from = 0; from < readings; from += 500) {
        await producer.sendBatch(Array.from({ length: 500 }, (_, i) => event(i % sensors, from + i)));
        sent += 500;
      }
    },
    applied: async () => sum((await progress()).map(({ appliedSeq }) => appliedSeq + 1)),
    async untilIngested(withinMs) {
      const wanted = sent;
      for (const end = Date.now() + withinMs; ; await sleep(50)) {
        const read = sum((await progress()).map(({ appliedSeq }) => appliedSeq + 1));
        if (read >= wanted) return;
        if (Date.now() > end) throw new Error(`ingest has ${read} of ${wanted} events after ${withinMs / 1_000} s`);
      }
    },
    off: async () => sum((await progress()).map(({ readings, appliedSeq }) => readings - appliedSeq - 1)),
    async halt() {
      halted = true;
      await run;
    },
    async compare() {
      const all = await progress();
      const problems: string[] = [];
      const readings = sum(all.map((one) => one.readings));
      if (readings !== sent) problems.push(`${sent} readings were sent, ${readings} are in the windows`);
      const captured = new Map<string, number[]>();
      const blobs = context.blobs();
      const files = [];
      for await (const { name } of blobs.list('raw', '')) files.push(parseCaptureName(name)!);
      files.sort((a, b) => a.partition.localeCompare(b.partition) || a.timeMs - b.timeMs || a.order - b.order);
      for (const { name, partition } of files) {
        const seqs = captured.get(partition) ?? [];
        captured.set(partition, seqs);
        seqs.push(...readCapture(await blobs.get('raw', name), name).map(({ seq }) => seq));
      }
      for (const { partition, appliedSeq } of all) {
        const seqs = captured.get(partition) ?? [];
        const wrong = seqs.findIndex((seq, i) => seq !== i);
        if (wrong >= 0 || seqs.length !== appliedSeq + 1)
          problems.push(
            `raw capture of partition ${partition} has ${seqs.length} of ${appliedSeq + 1} events${wrong < 0 ? '' : `, out of order or twice at ${wrong}`}`,
          );
      }
      return problems;
    },
  };
}
